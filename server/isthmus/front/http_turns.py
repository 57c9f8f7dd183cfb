"""Requests enter one after the other, and principals take turns.

What a request costs before its tool begins (reading, checking, the SDK's own work) it costs the event loop, which all
share. Were requests let in as they come, one principal's thousand would stand before another's next; so each principal
has a line of his own, and whoever comes is behind at most one of each other's. Executions have turns again, behind this
(`service/admission`).
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from isthmus.model import Principal

ENTERING = 0.05
"""Seconds after which a request counts as having entered, whatever it does."""


class Turn:
    """One request, on its way in."""

    def __init__(self, turns: Turns, principal: Principal) -> None:
        self.principal = principal
        self.granted = anyio.Event()
        self._turns = turns

    def settle(self) -> None:
        """The request has entered: its tool begins, or it has ended. Idempotent."""
        self._turns.settled(self)


class Turns:
    """Lets requests in; at most `each` of one principal are under way."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._under_way: Counter[Principal] = Counter()
        self._lines: dict[Principal, deque[Turn]] = {}  # the first principal is the next in turn
        self._entering: Turn | None = None
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, principal: Principal) -> AsyncIterator[Turn | None]:
        """Wait for a turn, and be under way until the end of the context; None where too many are already."""
        if self._under_way[principal] >= self._each:
            yield None
            return
        self._under_way[principal] += 1
        turn = Turn(self, principal)
        self._lines.setdefault(principal, deque()).append(turn)
        try:
            self._let_in()
            await turn.granted.wait()
            yield turn
        finally:
            self._leave(turn)

    def under_way(self, principal: Principal | None = None) -> int:
        """How many requests are under way, those that wait for their turn included."""
        return self._under_way.total() if principal is None else self._under_way[principal]

    def settled(self, turn: Turn) -> None:
        """A request has entered; the next one may."""
        if self._entering is not turn:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._entering = self._timer = None
        self._let_in()

    def _let_in(self) -> None:
        if self._entering is not None or not self._lines:
            return
        principal = next(iter(self._lines))
        line = self._lines.pop(principal)
        turn = self._entering = line.popleft()
        if line:
            self._lines[principal] = line  # behind all others
        self._timer = asyncio.get_running_loop().call_later(ENTERING, turn.settle)
        turn.granted.set()

    def _leave(self, turn: Turn) -> None:
        principal = turn.principal
        if not turn.granted.is_set():
            line = self._lines[principal]
            line.remove(turn)
            if not line:
                del self._lines[principal]
        self.settled(turn)
        self._under_way[principal] -= 1
        if not self._under_way[principal]:
            del self._under_way[principal]
