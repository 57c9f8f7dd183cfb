"""A check as a value, and as text for people, JSON, JUnit XML and SARIF 2.1.0."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from isthmus.contracts.compare import Change
from isthmus.contracts.impact import Broken
from isthmus.contracts.programs import Unreadable
from isthmus.contracts.verdicts import RULES, Class

Format = Literal["text", "json", "junit", "sarif"]
FORMATS: tuple[Format, ...] = ("text", "json", "junit", "sarif")

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_LEVELS = {Class.BREAKING: "error", Class.COMPATIBLE: "note", Class.COSMETIC: "note"}
_MANY = 5
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


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
            yield f"  {_clean(change.place)}: {_clean(change.sentence)}{' [RUG PULL?]' if change.is_rug_pull else ''}"
            if len(change.operations) > 1:
                yield f"      reaches {_some(change.operations)}"
            yield from (f"      {_broken(one)}" for one in checked.broken.get(change, ()))
    yield from (f"not looked into: {_clean(one.program)}: {_clean(one.problem)}" for one in checked.unreadable)
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
    failed = {key for key, changes in by_operation.items() if any(one.kind is Class.BREAKING for one in changes)}
    counts = {"tests": str(len(by_operation)), "failures": str(len(failed)), "errors": "0", "skipped": "0"}
    root = Element("testsuites", {"name": "isthmus check", **counts})
    suite = SubElement(root, "testsuite", {"name": checked.lock, **counts})
    for operation, changes in by_operation.items():
        upstream, _, name = operation.partition(".")
        case = SubElement(suite, "testcase", {"classname": upstream, "name": _clean(name), "time": "0"})
        lines = [f"{change.kind.value}: {change.place}: {change.sentence}" for change in changes]
        if operation in failed:
            first = next(change for change in changes if change.kind is Class.BREAKING)
            failure = SubElement(case, "failure", {"type": first.rule, "message": _clean(first.sentence)})
            failure.text = _clean("\n".join([*lines, *_breaks(checked, changes, operation)]))
        elif lines:
            SubElement(case, "system-out").text = _clean("\n".join(lines))
    indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'


def _breaks(checked: Checked, changes: Sequence[Change], operation: str) -> Iterator[str]:
    for change in changes:
        yield from (_broken(one) for one in checked.broken.get(change, ()) if one.operation == operation)


def as_sarif(checked: Checked, version: str) -> dict[str, Any]:
    """SARIF 2.1.0: a result for each change, at its line of the lock file."""
    used = sorted({change.rule for change in checked.changes})
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "isthmus", "version": version, "rules": [_sarif_rule(one) for one in used]}
                },
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(checked, change, used.index(change.rule)) for change in checked.changes],
            }
        ],
    }


def _sarif_rule(rule: str) -> dict[str, Any]:
    words = rule.replace("-", " ")
    inward = f"on the way in {RULES[rule][0].value}, on the way out {RULES[rule][1].value}" if rule in RULES else words
    return {"id": rule, "shortDescription": {"text": words}, "fullDescription": {"text": f"{words}: {inward}"}}


def _sarif_result(checked: Checked, change: Change, rule: int) -> dict[str, Any]:
    programs = [_broken(one) for one in checked.broken.get(change, ())]
    text = "\n".join([f"{change.place}: {change.sentence}", *programs])
    place = {
        "physicalLocation": {
            "artifactLocation": {"uri": checked.lock},
            "region": {"startLine": checked.line(change)},
        },
        "logicalLocations": [{"fullyQualifiedName": one, "kind": "function"} for one in change.operations[:_MANY]],
    }
    return {
        "ruleId": change.rule,
        "ruleIndex": rule,
        "level": "warning" if change.is_rug_pull and change.kind is not Class.BREAKING else _LEVELS[change.kind],
        "message": {"text": _clean(text)},
        "locations": [place],
        "partialFingerprints": {"isthmusChange/v1": f"{change.rule}:{change.pointer}:{change.member}"},
    }


def _broken(one: Broken) -> str:
    verb = "breaks" if one.surely else "may break"
    return f"{verb} {_clean(one.program)}:{one.line} ({one.operation})"


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return f"{', '.join(names[:_MANY])}{rest}"


def _clean(text: str) -> str:
    """Text without what acts on a terminal or is no XML; upstreams' names may hold anything."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


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
