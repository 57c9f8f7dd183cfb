"""A file of the cache, and its SHA-256 beside it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def is_whole(target: Path) -> bool:
    """Whether the file is there and is what was written. Reads it."""
    try:
        expected = digest_path(target).read_text("ascii").strip()
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == expected
    except (OSError, ValueError):
        return False


def digest_path(target: Path) -> Path:
    """Where the SHA-256 of a compiled component stands."""
    return target.with_name(target.name + ".sha256")


def lock_path(target: Path) -> Path:
    """What is locked while it is compiled."""
    return target.with_suffix(".lock")


def write_atomically(target: Path, content: bytes) -> None:
    """The digest first: a target without one is not believed, and with another one neither."""
    for path, data in ((digest_path(target), hashlib.sha256(content).hexdigest().encode()), (target, content)):
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(path)
