"""A recorded execution's other side: upstreams that answer as they did, and a door whose clocks and seed are as then.

Calls are found again by operation and arguments, not by their place among the steps: a recording outlives versions of
Isthmus, and small changes of its program. Answers come in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio

from isthmus.contracts.recorded import RecordedCall, RecordedError, RecordedRun
from isthmus.errors import UpstreamError
from isthmus.mock.answers import bound_of, came_from_upstream, error_of
from isthmus.model import RENOUNCING, Answer, Call, Credential, Operation, UpstreamSnapshot, UpstreamState, digest
from isthmus.ports import Exchange, Guest, Publish, Sandbox
from isthmus_sandbox.protocol import Event, Outcome, Program, Request, Step
from isthmus_sandbox.values import clean

TURN = 1.0
"""Seconds that an answer waits for those that came before it; a program that goes as it went never waits so long."""


@dataclass(slots=True, eq=False)
class Expected:
    """A recorded call that may be made again."""

    call: RecordedCall
    key: tuple[str, str] | None  # None: its operation does not take its arguments any more, or is gone
    taken: bool = False
    over: anyio.Event = field(default_factory=anyio.Event)  # it has been answered


@dataclass(slots=True, eq=False)
class Script:
    """What all upstreams of one run answer. `surprises` are the calls that were made and are not recorded."""

    expected: list[Expected]
    surprises: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    @classmethod
    def of(cls, run: RecordedRun, operations: Mapping[str, Operation]) -> Script:
        """The script of a run. `operations` are those of today, by id."""
        return cls([Expected(call, _key(call, operations)) for call in run.calls if not call.is_hosts])

    async def answer(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        """The recorded answer to a call.

        Raises:
            UpstreamError: the one that is recorded; or there is no such call, or it never left.
        """
        key = operation, digest(dict(arguments))
        found = next((one for one in self.expected if one.key == key and not one.taken), None)
        if found is None:
            self.surprises.append((operation, arguments))
            raise UpstreamError(f"{operation}: the recording has no such call, so there is no answer to it")
        found.taken = True
        if not came_from_upstream(found.call):
            return await self._unsent(found)
        await self._turn(found)
        found.over.set()
        if isinstance(error := found.call.error, RecordedError):
            raise error_of(error)
        return clean(found.call.answer)

    async def _turn(self, one: Expected) -> None:
        """Wait for the answers that came before this one."""
        before = [each for each in self.expected if 0 < each.call.answered < one.call.answered and each.key]
        with anyio.move_on_after(TURN):
            for each in before:
                if came_from_upstream(each.call):
                    await each.over.wait()

    async def _unsent(self, one: Expected) -> Any:
        if one.call.answered == 0:
            await anyio.sleep_forever()  # the program did not wait for it then, either
        why = one.call.error.message if one.call.error else one.call.status
        raise UpstreamError(f"{one.call.operation} is allowed today; when it was recorded, it was not sent: {why}")

    @property
    def missed(self) -> list[RecordedCall]:
        """The calls that were answered by an upstream, and were not made again."""
        return [one.call for one in self.expected if not one.taken and came_from_upstream(one.call)]


def _key(call: RecordedCall, operations: Mapping[str, Operation]) -> tuple[str, str] | None:
    operation = operations.get(call.operation)
    bound = bound_of(operation, call) if operation is not None else None
    return None if bound is None else (call.operation, digest(bound))


@dataclass(slots=True, eq=False)
class RecordedUpstream:
    """Implements `ports.Upstream`: the operations of today, and the answers of then. `script` is that of the run."""

    name: str
    operations: Sequence[Operation]
    script: Script | None = None

    async def run(self, publish: Publish) -> None:
        """Publish the operations, and stay until cancelled."""
        publish(UpstreamSnapshot(self.name, UpstreamState.READY, tuple(self.operations), "recorded"))
        await anyio.sleep_forever()

    async def call(self, call: Call, _: Credential | None) -> Answer:
        """Answer one call.

        Raises:
            UpstreamError: the one that is recorded; or there is no such call.
        """
        if self.script is None:
            raise UpstreamError(f"{call.operation.id} is called before anything is run")
        return Answer(await self.script.answer(call.operation.id, call.arguments))


@dataclass(slots=True, eq=False)
class RecordedDoor:
    """Implements `ports.Sandbox`, over a real one: programs run with the seed and the clocks of `runs`, one by one.

    What the host itself answered (searches, skills) is answered as it was.
    """

    sandbox: Sandbox
    runs: Iterator[RecordedRun]

    async def start(self) -> None:
        """As the sandbox does."""
        await self.sandbox.start()

    async def open(self, workspace: Path | None = None, *, behind: bool = False) -> Guest:
        """A guest of the sandbox, behind this door."""
        return RecordedGuest(await self.sandbox.open(workspace, behind=behind), self.runs)

    def preparing(self) -> str:
        """As the sandbox does."""
        return self.sandbox.preparing()

    def layers(self) -> Mapping[str, str]:
        """As the sandbox does."""
        return self.sandbox.layers()

    async def close(self) -> None:
        """As the sandbox does."""
        await self.sandbox.close()


@dataclass(slots=True, eq=False)
class RecordedGuest:
    """Implements `ports.Guest`, over a real one; see `RecordedDoor`."""

    guest: Guest
    runs: Iterator[RecordedRun]

    @property
    def alive(self) -> bool:
        """As the guest is."""
        return self.guest.alive

    @property
    def workspace(self) -> Path:
        """That of the guest."""
        return self.guest.workspace

    @property
    def memory_bytes(self) -> int:
        """That of the guest."""
        return self.guest.memory_bytes

    async def run(self, program: Program, exchange: Exchange) -> Outcome:
        """Run the next program, as if it were then."""
        recorded = next(self.runs)
        as_then = replace(program, seed=recorded.seed, now=recorded.now, clock=recorded.clock, wall=recorded.wall)
        return await self.guest.run(as_then, _Host(recorded, exchange).exchange)

    def give_way(self) -> None:
        """As the guest does."""
        self.guest.give_way()

    async def close(self) -> None:
        """As the guest does."""
        await self.guest.close()


class _Host:
    """The server's side of the door. It answers what the host answered then, and hands on all else.

    As long as the program asks for what it asked for, step by step, it is told in each step what it was told in that
    one, so that its clocks are read as often. From the first other step on, it is told what there is.
    """

    def __init__(self, run: RecordedRun, exchange: Exchange) -> None:
        self._calls = run.calls
        self._known: dict[tuple[str, str], list[RecordedCall]] = {}
        for call in run.calls:
            if call.is_hosts and call.answered and call.operation not in RENOUNCING:
                self._known.setdefault(_address(call.operation, call.arguments, call.positional), []).append(call)
        self._exchange = exchange
        self._at = 0
        self._last = max((call.steps[1] for call in run.calls), default=0)
        self._numbers: dict[int, int] = {}  # of calls, by their place in the recording
        self._arrived: dict[int, Event] = {}  # and not told yet, by number

    async def exchange(self, step: Step) -> Sequence[Event]:
        """The events of a step."""
        self._at += 1
        rest = []
        for request in step.requests:
            if known := self._known.get(_address(request.operation, request.arguments, request.positional)):
                self._arrived[request.call] = _event(request, known.pop(0))
            else:
                rest.append(request)
        onward = replace(step, requests=tuple(rest))
        if not self._as_recorded(step):
            return await self._free(onward)
        order = sorted((call.answered, place) for place, call in enumerate(self._calls) if call.steps[1] == self._at)
        wanted = [self._numbers[place] for _, place in order if place in self._numbers]
        self._take(await self._exchange(replace(onward, wake_after_ms=0)))
        with anyio.move_on_after(TURN):
            while not self._arrived.keys() >= set(wanted):
                self._take(await self._exchange(_NOTHING))
        return [self._arrived.pop(number) for number in wanted if number in self._arrived]

    def _as_recorded(self, step: Step) -> bool:
        """Whether a step asks for what it asked for; once it does not, no later one counts."""
        asked = [place for place, call in enumerate(self._calls) if call.steps[0] == self._at]
        same = len(asked) == len(step.requests) and all(
            _look(self._calls[place].arguments, self._calls[place].positional) == _look(one.arguments, one.positional)
            for place, one in zip(asked, step.requests, strict=True)
        )
        if self._at > self._last or not same:
            self._last = 0
            return False
        self._numbers.update({place: one.call for place, one in zip(asked, step.requests, strict=True)})
        return True

    async def _free(self, step: Step) -> Sequence[Event]:
        """Whatever there is; it is not waited where something is there already."""
        held, self._arrived = list(self._arrived.values()), {}
        return [*held, *await self._exchange(replace(step, wake_after_ms=0) if held else step)]

    def _take(self, events: Sequence[Event]) -> None:
        self._arrived.update({event.call: event for event in events})


_NOTHING = Step()


def _look(arguments: Mapping[str, Any], positional: Sequence[Any]) -> str:
    return digest([dict(arguments), list(positional)])


def _address(operation: str, arguments: Mapping[str, Any], positional: Sequence[Any]) -> tuple[str, str]:
    return operation, _look(arguments, positional)


def _event(request: Request, call: RecordedCall) -> Event:
    if call.error is None:
        return Event(request.call, "value", clean(call.answer))
    error = call.error
    payload = {"type": error.type, "message": error.message, "code": error_of(error).code, "hint": error.hint}
    return Event(request.call, "error", {**payload, "status": error.status, "body": error.body})
