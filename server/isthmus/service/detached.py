"""Executions that go on without a client: it was told what they wait for, and comes back, or does not.

For as long as `patience` such an execution stays alive, and whoever names it attends to it again. Then it is put aside:
its worker is ended, and from its journal it is resumed where it stood, by this server or another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import anyio
from anyio.abc import TaskGroup

from isthmus.model import Principal, Report
from isthmus.ports import Approver
from isthmus.service.pausing import Pausing

SETTLE = 0.05
"""Seconds between the first question of an execution and the telling: others of a gather come with it."""

MOST_EACH = 20
"""Executions of one principal that stay alive so; of more, the oldest is put aside."""


Printed = Callable[[str], Awaitable[None]]
"""Hears what a program prints, as it prints it."""

Tell = Callable[[Report], Awaitable[tuple[int, Sequence[str]]]]
"""Lays a report out, while nothing else runs in its session. Gives its tokens, and the names of files it was put in."""

Consent = Approver | Literal["later"] | None
"""How a person is asked: directly, or by a client that is told what there is to ask; None: not at all."""


@dataclass(slots=True, eq=False)
class Client:
    """Who waits for an execution now."""

    printed: Printed | None = None
    tell: Tell | None = None
    consent: Consent = None


@dataclass(slots=True, eq=False)
class Held:
    """One execution, and what has come of it."""

    principal: Principal
    source: str
    pausing: Pausing
    client: Client
    work: Callable[[], Awaitable[Report]]
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    report: Report | None = None
    error: Exception | None = None
    attended: int = 0
    left: int = 0  # how often it was left alone


@dataclass(slots=True, eq=False)
class Detached:
    """All of one server. `run` has to be running."""

    patience: float
    _held: list[Held] = field(default_factory=list)
    _tasks: TaskGroup | None = None

    async def run(self) -> None:
        """Hold executions, until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            await anyio.sleep_forever()

    def find(self, principal: Principal, execution: str | None) -> Held | None:
        """The execution of that id, where it is this principal's and is held."""
        return next(
            (each for each in self._held if each.pausing.execution == execution and each.principal == principal), None
        )

    async def begin(self, held: Held) -> Report | None:
        """Start an execution, and attend to it: its report; or None once it waits for a person only."""
        if self._tasks is None:
            raise RuntimeError("nothing holds executions: `run` is not running")
        self._held.append(held)
        self._tasks.start_soon(self._work, held)
        return await self.attend(held)

    async def attend(self, held: Held) -> Report | None:
        """The same for one that is held. Cancelled, it ends the execution: the client that waits for it has gone."""
        held.attended += 1
        try:
            while not held.ended.is_set():
                news = held.pausing.news
                if held.pausing.idle:
                    with anyio.move_on_after(SETTLE):
                        await held.ended.wait()
                    await held.pausing.keep()  # this server may be gone when somebody comes back
                    if held.pausing.idle and not held.ended.is_set():
                        self._leave(held)
                        return None
                    continue
                await news.wait()
        except BaseException:
            held.scope.cancel()
            raise
        finally:
            held.attended -= 1
        self._forget(held)
        if held.error is not None:
            raise held.error
        return held.report

    async def end(self, held: Held) -> None:
        """End an execution: another program goes on in its place."""
        held.scope.cancel()
        await held.ended.wait()
        self._forget(held)

    async def close(self) -> None:
        """Put aside all that waits, and end all else that nobody attends to: the server ends."""
        held = list(self._held)
        for each in held:
            self._put_aside(each)
        for each in held:
            await each.ended.wait()

    async def _work(self, held: Held) -> None:
        try:
            with held.scope:
                held.report = await held.work()
        except Exception as error:  # noqa: BLE001 - whoever attends to it hears of it
            held.error = error
        finally:
            held.ended.set()
            held.pausing.changed()

    def _leave(self, held: Held) -> None:
        held.left += 1
        if self._tasks is not None:
            self._tasks.start_soon(self._tire, held, held.left)
        own = [each for each in self._held if each.principal == held.principal and not each.ended.is_set()]
        for each in own[: max(0, len(own) - MOST_EACH)]:
            self._put_aside(each)

    async def _tire(self, held: Held, left: int) -> None:
        await anyio.sleep(self.patience)
        if held.left == left and not held.attended:
            self._put_aside(held)

    def _put_aside(self, held: Held) -> None:
        held.pausing.aside = held.pausing.waiting > 0 and not held.ended.is_set()
        held.scope.cancel()
        self._forget(held)

    def _forget(self, held: Held) -> None:
        if held in self._held:
            self._held.remove(held)
