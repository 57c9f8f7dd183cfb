"""Recorded executions run again, as values, and as text for people, JSON, JUnit XML and SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from isthmus.contracts import formats
from isthmus.contracts.formats import Format, clean
from isthmus.contracts.recorded import RecordedOutcome

RULES: Mapping[str, str] = {
    "operation-gone": "the program calls an operation that is not there any more",
    "arguments-refused": "arguments that were taken do not fit the operation any more",
    "answer-departs": "a recorded answer is not what the operation describes now",
    "program-fails": "the program fails, which it did not",
    "program-succeeds": "the program succeeds, which it did not",
    "failure-differs": "the program fails otherwise than it did",
    "result-differs": "the program's result is another",
    "output-differs": "what the program prints is another",
    "call-missing": "the program does not make a call that it made",
    "call-unknown": "the program makes a call that is not recorded",
    "not-checked": "something could not be checked",
    "asks-first": "a person would be asked before a call",
}
"""What a replay may find, by rule. The last two are remarks, and fail nothing."""

_REMARKS = frozenset({"not-checked", "asks-first"})
_SHORT = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was. `file` and `line` (from 1) are the program's."""

    rule: str
    why: str
    file: str
    line: int = 1
    operation: str = ""

    @property
    def fails(self) -> bool:
        """Whether the replay has failed for it."""
        return self.rule not in _REMARKS


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one recording. `unchecked` says why it could not be run at all; empty where it could."""

    name: str
    execution: str
    calls: int
    findings: tuple[Finding, ...] = ()
    unchecked: str = ""

    @property
    def state(self) -> Literal["passed", "failed", "unchecked"]:
        """In a word."""
        if self.unchecked:
            return "unchecked"
        return "failed" if any(one.fails for one in self.findings) else "passed"


@dataclass(frozen=True, slots=True)
class Replays:
    """All that were run. `grounds` says for each upstream what its calls were held against."""

    results: tuple[Replayed, ...]
    grounds: Mapping[str, str] = field(default_factory=dict)

    def count(self, state: str) -> int:
        """How many ended so."""
        return sum(one.state == state for one in self.results)


def differences(was: RecordedOutcome, now: RecordedOutcome, file: str) -> Iterator[Finding]:
    """Where an outcome is not what it was."""
    line = now.line or 1
    if was.ok != now.ok:
        if now.ok:
            yield Finding("program-succeeds", f"it failed with {was.error}, and does not now", file)
        else:
            yield Finding("program-fails", now.error, file, line)
        return
    if was.error != now.error:
        yield Finding("failure-differs", f"it failed with {was.error}, and now with {now.error}", file, line)
    if (was.kind, was.value) != (now.kind, now.value):
        yield Finding("result-differs", f"it was {_shown(was.value)}, and is {_shown(now.value)}", file)
    if was.output != now.output:
        yield Finding("output-differs", f"it was {_shown(was.output)}, and is {_shown(now.output)}", file)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}... ({len(text):,} characters)"


def rendered(replays: Replays, format_: Format, *, version: str) -> str:
    """The report in one of the formats. `version` is that of isthmus."""
    match format_:
        case "text":
            return "\n".join(told(replays)) + "\n"
        case "json":
            return json.dumps(as_data(replays), indent=2, ensure_ascii=False) + "\n"
        case "junit":
            return formats.as_junit("isthmus check --replay", "recordings", [_case(one) for one in replays.results])
        case "sarif":
            return json.dumps(as_sarif(replays, version), indent=2, ensure_ascii=False) + "\n"


def told(replays: Replays) -> Iterator[str]:
    """The report for people, line by line; nothing in it can act on a terminal."""
    for one in replays.results:
        yield f"{one.state:<9}  {one.name}: {one.unchecked or f'{one.calls:,} calls'}"
        yield from (f"           {_sentence(finding)}" for finding in one.findings)
    yield from (f"{upstream}: {clean(ground)}" for upstream, ground in replays.grounds.items())
    yield summary(replays)


def _sentence(finding: Finding) -> str:
    return clean(f"{finding.file}:{finding.line}: {finding.rule}: {finding.why}").replace("\n", " ")


def summary(replays: Replays) -> str:
    """One line: how many were run, and what came of them."""
    counts = ", ".join(f"{replays.count(state)} {state}" for state in ("passed", "failed", "unchecked"))
    return f"{len(replays.results):,} recordings replayed: {counts}"


def as_data(replays: Replays) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "recordings": len(replays.results),
        "counts": {state: replays.count(state) for state in ("passed", "failed", "unchecked")},
        "schemas": dict(replays.grounds),
        "results": [
            {
                "name": one.name,
                "execution": one.execution,
                "state": one.state,
                "calls": one.calls,
                "unchecked": one.unchecked,
                "findings": [
                    {
                        "rule": each.rule,
                        "fails": each.fails,
                        "why": each.why,
                        "operation": each.operation,
                        "file": each.file,
                        "line": each.line,
                    }
                    for each in one.findings
                ],
            }
            for one in replays.results
        ],
    }


def _case(one: Replayed) -> formats.Case:
    """A test case for a recording, which fails where anything is not as it was."""
    text = "\n".join(map(_sentence, one.findings))
    first = next((finding for finding in one.findings if finding.fails), None)
    problem = (first.rule, first.why) if first is not None and not one.unchecked else None
    return formats.Case("recordings", one.name, text, problem, one.unchecked)


def as_sarif(replays: Replays, version: str) -> dict[str, Any]:
    """SARIF 2.1.0: a result for each finding, at its line of the recorded program."""
    findings = [(one, finding) for one in replays.results for finding in one.findings]
    rules = {rule: (RULES[rule], f"{rule}: {RULES[rule]}") for rule in sorted({each.rule for _, each in findings})}
    return formats.as_sarif(version, rules, [_result(one, finding) for one, finding in findings])


def _result(one: Replayed, finding: Finding) -> formats.Result:
    names = (finding.operation,) if finding.operation else ()
    return formats.Result(
        finding.rule,
        "error" if finding.fails else "note",
        finding.why,
        formats.Place(finding.file, finding.line, names),
        f"{finding.rule}:{one.name}:{finding.operation}",
    )
