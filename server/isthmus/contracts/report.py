"""A check as a value, and as text for people, JSON, JUnit XML and SARIF 2.1.0."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from isthmus.contracts import formats
from isthmus.contracts.compare import Change
from isthmus.contracts.formats import Format, clean
from isthmus.contracts.impact import Broken
from isthmus.contracts.programs import Unreadable
from isthmus.contracts.verdicts import RULES, Class

_LEVELS: Mapping[Class, Literal["error", "note"]] = {
    Class.BREAKING: "error",
    Class.COMPATIBLE: "note",
    Class.COSMETIC: "note",
}
_MANY = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check has found. `operations` are all that were compared; `lock` is the lock file's name, for places."""

    lock: str
    operations: tuple[str, ...]
    changes: tuple[Change, ...]
    broken: Mapping[Change, Sequence[Broken]] = field(default_factory=dict)
    unreadable: tuple[Unreadable, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)  # of the lock file, by JSON pointer

    def of(self, kind: Class) -> tuple[Change, ...]:
        """The changes of a class."""
        return tuple(change for change in self.changes if change.kind is kind)

    def line(self, change: Change) -> int:
        """The line of the lock file where a change is, or that of what holds it."""
        pointer = change.pointer
        while pointer not in self.lines and pointer:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer, 1)


def rendered(checked: Checked, format_: Format, *, version: str) -> str:
    """The report in one of the formats. `version` is that of isthmus."""
    match format_:
        case "text":
            return "\n".join(told(checked)) + "\n"
        case "json":
            return json.dumps(as_data(checked), indent=2, ensure_ascii=False) + "\n"
        case "junit":
            return as_junit(checked)
        case "sarif":
            return json.dumps(as_sarif(checked, version), indent=2, ensure_ascii=False) + "\n"


def told(checked: Checked) -> Iterator[str]:
    """The report for people, line by line; nothing in it can act on a terminal."""
    for kind in Class:
        found = checked.of(kind)
        if found:
            yield f"{kind.value} ({len(found)})"
        for change in found:
            yield f"  {clean(change.place)}: {clean(change.sentence)}{' [RUG PULL?]' if change.is_rug_pull else ''}"
            if len(change.operations) > 1:
                yield f"      reaches {_some(change.operations)}"
            yield from (f"      {_broken(one)}" for one in checked.broken.get(change, ()))
    yield from (f"not looked into: {clean(one.program)}: {clean(one.problem)}" for one in checked.unreadable)
    yield summary(checked)


def summary(checked: Checked) -> str:
    """One line: how much was compared, and what came of it."""
    counts = ", ".join(f"{len(checked.of(kind))} {kind.value}" for kind in Class)
    broken = {one.program for many in checked.broken.values() for one in many}
    programs = f"; {len(broken)} programs are concerned" if broken else ""
    return f"{len(checked.operations):,} operations compared with {checked.lock}: {counts}{programs}"


def as_data(checked: Checked) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "lock": checked.lock,
        "operations": len(checked.operations),
        "counts": {kind.value: len(checked.of(kind)) for kind in Class},
        "changes": [_change_data(checked, change) for change in checked.changes],
        "unreadable": [{"program": one.program, "problem": one.problem} for one in checked.unreadable],
    }


def _change_data(checked: Checked, change: Change) -> dict[str, Any]:
    broken = checked.broken.get(change, ())
    return {
        "class": change.kind.value,
        "rule": change.rule,
        "side": change.side,
        "pointer": change.pointer,
        "member": change.member,
        "why": change.sentence,
        "rug_pull": change.is_rug_pull,
        "operations": list(change.operations),
        "breaks": [
            {"program": one.program, "line": one.line, "operation": one.operation, "surely": one.surely}
            for one in broken
        ],
    }


def as_junit(checked: Checked) -> str:
    """JUnit XML: a test case for each operation, which fails where a breaking change reaches it."""
    by_operation: dict[str, list[Change]] = {operation: [] for operation in checked.operations}
    for change in checked.changes:
        for operation in change.operations:
            by_operation.setdefault(operation, []).append(change)
    cases = [_case(checked, operation, changes) for operation, changes in by_operation.items()]
    return formats.as_junit("isthmus check", checked.lock, cases)


def _case(checked: Checked, operation: str, changes: Sequence[Change]) -> formats.Case:
    upstream, _, name = operation.partition(".")
    lines = [f"{change.kind.value}: {change.place}: {change.sentence}" for change in changes]
    first = next((change for change in changes if change.kind is Class.BREAKING), None)
    if first is None:
        return formats.Case(upstream, name, "\n".join(lines))
    text = "\n".join([*lines, *_breaks(checked, changes, operation)])
    return formats.Case(upstream, name, text, (first.rule, first.sentence))


def _breaks(checked: Checked, changes: Sequence[Change], operation: str) -> list[str]:
    found = [one for change in changes for one in checked.broken.get(change, ()) if one.operation == operation]
    return list(dict.fromkeys(map(_broken, found)))


def as_sarif(checked: Checked, version: str) -> dict[str, Any]:
    """SARIF 2.1.0: a result for each change, at its line of the lock file."""
    rules = {rule: _described(rule) for rule in sorted({change.rule for change in checked.changes})}
    return formats.as_sarif(version, rules, [_result(checked, change) for change in checked.changes])


def _described(rule: str) -> tuple[str, str]:
    words = rule.replace("-", " ")
    inward = f"on the way in {RULES[rule][0].value}, on the way out {RULES[rule][1].value}" if rule in RULES else words
    return words, f"{words}: {inward}"


def _result(checked: Checked, change: Change) -> formats.Result:
    programs = [_broken(one) for one in checked.broken.get(change, ())]
    return formats.Result(
        change.rule,
        "warning" if change.is_rug_pull and change.kind is not Class.BREAKING else _LEVELS[change.kind],
        "\n".join([f"{change.place}: {change.sentence}", *programs]),
        formats.Place(checked.lock, checked.line(change), change.operations[:_MANY]),
        f"{change.rule}:{change.pointer}:{change.member}",
    )


def _broken(one: Broken) -> str:
    verb = "breaks" if one.surely else "may break"
    return f"{verb} {clean(one.program)}:{one.line} ({one.operation})"


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return f"{', '.join(names[:_MANY])}{rest}"


_KEY = re.compile(r'^( *)("(?:[^"\\]|\\.)*"): ')


def lines_of(text: str) -> dict[str, int]:
    """The lines of a lock file by JSON pointer: of everything that has a key. It is read by its indentation."""
    found: dict[str, int] = {"": 1}
    path: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := _KEY.match(line):
            depth = len(match[1]) // 2
            key = json.loads(match[2]).replace("~", "~0").replace("/", "~1")
            path = [*path[: depth - 1], *[""] * (depth - 1 - len(path)), key]
            found["/".join(["", *path])] = number
    return found
