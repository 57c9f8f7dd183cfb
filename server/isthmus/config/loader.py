"""The loader: a file in, a configuration out, or everything that is wrong with it at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from isthmus.config.checks import check
from isthmus.config.clients import normalised
from isthmus.config.faults import Findings, InvalidConfiguration, Place, Unreadable, unreadable
from isthmus.config.model import Configuration
from isthmus.config.nodes import Node, kind
from isthmus.config.places import home
from isthmus.config.reader import read_tree
from isthmus.config.validation import validated
from isthmus.config.variables import expand
from isthmus.config.yaml_reader import SMALLEST


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, the file that it came from, and what its operator should know."""

    configuration: Configuration
    path: Path
    warnings: tuple[str, ...] = ()  # `file:line: keys: remark`

    @property
    def base(self) -> Path:
        """The folder from which relative paths were taken."""
        return self.path.parent


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read a configuration: YAML or JSON, ours or another client's.

    Variables are expanded, paths made absolute, and upstreams named as programs name them. No file that the
    configuration names is read, and nothing is started.

    Raises:
        InvalidConfiguration: with all faults, each with file, line, keys and remedy, and no value of the file in it.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would leave the folder that a symlink stands in
    findings = Findings()
    try:
        root = _mapping(read_tree(path, findings))
    except Unreadable as error:
        raise InvalidConfiguration(str(path), [*findings.faults, error.fault]) from None
    configuration = _interpreted(root, path.parent, environ, findings)
    if findings.faults or configuration is None:
        raise InvalidConfiguration(str(path), findings.faults)
    _remark_writable(path, findings)
    return Loaded(configuration, path, findings.warnings(str(path)))


def _interpreted(root: Node, folder: Path, environ: Mapping[str, str], findings: Findings) -> Configuration | None:
    ours = normalised(root, findings)
    expanded = expand(ours, environ, findings)
    placed = check(expanded, folder, home(environ), findings)
    return validated(placed, findings)


def _mapping(root: Node) -> Node:
    if not isinstance(root.value, Mapping):
        problem = f"a mapping is wanted at the top, and this is {kind(root)}"
        raise unreadable(problem, SMALLEST, root.place.line)
    return root


def _remark_writable(path: Path, findings: Findings) -> None:
    """A file that names programs to start should be its owner's alone to write."""
    if os.name == "posix" and path.stat().st_mode & stat.S_IWOTH:
        findings.remark(Place(), f"every user of this machine can write this file: chmod o-w {path}")
