"""The use case `execute`: a program in, a report out. Nothing that a program or an upstream does makes it raise."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio

from isthmus.config.model import Limits
from isthmus.errors import InternalError, IsthmusError, Refused
from isthmus.execution import Execution
from isthmus.gateway import Gateway
from isthmus.journal import Began, Entry, Finished, Resumed, Sent, Transcript, transcript_of
from isthmus.model import RENOUNCING, Effect, Principal, Question, Reply, Report
from isthmus.ports import Audit, Guest, Sandbox
from isthmus.preflight import Finding, failure_of
from isthmus.recording import Recording
from isthmus.replay import Diverged, outcome_of, report_of
from isthmus.service.admission import Admission, Ticket
from isthmus.service.ahead import look_ahead
from isthmus.service.approvals import Approvals
from isthmus.service.catalogs import Catalogs
from isthmus.service.detached import Client, Consent, Detached, Held, Printed, Tell
from isthmus.service.failures import CannotSucceed, guest_lost, missing, not_resumed, refused, timed_out, unfit
from isthmus.service.history import Continuation, History
from isthmus.service.host import HostOperations
from isthmus.service.learning import Learning
from isthmus.service.pausing import Pausing
from isthmus.service.sessions import Session, Sessions
from isthmus.service.skills import Origin
from isthmus.service.veils import Veils
from isthmus.terms import Terms
from isthmus.trail import Trail, note_stopped
from isthmus.turns import aside
from isthmus_sandbox.protocol import Failure, GuestLost, Outcome, Program, Request, SandboxUnavailable
from isthmus_sandbox.values import is_large

MOST_NAMES = 200
"""Variables that a guest tells of at its end (`guest.session`)."""


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
    history: History
    host: HostOperations
    approvals: Approvals
    detached: Detached
    limits: Limits
    sources: Sources
    log: Callable[[str], None]
    audit: Audit | None = None
    veils: Veils | None = None
    learning: Learning | None = None

    async def execute(
        self,
        code: str,
        *,
        principal: Principal,
        session: str | None = None,
        timeout: float | None = None,
        printed: Printed | None = None,
        tell: Tell | None = None,
        consent: Consent = None,
    ) -> Report:
        """Run `code` for `principal`, at most `timeout` seconds and never longer than the limit `wall`.

        `session` is a handle, `new`, the id of an execution to continue, or None for the principal's own. What was
        interrupted when its server ended goes on where it stood, if `code` is the same or empty; any other program
        takes over the answers of the completed calls of the execution that it continues. Where it waits for a person,
        and `consent` is "later", the report says for what (`waits`), and the execution goes on by itself.
        """
        execution = self.sources.new_id("x")
        if failure := unfit(code, self.limits):
            return Report(execution, session or "", ok=False, error=failure)
        client, pausing = Client(printed, tell, consent), Pausing(execution)
        seconds = min(timeout or self.limits.wall, self.limits.wall)

        async def work() -> Report:
            with self.admission.join(principal) as ticket:
                notes = await self.history.news(principal, session)
                found, continues = await self._session(principal, session)
                self._refuse_if_waiting(principal, found)
                run = Run(self, found, ticket, execution, code, seconds, continues, client, pausing, notes=notes)
                return await run.report()

        try:
            if (held := self.detached.find(principal, session)) is not None:
                if code.strip() in ("", held.source.strip()):
                    held.client.printed, held.client.tell = printed, tell
                    self.approvals.look(held.pausing.execution)
                    return self._told(held, await self.detached.attend(held))
                await self.detached.end(held)
            if consent == "later" and self.gateway.policy.asks:
                held = Held(principal, code, pausing, client, work)
                return self._told(held, await self.detached.begin(held))
            return await work()
        except IsthmusError as error:
            return Report(execution, session or "", ok=False, error=refused(error))

    def _told(self, held: Held, report: Report | None) -> Report:
        """The report; of an execution that waits, what it waits for."""
        if report is not None:
            return report
        waits = self.approvals.of(held.pausing.execution)
        return Report(held.pausing.execution, waits[0].session if waits else "", ok=True, waits=waits)

    def _refuse_if_waiting(self, principal: Principal, session: Session) -> None:
        """A session whose program waits for a person would keep all others waiting as long.

        Raises:
            Refused: it does.
        """
        for question in self.approvals.in_session(session.handle):
            if self.detached.find(principal, question.execution) is not None:
                raise Refused(
                    f"nothing was run: {question.execution}, in the same session, waits for the user's approval",
                    remedy=f'go on with session="{question.execution}" and empty code, or end it with the same session '
                    'and other code; session="new" has a session of its own',
                )

    async def _session(self, principal: Principal, session: str | None) -> tuple[Session, str]:
        """The session to run in, and the execution to continue, if `session` names one."""
        if session is None or not session.startswith("x-"):
            return await self.sessions.find(principal, session), ""
        return self.sessions.reopen(principal, await self.history.session_of(principal, session)), session


@dataclass(slots=True)
class Run:
    """One execution. `seconds` is how long it may take from its arrival; `continues` is what it goes on with."""

    service: ExecuteService
    session: Session
    ticket: Ticket
    execution: str
    code: str
    seconds: float
    continues: str
    client: Client
    pausing: Pausing
    recording: Recording | None = None
    notes: list[str] = field(default_factory=list)
    terms: Terms = field(init=False)
    running: Execution | None = None
    questions: set[str] = field(default_factory=set)  # ids of all that were asked

    def __post_init__(self) -> None:
        self.pausing.ticket, self.pausing.keep = self.ticket, self._kept
        approver = None if self.client.consent is None else self
        self.terms = Terms(self.execution, self.session.handle, approver)

    async def report(self) -> Report:
        """Run, and tell."""
        async with self.ticket.place(self.session.turn, self.seconds):
            try:
                report = await self._run()
            finally:
                self.service.history.running.discard(self.execution)
                if not self.pausing.aside:
                    self.service.approvals.withdraw(self.questions)
            if self.recording is not None:
                report = replace(report, calls=self.recording.calls(), changes=tuple(self.terms.changes))
            if (learning := self.service.learning) is not None:
                report = learning.hinted(report, self.service.gateway.lookup, self.session.principal)
            report = await self._veiled(replace(report, notes=(*self.notes, *report.notes)))
            await self._end(report)
        self.service.sessions.rest(self.session)
        return report

    async def _run(self) -> Report:
        outcome: Outcome | None = None
        if self.service.veils is not None:
            self.terms.veil = self.service.veils.of(self.session)
        went_on = await self._continuation()
        if went_on is not None and went_on.ended and not self.code.strip():
            return self._told_before(went_on)
        started = self.service.sources.ticks()
        try:
            before = await self._begin(went_on)
            started = self.service.sources.ticks()  # the first program on a machine waits for the compiler
            running = self.running = self._running()
            with anyio.fail_after(self.seconds - self.ticket.waited) as self.pausing.scope:
                outcome = await running.run(self._recorded.began.program, before)
            failure = outcome.error
        except CannotSucceed as found:
            return Report(self.execution, self.session.handle, ok=False, error=found.failure)
        except TimeoutError:
            await self.session.drop(f"the program before was stopped after {self.seconds:g} s")
            failure = timed_out(self.seconds, self.service.limits.wall)
        except GuestLost as lost:
            await self.session.drop(f"the program before ended its interpreter: {lost.reason}")
            failure = guest_lost(lost)
        except Diverged as diverged:
            await self.session.drop("the program before could not be resumed")
            failure = not_resumed(diverged)
        except SandboxUnavailable as error:
            failure = Failure("SandboxUnavailable", str(error), code="internal")
        except BaseException:
            await self._abandon()
            raise
        ms = (self.service.sources.ticks() - started) * 1000
        if self.running is not None:
            self._note_end(outcome, failure, ms, self.running.busy * 1000)
        output = "".join(self.running.output) if self.running else ""
        report = Report(self.execution, self.session.handle, ok=False, error=failure, output=output, ms=ms)
        if outcome is None:
            return report
        # Names beyond the most that are told are not known, and neither are those of modules.
        self.session.names = frozenset(outcome.names) if len(outcome.names) < MOST_NAMES else None
        return self._with_outcome(report, outcome)

    # the beginning

    @property
    def _recorded(self) -> Recording:
        if self.recording is None:
            raise RuntimeError("nothing has begun")
        return self.recording

    async def _kept(self) -> None:
        if self.recording is not None:
            await self.recording.flush()

    async def _continuation(self) -> Continuation | None:
        if not self.continues:
            return None
        return await self.service.history.continuation(self.session.principal, self.continues)

    def _told_before(self, went_on: Continuation) -> Report:
        """What an execution came to that has ended: nothing is run."""
        transcript = transcript_of(went_on.entries)
        self.execution = self.continues
        self.notes.append(f"this is what {self.continues} came to; nothing was run now")
        return report_of(transcript, outcome_of(transcript))

    async def _begin(self, went_on: Continuation | None) -> Transcript | None:
        """A guest, and the journal. What is given crossed the door in a server that is gone, and comes first."""
        service, history = self.service, self.service.history
        await self.session.revisit()
        if went_on is not None and not went_on.ended:
            if self._is_same(went_on) and (recovered := await history.recover(self.session, self.continues)):
                await self._recall(went_on.entries)
                return self._resume(went_on, recovered[1])
            await self._close_off(went_on.entries)
        self._look_ahead()
        fresh, clean = await self._enter()
        await self._recall(())
        history.running.add(self.execution)
        began = Began(
            self.execution,
            self.session.handle,
            self.session.principal.name,
            self._program(went_on),
            service.sources.now(),
            continues=self.continues,
            fresh=fresh,
            clean=clean,
            owner=history.owner,
        )
        earlier = went_on.past if went_on else {}
        self.recording = Recording(
            began, history.store.append, service.sources.ticks, earlier, history.room, self._trail(began)
        )
        return None

    def _look_ahead(self) -> None:
        """Refuse a program that is certain to fail, before it does anything.

        Raises:
            CannotSucceed: it would.
        """
        view, gateway = self.service.catalogs.current, self.service.gateway
        if findings := look_ahead(self.code, view, gateway, self.session, self.terms.veil):
            self._note_stopped(findings)
            raise CannotSucceed(failure_of(findings, self.code))

    def _note_stopped(self, findings: Sequence[Finding]) -> None:
        """Put on record what was refused without a call."""
        if audit := self.service.audit:
            session, now = self.session, self.service.sources.now()
            names = (session.principal.name, session.handle, self.execution)
            note_stopped(audit, now, names, self.code, [(each.line, each.code, each.message) for each in findings])

    async def _recall(self, entries: Sequence[Entry]) -> None:
        """What rules look at, of what was done before: budgets of this execution, labels of all in its session."""
        policy, catalog = self.service.gateway.policy, self.service.catalogs.current.catalog
        for entry in entries:
            if isinstance(entry, Sent) and (operation := catalog.get(entry.operation)) is not None:
                policy.counts_again(operation, self.session.principal, self.terms.tally)
        if self.session.labels is None:
            answered = await self.service.history.answered(self.session.handle)
            known = [operation for name in answered if (operation := catalog.get(name)) is not None]
            self.session.labels = {label for each in known for label in policy.flow.labels(each)}
        self.terms.tally.labels = self.session.labels

    def _is_same(self, went_on: Continuation) -> bool:
        return self.code.strip() in ("", went_on.began.program.source.strip())

    def _resume(self, went_on: Continuation, before: Transcript) -> Transcript:
        """Go on with an execution whose server is gone, where it stood."""
        history, sources = self.service.history, self.service.sources
        self.execution, self.code = went_on.began.execution, went_on.began.program.source
        self.pausing.execution = self.terms.execution = self.execution
        history.running.add(self.execution)
        by = Resumed(history.owner, sources.now())
        self.recording = Recording.resumed(
            went_on.entries, by, history.store.append, sources.ticks, self._trail(went_on.began)
        )
        self.session.dropped = ""
        self.notes.append(f"{self.execution} was interrupted when its server ended; it went on from its journal")
        return before

    def _trail(self, began: Began) -> Trail | None:
        if self.service.audit is None:
            return None
        trail = Trail(began, self.service.audit, self.service.sources.now)
        return trail if self.terms.veil is None else replace(trail, shown=self.terms.veil.shown)

    async def _close_off(self, entries: Sequence[Entry]) -> None:
        """An execution without an end gets one: another program goes on in its place."""
        end = Finished(ok=False, code="interrupted", message="its server ended", ms=0.0, busy_ms=0.0)
        await self.service.history.store.append(self.continues, len(entries), [end])

    async def _enter(self) -> tuple[bool, bool]:
        """Have a guest. Gives whether it has run nothing yet, and whether the workspace is empty then."""
        session, history = self.session, self.service.history
        if session.dropped and await history.rebuild(session):
            session.dropped = ""
        fresh = session.guest is None
        clean = fresh and not _holds_files(session.workspace)
        self.ticket.entered(await session.enter(self.service.sandbox, behind=self.ticket.behind))
        if session.dropped:
            self.notes.append(f"the variables of this session are gone: {session.dropped}; /workspace is still there")
            session.dropped = ""
        return fresh, clean

    def _program(self, went_on: Continuation | None) -> Program:
        """The same seed as the execution before, so that what was drawn by chance is drawn again."""
        sources = self.service.sources
        return Program(
            source=self.code,
            seed=went_on.began.program.seed if went_on else sources.new_seed(),
            now=sources.now(),
            upstreams=tuple(sorted(self.service.gateway.upstreams)),
            output_bytes=self.service.limits.output_bytes,
        )

    def _running(self) -> Execution:
        service = self.service
        if self.session.guest is None:
            raise RuntimeError("a session without a guest cannot run")
        return Execution(
            self.session.guest,
            self,
            self._recorded,
            service.limits.calls,
            service.limits.parallel,
            self._print,
            self._recover,
            service.log,
            self.ticket,
        )

    async def _print(self, text: str) -> None:
        masks = self.terms.veil is not None and self.terms.veil.rules.masks
        if self.client.printed is not None and not masks:  # half a value would not be recognised
            await self.client.printed(text)

    async def _recover(self, lost: GuestLost) -> tuple[Guest, Transcript] | None:
        """The worker was ended from outside: the program goes on in another one, if that is cheap."""
        await self.session.drop(f"the program before ended its interpreter: {lost.reason}")
        await self._recorded.flush()
        recovered = await self.service.history.recover(self.session, self.execution)
        if recovered is None:
            return None
        self.session.dropped = ""
        self.notes.append("the worker was ended from outside; the program went on in another one, from its journal")
        guest, transcript = recovered
        return guest, self._recorded.so_far(transcript)

    # the end

    async def _veiled(self, report: Report) -> Report:
        """The report with tokens in the place of private values."""
        if (veil := self.terms.veil) is None:
            return report
        large = is_large(report.value) or is_large(report.output)
        return await aside(large, veil.report, report)

    def _note_end(self, outcome: Outcome | None, failure: Failure | None, ms: float, busy: float) -> None:
        shown = failure if self.terms.veil is None else self.terms.veil.failure(failure)
        code, message = (shown.code, shown.message.partition("\n")[0][:200]) if shown else ("", "")
        self._recorded.finished(outcome, ok=failure is None, code=code, message=message, ms=ms, busy=busy)

    async def _end(self, report: Report) -> None:
        """Lay the report out while the session is still this execution's, and keep the end of the journal."""
        shown = await self.client.tell(report) if self.client.tell else None
        if self.recording is not None:
            if shown is not None:
                self.recording.shown(*shown)
            await self._keep()

    async def _keep(self) -> None:
        try:
            await self._recorded.flush()
        except InternalError as error:  # what was done is told all the same
            self.service.log(str(error))

    async def _abandon(self) -> None:
        """The client has gone, or worse: the guest was stopped in the middle, and cannot be used again."""
        with anyio.CancelScope(shield=True):
            aside = self.pausing.aside
            await self.session.drop("the program before " + ("waits for approval" if aside else "was cancelled"))
            if self.recording is not None and aside:
                self.recording.set_aside(self.service.sources.now())
                await self._keep()
            elif self.recording is not None:
                self._note_end(None, Failure("Cancelled", "the client went away", code="cancelled"), 0.0, 0.0)
                await self._keep()

    def _with_outcome(self, report: Report, outcome: Outcome) -> Report:
        self.notes.extend(missing(self.service.catalogs.current.snapshots.values(), self.code))
        return replace(report, ok=outcome.ok, kind=outcome.kind, value=outcome.value, notes=outcome.notes)

    def writes(self, operation: str) -> bool:
        """Whether a call of this name could change the world."""
        if operation in RENOUNCING:
            return True  # what comes after it is decided by it, so it keeps its place
        found = self.service.gateway.lookup(operation)
        return found is not None and found.effect is not Effect.READ

    async def perform(self, request: Request) -> Any:
        """Perform one call of the program: the host's own operations here, all others through the gateway."""
        self.ticket.settle()
        self.pausing.under_way += 1
        try:
            return await self._performed(request)
        finally:
            self.pausing.under_way -= 1
            if self.pausing.idle:
                self.pausing.changed()

    def recall(self, request: Request) -> None:
        """A call that was answered in a server that is gone: what the program gave up by it stays given up."""
        self.terms.recall(request.operation, request.arguments)

    async def ask(self, question: Question) -> Reply:
        """Have a person asked. His time does not count, and what is beside this call goes on."""
        self.questions.add(question.id)
        consent, running = self.client.consent, self.running
        if running is None or consent is None:
            raise RuntimeError("nobody is there to be asked")
        approver = None if consent == "later" else consent
        async with running.beside(), self.pausing.paused():
            return await self.service.approvals.ask(question, approver, waits=consent == "later")

    async def _performed(self, request: Request) -> Any:
        if request.operation in RENOUNCING:
            self.terms.renounce(request.operation, request.arguments)
            return None
        if request.operation.startswith("isthmus."):
            simulates = self.terms.simulates or self.service.gateway.policy.simulate
            origin = Origin(self.execution, self.session.handle, self.code, simulates=simulates)
            return await self.service.host.answer(request, self.session.principal, origin)
        answer = await self.service.gateway.call(
            request.operation,
            request.positional,
            request.arguments,
            self.session.principal,
            self._recorded,
            request.call,
            self.terms,
        )
        return answer.value


def _holds_files(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(entries)
