"""Admission: which executions run now, and which wait for a place.

Principals take turns: however many executions one of them has waiting, another's next one comes after at most one of
each other's. What is scarce is bounded in three ways, for all or for each principal:

    places    an execution holds one while it runs, waiting for upstreams included; each has a worker of its own
    starts    the first moments of a run, when it costs processor time for certain. Few are under way at once, so that
              one who comes is never behind a crowd that all wait for the same processors; where several principals are
              there, each has one
    computing what has gone on to compute. A principal has no more of it than there are processors before his next one
              is started; while he is alone, `ALONE` times as many. More would only take turns on the same processors

All that is decided here is decided at once, on the event loop; only `Ticket.place` waits. Cancelled at any moment, it
leaves nothing taken.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from isthmus.errors import LimitExceeded
from isthmus.model import Principal
from isthmus.ports import Guest
from isthmus.service.presence import Presence

START = 0.05
"""Seconds that an execution counts as starting once it has its guest, unless it waits or ends before."""

PAUSE = 0.015
"""Seconds between the end of an execution and the next of the same principal, unless a program sends them."""

ALONE = 4
"""Executions that compute at a time, for each processor, of a principal beside whom there is no other."""


class Turn(Protocol):
    """A session's: one execution at a time."""

    async def acquire(self) -> None:
        """Wait for it."""
        ...

    def release(self) -> None:
        """Let another have it."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much there is. The names are those of the limits in the configuration, but for the last two."""

    executions: int
    executions_each: int
    queue: int
    queue_each: int
    starts: int = 4
    processors: int = 2


@dataclass(slots=True, eq=False)
class Ticket:
    """One execution, on its way to a place. `waited` is in seconds; `behind`: others have the processor first."""

    principal: Principal
    admission: Admission
    waited: float = 0.0
    behind: bool = False
    granted: anyio.Event = field(default_factory=anyio.Event)
    starting: bool = False
    _timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def place(self, turn: Turn, seconds: float) -> AsyncIterator[None]:
        """Wait for the session's turn and then for a place, at most `seconds` in all; hold both.

        Raises:
            LimitExceeded: the time was up before there was a place.
        """
        began = anyio.current_time()
        try:
            with anyio.fail_after(seconds):
                await turn.acquire()
        except TimeoutError:
            raise _busy_session(seconds) from None
        try:
            await self.admission.granted(self, seconds - (anyio.current_time() - began))
            self.waited = anyio.current_time() - began
            try:
                yield
            finally:
                self.settle()
                self.admission.computing.pop(self, None)
                self.admission.leave(self)
        finally:
            turn.release()

    def entered(self, guest: Guest) -> None:
        """It has its guest, and begins to run. One that only computes is let run on, behind others if there are any."""
        if self.behind:
            guest.give_way()
        self.computes()

        def overdue() -> None:
            self.settle()
            if self.admission.running() > 1:
                guest.give_way()

        self._timer = asyncio.get_running_loop().call_later(START, overdue)

    def computes(self) -> None:
        """Its guest goes on computing."""
        self.admission.computing[self] = anyio.current_time()

    def waits(self) -> None:
        """Its guest waits for us."""
        if anyio.current_time() - self.admission.computing.pop(self, math.inf) >= START:
            self.admission.calmed()

    def step_aside(self) -> None:
        """It waits for a person: its place is another's meanwhile."""
        self.settle()
        self.admission.leave(self)

    def step_in(self) -> None:
        """It goes on, at once: it has its worker, so that another's place would be of no use to it."""
        self.admission.came_back(self)

    def settle(self) -> None:
        """It has started: it waits for an upstream, or was given its moments. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.starting:
            self.admission.started(self)


@dataclass(slots=True, eq=False)
class Admission:
    """Gives out the places of one process."""

    bounds: Bounds
    presence: Presence = field(default_factory=lambda: Presence(anyio.current_time))
    computing: dict[Ticket, float] = field(default_factory=dict)  # whose guests compute, and since when
    _waiting: Counter[Principal] = field(default_factory=Counter)  # joined, and without a place yet
    _running: Counter[Principal] = field(default_factory=Counter)
    _starting: Counter[Principal] = field(default_factory=Counter)
    _left: dict[Principal, float] = field(default_factory=dict)  # when each last gave a place back
    _lines: dict[Principal, deque[Ticket]] = field(default_factory=dict)  # the first principal is the next in turn

    @contextmanager
    def join(self, principal: Principal) -> Iterator[Ticket]:
        """Join the queue, at once or not at all. It is left on the way out, with or without having had a place.

        Raises:
            LimitExceeded: too many wait already.
        """
        self.presence.note(principal)
        self._refuse_if_full(principal)
        ticket = Ticket(principal, self)
        self._waiting[principal] += 1
        try:
            yield ticket
        finally:
            if not ticket.granted.is_set():
                _less(self._waiting, principal)

    def running(self, principal: Principal | None = None) -> int:
        """How many places are taken, by one principal or in all."""
        return self._running.total() if principal is None else self._running[principal]

    def waiting(self, principal: Principal | None = None) -> int:
        """How many wait for a place or for their session, of one principal or in all."""
        return self._waiting.total() if principal is None else self._waiting[principal]

    async def granted(self, ticket: Ticket, seconds: float) -> None:
        """Return when the ticket has its place, which is to be given back by `leave`.

        Raises:
            LimitExceeded: not within `seconds`.
        """
        self._lines.setdefault(ticket.principal, deque()).append(ticket)
        self._grant()
        try:
            with anyio.fail_after(max(0.0, seconds)):
                await ticket.granted.wait()
        except TimeoutError:
            error = self._no_place(ticket.principal)
            self._step_out(ticket)
            raise error from None
        except BaseException:
            self._step_out(ticket)
            raise

    def started(self, ticket: Ticket) -> None:
        """The ticket's execution has started; another one may."""
        ticket.starting = False
        _less(self._starting, ticket.principal)
        self._grant()

    def calmed(self) -> None:
        """One that computed for long does so no longer; another one may start."""
        self._grant()

    def leave(self, ticket: Ticket) -> None:
        """Give the place back."""
        self._left[ticket.principal] = anyio.current_time()
        _less(self._running, ticket.principal)
        self._grant()

    def came_back(self, ticket: Ticket) -> None:
        """Take a place, beyond the bound if need be: others have to wait for it to end."""
        self._running[ticket.principal] += 1

    def _grant(self) -> None:
        """Give places to those next in turn, while there are any for them."""
        passed = 0
        while passed < len(self._lines) and not self._is_full():
            principal = next(iter(self._lines))
            line = self._lines.pop(principal)
            if self._may_start(principal):
                self._begin(line.popleft())
                passed = 0
            else:
                passed += 1
            if line:
                self._lines[principal] = line  # behind all others

    def _is_full(self) -> bool:
        return self._running.total() >= self.bounds.executions or self._starting.total() >= self.bounds.starts

    def _may_start(self, principal: Principal) -> bool:
        if self._running[principal] >= self.bounds.executions_each:
            return False
        several = self.presence.several()
        if several and self._starting[principal]:
            return False
        if self._computing(principal) >= self.bounds.processors * (1 if several else ALONE):
            return False
        # The last start is for one who has none under way.
        return self._starting.total() < self.bounds.starts - 1 or not self._starting[principal]

    def _computing(self, principal: Principal) -> int:
        """How many executions of a principal have computed for long, and still do."""
        until = anyio.current_time() - START
        return sum(since <= until for ticket, since in self.computing.items() if ticket.principal == principal)

    def _goes_on(self, principal: Principal) -> bool:
        """Whether one execution of a principal follows upon, or runs beside, another."""
        return self._running[principal] > 0 or anyio.current_time() - self._left.get(principal, 0.0) < PAUSE

    def _begin(self, ticket: Ticket) -> None:
        principal = ticket.principal
        ticket.behind = self.presence.several() and self._goes_on(principal)
        _less(self._waiting, principal)
        self._running[principal] += 1
        self._starting[principal] += 1
        ticket.starting = True
        ticket.granted.set()

    def _step_out(self, ticket: Ticket) -> None:
        """The ticket is not waited for any more: out of the line, or out of the place that it was just given."""
        if ticket.granted.is_set():
            ticket.settle()
            self.leave(ticket)
        elif line := self._lines.get(ticket.principal):
            line.remove(ticket)
            if not line:
                del self._lines[ticket.principal]

    def _refuse_if_full(self, principal: Principal) -> None:
        """Those for whom there are places count as well: they only wait to be started, and that is soon."""
        bounds = self.bounds
        if self.running(principal) + self.waiting(principal) >= bounds.executions_each + bounds.queue_each:
            whose, places, most, limit = " of yours", bounds.executions_each, bounds.queue_each, "queue_each"
        elif self.running() + self.waiting() >= bounds.executions + bounds.queue:
            whose, places, most, limit = "", bounds.executions, bounds.queue, "queue"
        else:
            return
        raise LimitExceeded(
            f"nothing was run: beside the {places:,} executions{whose} that may run, {most:,} are waiting "
            f"(limit `{limit}`)",
            limit=limit,
            hint=f"try again when some have ended, or do more in one program; the operator can raise limits.{limit}",
        )

    def _no_place(self, principal: Principal) -> LimitExceeded:
        if self.running(principal) >= self.bounds.executions_each:
            limit, why = "executions_each", f"{self.running(principal):,} executions of yours are running"
        elif self.running() >= self.bounds.executions:
            limit, why = "executions", f"{self.running():,} executions are running"
        else:
            limit, why = "wall", "the server is busy with starting others"
        return LimitExceeded(
            f"nothing was run: no place became free in time, {why} (limit `{limit}`)",
            limit=limit,
            hint=f"try again when some have ended; the operator can raise limits.{limit}",
        )


def _busy_session(seconds: float) -> LimitExceeded:
    return LimitExceeded(
        f"nothing was run: the session was busy with earlier programs for {seconds:g} s (limit `wall`)",
        limit="wall",
        hint='wait for the earlier one, or pass session="new" for another session',
    )


def _less(counter: Counter[Principal], principal: Principal) -> None:
    """One fewer; a principal that has none is forgotten."""
    counter[principal] -= 1
    if counter[principal] <= 0:
        del counter[principal]
