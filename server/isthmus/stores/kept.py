"""Files that are believed: whole, by a hash at their front, and in a folder that is their user's alone."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
import time
from array import array
from functools import cache
from pathlib import Path

KEPT = 512 * 2**20
"""Bytes of files that are kept, the most recently used."""

_MARK = b"isthmus\n"
_HEAD = len(_MARK) + 32
_LARGEST = 2**30
_UNFINISHED = 3600.0  # seconds after which a file that was never finished is taken away
_CODE = ("model.py", "catalog", "openapi", "stores/making.py")


def opened(path: Path) -> bytes | None:
    """What `kept` wrote there; None where there is nothing, or where it is not whole."""
    try:
        if path.is_symlink() or path.stat().st_size > _LARGEST:
            return None
        with path.open("rb") as file:
            head, body = file.read(_HEAD), file.read()
    except OSError:
        return None
    if head != _MARK + hashlib.sha256(body).digest():
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return body


def kept(path: Path, content: bytes, most: int = KEPT) -> None:
    """Write a file whole, or not at all, for its owner alone; and remove what was not used for longest.

    `most` is how many bytes all such files of a folder may have.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    made = path.with_name(f"{secrets.token_hex(8)}.new")
    try:
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_MARK + hashlib.sha256(content).digest())
            file.write(content)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
    _prune(path, most)


def _prune(used: Path, most: int) -> None:
    with contextlib.suppress(OSError):
        found = [(each.stat(), each) for each in used.parent.iterdir() if each.suffix in (".kept", ".new")]
        left = most
        for status, path in sorted(found, key=lambda pair: pair[0].st_mtime, reverse=True):
            left -= status.st_size
            if (left < 0 and path != used) or (path.suffix == ".new" and time.time() - status.st_mtime > _UNFINISHED):
                path.unlink(missing_ok=True)


@cache
def code() -> str:
    """A hash of the code that makes such files, and of what else they depend on: versions and the kind of machine."""
    package = Path(__file__).resolve().parent.parent
    known = hashlib.sha256(f"{sys.version}\n{sys.byteorder}\n{array('I').itemsize}\n".encode())
    for name in _CODE:
        path = package / name
        for source in [path] if path.is_file() else sorted(path.glob("*.*")):
            known.update(source.name.encode())
            known.update(source.read_bytes())
    return known.hexdigest()
