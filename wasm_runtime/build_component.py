"""Make the guest component: Python and WIT in, `isthmus_sandbox/guest.wasm` out.

A hatchling build hook, so that installing the package is all the set-up, from a wheel or editable; and a script:

    python wasm_runtime/build_component.py [--force]

What it was made from is noted in the component itself, in a custom section at its end; as long as that agrees with
the sources, nothing is made again. Two builds of the same sources do not give the same bytes: the interpreter that is
frozen into the component has drawn random numbers by then.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SECTION = b"isthmus-inputs"
_TOOLS = ("componentize-py", "tzdata")
_RUN_TOOL = "import componentize_py; componentize_py.script()"  # it has no __main__
_WORLD, _MODULE = "sandbox", "guest.main"


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs a wheel, editable ones included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the interface's
        """Make the component, and have it packed though version control ignores it."""
        component = build(Path(self.root))
        build_data["artifacts"].append(component.relative_to(self.root).as_posix())


def build(root: Path, *, force: bool = False) -> Path:
    """Make the component of the source tree at `root`, unless it is there and its inputs are the same.

    Returns: where it is.
    Raises:
        SystemExit: componentize-py failed; its own words went to stderr.
    """
    runtime = root / "wasm_runtime"
    target = runtime / "isthmus_sandbox" / "guest.wasm"
    wit = root / "specs" / "guest.wit"
    section = _custom_section(inputs_digest(runtime / "guest", wit))
    if not force and _ends_with(target, section):
        _say(f"{target.name} is up to date")
        return target
    _say("making the guest component (10 to 60 s)")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="isthmus-build-") as staging:
        made = _componentize(runtime / "guest", wit, Path(staging))
        with made.open("ab") as file:
            file.write(section)
        _replace(made, target)
    _say(f"made {target.name}, {target.stat().st_size / 1e6:.1f} MB, in {time.monotonic() - started:.0f} s")
    return target


def inputs_digest(guest: Path, wit: Path) -> str:
    """A hash of all that decides about the component: sources, world, versions of the tools, and this file."""
    digest = hashlib.sha256()
    for tool in _TOOLS:
        digest.update(f"{tool} {version(tool)}\n".encode())
    for path in (Path(__file__), wit, *_sources(guest)):
        digest.update(f"{path.name} {len(path.read_bytes())}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(guest: Path) -> list[Path]:
    return sorted(path for path in guest.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _componentize(guest: Path, wit: Path, staging: Path) -> Path:
    """Stage the guest and what it needs where nothing else is, and run componentize-py there."""
    source, nothing, made = staging / "source", staging / "nothing", staging / "guest.wasm"
    without = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(guest, source / "guest", ignore=without)
    shutil.copytree(_package("tzdata"), source / "tzdata", ignore=without)
    # Otherwise it would take the modules of whatever environment it runs in.
    (nothing / "lib" / "python3" / "site-packages").mkdir(parents=True)
    command = [sys.executable, "-c", _RUN_TOOL, "--quiet", "--wit-path", str(wit), "--world", _WORLD]
    command += ["componentize", _MODULE, "--python-path", str(source), "--output", str(made)]
    result = subprocess.run(  # noqa: S603 - our own arguments
        command, check=False, stdout=sys.stderr, env={**os.environ, "VIRTUAL_ENV": str(nothing)}
    )
    if result.returncode != 0:
        raise SystemExit(f"componentize-py failed with status {result.returncode}; its own words are above")
    return made


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"the package {name} is missing; remedy: pip install {name}")
    return Path(spec.origin).parent


def _custom_section(digest: str) -> bytes:
    """A section that WebAssembly ignores: its id (0), its length, the length of its name, its name, what is in it."""
    content = bytes([len(_SECTION)]) + _SECTION + digest.encode("ascii")
    return bytes([0, len(content)]) + content


def _ends_with(path: Path, section: bytes) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-len(section), os.SEEK_END)
            return file.read() == section
    except OSError:
        return False


def _replace(made: Path, target: Path) -> None:
    """At once and whole, though the two may be on different file systems."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(made, beside)
    beside.replace(target)


def _say(line: str) -> None:
    print(f"isthmus: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the progress of a build


if __name__ == "__main__":
    build(Path(__file__).resolve().parent.parent, force="--force" in sys.argv[1:])
