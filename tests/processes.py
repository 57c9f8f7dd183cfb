"""Processes of this machine, looked at from outside (Linux).

What ends while one looks is left out, as is what only waits to be reaped.
"""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")
_ENDED = {"Z", "X"}


def lives(pid: int) -> bool:
    """Whether a process runs."""
    return _parent(_PROC / str(pid)) is not None


def parents() -> dict[int, int]:
    """Each process with its parent."""
    found = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (parent := _parent(folder)) is not None:
            found[int(folder.name)] = parent
    return found


def children(pid: int) -> list[int]:
    """The processes that one started, or inherited, itself."""
    return [child for child, parent in parents().items() if parent == pid]


def descendants(pid: int) -> list[int]:
    """All processes below one, parents before children."""
    below: dict[int, list[int]] = {}
    for child, parent in parents().items():
        below.setdefault(parent, []).append(child)
    found = [pid]
    for each in found:
        found.extend(below.get(each, ()))
    return found[1:]


def command(pid: int) -> str:
    """The command line of a process, its words apart by spaces; empty where it has ended."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def _parent(folder: Path) -> int | None:
    try:
        # The name of a program stands in brackets and may hold anything, brackets and spaces too.
        state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state in _ENDED else int(parent)
