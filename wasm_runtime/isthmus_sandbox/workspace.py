"""The files of a session, which a hostile program wrote: to be measured and removed, never to be believed.

Links are not followed, and no path is built from what is found: directories nested too deeply for any path, or for
recursion, are measured and removed as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from itertools import count
from pathlib import Path

_ENTRY_BYTES = 4096  # what a file or directory costs beside its content
_FEW = 40  # entries: looked at within 0.1 ms


def used_bytes(directory: Path, most: int) -> int:
    """What the files under a directory take up on the disk. Stops counting, and looking, beyond `most`.

    What cannot be looked at counts as more than `most`.
    """
    used, waiting = 0, [str(directory)]
    while waiting and used <= most:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    used += _ENTRY_BYTES + _content_bytes(entry)
                    if used > most:
                        break
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except FileNotFoundError:  # removed meanwhile
            continue
        except OSError:  # a path too long, for one
            return most + 1
    return used


def _content_bytes(entry: os.DirEntry[str]) -> int:
    found = entry.stat(follow_symlinks=False)
    return found.st_size if sys.platform == "win32" else found.st_blocks * 512


def glance(directory: Path) -> int | None:
    """What `used_bytes` would say, if that is to be seen at once: a few files and directories.

    None: it needs a longer look, which the event loop should not wait for.
    """
    used, left, waiting = 0, _FEW, [str(directory)]
    try:
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    left -= 1
                    used += _ENTRY_BYTES + _content_bytes(entry)
                    if left == 0:
                        return None
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    except OSError:
        return None
    return used


def remove(directory: Path) -> None:
    """Remove a directory and all that is in it. What cannot be removed is left; never raises OSError."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            shutil.rmtree(directory)
        else:
            _remove_flat(directory)


def _remove_flat(directory: Path) -> None:
    """Bring every directory up to the top before it is emptied, so that nothing is deep."""
    top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        numbers = count()
        while names := os.listdir(top):  # noqa: PTH208 - of a descriptor
            for name in names:
                if not _unlinked(name, top):
                    _empty(name, top, numbers)
                    os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    directory.rmdir()


def _empty(name: str, top: int, numbers: count[int]) -> None:
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    try:
        for child in os.listdir(inner):  # noqa: PTH208 - of a descriptor
            if not _unlinked(child, inner):
                os.rename(child, _free_name(top, numbers), src_dir_fd=inner, dst_dir_fd=top)
    finally:
        os.close(inner)


def _unlinked(name: str, directory: int) -> bool:
    try:
        os.unlink(name, dir_fd=directory)
    except (IsADirectoryError, PermissionError):  # what the two kinds of systems say of a directory
        return False
    return True


def _free_name(top: int, numbers: count[int]) -> str:
    for number in numbers:
        name = f".removing-{number}"
        try:
            os.stat(name, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            return name
    raise AssertionError("the numbers do not end")
