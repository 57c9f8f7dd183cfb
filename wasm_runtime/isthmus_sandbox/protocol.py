"""What host and guest say to each other, as values.

The shapes of the JSON texts are written beside the WIT (`specs/guest.wit`). `frames` decodes and encodes them, and
`wire` has the few bytes that go round each on its way between the server and a worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

EventKind = Literal["value", "error", "item", "end"]

MAX_DEPTH = 64
"""Containers within containers, in whatever crosses in either direction."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What a clock showed: how often it was read since the program began, and each of its moves.

    A move is (the number of the reading that saw it, what it showed). The guest's own clock shows milliseconds since
    the program's start, that of WASI milliseconds since the epoch.
    """

    made: int = 0
    moves: tuple[tuple[int, int], ...] = ()

    def then(self, later: Readings) -> Readings:
        """These, and what was read after them."""
        return Readings(max(self.made, later.made), self.moves + later.moves)


NO_READINGS = Readings()


@dataclass(frozen=True, slots=True)
class Program:
    """A program on its way in. `seed` is hexadecimal; `now` is seconds since the epoch, where its clock starts.

    To run one again as it was, `clock` and `wall` are what its clocks showed then; time goes on from there.
    """

    source: str
    seed: str
    now: float
    upstreams: tuple[str, ...] = ()  # the names to inject
    output_bytes: int = 10_000_000  # printed beyond this, the program ends
    clock: Readings = NO_READINGS
    wall: Readings = NO_READINGS


@dataclass(frozen=True, slots=True)
class Request:
    """A call that the guest wants. `operation` is a dotted name; the host itself answers those under `isthmus.`.

    `positional` are arguments given by place, to be named by the host, which knows the signature.
    `awaited` is false for a call made in synchronous style: such calls keep the program's order (see `execution`).
    """

    call: int
    operation: str
    arguments: Mapping[str, Any]
    positional: tuple[Any, ...] = ()
    awaited: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """What a guest says when it must wait. `wake_after_ms` of None: only an event can wake it.

    `clock` and `wall` are what its clocks showed since the step before. `text` is the step as it came.
    """

    requests: tuple[Request, ...] = ()
    cancellations: tuple[int, ...] = ()
    output: str = ""
    wake_after_ms: float | None = None
    clock: Readings = NO_READINGS
    wall: Readings = NO_READINGS
    text: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Event:
    """What came of a call.

    `payload` is plain data (bytes anywhere) for `value` and `item`; for `error` it is
    `{"type", "message", "code", "hint", "status", "body"}`, of which the last two may be None. `text` is the event
    as it travels, where it is known already: then `payload` is not looked at.
    """

    call: int
    kind: EventKind
    payload: Any = None
    text: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that ended a program. Lines and columns count from 1, in the source as it was submitted."""

    type: str  # the exception's class, as the program would name it
    message: str
    line: int | None = None
    column: int | None = None
    trace: str = ""  # the program's own frames with carets; nothing of ours
    hint: str = ""
    code: str = "program"  # `code` of the call's error that was not caught, or `program`, `syntax`, `exit`, `memory`


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    `kind` says how the value is to be read: `json` (plain data, bytes anywhere), `text` (a value that is no plain
    data, as its repr), `none` (no value). `output` is what was printed since the last step.
    """

    ok: bool
    kind: Literal["json", "text", "none"] = "none"
    value: Any = None
    output: str = ""
    error: Failure | None = None
    notes: tuple[str, ...] = ()  # what was mended in the source, what was awaited for the program, warnings
    names: tuple[str, ...] = field(default=())  # variables that now live in the session, newest last
    clock: Readings = NO_READINGS
    wall: Readings = NO_READINGS
    text: bytes = field(default=b"", repr=False, compare=False)


class ProtocolViolation(Exception):
    """The worker said something that no honest guest says. The worker is to be killed."""


class GuestLost(Exception):
    """The worker is gone. `limit` names the limit that it reached, where it was one (`cpu`, `output_bytes`).

    `external`: something else than the program ended it, so that the same program may fare better in another.
    """

    def __init__(self, reason: str, *, limit: str | None = None, external: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.limit = limit
        self.external = external


class SandboxUnavailable(Exception):
    """No worker can be started; the message says why."""
