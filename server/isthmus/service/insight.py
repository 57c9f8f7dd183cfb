"""A report's facts, gathered from the journals and the audit log. Secrets are taken out of every text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import anyio.to_thread

from isthmus.insight.facts import CallFact, Definitions, Insight, RunFact, SkillFact
from isthmus.journal import Answered, Ended, Entry, Sent, Transcript, transcript_of
from isthmus.ports import JournalStore
from isthmus.redaction import Redactor
from isthmus.render.tokens import estimate
from isthmus_sandbox.frames import decode_event, decode_step
from isthmus_sandbox.protocol import ProtocolViolation, Request

LONGEST = 200
"""Characters of one call's arguments."""

BEFORE = 900.0
"""Seconds before the first execution of a report: searches from then on are taken to belong to it."""

TOKENS_A_CHARACTER = 0.30
"""Of what `search` answers: Python stubs, whose text is not kept."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which executions, the latest ones. `with_data`: with programs, arguments and messages."""

    session: str | None = None
    principal: str | None = None
    limit: int = 100
    with_data: bool = True


async def gathered(
    store: JournalStore,
    wanted: Wanted,
    audit: Iterable[Mapping[str, Any]],
    redactor: Redactor,
    overhead: int,
    made: datetime,
) -> Insight:
    """Everything that a report tells.

    `audit` are the records of searches and of operations, oldest first; `overhead` is what Isthmus itself costs a
    conversation, in tokens; `made` is now, in the zone that times are told in.
    """
    summaries = await store.summaries(principal=wanted.principal, session=wanted.session, limit=wanted.limit + 1)
    runs = []
    for each in summaries[: wanted.limit]:
        entries = await store.entries(each.execution)
        runs.append(
            await anyio.to_thread.run_sync(partial(run_of, entries, redactor, made, with_data=wanted.with_data))
        )
    records = await anyio.to_thread.run_sync(list, audit)
    characters = [each["characters"] for each in records if _belongs(each, runs, wanted)]
    definitions = {each.upstream: each for each in map(_definitions, records) if each is not None}
    return Insight(
        made=made,
        runs=tuple(runs),
        definitions=definitions,
        searches=len(characters),
        search_tokens=round(sum(characters) * TOKENS_A_CHARACTER),
        overhead=overhead,
        audited=bool(records),
        older=len(summaries) > wanted.limit,
        with_data=wanted.with_data,
    )


def _belongs(record: Mapping[str, Any], runs: Sequence[RunFact], wanted: Wanted) -> bool:
    """Whether a search was made in the time of these executions, by one of their principals."""
    if record.get("event") != "search" or not isinstance(record.get("characters"), int) or not runs:
        return False
    latest = runs[0].at.timestamp() + BEFORE if wanted.session else float("inf")
    return runs[-1].at.timestamp() - BEFORE <= record["at"] <= latest and record.get("principal") in {
        run.principal for run in runs
    }


def _definitions(record: Mapping[str, Any]) -> Definitions | None:
    numbers = [record.get(name) for name in ("operations", "tokens", "measured")]
    if record.get("event") != "operations" or not all(isinstance(each, int) for each in numbers):
        return None
    return Definitions(str(record.get("upstream")), *numbers)  # type: ignore[arg-type] # they were just looked at


# ---------------------------------------------------------------- one execution


def run_of(entries: Sequence[Entry], redactor: Redactor, made: datetime, *, with_data: bool = True) -> RunFact:
    """One execution. May take long: its answers are looked at."""
    transcript = transcript_of(entries)
    began, finished = transcript.began, transcript.finished
    requests = _requests(transcript)
    shown = redactor.text if with_data else _nothing
    return RunFact(
        execution=began.execution,
        session=began.session,
        principal=redactor.text(began.principal),
        continues=began.continues,
        at=datetime.fromtimestamp(began.at, made.tzinfo),
        ok=finished.ok if finished else None,
        code=finished.code if finished else "",
        message=shown(finished.message) if finished else "",
        ms=finished.ms if finished else 0.0,
        busy_ms=finished.busy_ms if finished else 0.0,
        source=shown(began.program.source),
        source_tokens=estimate(began.program.source),
        shown_tokens=transcript.tokens,
        calls=tuple(_calls(entries, requests, redactor, with_data)),
        skills=tuple(_skills(requests.values())),
        files=tuple(map(shown, transcript.files)) if with_data else (),
        incomplete=transcript.omitted,
    )


def _nothing(_text: str) -> str:
    return ""


def _requests(transcript: Transcript) -> dict[int, Request]:
    """What the program asked for, by number; a step that is none has none."""
    found: dict[int, Request] = {}
    for turn in transcript.turns:
        try:
            step = decode_step(turn.step)
        except ProtocolViolation:
            continue
        found |= {request.call: request for request in step.requests}
    return found


def _calls(
    entries: Sequence[Entry], requests: Mapping[int, Request], redactor: Redactor, with_data: bool
) -> Iterator[CallFact]:
    ends = {entry.call: entry for entry in entries if isinstance(entry, Ended)}
    answers = {entry.call: entry.text for entry in entries if isinstance(entry, Answered)}
    meter = _Meter()
    starts = _starts([entry for entry in entries if isinstance(entry, Sent)])
    for sent, start in starts:
        ended, answer = ends.get(sent.call), answers.get(sent.call, b"")
        arguments = _written(requests.get(sent.call))
        status = ended.status if ended else "unknown"
        yield CallFact(
            operation=redactor.text(sent.operation),
            effect=sent.effect,
            status=status,
            start=start,
            ms=max(0.0, (ended.at - sent.at) * 1000) if ended else 0.0,
            arguments=_cut(redactor.text(arguments)) if with_data else "",
            argument_tokens=meter.tokens(f"{sent.operation}(", arguments),
            answer_tokens=meter.tokens(sent.operation, answer.decode("utf-8", "replace")),
            why=_cut(redactor.text(_error(answer))) if with_data and status in ("failed", "refused", "unknown") else "",
            taken=ended.taken if ended else "",
        )


def _starts(calls: Sequence[Sent]) -> Iterator[tuple[Sent, float]]:
    """Each call with when it was asked for, in ms from the first.

    The clock of another machine, on which an execution was resumed, may show less: then its first call is taken to
    follow at once.
    """
    origin = latest = calls[0].at if calls else 0.0
    for call in calls:
        if call.at < latest - 1.0:
            origin -= latest - call.at
        latest = call.at
        yield call, max(0.0, (call.at - origin) * 1000)


def _written(request: Request | None) -> str:
    """A call's arguments as JSON, as a model that calls tools would write them."""
    if request is None:
        return ""
    given = [*request.positional, *([dict(request.arguments)] if request.arguments else [])]
    return ", ".join(json.dumps(each, ensure_ascii=False, default=repr) for each in given)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}… ({len(text):,} characters)"


def _error(answer: bytes) -> str:
    """What the program was told of a call that failed."""
    if not answer:
        return ""
    try:
        payload = decode_event(answer).payload
    except ProtocolViolation:
        return ""
    if not isinstance(payload, dict):
        return ""
    hint = payload.get("hint")
    return f"{payload.get('message', '')}" + (f" ({hint})" if hint else "")


def _skills(requests: Iterable[Request]) -> Iterator[SkillFact]:
    """The skills that a program loaded, with what it told of their calls: [[name, hash, imported, calls, failures]]."""
    loaded: dict[str, SkillFact] = {}
    for request in requests:
        name = request.arguments.get("name")
        if request.operation == "isthmus.skills.load" and isinstance(name, str):
            loaded.setdefault(name, SkillFact(name))
        uses = request.arguments.get("uses")
        if request.operation == "isthmus.skills.used" and isinstance(uses, list):
            loaded |= {use.name: use for use in map(_skill_use, uses) if use is not None}
    yield from loaded.values()


def _skill_use(row: Any) -> SkillFact | None:
    match row:
        case [str(name), _, _, int(calls), int(failures)]:
            return SkillFact(name, max(0, calls), max(0, failures))
    return None


@dataclass(slots=True)
class _Meter:
    """Tokens of texts of one kind: the first are estimated, and those that follow by how dense they were."""

    most: int = 65_536  # characters of one kind that are looked at
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)

    def tokens(self, kind: str, text: str) -> int:
        characters, tokens = self._seen.get(kind, (0, 0))
        if text and characters < self.most:
            part = text[: self.most - characters]
            estimated = estimate(part)
            self._seen[kind] = (characters + len(part), tokens + estimated)
            return round(estimated * len(text) / len(part))
        return round(tokens * len(text) / characters) if characters else 0
