"""What a report tells, as plain values, and what follows from them. Tokens are estimates of o200k's count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from isthmus.model import CallStatus, Effect


@dataclass(frozen=True, slots=True)
class CallFact:
    """One call: when it was asked for (ms from the execution's first call), how long it took, what came of it.

    `arguments` is a text, bounded; tokens are of what a model that calls tools directly would write and read for it.
    """

    operation: str
    effect: Effect
    status: CallStatus
    start: float
    ms: float
    arguments: str = ""
    argument_tokens: int = 0
    answer_tokens: int = 0
    why: str = ""
    taken: str = ""  # the execution that made it, where this one only took over its answer

    @property
    def end(self) -> float:
        """When it was over, in ms from the first call."""
        return self.start + self.ms

    @property
    def upstream(self) -> str:
        """Whose operation it is."""
        return self.operation.partition(".")[0]

    @property
    def made(self) -> bool:
        """Whether it reached, or may have reached, its upstream in this execution."""
        return self.status in ("done", "failed", "unknown") and not self.taken


@dataclass(frozen=True, slots=True)
class SkillFact:
    """A skill that a program imported, with the calls of it that the program told of."""

    name: str
    calls: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class RunFact:
    """One execution. `at` is in the zone of who reads of it; `ok` is None while it has no end."""

    execution: str
    session: str
    principal: str
    continues: str
    at: datetime
    ok: bool | None
    code: str
    message: str
    ms: float
    busy_ms: float
    source: str
    source_tokens: int
    shown_tokens: int
    calls: tuple[CallFact, ...] = ()
    skills: tuple[SkillFact, ...] = ()
    files: tuple[str, ...] = ()
    incomplete: str = ""  # why steps and answers are not all there


@dataclass(frozen=True, slots=True)
class StoppedFact:
    """A program that was refused before it ran, and why, call by call.

    Tokens are of what the model wrote, and of what it was told.
    """

    execution: str
    principal: str
    at: datetime
    calls: tuple[str, ...]
    source_tokens: int = 0
    shown_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Definitions:
    """What the tools of an upstream cost to define: `tokens` for all of them, from `measured` ones of them."""

    upstream: str
    operations: int
    tokens: int
    measured: int

    @property
    def each(self) -> float:
        """Tokens of one, on average."""
        return self.tokens / max(1, self.operations)


@dataclass(frozen=True, slots=True)
class Insight:
    """All that a report tells. `runs` are the latest first; `older` executions are kept, and not in it.

    `overhead` is what Isthmus's own two tools and instructions cost a conversation. `audited`: the audit log has told
    of searches and definitions.
    """

    made: datetime
    runs: tuple[RunFact, ...]
    definitions: Mapping[str, Definitions]
    searches: int
    search_tokens: int
    overhead: int
    audited: bool = True
    older: bool = False
    with_data: bool = True
    stopped: tuple[StoppedFact, ...] = ()

    @property
    def calls(self) -> Iterator[tuple[RunFact, CallFact]]:
        """Every call, with its execution, the latest execution first."""
        return ((run, call) for run in self.runs for call in run.calls)


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens of one way to work: definitions, what the model writes, what it reads."""

    definitions: int
    written: int
    read: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.definitions + self.written + self.read


@dataclass(frozen=True, slots=True)
class Account:
    """What was, and what direct tool calling would have cost for the same calls, in as many conversations.

    `direct`: every operation of the upstreams is defined as a tool. `ideal`: only those which the conversation used.
    `undefined` names the upstreams whose definitions are not known, and not counted.
    """

    conversations: int
    ours: Cost
    direct: Cost
    ideal: Cost
    undefined: tuple[str, ...]


def account_of(insight: Insight) -> Account:
    """The account. What was taken over from an earlier execution counts there only; what was not sent, not at all."""
    made = [call for _, call in insight.calls if call.made]
    sessions: dict[str, set[str]] = defaultdict(set)
    for run in insight.runs:
        sessions[run.session].update(call.operation for call in run.calls if call.made)
    written, read = sum(call.argument_tokens for call in made), sum(call.answer_tokens for call in made)
    known = insight.definitions
    used = [known[name].each for each in sessions.values() for name in map(_upstream, each) if name in known]
    told: list[RunFact | StoppedFact] = [*insight.runs, *insight.stopped]
    ours = Cost(
        len(sessions) * insight.overhead,
        sum(each.source_tokens for each in told),
        sum(each.shown_tokens for each in told) + insight.search_tokens,
    )
    return Account(
        conversations=len(sessions),
        ours=ours,
        direct=Cost(len(sessions) * sum(each.tokens for each in known.values()), written, read),
        ideal=Cost(round(sum(used)), written, read),
        undefined=tuple(sorted({call.upstream for call in made} - known.keys())),
    )


def _upstream(operation: str) -> str:
    return operation.partition(".")[0]


@dataclass(frozen=True, slots=True)
class OperationUse:
    """How one operation was used. `ms` is the median of those calls that were made; None where none was."""

    operation: str
    effect: Effect
    calls: int
    statuses: Mapping[CallStatus, int]
    executions: int
    ms: float | None
    answer_tokens: int


def operations_of(insight: Insight) -> tuple[OperationUse, ...]:
    """All operations that were asked for, the most used first."""
    groups: dict[str, list[tuple[RunFact, CallFact]]] = defaultdict(list)
    for run, call in insight.calls:
        groups[call.operation].append((run, call))
    uses = [_use(operation, group) for operation, group in groups.items()]
    return tuple(sorted(uses, key=lambda use: (-use.calls, use.operation)))


def _use(operation: str, group: Sequence[tuple[RunFact, CallFact]]) -> OperationUse:
    times = [call.ms for _, call in group if call.made]
    return OperationUse(
        operation=operation,
        effect=group[0][1].effect,
        calls=len(group),
        statuses=Counter(call.status for _, call in group),
        executions=len({run.execution for run, _ in group}),
        ms=median(times) if times else None,
        answer_tokens=sum(call.answer_tokens for _, call in group if call.made),
    )


@dataclass(frozen=True, slots=True)
class SkillUse:
    """How one skill was used: the programs that imported it, and the calls that they told of."""

    name: str
    executions: int
    calls: int
    failures: int


def skills_of(insight: Insight) -> tuple[SkillUse, ...]:
    """All skills that were imported, the most used first."""
    groups: dict[str, list[SkillFact]] = defaultdict(list)
    for run in insight.runs:
        for skill in run.skills:
            groups[skill.name].append(skill)
    uses = [
        SkillUse(name, len(group), sum(each.calls for each in group), sum(each.failures for each in group))
        for name, group in groups.items()
    ]
    return tuple(sorted(uses, key=lambda use: (-use.executions, -use.calls, use.name)))


def lanes_of(calls: Iterable[CallFact]) -> list[tuple[int, CallFact]]:
    """Each call with its lane in a timeline: the first one that is free when it starts. In the order of their start."""
    ends: list[float] = []
    placed = []
    for call in sorted(calls, key=lambda call: call.start):
        lane = next((at for at, end in enumerate(ends) if end <= call.start), len(ends))
        ends[lane : lane + 1] = [call.end]
        placed.append((lane, call))
    return placed
