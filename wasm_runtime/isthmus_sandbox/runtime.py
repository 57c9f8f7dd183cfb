"""A pool's directory of the moment, and those that dead owners left behind.

The owner holds a lock on a file in it for as long as it lives; the system takes the lock from the dead, however they
died. A directory whose lock can be had is abandoned, and removed by whoever starts next. One without such a file is not
ours, or not ready yet, and is left alone.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from isthmus_sandbox.workspace import remove

_PREFIX = "isthmus-"
_LOCK = "owner.lock"


@dataclass(frozen=True, slots=True)
class RuntimeDirectory:
    """A directory that is there as long as its owner."""

    path: Path
    _lock: IO[bytes] | None

    def remove(self) -> None:
        """Remove it and all that is in it."""
        remove(self.path)
        if self._lock is not None:
            self._lock.close()


def claim(parent: Path | None) -> RuntimeDirectory:
    """Make a directory of this process's own, and remove abandoned ones beside it.

    It stands below `parent`; with None, where temporary files go.

    Raises:
        OSError: it cannot be made.
    """
    above = Path(tempfile.gettempdir()) if parent is None else parent
    above.mkdir(mode=0o700, parents=True, exist_ok=True)
    for found in above.glob(f"{_PREFIX}*"):
        _remove_if_abandoned(found)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
    return RuntimeDirectory(path, _locked_for_life(path))


def _locked_for_life(directory: Path) -> IO[bytes] | None:
    """The lock, taken before the file has the name by which others look for it. None where there are no such locks."""
    flock = _flock()
    if flock is None:
        return None
    unnamed = directory / f"{_LOCK}.new"
    file = unnamed.open("wb")
    flock(file.fileno())
    unnamed.rename(directory / _LOCK)
    return file


def _remove_if_abandoned(directory: Path) -> None:
    flock = _flock()
    # What belongs to another user cannot be opened for writing; a link in the place of the file is not followed.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory / _LOCK, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            if flock is None or os.fstat(descriptor).st_uid != os.getuid():
                return
            flock(descriptor)
            remove(directory)
        finally:
            os.close(descriptor)


def _flock() -> Callable[[int], None] | None:
    """Take the lock of an open file at once. Raises OSError where another has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    return lambda descriptor: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
