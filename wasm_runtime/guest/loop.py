# ruff: noqa: SLF001 (a loop is made of what asyncio keeps private for those who implement one)
"""An asyncio event loop whose waiting is one function, `exchange`, and the calls that wait on it.

The loop runs what is ready first, so that calls which are made together leave together. It exchanges
when nothing is ready, when a program must wait synchronously, and now and then while a program
spins. It can be entered again from within (`asyncio.run` inside a program), as there is no other loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import sys
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any, TypeVar, cast

from guest.clock import Clock
from guest.deadlock import DEADLOCK, waiting_for_nothing
from guest.errors import Deadlock, from_payload
from guest.values import Encoded, decode_events, json_text, weight

T = TypeVar("T")
POLL_SECONDS = 0.002
"""While callbacks are ready and calls are under way, events are fetched so often."""

MAX_STEP_REQUESTS = 16 * 2**20
"""Characters of requests that wait to be sent; then they are sent, whatever is ready."""


class Answer(asyncio.Future[Any]):
    """What a task waits on when it awaits a call. Cancelling it abandons the call."""

    pending: Pending

    def cancel(self, msg: Any = None) -> bool:
        """Abandon the call, and be cancelled."""
        if not super().cancel(msg):
            return False
        self.pending.abandon()
        return True


class Pending:
    """One call: asked for, under way, or over."""

    __slots__ = (
        *("_answer", "_arrival", "_loop", "awaited", "done", "error", "heard", "id", "items"),
        *("operation", "origin", "streamed", "value"),
    )

    def __init__(self, loop: Loop, number: int, operation: str, origin: tuple[CodeType, int] | None) -> None:
        self._loop = loop
        self._answer: Answer | None = None
        self._arrival: asyncio.Future[None] | None = None
        self.id = number
        self.operation = operation
        self.origin = origin  # where the program made the call: code, and the offset of its instruction
        self.awaited = False
        self.heard = False  # somebody asked what came of it
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.items: deque[Any] | None = None  # of a stream, those which nobody took yet
        self.streamed = False

    def result(self) -> Any:
        """What came of it, at once: waits, blocking the loop, where it is under way."""
        self.heard = True
        if not self.done:
            self._loop.wait_for(self)
        if self.error is not None:
            raise self.error.with_traceback(None)
        return self.value

    def wait(self) -> Generator[Any, None, Any]:
        """What came of it, for `__await__`."""
        self.heard = True
        self.awaited = True
        if self.done:
            return _finished(self)
        if self._answer is None:
            self._answer = Answer(loop=self._loop)
            self._answer.pending = self
        return self._answer.__await__()

    async def next_item(self) -> Any:
        """The next element of a stream, or of a list. Raises StopAsyncIteration at its end."""
        self._begin_stream()
        while not self.items:
            if self.error is not None:
                raise self.error.with_traceback(None)
            if self.done:
                raise StopAsyncIteration
            self._arrival = self._loop.create_future()
            await self._arrival
        return self.items.popleft()

    def _begin_stream(self) -> None:
        if self.streamed:
            return
        self.heard = self.awaited = self.streamed = True
        if self.done and self.error is None:
            self.items = deque(self.value if isinstance(self.value, list) else [self.value])
        elif self.items is None:
            self.items = deque()

    def take(self, kind: str, payload: Any) -> None:
        """Take an event."""
        if kind == "item":
            self.items = deque() if self.items is None else self.items
            self.items.append(payload)
        else:
            self._finish(kind, payload)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _finish(self, kind: str, payload: Any) -> None:
        self.done = True
        if kind == "error":
            self.error = from_payload(payload)
        elif self.streamed and kind == "value":
            self.items = deque(payload if isinstance(payload, list) else [payload])
        else:
            self.value = list(self.items or ()) if kind == "end" and not self.streamed else payload
        answer = self._answer
        if answer is None or answer.done():
            return
        if self.error is None:
            answer.set_result(self.value)
        else:
            answer.set_exception(self.error)
            answer._log_traceback = False

    def abandon(self) -> None:
        """Nobody wants it any more."""
        if not self.done:
            self.done = self.heard = True
            self.error = asyncio.CancelledError(f"{self.operation} was cancelled")
            self._loop.abandon(self)


def _finished(pending: Pending) -> Generator[Any, None, Any]:
    yield from ()  # what makes this a generator
    return pending.result()


class Loop(asyncio.BaseEventLoop):
    """The one event loop of a guest.

    `exchange` is the host's side of `specs/guest.wit`; `take_output` gives the text to send with the next step;
    `clock` tells the time, and what it told is told to the host.
    """

    # Attributes of BaseEventLoop that typeshed does not show.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _timer_cancelled_count: int
    _stopping: bool

    def __init__(self, exchange: Callable[[str], str], clock: Clock, take_output: Callable[[], str]) -> None:
        super().__init__()
        self._exchange = exchange
        self._tell_clock = clock.take
        self._clock = clock.seconds
        self._take_output = take_output
        self._ids = 0
        self._outbox: dict[int, tuple[str, Pending, str]] = {}
        self._outbox_size = 0
        self._waiting: dict[int, Pending] = {}
        self._cancelled: list[int] = []
        self._spins = 0
        self._last_exchange = 0.0
        self._tasks: list[weakref.ref[asyncio.Task[Any]]] = []
        self._tasks_kept = 1000
        self._mains: list[asyncio.Future[Any]] = []
        self.lost: list[BaseException] = []  # errors of calls and tasks that nobody asked for, oldest first
        self.lost_calls: list[Pending] = []

    # -- calls

    def submit(
        self, operation: str, encoded: tuple[Encoded, Encoded], name: str, origin: tuple[CodeType, int] | None
    ) -> Pending:
        """Ask for a call; it leaves with the next step. `name` is the operation's name as JSON."""
        self._ids += 1
        pending = Pending(self, self._ids, operation, origin)
        named, placed = encoded
        head = f"[{self._ids},{name},{named.text},{placed.text},"
        self._outbox[self._ids] = (head, pending, f",{named.blobs}]")
        self._outbox_size += weight(head) + len(named.blobs)
        if self._outbox_size > MAX_STEP_REQUESTS:
            self.turn(0.0)
        return pending

    def abandon(self, pending: Pending) -> None:
        """Want a call no longer: it is not sent, or the host is told."""
        if self._outbox.pop(pending.id, None) is None and self._waiting.pop(pending.id, None) is not None:
            self._cancelled.append(pending.id)

    def wait_for(self, pending: Pending) -> None:
        """Block until a call is over. Tasks do not run meanwhile; what happens to other calls is kept for them."""
        while not pending.done:
            self.turn(None)

    def sleep(self, seconds: float) -> None:
        """Block for so long. Calls proceed meanwhile, tasks do not."""
        if not seconds >= 0:
            raise ValueError(f"sleep length must be a non-negative number, not {seconds}")
        if seconds > 1e9:
            raise OverflowError(f"{seconds} seconds are too long a sleep")
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            self.turn(left)

    def drain(self) -> None:
        """Send what is unsent, and wait for all that is under way."""
        while self._outbox or self._waiting:
            self.turn(None)

    @property
    def unsettled(self) -> bool:
        """Whether a call is unsent or under way."""
        return bool(self._outbox or self._waiting)

    def output_due(self) -> bool:
        """Whether the last exchange is so long ago that waiting output should be shown."""
        return self._clock() - self._last_exchange >= 0.005

    # -- the door

    def turn(self, timeout: float | None, *, send: bool = True) -> None:
        """One exchange: say what is wanted, wait at most `timeout` seconds, take what has happened.

        With `send` false, requests stay for the next turn (output alone is shown).
        """
        step = self._step(timeout, send=send)
        text = self._exchange(step)
        self._last_exchange = self._clock()
        if text != "[]":
            self._deliver(decode_events(text))

    def _step(self, timeout: float | None, *, send: bool) -> str:
        requests = ""
        if send and self._outbox:
            requests = ",".join(
                head + ("true" if pending.awaited else "false") + tail for head, pending, tail in self._outbox.values()
            )
            self._waiting.update((number, entry[1]) for number, entry in self._outbox.items())
            self._outbox.clear()
            self._outbox_size = self._spins = 0
        cancelled, self._cancelled = self._cancelled, []
        output = json_text(self._take_output())
        wake = "null" if timeout is None else repr(max(0.0, round(timeout * 1000, 3)))
        return (
            f'{{"requests":[{requests}],"cancellations":{cancelled},"output":{output},"wake_after_ms":{wake},'
            f'"clock":{self._tell_clock()}}}'
        )

    def _deliver(self, events: list[list[Any]]) -> None:
        for event in events:
            number, kind = event[0], event[1]
            pending = self._waiting.get(number)
            if pending is None:
                continue
            if kind != "item":
                del self._waiting[number]
            pending.take(kind, event[2])
            if pending.error is not None and not pending.heard:
                self.lost_calls.append(pending)

    # -- the loop

    def time(self) -> float:
        """Seconds, monotonic."""
        return self._clock()

    def run_until_complete(self, future: Awaitable[T]) -> T:  # type: ignore[override]  # typeshed is narrower
        """Run until `future` is done, and give its result. May be called while the loop runs."""
        main = asyncio.ensure_future(future, loop=self)
        self._mains.append(main)
        try:
            with self._entered():
                while not main.done():
                    self._run_once()
        finally:
            self._mains.pop()
        return main.result()

    def run_forever(self) -> None:
        """Run until `stop` is called. May be called while the loop runs."""
        with self._entered():
            while not self._stopping:
                self._run_once()
        self._stopping = False

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """The loop is the running one, and no task is current (there may be one around: this nests)."""
        outer = asyncio._get_running_loop()
        task = asyncio.current_task(self) if outer is self else None
        if task is not None:
            asyncio.tasks._leave_task(self, task)
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(
            firstiter=self._asyncgen_firstiter_hook,  # type: ignore[attr-defined]  # of BaseEventLoop
            finalizer=self._asyncgen_finalizer_hook,  # type: ignore[attr-defined]  # of BaseEventLoop
        )
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)
            if task is not None:
                asyncio.tasks._enter_task(self, task)

    def is_running(self) -> bool:
        """Whether a program is inside `run_until_complete`."""
        return asyncio._get_running_loop() is self

    def close(self) -> None:
        """Nothing: it is the only loop there is, and the next program needs it."""

    def dispose(self) -> None:
        """Close it after all, with the guest it belongs to."""
        super().close()

    def _run_once(self) -> None:
        ready = self._ready
        if self._scheduled:
            self._fire_timers()
        if not ready:
            self._idle()
        elif self._outbox or self._waiting:
            self._poll()
        for _ in range(len(ready)):
            if not ready:  # an inner run took them
                return
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _fire_timers(self) -> None:
        scheduled = self._scheduled
        if self._timer_cancelled_count > 100 and self._timer_cancelled_count * 2 > len(scheduled):
            scheduled[:] = [handle for handle in scheduled if not handle._cancelled]
            heapq.heapify(scheduled)
            self._timer_cancelled_count = 0
        now = self._clock()
        while scheduled and (scheduled[0]._cancelled or scheduled[0].when() <= now):
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]
            if handle._cancelled:
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(handle)

    def _idle(self) -> None:
        if self._scheduled:
            self.turn(max(0.0, self._scheduled[0].when() - self._clock()))
            self._fire_timers()
        elif self._outbox or self._waiting:
            self.turn(None)
        else:
            self._break_deadlock()

    def _poll(self) -> None:
        """While callbacks keep being ready: let requests gather for one round, then send them; look for events.

        The round lets `gather` begin to await what it was given: a request says whether its call was awaited.
        """
        self._spins += 1
        if self._outbox:
            if self._spins >= 2:
                self.turn(0.0)
        elif self._clock() - self._last_exchange >= POLL_SECONDS:
            self.turn(0.0)

    def _break_deadlock(self) -> None:
        """Nothing will ever happen: say so in whatever waits, the leaves first."""
        stuck = waiting_for_nothing(asyncio.all_tasks(self), self._mains, (asyncio.Future, Answer))
        if not stuck:
            raise Deadlock(DEADLOCK)
        for future in stuck:
            if not future.done():
                future.set_exception(Deadlock(DEADLOCK))

    # -- what programs ask of a loop

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """A task for a coroutine, or for anything that can be awaited."""
        abandon = None
        if not asyncio.iscoroutine(coro) and hasattr(type(coro), "__await__"):
            abandon = getattr(coro, "__isthmus_abandon__", None)
            coro = _awaiting(coro)
        task = super().create_task(coro, **options)
        if abandon is not None:  # cancelled before its first step, a task never comes to await its call
            task.add_done_callback(lambda done: abandon() if done.cancelled() else None)
        if len(self._tasks) >= self._tasks_kept:
            self._tasks = [reference for reference in self._tasks if reference() is not None]
            self._tasks_kept = max(1000, 2 * len(self._tasks))
        self._tasks.append(weakref.ref(task))
        return task

    def run_in_executor(self, _executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Call the function at once: there are no threads. The future is done when this returns."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 (whatever it raised is the future's)
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep the error of a task or callback that nobody asked for."""
        error = context.get("exception")
        if error is not None and not isinstance(error, Deadlock):
            self.lost.append(error)

    def _write_to_self(self) -> None:
        """Nothing: there is no other thread to wake the loop from."""

    def _process_events(self, event_list: Any) -> None:
        """Nothing: events are delivered by `turn`."""

    # -- the end of a program

    def end_program(self) -> list[str]:
        """Let what is under way come to its end, cancel what would wait on, and forget the program's tasks.

        Calls are sent and waited for. Tasks go on as long as they wait for calls, or for each other.

        Returns: the names of the tasks that were cancelled.
        """
        if not (self._tasks or self._ready or self._scheduled or self.unsettled or self._cancelled):
            return []
        self._spins = 0
        with self._entered():
            self._run_while_calls()
            cancelled = [task for task in asyncio.all_tasks(self) if not task.done()]
            for task in cancelled:
                task.cancel()
            for _ in range(100):  # what catches its cancellation again and again is left
                if not self._ready:
                    break
                self._run_after_end()
        self.drain()
        if self._cancelled:
            self.turn(0.0)
        for task in filter(None, (reference() for reference in self._tasks)):
            if task.done() and not task.cancelled() and task._log_traceback:
                self.lost.append(cast(BaseException, task.exception()))
        self._forget()
        return [task.get_name() for task in cancelled]

    def _run_while_calls(self) -> None:
        for _ in range(10_000):
            if not (self._ready or self.unsettled):
                return
            if self._ready or not self._scheduled:
                self._run_after_end()
            elif self.unsettled:
                self.turn(None)
            else:
                return

    def _run_after_end(self) -> None:
        with contextlib.suppress(SystemExit, KeyboardInterrupt):  # the program has ended already
            self._run_once()

    def _forget(self) -> None:
        self._tasks.clear()
        self._scheduled.clear()
        self._ready.clear()
        self._mains.clear()
        self._timer_cancelled_count = 0
        self._stopping = False
        self._spins = 0


async def _awaiting(awaitable: Awaitable[T]) -> T:
    return await awaitable
