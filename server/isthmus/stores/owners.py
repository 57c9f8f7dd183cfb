"""Which servers are alive, of those that share a folder: each holds a file open, which a dead one does not."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

REMEMBERED = 86_400.0
"""Seconds for which it is known that a server crashed."""


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
        self._descriptor: int | None = os.open(self._path(id_), os.O_WRONLY | os.O_CREAT, 0o600)
        _lock(self._descriptor)
        self._sweep()

    def alive(self, other: str) -> bool:
        """Whether the server of that id lives, on this machine."""
        return self._standing(other) == "alive"

    def crashed(self, other: str) -> bool:
        """Whether the server of that id ended without closing, not too long ago."""
        return self._standing(other) == "crashed"

    def _standing(self, other: str) -> str:
        if other == self.id:
            return "alive" if self._descriptor is not None else "closed"
        try:
            descriptor = os.open(self._path(other), os.O_WRONLY)
        except FileNotFoundError:
            return "closed"
        except PermissionError:
            return "alive"
        try:
            _lock(descriptor)
        except OSError:
            return "alive"
        finally:
            os.close(descriptor)
        return "crashed"

    def _sweep(self) -> None:
        """Forget servers that crashed long ago."""
        for path in self._folder.glob("*.server"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > REMEMBERED and self._standing(path.stem) == "crashed":
                    path.unlink()

    def close(self) -> None:
        """Be alive no longer."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
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
