"""What the audit log tells: a record before each call and one after it, allowed or refused, and what was looked at.

Records are plain values, bounded where they are told. They hold no answer, and of arguments the names and a digest,
unless the operator wants their text. A sink (`isthmus.telemetry`) takes secrets out of them and keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from isthmus.model import CallStatus, Effect

Verdict = Literal["allowed", "approved", "refused", "invalid", "taken", "simulated", "unsent"]
"""Why a call was made or not.

`approved`: a person agreed to it. `invalid`: its arguments do not fit. `taken`: its answer is known from before.
`unsent`: it was cancelled, or could not be made.
"""

LONGEST = 500
"""Characters of any one text in a record; what is longer is cut, and says so."""

MOST_NAMES = 20
"""Arguments that are named; the rest are counted."""


class Before(NamedTuple):
    """A call is about to be made, or will not be. Times are seconds since the epoch.

    `program` and `digest` are the beginnings of SHA-256, of the program's source and of the call's arguments.
    """

    at: float
    execution: str
    session: str
    principal: str
    program: str
    call: int
    operation: str
    effect: Effect
    arguments: tuple[str, ...]  # their names
    digest: str
    verdict: Verdict
    text: str = ""  # the arguments themselves, where the operator wants them


class After(NamedTuple):
    """What came of it. `why` is the error's message, empty where there is none; `ms` counts from when it was asked."""

    at: float
    execution: str
    session: str
    principal: str
    call: int
    operation: str
    status: CallStatus
    ms: float
    error: str = ""  # its code
    why: str = ""
    taken: str = ""  # the execution whose answer this is


class Stopped(NamedTuple):
    """A program was refused before it ran, for calls in it that could not have succeeded: `line 3: refused: ...`.

    `written` is how many characters it had, `told` how many the model was told of it.
    """

    at: float
    execution: str
    session: str
    principal: str
    program: str
    calls: tuple[str, ...]
    written: int
    told: int


class Searched(NamedTuple):
    """A model has searched, and was given so many characters."""

    at: float
    principal: str
    queries: tuple[str, ...]
    upstream: str
    characters: int


class Listed(NamedTuple):
    """An upstream has these operations. `tokens` is what a model would pay for their definitions as tools, estimated.

    `measured` is how many of them the estimate comes from.
    """

    at: float
    upstream: str
    operations: int
    tokens: int
    measured: int


Record = Before | After | Stopped | Searched | Listed

EVENTS: Mapping[type[Record], str] = {
    Before: "before",
    After: "after",
    Stopped: "stopped",
    Searched: "search",
    Listed: "operations",
}
"""What a record is called in its line."""


def facts(record: Record) -> dict[str, Any]:
    """A record as plain data, bounded; what is empty is left out.

    >>> facts(Listed(0.0, "shop", 20, 1_800, 20))
    {'event': 'operations', 'at': 0.0, 'upstream': 'shop', 'operations': 20, 'tokens': 1800, 'measured': 20}
    """
    told: dict[str, Any] = {"event": EVENTS[type(record)]}
    values: Iterable[tuple[str, Any]] = zip(record._fields, record, strict=True)
    for name, value in values:
        kind = type(value)
        if kind is str:
            if value:
                told[name] = _cut(value)
        elif kind is tuple:
            if value:
                told[name] = _bounded(value)
        else:
            told[name] = str(value) if isinstance(value, str) else value  # an effect is a text, too
    return told


def _bounded(texts: tuple[str, ...]) -> list[str]:
    more = len(texts) - MOST_NAMES
    return [*map(_cut, texts[:MOST_NAMES]), *([f"and {more} more"] if more > 0 else [])]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
