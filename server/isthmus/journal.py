"""The record of one execution: its program, its seed, its calls, each noted before it is sent.

A journal is a list of frozen entries that only grows. It holds digests of arguments, never the arguments
themselves, and no answer: what a report, an audit or a duplicate check needs, and nothing that a secret could hide in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.model import CallRecord, CallStatus, Operation, digest


@dataclass(frozen=True, slots=True)
class Began:
    """The head of a journal. `at` is seconds since the epoch; `program` is the source as submitted."""

    execution: str
    session: str
    principal: str
    program: str
    seed: str
    at: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A call that is about to be made, or that was refused at the door.

    Its address is (operation, arguments' digest, occurrence): the same call of the same program finds it again.
    """

    call: int
    operation: Operation
    arguments: str  # digest
    occurrence: int  # how many equal calls came before it
    at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a call."""

    call: int
    status: CallStatus
    at: float
    warnings: tuple[str, ...] = ()


Entry = Sent | Ended


@dataclass(slots=True)
class Journal:
    """The journal of one execution. `clock` gives seconds, and only ever grows."""

    began: Began
    clock: Callable[[], float]
    entries: list[Entry] = field(default_factory=list)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def sent(self, operation: Operation, arguments: Mapping[str, Any]) -> int:
        """Note a call before it is made; gives its number in this journal."""
        key = (operation.id, digest(arguments))
        number = len(self.entries)
        self.entries.append(Sent(number, operation, key[1], self._seen[key], self.clock()))
        self._seen[key] += 1
        return number

    def ended(self, call: int, status: CallStatus, warnings: tuple[str, ...] = ()) -> None:
        """Note what came of it."""
        self.entries.append(Ended(call, status, self.clock(), warnings))

    def calls(self) -> Iterator[CallRecord]:
        """The calls in the order in which they were sent. One without an end has an unknown outcome."""
        ends = {entry.call: entry for entry in self.entries if isinstance(entry, Ended)}
        for entry in self.entries:
            if isinstance(entry, Sent):
                yield _record(entry, ends.get(entry.call))


def _record(sent: Sent, ended: Ended | None) -> CallRecord:
    if ended is None:
        return CallRecord(sent.operation.id, sent.operation.effect, "unknown", 0.0)
    ms = (ended.at - sent.at) * 1000
    return CallRecord(sent.operation.id, sent.operation.effect, ended.status, ms, ended.warnings)
