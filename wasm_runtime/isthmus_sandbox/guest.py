"""A guest as the server sees it: a process, a socket, a workspace, and the conversation with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from isthmus_sandbox import exits
from isthmus_sandbox.channel import Channel, Disconnected
from isthmus_sandbox.frames import decode_outcome, decode_step, encode_event, encode_program, event_text
from isthmus_sandbox.launcher import Process
from isthmus_sandbox.protocol import Event, GuestLost, Outcome, Program, ProtocolViolation, Step
from isthmus_sandbox.settings import MIB, Limits
from isthmus_sandbox.wire import Kind
from isthmus_sandbox.workspace import glance, used_bytes

_GONE_WITHIN = 10.0  # seconds, for a process that has been killed
_LARGE = 1_000_000  # bytes: beyond it a frame is decoded off the event loop
_LOOK_EVERY = 0.5  # seconds between two looks at the workspace of a program that runs
_UNBOUNDED = 2**62
_OUTCOME_EXTRA = 65_536  # what a worker puts round an outcome that it had to shorten

_Exchange = Callable[[Step], Awaitable[Sequence[Event]]]
_T = TypeVar("_T")


class WorkerGuest:
    """One worker and its guest. Implements the port `Guest`."""

    def __init__(self, process: Process, channel: Channel, workspace: Path, limits: Limits) -> None:
        self._process = process
        self._channel = channel
        self._workspace = workspace
        self._limits = limits
        self._last_call = 0
        self._running = False
        self._lost: GuestLost | None = None

    def __repr__(self) -> str:
        state = "running" if self._running else "lost" if self._lost else "ready"
        return f"<WorkerGuest {state}, workspace {self._workspace}>"

    @property
    def alive(self) -> bool:
        """Whether `run` can be called."""
        return self._lost is None and self._channel.open

    @property
    def workspace(self) -> Path:
        """The host directory that the guest sees as `/workspace`."""
        return self._workspace

    @property
    def memory_bytes(self) -> int:
        """What the worker takes beside what all workers share; 0 where that cannot be known."""
        return self._process.memory_bytes if self.alive else 0

    def give_way(self) -> None:
        """From now on, let others have the processor first, where the system can do that."""
        self._process.give_way()

    def move(self, workspace: Path) -> bool:
        """Let the workspace have another place, where there is nothing or an empty directory. False: it cannot."""
        try:
            self._workspace.rename(workspace)
        except OSError:
            return False
        self._workspace = workspace
        return True

    async def run(self, program: Program, exchange: _Exchange) -> Outcome:
        """Run one program to its end; one at a time. Cancelled, it kills the worker.

        Raises:
            GuestLost: the worker died, reached a limit or broke the protocol. The guest is gone.
        """
        if self._running:
            raise RuntimeError("this guest is running a program already")
        if self._lost is not None:
            raise self._lost
        self._running = True
        watch = _Watch(self._workspace, self._limits.workspace_mb, self._give_up)
        try:
            outcome = await self._converse(program, exchange, watch)
            return await watch.conclude(outcome)
        except Disconnected:
            raise await self._bury() from None
        except ProtocolViolation as violation:
            raise self._give_up(GuestLost(f"the worker broke the protocol: {violation}")) from None
        except GuestLost as lost:
            raise self._give_up(lost) from None
        except BaseException:
            self._give_up(GuestLost("the run was cancelled, and the worker ended"))
            raise
        finally:
            watch.stop()
            self._running = False

    async def close(self) -> None:
        """End the worker, by force, and wait until it is gone. Idempotent; the workspace is left."""
        self._give_up(GuestLost("the guest was closed"))
        with anyio.move_on_after(_GONE_WITHIN, shield=True):
            await self._process.wait()

    async def _converse(self, program: Program, exchange: _Exchange, watch: _Watch) -> Outcome:
        limits = self._limits
        answers = {Kind.STEP: limits.step_bytes, Kind.OUTCOME: limits.outcome_bytes + _OUTCOME_EXTRA}
        self._channel.send(Kind.PROGRAM, encode_program(program), answers)
        waiting: list[bytes] = []  # events that did not fit into the last frame
        received = 0
        while True:
            kind, text = await self._channel.receive()
            received += len(text)
            if received > limits.received_bytes:
                raise GuestLost("the program sent more data than one run may", limit="received_bytes")
            if kind is Kind.OUTCOME:
                return await _decode(decode_outcome, text)
            step = await _decode(decode_step, text)
            self._check_calls(step)
            with watch.paused():
                events = await exchange(replace(step, wake_after_ms=0.0) if waiting else step)
            waiting += [_encode(event, limits.events_bytes) for event in events]
            frame, waiting = _pack(waiting, limits.events_bytes)
            self._channel.send(Kind.EVENTS, frame, answers)

    def _check_calls(self, step: Step) -> None:
        for request in step.requests:
            if request.call <= self._last_call:
                raise ProtocolViolation(f"step: call {request.call} was used before")
            self._last_call = request.call

    async def _bury(self) -> GuestLost:
        """The worker hung up by itself: find out why."""
        status: int | None = None
        with anyio.move_on_after(_GONE_WITHIN):
            status = await self._process.wait()
        return self._give_up(exits.lost(status))

    def _give_up(self, reason: GuestLost) -> GuestLost:
        """Kill the worker, if it lives. The first reason stays. Does not wait."""
        if self._lost is None:
            self._lost = reason
        self._process.kill()
        self._channel.close()
        return self._lost


class _Watch:
    """Keeps the quota of a workspace while a program runs: looks twice a second, off the event loop.

    A program that adds to files beyond the quota is ended. One that finds them so already, and removes some, is not.
    While a program waits for us it writes nothing, and is not looked at: a thousand that wait cost nothing.
    """

    __slots__ = ("_before", "_due", "_end", "_most", "_over", "_paused", "_timer", "_workspace")

    def __init__(self, workspace: Path, most_mb: int, end: Callable[[GuestLost], object]) -> None:
        self._workspace = workspace
        self._most = most_mb * MIB
        self._end = end
        self._before: int | None = None  # used when last looked at, if it was too much
        self._paused = self._due = self._over = False
        self._arm()

    def stop(self) -> None:
        """The program is over."""
        self._over = True
        self._timer.cancel()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The program waits. A look that was due meanwhile is taken when it goes on."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False
            if self._due and not self._over:
                self._due = False
                self._look()

    async def conclude(self, outcome: Outcome) -> Outcome:
        """The outcome, with a note where the files take up too much."""
        used = glance(self._workspace)
        if used is None:
            used = await anyio.to_thread.run_sync(used_bytes, self._workspace, self._most)
        if used <= self._most:
            return outcome
        note = f"the files in /workspace take up more than the {self._most // MIB} MB that are allowed: remove some"
        return replace(outcome, notes=(*outcome.notes, note))

    def _arm(self) -> None:
        self._timer: asyncio.TimerHandle = asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)

    def _look(self) -> None:
        if self._paused:
            self._due = True
            return
        looking = asyncio.get_running_loop().run_in_executor(None, used_bytes, self._workspace, _UNBOUNDED)
        looking.add_done_callback(self._judge)

    def _judge(self, looking: asyncio.Future[int]) -> None:
        if self._over or looking.cancelled():
            return
        used = looking.result()
        if used > self._most and self._before is not None and used > self._before:
            self._end(GuestLost("the program wrote more to /workspace than is allowed", limit="workspace_mb"))
        else:
            self._before = used
            self._arm()


async def _decode(decoder: Callable[[bytes], _T], text: bytes) -> _T:
    if len(text) <= _LARGE:
        return decoder(text)
    return await anyio.to_thread.run_sync(decoder, text)


def _encode(event: Event, most: int) -> bytes:
    """An event that fits into a frame: what is too long becomes an error."""
    text = event.text or event_text(event)
    if len(text) + 2 <= most:
        return text
    failure = {
        "type": "LimitExceeded",
        "message": f"the answer is {len(text):,} bytes long, and {most:,} can be carried",
        "code": "limit",
        "hint": "ask for less at once: a page, a range, fewer fields",
        "status": None,
        "body": None,
    }
    return encode_event(Event(event.call, "error", failure))


def _pack(events: list[bytes], most: int) -> tuple[bytes, list[bytes]]:
    """One frame with as many events as fit, from the first, and those that are left."""
    length, taken = 2, 0
    for event in events:
        length += len(event) + 1
        if taken and length > most:
            break
        taken += 1
    return b"[" + b",".join(events[:taken]) + b"]", events[taken:]
