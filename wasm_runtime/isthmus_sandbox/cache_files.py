"""A file of the cache, its SHA-256 beside it, and the lock under which both are made."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two processes may do the same work, and the last one's result stays
    fcntl = None  # type: ignore[assignment]

_STEP = 16 * 2**20  # bytes


def is_whole(target: Path) -> bool:
    """Whether the file is there and is what was written. Reads it."""
    try:
        return sha256_of(target) == digest_path(target).read_text("ascii").strip()
    except (OSError, ValueError):
        return False


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in large steps: each waits for the interpreter, which other threads hold for milliseconds.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    # Memory of its own, which goes back at once: the allocator of a thread would keep it for the life of the process.
    with path.open("rb", buffering=0) as file, mmap.mmap(-1, _STEP) as own, memoryview(own) as step:
        while size := file.readinto(step):
            digest.update(step[:size])
    return digest.hexdigest()


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


def remove_leftovers(target: Path) -> None:
    """Remove what processes that died while they wrote have left. Only for who holds the lock."""
    for written in (target, digest_path(target)):
        for path in target.parent.glob(f"{written.name}.*"):
            if path.suffix[1:].isdecimal():
                path.unlink(missing_ok=True)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process holds the lock, and hold it. It ends with the process, however that ends."""
    with lock.open("w") as file:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_locked(lock: Path) -> bool:
    """Whether a process holds the lock at this moment."""
    if fcntl is None or not lock.exists():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False
