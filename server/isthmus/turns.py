"""Turns of the event loop: work that takes long is done beside it, and what need not wait takes none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")


async def aside(aside: bool, function: Callable[..., T], *arguments: Any) -> T:
    """The function's value, worked out in a thread where that is asked for."""
    return await anyio.to_thread.run_sync(function, *arguments) if aside else function(*arguments)


def taken_at_once(lock: anyio.Lock | anyio.Semaphore) -> bool:
    """Take a lock that is free, without looking whether one has been cancelled, which takes longer than all else."""
    try:
        lock.acquire_nowait()
    except anyio.WouldBlock:
        return False
    return True
