"""The use case `execute`: a program in, a report out. Nothing that a program or an upstream does makes it raise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from isthmus.config.model import Limits
from isthmus.errors import IsthmusError
from isthmus.execution import Execution
from isthmus.gateway import Gateway
from isthmus.journal import Began, Journal
from isthmus.model import Effect, Principal, Report, UpstreamState
from isthmus.ports import Guest, Sandbox
from isthmus.service.admission import Admission, Ticket
from isthmus.service.catalogs import Catalogs
from isthmus.service.host import HostOperations
from isthmus.service.sessions import Session, Sessions
from isthmus_sandbox.protocol import Failure, GuestLost, Outcome, Program, Request, SandboxUnavailable

Printed = Callable[[str], Awaitable[None]]
"""Hears what a program prints, as it prints it."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where an execution takes what is not its own: handles, seeds, wall clock (s since the epoch), ticks (s)."""

    new_id: Callable[[str], str]
    new_seed: Callable[[], str]
    now: Callable[[], float]
    ticks: Callable[[], float]


@dataclass(frozen=True, slots=True)
class ExecuteService:
    """Runs programs in sessions, within limits."""

    sandbox: Sandbox
    sessions: Sessions
    admission: Admission
    catalogs: Catalogs
    gateway: Gateway
    host: HostOperations
    limits: Limits
    sources: Sources
    log: Callable[[str], None]

    async def execute(
        self,
        code: str,
        *,
        principal: Principal,
        session: str | None = None,
        timeout: float | None = None,
        printed: Printed | None = None,
    ) -> Report:
        """Run `code` for `principal`, at most `timeout` seconds and never longer than the limit `wall`.

        `session` is a handle, `new`, or None for the principal's own.
        """
        execution = self.sources.new_id("x")
        if failure := self._unfit(code):
            return Report(execution, session or "", ok=False, error=failure)
        seconds = min(timeout or self.limits.wall, self.limits.wall)
        try:
            with self.admission.join(principal) as ticket:
                found = await self.sessions.find(principal, session)
                return await Run(self, found, ticket, execution, code, seconds, printed).report()
        except IsthmusError as error:
            return Report(execution, session or "", ok=False, error=_failure(error))

    def _unfit(self, code: str) -> Failure | None:
        """Why the code cannot be run at all, if it cannot."""
        try:
            size = len(code.encode())
        except UnicodeEncodeError as error:
            line = code.count("\n", 0, error.start) + 1
            return Failure("SyntaxError", "the code holds a lone surrogate, which is no character", line, code="syntax")
        if size > self.limits.code_bytes:
            return Failure(
                "LimitExceeded",
                f"the code has {size:,} bytes, more than {self.limits.code_bytes:,} (limit `code_bytes`)",
                hint="load data through an upstream or the workspace instead of writing it into the program",
                code="limit",
            )
        return None


@dataclass(slots=True)
class Run:
    """One execution on its way through its session."""

    service: ExecuteService
    session: Session
    ticket: Ticket
    execution: str
    code: str
    seconds: float  # from its arrival
    printed: Printed | None
    journal: Journal = field(init=False)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        sources = self.service.sources
        self.journal = Journal(
            Began(
                self.execution,
                self.session.handle,
                self.session.principal.name,
                self.code,
                sources.new_seed(),
                sources.now(),
            ),
            sources.ticks,
        )

    async def report(self) -> Report:
        """Run, and tell."""
        report = Report(self.execution, self.session.handle, ok=False)
        async with self.ticket.place(self.session.turn, self.seconds):
            report = await self._run(report)
        await self.service.sessions.rest(self.session)
        return replace(report, calls=tuple(self.journal.calls()), notes=(*self.notes, *report.notes))

    async def _run(self, report: Report) -> Report:
        running: Execution | None = None
        started = self.service.sources.ticks()
        try:
            guest = await self._guest()
            started = self.service.sources.ticks()  # the first program on a machine waits for the compiler
            running = self._execution(guest)
            with anyio.fail_after(self.seconds - self.ticket.waited):
                outcome = await running.run(self._program())
        except TimeoutError:
            failure = await self._timed_out()
        except GuestLost as lost:
            failure = await self._lost(lost)
        except SandboxUnavailable as error:
            failure = Failure("SandboxUnavailable", str(error), code="internal")
        except BaseException:
            await self._abandon()
            raise
        else:
            return self._told(replace(report, ms=self._ms(started)), outcome, "".join(running.output))
        output = "".join(running.output) if running else ""
        return replace(report, error=failure, output=output, ms=self._ms(started))

    def _ms(self, started: float) -> float:
        return (self.service.sources.ticks() - started) * 1000

    async def _guest(self) -> Guest:
        guest = await self.session.enter(self.service.sandbox)
        if self.session.dropped:
            self.notes.append(
                f"the variables of this session are gone: {self.session.dropped}; /workspace is still there"
            )
            self.session.dropped = ""
        return guest

    def _execution(self, guest: Guest) -> Execution:
        limits = self.service.limits
        return Execution(guest, self, limits.calls, limits.parallel, self.printed, self.service.log)

    def _program(self) -> Program:
        return Program(
            source=self.code,
            seed=self.journal.began.seed,
            now=self.journal.began.at,
            upstreams=tuple(sorted(self.service.gateway.upstreams)),
            output_bytes=self.service.limits.output_bytes,
        )

    async def _timed_out(self) -> Failure:
        seconds = self.seconds
        await self.session.drop(f"the program before was stopped after {seconds:g} s")
        wall = self.service.limits.wall
        more = f"pass timeout= (at most {wall:g})" if seconds < wall else "the operator can raise limits.wall"
        return Failure(
            "TimeLimitExceeded",
            f"the program was stopped after {seconds:g} s (limit `wall`)",
            hint=f"do less in one program, or run calls at once with asyncio.gather; {more}",
            code="limit",
        )

    async def _lost(self, lost: GuestLost) -> Failure:
        await self.session.drop(f"the program before ended its interpreter: {lost.reason}")
        if lost.limit is None:
            return Failure("InterpreterLost", lost.reason, code="crash")
        return Failure("LimitExceeded", f"{lost.reason} (limit `{lost.limit}`)", code="limit")

    async def _abandon(self) -> None:
        """The client has gone, or worse: the guest was stopped in the middle, and cannot be used again."""
        with anyio.CancelScope(shield=True):
            await self.session.drop("the program before was cancelled")

    def _told(self, report: Report, outcome: Outcome, output: str) -> Report:
        self.notes.extend(self._missing())
        return replace(
            report,
            ok=outcome.ok,
            kind=outcome.kind,
            value=outcome.value,
            output=output,
            error=outcome.error,
            notes=outcome.notes,
        )

    def _missing(self) -> list[str]:
        """Upstreams that are not there, where the program mentions them."""
        snapshots = self.service.catalogs.current.snapshots.values()
        return [
            f"the upstream {snapshot.name} is {snapshot.state}: {snapshot.problem or 'not connected yet'}"
            for snapshot in snapshots
            if snapshot.state is not UpstreamState.READY and snapshot.name in self.code
        ]

    def writes(self, operation: str) -> bool:
        """Whether a call of this name could change the world."""
        found = self.service.gateway.lookup(operation)
        return found is not None and found.effect is not Effect.READ

    async def perform(self, request: Request) -> Any:
        """Perform one call of the program: the host's own operations here, all others through the gateway."""
        self.ticket.settle()
        if request.operation.startswith("isthmus."):
            return await self.service.host.answer(request)
        answer = await self.service.gateway.call(
            request.operation, request.positional, request.arguments, self.session.principal, self.journal
        )
        return answer.value


def _failure(error: IsthmusError) -> Failure:
    return Failure(type(error).__name__, error.message, hint=error.hint, code=error.code)
