"""The record of one execution: its program, its steps, its calls, each noted before it is sent, and what came of them.

A journal is a list of frozen entries that only grows. From it come the account of calls that a report gives, the
answers that a corrected program takes over, and the transcript by which the execution can be run again as it was.
Arguments stand in the steps, and answers in the events, as they crossed the door: no credential ever does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from isthmus.model import CallRecord, CallStatus, Effect
from isthmus_sandbox.protocol import Program

Address = tuple[str, str, int]
"""An operation's id, its arguments' digest, and how many equal calls came before: the same call finds it again."""


@dataclass(frozen=True, slots=True)
class Began:
    """The head of a journal. `at` is seconds since the epoch.

    `fresh`: the guest had run no program before. `clean`: the workspace was empty. `continues` names the execution
    whose completed calls this one takes over. `owner` is the server that runs it.
    """

    execution: str
    session: str
    principal: str
    program: Program
    at: float
    continues: str = ""
    fresh: bool = True
    clean: bool = True
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Stepped:
    """The guest said what it wants, and waits. `text` is the step as it came.

    `told` is how many events, the next of those that were answered, the step before was replied to with.
    """

    text: bytes
    told: int = 0


@dataclass(frozen=True, slots=True)
class Sent:
    """A call that is about to be made, or that was refused at the door. `call` is the guest's number of it."""

    call: int
    operation: str
    effect: Effect
    arguments: str  # digest
    occurrence: int  # how many equal calls came before it
    at: float  # ticks, in seconds

    @property
    def address(self) -> Address:
        """By which the same call of the same program finds it again."""
        return self.operation, self.arguments, self.occurrence


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a call. `taken` names the execution that made it, where this one only took over the answer."""

    call: int
    status: CallStatus
    at: float
    warnings: tuple[str, ...] = ()
    taken: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the program is to be told of a call, as it travels."""

    call: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """How the execution ended. `text` is the outcome as it came; empty where the guest was stopped or lost.

    `code` is that of the failure (see `isthmus_sandbox.protocol.Failure`), `message` its first line; `ms` is how long
    it took, `busy_ms` how much of that the guest was computing. `told` is as in `Stepped`; None: the last step was not
    replied to.
    """

    ok: bool
    code: str
    message: str
    ms: float
    busy_ms: float
    text: bytes = b""
    told: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the model was given: tokens (estimated), and the names of the files that hold what did not fit."""

    tokens: int
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resumed:
    """It goes on, in the server `owner`, after that which ran it was gone. `at` is seconds since the epoch."""

    owner: str
    at: float


@dataclass(frozen=True, slots=True)
class Omitted:
    """From here on steps and answers are not kept, so that it cannot be run again. `reason` names the limit."""

    reason: str


Entry = Began | Stepped | Sent | Ended | Answered | Finished | Shown | Resumed | Omitted


# ---------------------------------------------------------------- what a journal tells afterwards


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a call of an earlier execution. `text` is its answer as it travels, where it was kept."""

    execution: str
    sent: Sent
    status: CallStatus
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Turn:
    """A step as it came, and the events that it was answered with, as they travel; None: it never was."""

    step: bytes
    events: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class Transcript:
    """What crossed the door, in order. `undelivered` was answered after the last step that was replied to."""

    began: Began
    turns: tuple[Turn, ...]
    undelivered: tuple[Answered, ...]
    sent: Mapping[int, Sent]
    ended: Mapping[int, Ended]
    finished: Finished | None
    files: tuple[str, ...]
    omitted: str
    calls: tuple[CallRecord, ...]
    tokens: int
    answers: Mapping[int, int]  # bytes, by call


@dataclass(frozen=True, slots=True)
class Summary:
    """One execution in a list. `ok` is None while it has no end; `bytes` is what its steps and answers take up."""

    execution: str
    session: str
    principal: str
    continues: str
    at: float  # seconds since the epoch
    fresh: bool
    clean: bool
    owner: str
    ok: bool | None
    code: str
    message: str
    ms: float
    busy_ms: float
    calls: int
    tokens: int
    bytes: int
    first_line: str


def began_of(entries: Sequence[Entry]) -> Began:
    """The head."""
    return next(entry for entry in entries if isinstance(entry, Began))


def transcript_of(entries: Sequence[Entry]) -> Transcript:
    """The entries, put in the order of what crossed the door."""
    turns: list[Turn] = []
    answers: list[Answered] = []
    for entry in entries:
        if isinstance(entry, Answered):
            answers.append(entry)
        elif isinstance(entry, Stepped | Finished):
            if turns and entry.told is not None:
                turns[-1] = Turn(turns[-1].step, tuple(answer.text for answer in answers[: entry.told]))
                del answers[: entry.told]
            if isinstance(entry, Stepped):
                turns.append(Turn(entry.text, None))
    return Transcript(
        began=began_of(entries),
        turns=tuple(turns),
        undelivered=tuple(answers),
        sent={entry.call: entry for entry in entries if isinstance(entry, Sent)},
        ended={entry.call: entry for entry in entries if isinstance(entry, Ended)},
        finished=next((entry for entry in entries if isinstance(entry, Finished)), None),
        files=next((entry.files for entry in entries if isinstance(entry, Shown)), ()),
        omitted=next((entry.reason for entry in entries if isinstance(entry, Omitted)), ""),
        calls=calls_of(entries),
        tokens=next((entry.tokens for entry in entries if isinstance(entry, Shown)), 0),
        answers={entry.call: len(entry.text) for entry in entries if isinstance(entry, Answered)},
    )


def replied(transcript: Transcript, told: int) -> Transcript:
    """The transcript with the reply to its last step, of so many events, which was sent and is not recorded yet."""
    texts = tuple(answer.text for answer in transcript.undelivered[:told])
    last = Turn(transcript.turns[-1].step, texts)
    return replace(transcript, turns=(*transcript.turns[:-1], last), undelivered=transcript.undelivered[told:])


def calls_of(entries: Iterable[Entry]) -> tuple[CallRecord, ...]:
    """The calls in the order in which they were sent. One without an end has an unknown outcome."""
    sent: dict[int, Sent] = {}
    ended: dict[int, Ended] = {}
    for entry in entries:
        if isinstance(entry, Sent):
            sent[entry.call] = entry
        elif isinstance(entry, Ended):
            ended[entry.call] = entry
    return tuple(_record(each, ended.get(call)) for call, each in sent.items())


def _record(sent: Sent, ended: Ended | None) -> CallRecord:
    if ended is None:
        return CallRecord(sent.operation, sent.effect, "unknown", 0.0)
    ms = max(0.0, ended.at - sent.at) * 1000
    return CallRecord(sent.operation, sent.effect, ended.status, ms, ended.warnings, taken=bool(ended.taken))


def past_of(journals: Iterable[Sequence[Entry]]) -> dict[Address, Past]:
    """What is known of the calls of several executions, of which each continues another. The best knowledge counts."""
    known: dict[Address, Past] = {}
    for entries in journals:
        execution = began_of(entries).execution
        ends = {entry.call: entry for entry in entries if isinstance(entry, Ended)}
        answers = {entry.call: entry.text for entry in entries if isinstance(entry, Answered)}
        for entry in entries:
            if isinstance(entry, Sent):
                end = ends.get(entry.call)
                past = Past(execution, entry, end.status if end else "unknown", answers.get(entry.call, b""))
                if _worth(past) >= _worth(known.get(entry.address)):
                    known[entry.address] = past
    return known


def _worth(past: Past | None) -> int:
    if past is None:
        return 0
    return {"done": 3, "unknown": 2}.get(past.status, 1)
