"""What `isthmus doctor` found, as values, and how it is told. Pure: nothing is looked up here."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from isthmus.config.model import Configuration
from isthmus.model import Effect, Operation, UpstreamSnapshot, UpstreamState
from isthmus.policy import Allow, Ask, Policy

WIDTH = 110
"""Of what is to be pasted."""

WARNINGS_SHOWN = 5
"""Of one upstream, in the text; the JSON has them all."""


@dataclass(frozen=True, slots=True)
class UpstreamFinding:
    """One upstream: how it stands, what it offers by effect, and what of that may be done."""

    name: str
    kind: str
    state: str
    seconds: float | None  # until it was ready or had failed; None: it is still connecting
    operations: Mapping[str, int]
    verdicts: Mapping[str, int]
    problem: str = ""
    warnings: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()  # what would be allowed if the upstream were believed, by local name


@dataclass(frozen=True, slots=True)
class OperationFinding:
    """One operation, and the effective verdict on it."""

    id: str
    effect: str
    verdict: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SandboxFinding:
    """Whether programs run, in what, and behind what."""

    works: bool
    milliseconds: float | None = None  # of `1 + 1`, its session's start included
    problem: str = ""
    component: Mapping[str, str] = field(default_factory=dict)
    layers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was found. `problems` make the exit code; `remarks` do in strict mode only."""

    configuration: str
    versions: Mapping[str, str]
    policy: Mapping[str, Sequence[str]] = field(default_factory=dict)
    upstreams: tuple[UpstreamFinding, ...] = ()
    operations: tuple[OperationFinding, ...] = ()
    sandbox: SandboxFinding | None = None
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def upstream_finding(snapshot: UpstreamSnapshot, kind: str, seconds: float | None, policy: Policy) -> UpstreamFinding:
    """An upstream with its operations counted, by the effect that policy sees."""
    operations = [policy.classify(operation) for operation in snapshot.operations]
    return UpstreamFinding(
        snapshot.name,
        kind,
        snapshot.state.value,
        None if snapshot.state is UpstreamState.CONNECTING else seconds,
        _counted(Counter(operation.effect.value for operation in operations), [effect.value for effect in Effect]),
        _counted(Counter(verdict(policy, operation) for operation in operations), VERDICTS),
        "; ".join(part for part in (snapshot.problem, snapshot.detail) if part),
        snapshot.warnings,
        tuple(operation.id.partition(".")[2] for operation in operations if _waits_for_belief(policy, operation)),
    )


def _waits_for_belief(policy: Policy, operation: Operation) -> bool:
    """Whether the upstream's word, which does not count, is all that keeps an operation from being allowed."""
    if operation.claim is None or isinstance(policy.standing(operation), Allow):
        return False
    return isinstance(policy.standing(replace(operation, effect=operation.claim, claim=None)), Allow)


VERDICTS = ("allowed", "asked", "refused", "hidden")
"""What policy makes of an operation: it goes, a person is asked, it is refused, or it is not even shown."""


def verdict(policy: Policy, operation: Operation) -> str:
    """One of `VERDICTS`, for an operation whatever its arguments."""
    match policy.standing(operation):
        case Allow():
            return "allowed"
        case Ask():
            return "asked"
        case _:
            return "refused" if policy.visible(operation) else "hidden"


def operation_finding(policy: Policy, operation: Operation) -> OperationFinding:
    """The verdict on one operation, with its reason where it is not simply allowed."""
    seen = policy.classify(operation)
    decision = policy.standing(seen)
    reason = "" if isinstance(decision, Allow) else decision.question if isinstance(decision, Ask) else decision.reason
    return OperationFinding(seen.id, seen.effect.value, verdict(policy, seen), reason)


def _counted(counter: Counter[str], order: Sequence[str]) -> dict[str, int]:
    return {name: counter[name] for name in order if counter[name]}


def idle_rules(configuration: Configuration, snapshots: Sequence[UpstreamSnapshot]) -> Iterator[str]:
    """Rules that match no operation, of upstreams whose operations are known."""
    ready = {snapshot.name: snapshot for snapshot in snapshots if snapshot.state is UpstreamState.READY}
    names = [name for snapshot in ready.values() for operation in snapshot.operations for name in _names(operation)]
    policy = configuration.policy
    said: list[tuple[str, Sequence[str]]] = [
        *((key, getattr(policy, key)) for key in ("deny", "allow_operations", "approve_operations")),
        *((f"flow.{label}", getattr(policy.flow, label)) for label in ("untrusted", "private", "sink")),
        *((f"rules[{place}].operations", rule.operations) for place, rule in enumerate(policy.rules)),
    ]
    for key, globs in said:
        for glob in globs:
            if _is_known(glob, ready, len(snapshots)) and not any(fnmatchcase(name, glob) for name in names):
                yield f"policy.{key}: {glob!r} matches no operation{_near(glob, names)}"
    for name, snapshot in ready.items():
        config = configuration.upstreams[name]
        local = [known.partition(".")[2] for operation in snapshot.operations for known in _names(operation)]
        for key, patterns in (("only", config.only or ()), ("effects", tuple(config.effects))):
            for glob in patterns:
                if not any(fnmatchcase(known, glob) for known in local):
                    yield f"upstreams.{name}.{key}: {glob!r} matches no operation{_near(glob, local)}"


def _names(operation: Operation) -> tuple[str, str]:
    return operation.id, f"{operation.upstream}.{operation.original}"


def _is_known(glob: str, ready: Mapping[str, UpstreamSnapshot], count: int) -> bool:
    """Whether all that the glob could match is known: its upstream is ready, or all are."""
    first = glob.partition(".")[0]
    return first in ready or len(ready) == count


def _near(glob: str, names: Sequence[str]) -> str:
    near = get_close_matches(glob, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def as_data(found: Diagnosis) -> dict[str, Any]:
    """The diagnosis as plain data."""
    return asdict(found)


def told(found: Diagnosis, *, verdicts: bool) -> Iterator[str]:
    """The diagnosis as lines to read. `verdicts`: with a line for each operation."""
    yield f"configuration  {found.configuration}"
    yield from (f"  {line}" for line in _policy_lines(found.policy))
    if found.upstreams:
        yield "upstreams"
    for upstream in found.upstreams:
        yield from (f"  {line}" for line in _upstream_lines(upstream))
        yield from (f"  {line}" for line in _doubt_lines(upstream, as_json=found.configuration.endswith(".json")))
    if verdicts:
        yield "operations"
        for operation in found.operations:
            reason = f"   {operation.reason}" if operation.reason else ""
            yield f"  {operation.verdict:8} {operation.effect:12} {operation.id}{reason}"
    if found.sandbox is not None:
        yield from _sandbox_lines(found.sandbox)
    yield "versions       " + ", ".join(f"{name} {version}" for name, version in found.versions.items())
    yield from (f"remark         {remark}" for remark in found.remarks)
    yield from (f"PROBLEM        {problem}" for problem in found.problems)
    yield "" if found.problems else "all is well"


def _policy_lines(policy: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, words in policy.items():
        if words:
            yield f"{name:10} {', '.join(words)}"


def _upstream_lines(upstream: UpstreamFinding) -> Iterator[str]:
    seconds = "" if upstream.seconds is None else f" in {upstream.seconds:.1f} s"
    yield f"{upstream.name:16} {upstream.state}{seconds}  ({upstream.kind})"
    if upstream.problem or upstream.state != "ready":
        yield f"  {upstream.problem or 'no answer yet'}"
    total = sum(upstream.operations.values())
    if total:
        yield f"  {total:,} operations: {_listed(upstream.operations)}; {_listed(upstream.verdicts)}"
    yield from (f"  warning: {warning}" for warning in upstream.warnings[:WARNINGS_SHOWN])
    if (more := len(upstream.warnings) - WARNINGS_SHOWN) > 0:
        yield f"  and {more} more warnings: see --json"


def _doubt_lines(upstream: UpstreamFinding, *, as_json: bool) -> Iterator[str]:
    """What to write into the configuration, to be pasted as it stands."""
    if not upstream.doubted:
        return
    count = len(upstream.doubted)
    reads = "1 of them only reads" if count == 1 else f"{count:,} of them only read"
    yield f"  {reads} by their server's word, which counts once you say so;"
    yield "  beside its other keys, add the first (its word, now and later), or the second (yours, on these tools):"
    mark = '"' if as_json else ""
    each = ", ".join(f"{mark}{name}{mark}: {mark}read{mark}" for name in upstream.doubted)
    yield f"    {mark}believe{mark}: true"
    lines = f"{mark}effects{mark}: {{{each}}}"
    yield from textwrap.wrap(lines, WIDTH, initial_indent="    ", subsequent_indent="      ")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _sandbox_lines(sandbox: SandboxFinding) -> Iterator[str]:
    took = f", the first 1 + 1 took {sandbox.milliseconds:.0f} ms" if sandbox.milliseconds is not None else ""
    yield f"sandbox        {'works' + took if sandbox.works else 'DOES NOT WORK: ' + sandbox.problem}"
    facts = {**sandbox.component, **sandbox.layers}
    width = max(map(len, facts), default=0)
    yield from (f"  {name:{width}}  {value}" for name, value in facts.items())
