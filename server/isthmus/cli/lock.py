"""`isthmus lock`: write the lock, or accept what has changed of some operations."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, say
from isthmus.errors import ConfigurationError
from isthmus.stores.whole import write_whole

if TYPE_CHECKING:
    from isthmus.config.loader import Loaded
    from isthmus.contracts.lock import Lock


def arguments(parser: argparse.ArgumentParser) -> None:
    """What is locked: everything, what is named, or what programs use."""
    parser.add_argument(
        "operations", nargs="*", metavar="GLOB", help="lock these operations only: 'github.issues.*' (default: all)"
    )
    parser.add_argument(
        "--programs",
        action="append",
        default=[],
        metavar="GLOB",
        help="lock the operations that these Python files use; may be repeated",
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="GLOB",
        help="accept these operations as they are now, and leave all others as they are locked; may be repeated",
    )
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the lock file."""
    from isthmus.cli.contracts import live_operations
    from isthmus.compose import lock_path
    from isthmus.contracts.lock import locked, written

    if arguments.accept and (arguments.operations or arguments.programs):
        raise ConfigurationError("--accept stands alone", remedy="name what to accept as --accept GLOB, nothing else")
    found = loaded(arguments)
    path = lock_path(found.configuration, found.base)
    live = locked(live_operations(found))
    if arguments.accept:
        lock, told = _accepted(found, live, arguments.accept)
    else:
        lock, told = _chosen(live, arguments.operations, arguments.programs)
    _write(path, written(lock))
    say(f"{told} in {path}")
    return 0


def _chosen(live: Lock, globs: Sequence[str], files: Sequence[str]) -> tuple[Lock, str]:
    from isthmus.cli.contracts import programs
    from isthmus.contracts.lock import chosen
    from isthmus.contracts.programs import uses

    known = live.operations
    if not globs and not files:
        return live, f"{len(known):,} operations locked"
    ids = _named(globs, known)
    found, unreadable = uses(programs(files), known)
    if unreadable:
        raise ConfigurationError(unreadable[0].problem, file=unreadable[0].program, remedy="mend it, or leave it out")
    ids |= {use.operation for use in found}
    return chosen(live, ids), f"{len(ids):,} of {len(known):,} operations locked"


def _accepted(found: Loaded, live: Lock, globs: Sequence[str]) -> tuple[Lock, str]:
    from isthmus.cli.contracts import lock_of
    from isthmus.contracts.lock import accepted

    _, lock = lock_of(found)
    ids = _named(globs, {**lock.operations, **live.operations})
    gone = sorted(ids - live.operations.keys())
    told = f"{len(ids):,} operations accepted as they are now"
    return accepted(lock, live, ids), told + (f" ({', '.join(gone)} being gone)" if gone else "")


def _named(globs: Sequence[str], known: Collection[str]) -> set[str]:
    ids: set[str] = set()
    for glob in globs:
        matching = {each for each in known if fnmatchcase(each, glob)}
        if not matching:
            remedy = "`isthmus search NAME` finds operations; globs are of whole ids: 'github.issues.*'"
            raise ConfigurationError(f"no operation matches {glob!r}", remedy=remedy)
        ids |= matching
    return ids


def _write(path: Path, text: str) -> None:
    """Write a file whole, or not at all: who reads it meanwhile reads the former one."""
    try:
        write_whole(path, text, 0o644)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"the lock cannot be written: {reason}", file=str(path), remedy="check it") from None
