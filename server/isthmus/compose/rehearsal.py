"""Recorded executions run again against what operations are today: the whole server, with nobody on the other side.

Each program runs in the real sandbox, through the real gateway and policy, answered as it was when it was recorded;
beside that, its calls and their answers are held against today's schemas. Nothing is called.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from isthmus.catalog.catalog import bind
from isthmus.compose.application import LOCAL, Application
from isthmus.compose.assembly import application
from isthmus.compose.listing import listed_whole
from isthmus.config.model import Configuration
from isthmus.contracts.lock import Lock
from isthmus.contracts.programs import uses
from isthmus.contracts.recorded import Recorded, RecordedCall, RecordedOutcome, RecordedRun, is_opaque
from isthmus.contracts.replays import Finding, Replayed, differences
from isthmus.contracts.unlocked import unlocked
from isthmus.errors import InvalidArguments
from isthmus.mock.answers import came_from_upstream, success_status
from isthmus.mock.http import message_of
from isthmus.mock.judge import Judge
from isthmus.mock.recorded import RecordedDoor, RecordedUpstream, Script
from isthmus.model import Operation, Principal, Question, Reply, Report, UpstreamState, digest
from isthmus.validation import Validation

_LOCKED = "as it is locked"
_NO_JUDGE = "openapi-core is not installed: pip install 'isthmus[contracts]'"

READY = 10.0
"""Seconds in which upstreams that are not there have to be ready."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What recordings are held against: operations by upstream, and what they were taken from, in a few words.

    `missing` says of the others why nothing is known of them.
    """

    operations: Mapping[str, Sequence[Operation]]
    sources: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, Judge] = field(default_factory=dict)  # by upstream, where openapi-core can judge

    @property
    def by_id(self) -> dict[str, Operation]:
        """All operations."""
        return {one.id: one for many in self.operations.values() for one in many}


async def grounds_of(
    configuration: Configuration,
    base: Path,
    names: Iterable[str],
    lock: Lock | None,
    *,
    offline: bool,
    judging: bool,
    seconds: float,
) -> Grounds:
    """The operations of upstreams as they are now; of those that cannot be listed, as the lock has them.

    `offline`: only documents that are files are read. `judging`: openapi-core is there.
    """
    wanted = {name: each for name, each in configuration.upstreams.items() if name in names}
    asked = {name: each for name, each in wanted.items() if not offline or _is_file(each.openapi)}
    shown = configuration.model_copy(update={"upstreams": asked})
    found = {one.name: one for one in await listed_whole(shown, base=base, seconds=seconds)}
    operations: dict[str, Sequence[Operation]] = {}
    sources: dict[str, str] = {}
    missing = {name: "it is not configured" for name in names if name not in configuration.upstreams}
    for name, each in wanted.items():
        snapshot = found.get(name)
        if snapshot is not None and snapshot.state is UpstreamState.READY:
            operations[name] = snapshot.operations
            sources[name] = (
                f"its document, {Path(each.openapi or '').name}" if _is_file(each.openapi) else "as it is now"
            )
            continue
        why = f"it is {snapshot.state}: {snapshot.problem or 'no answer'}" if snapshot else "--offline"
        if lock is not None and name in lock.upstreams:
            operations[name], sources[name] = unlocked(lock.upstreams[name]), f"{_LOCKED} ({why})"
        else:
            missing[name] = f"{why}; and the lock has nothing of it"
    documented = _documented(operations, sources)
    if not judging:
        sources |= {name: f"{sources[name]}, by our own validation alone ({_NO_JUDGE})" for name in documented}
    judges = {name: Judge(documented[name], is_opaque) for name in documented if judging}
    return Grounds(operations, sources, missing, judges)


def _is_file(openapi: str | None) -> bool:
    return openapi is not None and "://" not in openapi


def _documented(
    operations: Mapping[str, Sequence[Operation]], sources: Mapping[str, str]
) -> dict[str, Mapping[str, Any]]:
    """The OpenAPI documents of upstreams that have one; a lock is none."""
    return {
        name: many[0].document.root
        for name, many in operations.items()
        if many and many[0].route is not None and not sources[name].startswith(_LOCKED)
    }


@asynccontextmanager
async def rehearsal(
    configuration: Configuration, base: Path, grounds: Grounds, principal: Principal = LOCAL
) -> AsyncIterator[Rehearsal]:
    """A server over upstreams that are not there, as long as the block lasts. What it keeps goes with it.

    `principal` is who runs the recordings: rules, and credentials that are there for one alone, may depend on it.
    """
    upstreams = {name: RecordedUpstream(name, many) for name, many in grounds.operations.items()}
    plain = Configuration()
    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
        changes: dict[str, Any] = {
            "upstreams": {name: each for name, each in configuration.upstreams.items() if name in upstreams},
            "data": folder,
            "private": None,  # what was private stands in recordings as it was shown
            "hold_back": [],  # `isthmus check` tells what has changed; here it is seen what comes of that
            "audit": plain.audit,
            "journal": plain.journal,
            "limits": configuration.limits.model_copy(update={"spare_workers": 0}),
        }
        opening = application(
            configuration.model_copy(update=changes), base=base, log=lambda _: None, upstreams=upstreams
        )
        async with opening as running:
            await running.settled(READY)
            yield Rehearsal(running, grounds, upstreams, principal)


@dataclass(slots=True, eq=False)
class Rehearsal:
    """Runs recordings, one after another."""

    application: Application
    grounds: Grounds
    upstreams: Mapping[str, RecordedUpstream]
    principal: Principal
    validation: Validation = field(default_factory=lambda: Validation(opaque=is_opaque))

    async def replay(self, name: str, recorded: Recorded, folder: str) -> Replayed:
        """Run one recording. `folder` is where its programs are, for places."""
        calls = sum(not call.is_hosts for call in recorded.runs[-1].calls)
        if absent := sorted(recorded.upstreams - self.grounds.operations.keys()):
            why = "; ".join(f"nothing is known of {one}: {self.grounds.missing.get(one, '?')}" for one in absent)
            return Replayed(name, recorded.execution, calls, unchecked=why)
        findings: list[Finding] = []
        server = self._server(recorded.runs)
        session = "new"
        for run in recorded.runs:
            found, session = await self._run(
                server, run, session, f"{folder}/{run.file}", last=run is recorded.runs[-1]
            )
            findings += found
            if any(one.fails for one in found) and run is not recorded.runs[-1]:
                break  # what follows stands on it
        return Replayed(name, recorded.execution, calls, tuple(dict.fromkeys(findings)))

    def _server(self, runs: Sequence[RecordedRun]) -> Application:
        """The application with the recording's own clocks, and a validation that knows what was taken out of it."""
        executing = self.application.executing
        gateway = replace(executing.gateway, validate=self.validation.check)
        door = RecordedDoor(executing.sandbox, iter(runs))
        return replace(self.application, executing=replace(executing, gateway=gateway, sandbox=door))

    async def _run(
        self, server: Application, run: RecordedRun, session: str, file: str, *, last: bool
    ) -> tuple[list[Finding], str]:
        lines = _lines(run)
        findings = list(self._contracts(run, file, lines))
        script = Script.of(run, self.grounds.by_id)
        for upstream in self.upstreams.values():
            upstream.script = script
        consent = _Consent(run)
        report = await server.executing.execute(run.source, principal=self.principal, session=session, consent=consent)
        if not last:
            _keep_files(server, report)
        findings += differences(run.outcome, now := _outcome(report), file)
        for operation, arguments in script.surprises:
            shown = json.dumps(arguments, ensure_ascii=False, default=repr)[:200]
            findings.append(
                Finding("call-unknown", f"{operation} is called with {shown}", file, lines.get(operation, 1))
            )
        for call in script.missed if now.ok or not run.outcome.ok else ():  # a failure says it already
            why = f"{call.operation} is not called with {_arguments(call)}"
            findings.append(Finding("call-missing", why, file, lines.get(call.operation, 1), call.operation))
        for operation, why in consent.asked.items():
            findings.append(Finding("asks-first", f"{operation}: {why}", file, lines.get(operation, 1), operation))
        return findings, report.session or "new"

    # the calls, held against schemas

    def _contracts(self, run: RecordedRun, file: str, lines: Mapping[str, int]) -> Iterator[Finding]:
        """What of a run's calls and answers does not fit what operations are today."""
        for call in run.calls:
            if call.is_hosts:
                continue
            for rule, why in self._call(call):
                yield Finding(rule, why, file, lines.get(call.operation, 1), call.operation)
        if any(_is_opaque_anywhere([call.arguments, list(call.positional), call.answer]) for call in run.calls):
            yield Finding("not-checked", "values that were taken out of the recording fit anything", file)

    def _call(self, call: RecordedCall) -> Iterator[tuple[str, str]]:
        catalog = self.application.searching.catalogs.catalog
        operation = self.grounds.by_id.get(call.operation) or catalog.resolve(call.operation)
        refused = call.error is not None and not came_from_upstream(call)
        if operation is None:
            near = catalog.suggest(call.operation)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            if not refused:
                yield "operation-gone", f"{call.operation} is not there any more{hint}"
            return
        try:
            bound = bind(operation, call.positional, call.arguments)
        except InvalidArguments as error:
            if not refused:
                yield "arguments-refused", error.message
            return
        arguments, problems = self.validation.check(operation, bound)
        judge, message = self.grounds.documents.get(operation.upstream), None
        if not problems and operation.route is not None and (message := message_of(operation, arguments)) is None:
            problems = ["they make no request any more"]
        if judge and message and not problems:
            problems = judge.request_problems(operation, message)
        if not refused:
            yield from (("arguments-refused", f"{operation.id}: {problem}") for problem in problems)
        if call.error is None and call.status == "done":
            yield from self._answer(operation, call, judge, message)

    def _answer(
        self, operation: Operation, call: RecordedCall, judge: Judge | None, message: Any
    ) -> Iterator[tuple[str, str]]:
        if operation.output is None:
            if call.answer is not None:
                yield "not-checked", f"{operation.id} does not describe its answer"
            return
        problems = self.validation.answer_problems(operation, call.answer)
        if judge and message and not problems and not call.departed:
            try:
                problems = judge.answer_problems(operation, message, success_status(operation), call.answer)
            except TypeError:
                yield "not-checked", f"{operation.id}: an answer with bytes in it"
        for problem in problems:
            if problem in call.departed:
                yield "not-checked", f"{operation.id}: its answer was not as described when it was recorded: {problem}"
            else:
                yield "answer-departs", f"{operation.id}: {problem}"


def _is_opaque_anywhere(value: Any) -> bool:
    """Whether anything in plain data was taken out."""
    if isinstance(value, Mapping):
        return any(is_opaque(key) or _is_opaque_anywhere(item) for key, item in value.items())
    return any(map(_is_opaque_anywhere, value)) if isinstance(value, list | tuple) else is_opaque(value)


def _keep_files(server: Application, report: Report) -> None:
    """What does not fit into a result stands in files for the program after it."""
    from isthmus.render.results import lay_out

    lay_out(report, budget_tokens=server.output_tokens, keep=partial(server.keep, report.session))


@dataclass(slots=True)
class _Consent:
    """A person who says yes, but to what was refused when it was recorded. `asked` is what he was asked, and why."""

    run: RecordedRun
    asked: dict[str, str] = field(default_factory=dict)

    async def ask(self, question: Question) -> Reply:
        """The reply."""
        refused = {
            digest(dict(call.arguments))
            for call in self.run.calls
            if call.status == "refused" and call.operation == question.operation
        }
        if digest(dict(question.arguments)) in refused:
            return Reply(approved=False, reason="it was refused when it was recorded")
        self.asked[question.operation] = question.why
        return Reply(approved=True)


def _outcome(report: Report) -> RecordedOutcome:
    error = report.error
    told = f"{error.type}: {error.message}" if error else ""
    return RecordedOutcome(report.ok, report.kind, report.value, report.output, told, error.line if error else None)


def _arguments(call: RecordedCall) -> str:
    return json.dumps([*call.positional, dict(call.arguments)], ensure_ascii=False, default=repr)[1:-1][:200]


def _lines(run: RecordedRun) -> dict[str, int]:
    """The first line of the program on which each operation is called, as far as that can be read."""
    found, _ = uses([(run.file, run.source)], {call.operation for call in run.calls})
    return {use.operation: use.line for use in reversed(found)}
