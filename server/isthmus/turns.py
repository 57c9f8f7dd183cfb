"""Work that takes long, beside the event loop, so that others have their turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anyio.to_thread

T = TypeVar("T")


async def aside(aside: bool, function: Callable[..., T], *arguments: Any) -> T:
    """The function's value, worked out in a thread where that is asked for."""
    return await anyio.to_thread.run_sync(function, *arguments) if aside else function(*arguments)
