"""What the commands on contracts share: operations as they are now, the lock, recordings, and programs from files."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli.common import CONNECTING, run_async, shown
from isthmus.errors import ConfigurationError

if TYPE_CHECKING:
    from isthmus.config.loader import Loaded
    from isthmus.contracts.lock import Lock
    from isthmus.model import Operation, UpstreamSnapshot
    from isthmus.stores.recordings import RecordingFolder

MAX_PROGRAM = 10_000_000
"""Bytes of one program."""


def live_operations(found: Loaded) -> list[Operation]:
    """The operations of all upstreams as they are now.

    Raises:
        ConfigurationError: one of the upstreams could not be listed: a comparison without it would mean nothing.
    """
    from isthmus.compose import listed
    from isthmus.model import UpstreamState

    snapshots: list[UpstreamSnapshot] = []

    async def look() -> None:
        # Not as the result of the task: asyncio shows that in full when it ends, to itself, and that takes minutes.
        snapshots.extend(await listed(found.configuration, base=found.base, seconds=CONNECTING))

    run_async(look)
    absent = [one for one in snapshots if one.state is not UpstreamState.READY]
    if absent:
        told = "; ".join(f"{one.name} is {one.state}: {one.problem or 'no answer'}" for one in absent)
        raise ConfigurationError(f"not all upstreams could be listed: {told}", remedy="`isthmus doctor` says more")
    return [operation for one in snapshots for operation in one.operations]


def lock_of(found: Loaded) -> tuple[Path, Lock]:
    """The lock file's path, and the lock in it.

    Raises:
        ConfigurationError: there is none.
    """
    from isthmus.compose import lock_path, read_lock

    path = lock_path(found.configuration, found.base)
    lock = read_lock(found.configuration, found.base)
    if lock is None:
        raise ConfigurationError("there is no such lock file", file=str(path), remedy="write it with `isthmus lock`")
    return path, lock


def folder_of(found: Loaded) -> RecordingFolder:
    """Where the recordings of a configuration are."""
    from isthmus.stores.recordings import RecordingFolder

    return RecordingFolder(found.base / found.configuration.recordings)


def skill_files(found: Loaded) -> list[str]:
    """A glob of the team's skills, which are programs too; none where there are none."""
    folder = found.configuration.skills.folder
    pattern = f"{glob.escape(str(found.base / folder))}/[a-z]*.py" if folder else ""
    return [pattern] if pattern and glob.glob(pattern) else []  # noqa: PTH207 (as in `programs`)


def programs(globs: Sequence[str]) -> list[tuple[str, str]]:
    """The programs that globs of files name, by file name and source.

    Raises:
        ConfigurationError: a glob matches no file, or a file cannot be read.
    """
    found: dict[str, str] = {}
    for pattern in globs:
        # Not Path.glob: a pattern may be absolute, and begin with `..`.
        names = sorted(name for name in glob.glob(pattern, recursive=True) if Path(name).is_file())  # noqa: PTH207
        if not names:
            raise ConfigurationError(f"no program matches {pattern!r}", remedy="quote the glob, and check the folder")
        found.update({shown(Path(name)): _read(name) for name in names})
    return list(found.items())


def _read(name: str) -> str:
    try:
        content = Path(name).read_bytes()
        if len(content) > MAX_PROGRAM:
            raise ConfigurationError(f"the program has {len(content):,} bytes", file=name, remedy="name programs only")
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"the program cannot be read: {reason}", file=name, remedy="name a file") from None
