"""Time that does not count: while an execution waits for a person, its clock stands still; its place is another's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from isthmus.service.admission import Ticket


async def nothing_to_keep() -> None:
    """Before an execution has done anything, there is nothing to put into the store."""


@dataclass(slots=True, eq=False)
class Pausing:
    """Of one execution. `under_way` counts its calls that go on meanwhile; `keep` has all that it did in the store."""

    execution: str
    ticket: Ticket | None = None
    aside: bool = False  # it was put aside: it ends here, and is resumed when somebody comes back to it
    scope: anyio.CancelScope | None = None  # that of its limit `wall`
    waiting: int = 0
    under_way: int = 0
    news: anyio.Event = field(default_factory=anyio.Event)
    keep: Callable[[], Awaitable[None]] = nothing_to_keep
    _left: float = 0.0

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """A call waits for a person in here."""
        self.under_way -= 1
        self.waiting += 1
        if self.waiting == 1:
            self._stop()
        self.changed()
        try:
            yield
        finally:
            self.under_way += 1
            self.waiting -= 1
            if not self.waiting:
                self._go_on()

    @property
    def idle(self) -> bool:
        """Whether it waits for a person, and nothing else is under way."""
        return self.waiting > 0 and self.under_way == 0

    def changed(self) -> None:
        """Wake whoever waits for it to be idle."""
        self.news.set()
        self.news = anyio.Event()

    def _stop(self) -> None:
        if self.ticket is not None:
            self.ticket.step_aside()
        if self.scope is not None:
            self._left = self.scope.deadline - anyio.current_time()
            self.scope.deadline = float("inf")

    def _go_on(self) -> None:
        if self.ticket is not None:
            self.ticket.step_in()
        if self.scope is not None:
            self.scope.deadline = anyio.current_time() + self._left
