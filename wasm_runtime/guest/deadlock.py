"""What tasks wait for that nothing will ever bring about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

DEADLOCK = (
    "deadlock: this waits for something that nothing will ever bring about "
    "(no call is under way, no timer runs, and no other task can go on)"
)

_LONGEST = 1000  # tasks that wait for one another


def waiting_for_nothing(
    tasks: Iterable[asyncio.Task[Any]], mains: Sequence[asyncio.Future[Any]], kinds: tuple[type, ...]
) -> list[asyncio.Future[Any]]:
    """The futures at which a loop with nothing left to do stands still, so that they can be failed.

    Those of exactly these `kinds` that tasks wait for, without those in `mains`, which wait for the others; where
    there are none, what the innermost of `mains` waits for.
    """
    outer = {id(main) for main in mains}
    leaves = [_leaf(task) for task in tasks if id(task) not in outer]
    stuck = [leaf for leaf in leaves if leaf is not None and type(leaf) in kinds]
    if not stuck and mains:
        leaf = _leaf(mains[-1])
        stuck = [] if leaf is None else [leaf]
    return stuck


def _leaf(waiter: asyncio.Future[Any] | None) -> asyncio.Future[Any] | None:
    """The future, which is no task, that is waited for in the end."""
    for _ in range(_LONGEST):
        if not isinstance(waiter, asyncio.Task):
            return waiter
        waiter = waiter._fut_waiter  # type: ignore[attr-defined]  # noqa: SLF001 - nothing public tells it
    return None
