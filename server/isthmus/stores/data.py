"""The folder for what outlives a server: its owner's alone, for programs' files and records are theirs alone."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from pathlib import Path

from isthmus.errors import ConfigurationError


def prepared(folder: Path) -> Path:
    """Make the folder, for its owner only, or see that it is so; gives it back.

    Raises:
        ConfigurationError: it cannot be made, or others could read it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise _unfit(folder, f"cannot be used: {error.strerror}", "name another, as data: /path/to/folder") from None
    if sys.platform == "win32":
        return folder  # a folder of the user's is theirs by its access list
    if found.st_uid != os.geteuid():
        raise _unfit(folder, "belongs to another user", "name one of your own, as data: /path/to/folder")
    if found.st_mode & 0o077:
        raise _unfit(folder, f"is open to others (mode {stat.S_IMODE(found.st_mode):o})", f"chmod 700 {folder}")
    return folder


def key_of(folder: Path) -> bytes:
    """A key of 32 bytes that servers on this folder share, made when it is first asked for.

    Raises:
        ConfigurationError: it cannot be read or made, or is none.
    """
    path = folder / "seal.key"
    try:
        with contextlib.suppress(FileExistsError):
            made = folder / f"seal.{secrets.token_hex(8)}"
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
            try:
                os.link(made, path)  # whole, or not at all, whoever comes at the same time
            finally:
                made.unlink()
        key = path.read_bytes()
    except OSError as error:
        raise _unfit(folder, f"cannot hold a key: {error.strerror}", "name another, as data: /path") from None
    if len(key) != 32:
        raise _unfit(folder, "holds a seal.key that is none", f"remove {path}")
    return key


def _unfit(folder: Path, problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"the folder for data, {folder}, {problem}", remedy=remedy)
