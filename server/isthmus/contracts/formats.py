"""JUnit XML and SARIF 2.1.0, of whatever a check has to tell: the only place that knows how they are written."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

Format = Literal["text", "json", "junit", "sarif"]
FORMATS: tuple[Format, ...] = ("text", "json", "junit", "sarif")

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One test case. `problem` is (type, message) where it failed; `skipped` says why it was not run."""

    group: str
    name: str
    text: str = ""
    problem: tuple[str, str] | None = None
    skipped: str = ""


def as_junit(title: str, suite: str, cases: Collection[Case]) -> str:
    """JUnit XML, as the schema that Jenkins publishes has it (`junit-10.xsd`)."""
    failures = sum(case.problem is not None for case in cases)
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}
    root = Element("testsuites", {"name": title, **counts})
    skipped = sum(bool(case.skipped) for case in cases)
    within = SubElement(root, "testsuite", {"name": clean(suite), **counts, "skipped": str(skipped)})
    for case in cases:
        node = SubElement(within, "testcase", {"classname": clean(case.group), "name": clean(case.name), "time": "0"})
        if case.problem is not None:
            kind, message = case.problem
            SubElement(node, "failure", {"type": kind, "message": clean(message)}).text = clean(case.text)
            continue
        if case.skipped:
            SubElement(node, "skipped", {"message": clean(case.skipped)})
        if case.text:
            SubElement(node, "system-out").text = clean(case.text)
    indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'


@dataclass(frozen=True, slots=True)
class Place:
    """A line (from 1) of a file, whose name is relative where it can be: that is how code hosts find it."""

    file: str
    line: int
    names: tuple[str, ...] = ()  # of the operations that are concerned


@dataclass(frozen=True, slots=True)
class Result:
    """One finding. `fingerprint` is the same as long as the finding is."""

    rule: str
    level: Literal["error", "warning", "note"]
    text: str
    place: Place
    fingerprint: str


def as_sarif(version: str, rules: Mapping[str, tuple[str, str]], results: Sequence[Result]) -> dict[str, Any]:
    """SARIF 2.1.0. `rules` have a short and a full description; `version` is that of isthmus."""
    ids = list(rules)
    described = [
        {"id": rule, "shortDescription": {"text": short}, "fullDescription": {"text": full}}
        for rule, (short, full) in rules.items()
    ]
    run = {
        "tool": {"driver": {"name": "isthmus", "version": version, "rules": described}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, ids.index(one.rule)) for one in results],
    }
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(one: Result, rule: int) -> dict[str, Any]:
    place: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(one.place.file, safe="/")},
            "region": {"startLine": one.place.line},
        },
    }
    if one.place.names:
        place["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "function"} for name in one.place.names]
    return {
        "ruleId": one.rule,
        "ruleIndex": rule,
        "level": one.level,
        "message": {"text": clean(one.text)},
        "locations": [place],
        "partialFingerprints": {"isthmusChange/v1": one.fingerprint},
    }


def clean(text: str) -> str:
    """Text without what acts on a terminal or is no XML; upstreams' names may hold anything."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
