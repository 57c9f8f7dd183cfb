"""The folder for what outlives a server: its owner's alone, for programs' files and records are theirs alone."""

from __future__ import annotations

import os
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


def _unfit(folder: Path, problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"the folder for data, {folder}, {problem}", remedy=remedy)
