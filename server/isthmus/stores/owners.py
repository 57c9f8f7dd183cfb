"""Which servers are alive, of those that share a folder: each holds a file open, which a dead one does not."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO


class Owner:
    """This server, for as long as it is open. `id` is what others ask for."""

    def __init__(self, folder: Path, id_: str) -> None:
        """Be alive from now on.

        Raises:
            OSError: the folder cannot be written to.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.id = id_
        self._folder = folder
        self._file: IO[bytes] | None = self._path(id_).open("wb")
        _lock(self._file.fileno())

    def alive(self, other: str) -> bool:
        """Whether the server of that id lives, on this machine. What is left of a dead one is removed."""
        if other == self.id:
            return self._file is not None
        with contextlib.suppress(FileNotFoundError):
            try:
                descriptor = os.open(self._path(other), os.O_WRONLY)
            except PermissionError:
                return True
            try:
                _lock(descriptor)
                self._path(other).unlink()
            except OSError:
                return True
            finally:
                os.close(descriptor)
        return False

    def close(self) -> None:
        """Be alive no longer."""
        if self._file is not None:
            self._file.close()
            self._file = None
            with contextlib.suppress(OSError):
                self._path(self.id).unlink()

    def _path(self, id_: str) -> Path:
        return self._folder / f"{id_}.server"


if sys.platform == "win32":

    def _lock(_descriptor: int) -> None:
        """Nothing: an open file cannot be removed there, which tells as much."""

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        """Take the lock of an open file. Raises OSError where another has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
