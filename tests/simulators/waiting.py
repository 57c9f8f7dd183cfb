"""How tests wait, and measure: whatever else the machine does meanwhile, they come to the same end."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

SOON = 30.0
"""Seconds within which anything that a test waits for has happened, on a slow machine too."""


class _Leaping(selectors.DefaultSelector):
    """Where there is nothing to do before a timer, it is that time at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0  # a machine's clock is never near its beginning

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select()
        ready = super().select(0)
        if not ready:
            self.now += max(0.0, timeout)
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop on which nothing takes time but waiting, and waiting takes none.

    Its clock stands still while anything can be done, and leaps to the next timer when nothing can: what lasts so many
    seconds lasts exactly these. Not for what waits for threads, sockets or processes: it would leap ahead of them.
    """

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now


LEAPING = ("asyncio", {"loop_factory": LeapingLoop})
"""For a fixture `anyio_backend`."""
