"""Where several principals are at work, each has one request at a time on its way in.

The event loop and the processors are everybody's. Were requests let in as they come, one principal's thousand would
stand before another's next. So each has a line of his own; and while others are there, one of his requests at a time is
on its way, from its body to its answer, or to where it waits for something else: `ENTERING` seconds at most. Who has
many requests under way also lets those go first who have a single one, but for one in every `AT_LEAST` seconds. Who is
alone is hardly held up. Executions have turns again, behind this (`service/admission`).
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from isthmus.model import Principal
from isthmus.service.presence import Presence

ENTERING = 0.03
"""Seconds after which a request counts as having entered: by then it waits for others, or has had its share."""

AT_LEAST = 0.25
"""Seconds after which one of a principal's requests comes in beside those that would go first."""

ALONE = 8
"""Requests of one principal on their way in, while there is no other."""


class Turn:
    """One request, on its way in."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.granted = anyio.Event()
        self.timer: asyncio.TimerHandle | None = None  # set as long as it is entering


class Turns:
    """Lets requests in; at most `each` of one principal are under way."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._under_way: Counter[Principal] = Counter()
        self._entering: Counter[Principal] = Counter()
        self._entered_at: dict[Principal, float] = {}  # when each last had a turn, as long as he has a request
        self._lines: dict[Principal, deque[Turn]] = {}
        self._presence = Presence(anyio.current_time)

    @asynccontextmanager
    async def turn(self, principal: Principal) -> AsyncIterator[bool]:
        """Wait for a turn, and be under way until the end of the context; False where too many are already."""
        if self._under_way[principal] >= self._each:
            yield False
            return
        self._under_way[principal] += 1
        turn = Turn(principal)
        self._lines.setdefault(principal, deque()).append(turn)
        try:
            self._presence.note(principal)
            self._let_in()
            await turn.granted.wait()
            yield True
        finally:
            self._leave(turn)

    def under_way(self, principal: Principal | None = None) -> int:
        """How many requests are under way, those that wait for their turn included."""
        return self._under_way.total() if principal is None else self._under_way[principal]

    def _let_in(self) -> None:
        """Let in those for whom there is room; who has a single request under way comes first."""
        for principal in sorted(self._lines, key=self._under_way.__getitem__):
            line = self._lines[principal]
            while line and self._has_room(principal):
                self._enter(line.popleft())
            if not line:
                del self._lines[principal]

    def _has_room(self, principal: Principal) -> bool:
        if not self._presence.several():
            return self._entering[principal] < ALONE
        if self._entering[principal]:
            return False
        if self._under_way[principal] == 1 or anyio.current_time() - self._entered_at.get(principal, 0.0) > AT_LEAST:
            return True
        return all(self._under_way[other] > 1 for other in self._entering)

    def _enter(self, turn: Turn) -> None:
        loop = asyncio.get_running_loop()
        self._entering[turn.principal] += 1
        self._entered_at[turn.principal] = loop.time()
        turn.timer = loop.call_later(ENTERING, self._entered, turn)
        turn.granted.set()

    def _entered(self, turn: Turn) -> None:
        """It is on its way in no longer; the next one may be."""
        if turn.timer is not None:
            turn.timer.cancel()
            turn.timer = None
            _less(self._entering, turn.principal)
            self._let_in()

    def _leave(self, turn: Turn) -> None:
        if not turn.granted.is_set():
            line = self._lines[turn.principal]
            line.remove(turn)
            if not line:
                del self._lines[turn.principal]
        self._entered(turn)
        _less(self._under_way, turn.principal)
        if not self._under_way[turn.principal]:
            self._entered_at.pop(turn.principal, None)


def _less(counter: Counter[Principal], principal: Principal) -> None:
    """One fewer; a principal that has none is forgotten."""
    counter[principal] -= 1
    if counter[principal] <= 0:
        del counter[principal]
