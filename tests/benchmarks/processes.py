"""Processes looked at from outside: their processor time and their memory, children included (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

from tests.benchmarks.frame import NotMeasured
from tests.processes import descendants

PROC = Path("/proc")


def tree(root: int) -> list[int]:
    """A process and all its descendants.

    Raises:
        NotMeasured: this system has no /proc.
    """
    if not PROC.joinpath("self/schedstat").exists():
        raise NotMeasured("it needs Linux's /proc")
    return [root, *descendants(root)]


def busy_ms(root: int) -> dict[int, float]:
    """Milliseconds on a processor so far, of each process in the tree, all threads together."""
    return {pid: _on_cpu(pid) for pid in tree(root)}


def _on_cpu(pid: int) -> float:
    total = 0
    try:
        for task in (PROC / str(pid) / "task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return total / 1e6
    return total / 1e6


def memory_mb(root: int | None = None) -> float:
    """Megabytes of the tree by proportional share (PSS): pages in common are counted once."""
    return sum(memory_of(pid) for pid in tree(os.getpid() if root is None else root))


def memory_of(pid: int) -> float:
    """Megabytes of one process by proportional share; 0 where it has ended."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
