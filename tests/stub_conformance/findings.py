"""What is counted, and what is found, for the operations of one upstream."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.model import Operation
from isthmus.render.stubs import BRIEF, FILE, FULL, NORMAL, stub
from isthmus.render.tokens import estimate
from isthmus.validation import Validation
from tests.simulators.stub_reader import ReadStub

DEPTHS = {"brief": BRIEF, "normal": NORMAL, "file": FILE, "full": FULL}

_BY_TYPE = re.compile(r"(?:^|: )(expected (?!.* got 'any')|unknown )")
"""Problems of validation that a type could have told; lengths, patterns and bounds it cannot."""

_IMPLIED = re.compile(r"^\w+[.\[].*: ['\"\d].* is no (?:dict|[A-Z]\w*)$")


@dataclass
class Findings:
    """One upstream. `failures` are sentences that begin with the operation."""

    name: str
    operations: int = 0
    stubs: int = 0
    calls: int = 0
    judged: int = 0  # requests of which an independent judge saw everything
    partly: int = 0
    typical: int = 0  # calls with values made of the stub's types alone, that validation accepts
    beyond: int = 0  # the same, refused for what no type says: a length, a pattern, a bound
    refused: str = ""  # why the document is not read at all
    unmade: int = 0  # no value was found that fits the schema
    tokens: list[int] = field(default_factory=list)  # of the stubs as a search shows them
    left_out: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The counts, for a table under `HEAD`."""
        if self.refused:
            return f"{self.name:32.32} refused: {self.refused:.100}"
        counts = (self.operations, self.stubs, self.calls, self.judged, self.partly)
        rest = (self.typical, self.beyond, self.unmade, max(self.tokens, default=0), len(self.failures))
        return f"{self.name:32.32}" + "".join(f"{count:9,}" for count in (*counts, *rest))


_TITLES = "ops stubs calls judged partly by_type beyond unmade most_tok FAILURES"
HEAD = f"{'':32}" + "".join(f"{title:>9}" for title in _TITLES.split())


def read_stubs(findings: Findings, operation: Operation) -> ReadStub | None:
    """Every depth of an operation's stub, read as Python and held against the operation; gives that of a search."""
    read: dict[str, ReadStub] = {}
    for depth, settings in DEPTHS.items():
        text = stub(operation, settings).text
        findings.stubs += 1
        try:
            read[depth] = ReadStub.of(text)
        except (SyntaxError, ValueError) as error:
            findings.failures.append(f"{operation.id}: {depth}: {error}")
            continue
        findings.failures += [f"{operation.id}: {depth}: {one}" for one in _departures(operation, read[depth])]
        if depth == "normal":
            findings.tokens.append(estimate(text))
    return read.get("normal")


def hold_types(findings: Findings, operation: Operation, read: ReadStub, valid: Mapping[str, Any]) -> None:
    """Values that fit the schema must fit the stub's types; values of those types must fit the schema's."""
    for refusal in read.refusals(valid):
        if _IMPLIED.search(refusal):
            findings.left_out["an object by its properties alone, whose document says that a text is one, too"] += 1
        else:
            findings.failures.append(f"{operation.id}: the stub refuses {refusal}")
    for every in (True, False):
        problems = Validation().arguments_problems(operation, read.typical(every=every))
        findings.typical += not problems
        if wrong := [one for one in problems if _BY_TYPE.search(one)]:
            findings.failures += [f"{operation.id}: validation refuses what the stub takes: {one}" for one in wrong]
        elif problems:
            findings.beyond += 1


def _departures(operation: Operation, read: ReadStub) -> list[str]:
    """Where a stub does not say what `bind` takes."""
    required = [each.name for each in operation.parameters if each.required]
    optional = [each.name for each in operation.parameters if not each.required]
    found = []
    if read.function.name != operation.id.rpartition(".")[2]:
        found.append(f"it is named {read.function.name}")
    if read.required != required:
        found.append(f"it takes {read.required} by place, and {required} are required")
    if (by_name := [each.arg for each in read.function.args.kwonlyargs]) != optional[: len(by_name)]:
        found.append(f"it takes {by_name} by name")
    if (read.function.args.kwarg is not None) != operation.accepts_more:
        found.append("whether it takes more is not what the operation says")
    found += [f"default of {one}" for one in read.refusals(read.defaults)]
    return found
