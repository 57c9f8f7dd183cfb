"""One program in one guest: its requests become tasks, and what comes of them becomes events.

The guest runs until it must wait; then its worker sends a step, and `exchange` answers with what has happened.
Everything that an execution starts ends with it.
"""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup

from isthmus.errors import InternalError, IsthmusError, LimitExceeded, RateLimited, Refused, UpstreamError
from isthmus.journal import Transcript
from isthmus.ports import Guest
from isthmus.recording import Recording
from isthmus.replay import Diverged, Replay, program_of
from isthmus.turns import aside, taken_at_once
from isthmus_sandbox.frames import decode_event, decode_step, event_text
from isthmus_sandbox.protocol import Event, GuestLost, Outcome, Program, Request, Step
from isthmus_sandbox.values import is_large

SURPLUS = 100
"""Calls beyond the limit that a program may still attempt, and see refused, before it is ended."""


class Caller(Protocol):
    """Who performs the calls of one execution."""

    def writes(self, operation: str) -> bool:
        """Whether a call of this name could change the world."""
        ...

    def recall(self, request: Request) -> None:
        """Note a call that was answered in a server that is gone, and is not performed again."""
        ...

    async def perform(self, request: Request) -> Any:
        """Perform one call and give its value, plain data.

        Raises:
            IsthmusError: what the program is to see as an exception.
        """
        ...


class Pace(Protocol):
    """Who has to know when the guest computes, and when it waits."""

    def computes(self) -> None:
        """It goes on."""
        ...

    def waits(self) -> None:
        """It has stopped, until it is answered."""
        ...


@dataclass(slots=True)
class Order:
    """Keeps the program's order among calls made without `await`.

    Such a call looks to its author like a plain function call, so what it does must seem to happen where it
    stands: a write waits for every earlier one of them, a read for the earlier writes. Reads overlap.
    Calls that the program awaits it orders itself; they wait only for writes that came before without `await`.
    """

    _pending: list[tuple[bool, anyio.Event]] = field(default_factory=list)

    def enter(self, *, writes: bool, awaited: bool) -> tuple[list[anyio.Event], anyio.Event]:
        """The ends to wait for before a call starts, and the event to set when it has ended."""
        self._pending = [(wrote, ended) for wrote, ended in self._pending if not ended.is_set()]
        before = [ended for wrote, ended in self._pending if wrote or writes]
        ended = anyio.Event()
        if not awaited:
            self._pending.append((writes, ended))
        return before, ended


Recover = Callable[[GuestLost], Awaitable[tuple[Guest, Transcript] | None]]
"""Finds another guest for a program whose worker was ended from outside, with what crossed the door so far."""

RECOVERIES = 2
"""Times that a program whose worker is lost goes on in another one."""


@dataclass(slots=True)
class Execution:
    """Runs one program. `calls` and `parallel` are the limits of those names; `printed` hears of output as it comes."""

    guest: Guest
    caller: Caller
    recording: Recording
    calls: int
    parallel: int
    printed: Callable[[str], Awaitable[None]] | None = None
    recover: Recover | None = None
    log: Callable[[str], None] = lambda _: None
    pace: Pace | None = None
    output: list[str] = field(default_factory=list)
    busy: float = 0.0  # seconds in which the guest was computing
    _made: int = 0
    _order: Order = field(default_factory=Order)
    _scopes: dict[int, anyio.CancelScope] = field(default_factory=dict)
    _events: list[Event] = field(default_factory=list)
    _unanswered: list[Request] = field(default_factory=list)  # of an execution whose server was lost
    _news: anyio.Event = field(default_factory=anyio.Event)
    _since: float | None = None  # when the guest began to compute, in ticks; None: it waits
    _places: anyio.Semaphore = field(init=False)
    _tasks: TaskGroup = field(init=False)

    def __post_init__(self) -> None:
        self._places = anyio.Semaphore(self.parallel, fast_acquire=True)

    async def run(self, program: Program, before: Transcript | None = None) -> Outcome:
        """Run the program to its end, and cancel whatever it left under way.

        `before` is what crossed the door in a server that is gone: the program is brought there first.

        Raises:
            GuestLost: the worker is gone; its reason is for the model.
            Diverged: the program does not do what it did before.
        """
        async with anyio.create_task_group() as self._tasks:
            try:
                outcome = await self._conversation(program, before)
            except (GuestLost, Diverged) as lost:
                failure, outcome = lost, None
            finally:
                self._waits()
            if self._scopes:  # without any, it would be the dearest line of a short execution
                self._tasks.cancel_scope.cancel()
        if outcome is None:
            raise failure
        self.output.append(outcome.output)
        return outcome

    async def _conversation(self, program: Program, before: Transcript | None) -> Outcome:
        if before is not None:
            self._restore(before)
        for left in range(RECOVERIES, -1, -1):
            self._since = self.recording.clock()
            try:
                if before is None:
                    return await self.guest.run(program, self.exchange)
                return await self.guest.run(program_of(before), Replay(before, self._go_on).exchange)
            except GuestLost as lost:
                recovered = await self.recover(lost) if self.recover and lost.external and left else None
                if recovered is None:
                    raise
                self.guest, before = recovered
        raise AssertionError("unreachable: the last time there is no recovery")

    def _restore(self, before: Transcript) -> None:
        """What the guest asked for in the server that is gone, and was not told, is asked for again."""
        steps = [decode_step(turn.step) for turn in before.turns]
        self.output.extend(step.output for step in steps)
        requests = {request.call: request for step in steps for request in step.requests}
        told = {decode_event(text).call for turn in before.turns for text in turn.events or ()}
        answered = told.union(answer.call for answer in before.undelivered)
        over = answered.union(*(step.cancellations for step in steps))
        self._made = len(requests)
        for call in sorted(answered & requests.keys()):
            self.caller.recall(requests[call])
        self._unanswered = [request for call, request in requests.items() if call not in over]
        self._events = [Event(answer.call, "value", text=answer.text) for answer in before.undelivered]

    async def _go_on(self, step: Step, recorded: bool) -> Sequence[Event]:
        """The first step beyond a replay. Where it was `recorded`, what it asks for is under way already."""
        self._waits()
        requests, self._unanswered = self._unanswered, []
        self._made -= len(requests)
        for request in requests:
            self._tasks.start_soon(self._admitted(request))
        return await self._reply(step) if recorded else await self.exchange(step)

    async def exchange(self, step: Step) -> Sequence[Event]:
        """Take the guest's step, and answer with the events since the last one; wait until there are some."""
        self._waits()
        if self.pace:
            self.pace.waits()
        self.recording.stepped(step)
        await self._take_output(step.output)
        for call in step.cancellations:
            self._cancel(call)
        performances = [self._admitted(request) for request in step.requests]
        if len(performances) == 1 and len(self._scopes) == 1 and step.wake_after_ms is None:
            await performances[0]()  # nothing else can happen meanwhile, so that a task would only cost time
        else:
            for performance in performances:
                self._tasks.start_soon(performance)
        return await self._reply(step)

    def _waits(self) -> None:
        """The guest computes no longer."""
        if self._since is not None:
            self.busy += self.recording.clock() - self._since
            self._since = None

    async def _reply(self, step: Step) -> Sequence[Event]:
        if not self._events and step.wake_after_ms != 0:
            self._news = anyio.Event()
            seconds = None if step.wake_after_ms is None else step.wake_after_ms / 1000
            with anyio.move_on_after(seconds):
                await self._news.wait()
        events, self._events = self._events, []
        self.recording.replied(len(events))
        if self.pace:
            self.pace.computes()
        self._since = self.recording.clock()
        return events

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """While a call waits for a person, another has its place among those at the same time."""
        self._places.release()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._places.acquire()

    async def _take_output(self, text: str) -> None:
        if text:
            self.output.append(text)
            if self.printed:
                await self.printed(text)

    def _cancel(self, call: int) -> None:
        if scope := self._scopes.get(call):
            scope.cancel()

    def _admitted(self, request: Request) -> Callable[[], Coroutine[Any, Any, None]]:
        """Count a call and give it its place in the order; what is given performs it."""
        self._made += 1
        if self._made > self.calls + SURPLUS:
            raise GuestLost(f"the program went on calling after its {self.calls} calls were used up", limit="calls")
        writes = self.caller.writes(request.operation)
        before, ended = self._order.enter(writes=writes, awaited=request.awaited)
        scope = self._scopes[request.call] = anyio.CancelScope()
        return partial(self._perform, request, self._made, scope, before, ended, writes=writes)

    async def _perform(
        self,
        request: Request,
        number: int,
        scope: anyio.CancelScope,
        before: list[anyio.Event],
        ended: anyio.Event,
        *,
        writes: bool,
    ) -> None:
        event = None
        try:
            with scope:
                for earlier in before:
                    await earlier.wait()
                if not taken_at_once(self._places):
                    await self._places.acquire()
                try:
                    event = self.recording.answered(await self._event(request, number))
                    if writes:
                        await self._kept()
                finally:
                    self._places.release()
        finally:
            ended.set()
            self._scopes.pop(request.call, None)
        if event is not None:
            self._events.append(event)
            self._news.set()

    async def _kept(self) -> None:
        """What was noted is in the store; where that fails, it is unknown to who would continue this execution."""
        try:
            await self.recording.flush()
        except InternalError as error:
            self.log(str(error))

    async def _event(self, request: Request, number: int) -> Event:
        try:
            if number > self.calls:
                raise LimitExceeded(
                    f"this program has used up its {self.calls} calls (limit `calls`)",
                    limit="calls",
                    hint="the operator can raise limits.calls; or fetch more with each call",
                )
            value = await self.caller.perform(request)
            large = is_large(value)  # its text takes seconds to write, in which others are to be served
            text = await aside(large, event_text, Event(request.call, "value", value), large)
            return Event(request.call, "value", value, text)
        except IsthmusError as error:
            return Event(request.call, "error", error_payload(error))
        except Exception as error:  # noqa: BLE001 - whatever fails in here must not take the session along
            self.log("".join(traceback.format_exception(error)))
            return Event(request.call, "error", _internal_payload(request, error))


def error_payload(error: IsthmusError) -> dict[str, Any]:
    """An error as the guest is told of it; it raises the class that `type` names."""
    payload: dict[str, Any] = {
        "type": type(error).__name__,
        "message": error.message,
        "code": error.code,
        "hint": error.hint,
    }
    match error:
        case Refused():
            payload |= {"remedy": error.remedy}
        case LimitExceeded():
            payload |= {"limit": error.limit}
        case RateLimited():
            payload |= {"status": error.status, "body": error.body, "retry_after": error.retry_after}
        case UpstreamError():
            payload |= {"status": error.status, "body": error.body}
    return payload


def _internal_payload(request: Request, error: Exception) -> dict[str, Any]:
    return {
        "type": "UpstreamError",
        "message": f"{request.operation} failed inside Isthmus ({type(error).__name__}); the server's log has more",
        "code": "internal",
        "hint": "",
    }
