"""Files that the host puts into a session's workspace, where its programs can open them."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path, PurePosixPath

MOUNT = PurePosixPath("/workspace")
"""Where a guest sees its workspace."""


def keep(workspace: Path, name: str, content: bytes) -> str:
    """Write a new file, and give the path by which a program opens it.

    Never writes through what a program left there: a name that is taken, by a file or a link, gets a number.
    """
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    for number in count(1):
        candidate = f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}"
        try:
            descriptor = os.open(workspace / candidate, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        return str(MOUNT / candidate)
    raise AssertionError("unreachable: count never ends")
