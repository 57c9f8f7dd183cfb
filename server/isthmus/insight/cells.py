"""Cells that several tables of the page have."""

from __future__ import annotations

import re

from isthmus.insight.facts import CallFact, RunFact
from isthmus.insight.markup import Markup, Part, tag
from isthmus.model import Effect

MOST_ROWS = 100
"""Rows of a table; what is left out is counted."""

LONG_NAME = 40
"""Characters of a name beyond which it may be broken at its dots and underscores."""


def operation(name: str) -> Markup:
    """A name; a long one with places where a line may end."""
    if len(name) <= LONG_NAME:
        return tag("span", name, class_="id")
    first, *others = re.split(r"(?<=[._])", name)
    return tag("span", first, [[Markup("<wbr>"), part] for part in others], class_="id long")


def effect(kind: Effect) -> Markup:
    """What an operation does to the world."""
    return tag("span", kind, class_=f"effect effect-{kind}")


def status(call: CallFact) -> list[Part]:
    """What came of a call, and why."""
    told = (
        "done before, taken over" if call.taken else "not sent (dry run)" if call.status == "simulated" else call.status
    )
    return [tag("span", told, class_=f"status status-{call.status}"), f": {call.why}" if call.why else ""]


def arguments(call: CallFact) -> Part:
    """What it was given."""
    return tag("code", call.arguments) if call.arguments else ""


def link(run: RunFact) -> Markup:
    """To its execution, on the same page."""
    return tag("a", run.execution, href=f"#{run.execution}", class_="id")
