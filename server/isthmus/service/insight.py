"""A report's facts, gathered from the journals and the audit log, without what is secret or private in their texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import anyio.to_thread

from isthmus.insight.facts import CallFact, Definitions, Insight, RunFact, SkillFact, StoppedFact
from isthmus.journal import Answered, Ended, Entry, Sent, Transcript, transcript_of
from isthmus.ports import JournalStore
from isthmus.render.tokens import estimate
from isthmus_sandbox.frames import decode_event, decode_step
from isthmus_sandbox.protocol import ProtocolViolation, Request

LONGEST = 200
"""Characters of one call's arguments."""

BEFORE = 900.0
"""Seconds before the first execution of a report: searches from then on are taken to belong to it."""

TOKENS_A_CHARACTER = 0.28
"""Of what `search` answers, whose text is not kept: as estimated of stubs of GitHub and Stripe (counted, 0.25)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which executions, the latest ones. `with_data`: with programs, arguments and messages."""

    session: str | None = None
    principal: str | None = None
    limit: int = 100
    with_data: bool = True


Shown = Callable[[str, Any], Any]
"""Data of an execution in the session of that handle, as it may be seen."""


async def gathered(
    store: JournalStore,
    wanted: Wanted,
    audit: Iterable[Mapping[str, Any]],
    shown: Shown,
    overhead: int,
    made: datetime,
) -> Insight:
    """Everything that a report tells, every text as `shown`.

    `audit` are the records of searches and of operations, oldest first; `overhead` is what Isthmus itself costs a
    conversation, in tokens; `made` is now, in the zone that times are told in.
    """
    summaries = await store.summaries(principal=wanted.principal, session=wanted.session, limit=wanted.limit + 1)
    runs = []
    for each in summaries[: wanted.limit]:
        entries = await store.entries(each.execution)
        clean = partial(shown, each.session)
        runs.append(await anyio.to_thread.run_sync(partial(run_of, entries, clean, made, with_data=wanted.with_data)))
    records = await anyio.to_thread.run_sync(list, audit)
    near = [each for each in records if _belongs(each, runs, wanted)]
    characters = [each["characters"] for each in near if isinstance(each.get("characters"), int)]
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
        stopped=tuple(_stopped(each, shown, made) for each in reversed(near) if isinstance(each.get("calls"), list)),
    )


def _stopped(record: Mapping[str, Any], shown: Shown, made: datetime) -> StoppedFact:
    execution, principal = str(record.get("execution")), str(record.get("principal"))
    execution, principal, calls = shown(
        str(record.get("session")), [execution, principal, [*map(str, record["calls"])]]
    )
    at = datetime.fromtimestamp(record["at"], made.tzinfo)
    characters = [record.get(name) for name in ("written", "told")]
    written, told = (round(each * TOKENS_A_CHARACTER) if isinstance(each, int) else 0 for each in characters)
    return StoppedFact(execution, principal, at, tuple(calls), written, told)


def _belongs(record: Mapping[str, Any], runs: Sequence[RunFact], wanted: Wanted) -> bool:
    """Whether a search, or a program that was refused, is of the time of these executions, and of their principals."""
    if record.get("event") not in ("search", "stopped"):
        return False
    if wanted.session and record.get("session", wanted.session) != wanted.session:
        return False
    if wanted.principal and record.get("principal") != wanted.principal:
        return False
    if not runs:
        return not wanted.session
    latest = runs[0].at.timestamp() + BEFORE if wanted.session else float("inf")
    known = wanted.session is None or record.get("principal") in {run.principal for run in runs}
    return known and runs[-1].at.timestamp() - BEFORE <= record["at"] <= latest


def _definitions(record: Mapping[str, Any]) -> Definitions | None:
    numbers = [record.get(name) for name in ("operations", "tokens", "measured")]
    if record.get("event") != "operations" or not all(isinstance(each, int) for each in numbers):
        return None
    return Definitions(str(record.get("upstream")), *numbers)  # type: ignore[arg-type] # they were just looked at


# ---------------------------------------------------------------- one execution


def run_of(entries: Sequence[Entry], shown: Callable[[Any], Any], made: datetime, *, with_data: bool = True) -> RunFact:
    """One execution, every text as `shown`. May take long: its answers are looked at."""
    transcript = transcript_of(entries)
    began, finished = transcript.began, transcript.finished
    requests = _requests(transcript)
    run = RunFact(
        execution=began.execution,
        session=began.session,
        principal=began.principal,
        continues=began.continues,
        at=datetime.fromtimestamp(began.at, made.tzinfo),
        ok=finished.ok if finished else None,
        code=finished.code if finished else "",
        message=finished.message if finished else "",
        ms=finished.ms if finished else 0.0,
        busy_ms=finished.busy_ms if finished else 0.0,
        source=began.program.source,
        source_tokens=estimate(json.dumps({"code": began.program.source}, ensure_ascii=False)),
        shown_tokens=transcript.tokens,
        calls=tuple(_calls(entries, requests)),
        skills=tuple(_skills(requests.values())),
        files=transcript.files,
        incomplete=transcript.omitted,
    )
    return _cleaned(run if with_data else _without_data(run), shown)


def _without_data(run: RunFact) -> RunFact:
    calls = tuple(replace(call, arguments="", why="") for call in run.calls)
    return replace(run, source="", message="", files=(), calls=calls)


def _cleaned(run: RunFact, shown: Callable[[Any], Any]) -> RunFact:
    """The same as it may be seen, and its long texts cut: not before, for half a secret is not recognised."""
    words = {"principal": run.principal, "source": run.source, "message": run.message, "files": list(run.files)}
    said = [[call.operation, call.arguments, call.why] for call in run.calls]
    words, said, names = shown([words, said, [skill.name for skill in run.skills]])
    calls = (
        replace(call, operation=operation, arguments=_cut(arguments), why=_cut(why))
        for call, (operation, arguments, why) in zip(run.calls, said, strict=True)
    )
    skills = (replace(skill, name=name) for skill, name in zip(run.skills, names, strict=True))
    return replace(run, **{**words, "files": tuple(words["files"])}, calls=tuple(calls), skills=tuple(skills))


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


def _calls(entries: Sequence[Entry], requests: Mapping[int, Request]) -> Iterator[CallFact]:
    ends = {entry.call: entry for entry in entries if isinstance(entry, Ended)}
    answers = {entry.call: entry.text for entry in entries if isinstance(entry, Answered)}
    meter = _Meter()
    starts = _starts([entry for entry in entries if isinstance(entry, Sent)])
    for sent, start in starts:
        ended, answer = ends.get(sent.call), answers.get(sent.call, b"")
        arguments = _written(requests.get(sent.call))
        status = ended.status if ended else "unknown"
        yield CallFact(
            operation=sent.operation,
            effect=sent.effect,
            status=status,
            start=start,
            ms=max(0.0, (ended.at - sent.at) * 1000) if ended else 0.0,
            arguments=arguments,
            argument_tokens=meter.tokens(f"{sent.operation}(", arguments),
            answer_tokens=meter.tokens(sent.operation, _read_directly(answer)),
            why=_error(answer) if status in ("failed", "refused", "unknown") else "",
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


def _read_directly(answer: bytes) -> str:
    """What a model that calls tools would read of an answer: its data as compact JSON, or what the error says.

    Bytes are left out: what a picture costs is not what its letters do.
    """
    _, _, rest = answer.partition(b",")  # [3,"value",DATA,BYTES]
    kind, _, rest = rest.partition(b",")
    if kind == b'"error"':
        return _error(answer, hint=False)
    if rest.endswith(b",[]]"):
        return rest[:-4].decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(answer)[2], ensure_ascii=False, separators=(",", ":"))
    except (ValueError, LookupError, TypeError):
        return ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}… ({len(text):,} characters)"


def _error(answer: bytes, *, hint: bool = True) -> str:
    """What the program was told of a call that failed."""
    if not answer:
        return ""
    try:
        payload = decode_event(answer).payload
    except ProtocolViolation:
        return ""
    if not isinstance(payload, dict):
        return ""
    more = payload.get("hint") if hint else ""
    return f"{payload.get('message', '')}" + (f" ({more})" if more else "")


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
