"""A journal's executions as a recording: what a team keeps of them, with everything private taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from isthmus.contracts.recorded import PROGRAM, Recorded, RecordedCall, RecordedError, RecordedOutcome, RecordedRun
from isthmus.errors import LimitExceeded
from isthmus.journal import Transcript
from isthmus.replay import NotRepeatable, outcome_of, program_of
from isthmus_sandbox.frames import decode_event, decode_step
from isthmus_sandbox.protocol import Event, Outcome

Shown = Callable[[Any], Any]
"""Plain data, or a text, without secrets and with tokens for private values."""


def recorded_of(transcripts: Sequence[Transcript], shown: Shown) -> Recorded:
    """The recording of the last of these executions of one interpreter; the others led to it.

    Raises:
        NotRepeatable: one has no end of its own, or is not whole.
    """
    names = [*(f"program_{number}.py" for number in range(1, len(transcripts))), PROGRAM]
    runs = tuple(_run(transcript, name, shown) for transcript, name in zip(transcripts, names, strict=True))
    return Recorded(transcripts[-1].began.execution, runs)


def _run(transcript: Transcript, file: str, shown: Shown) -> RecordedRun:
    outcome = outcome_of(transcript)
    if transcript.omitted or outcome is None:
        why = transcript.omitted or "it was stopped, or is still running, and has no outcome"
        raise NotRepeatable(f"{transcript.began.execution} is not whole: {why}")
    program = program_of(transcript)
    return RecordedRun(
        file,
        shown(program.source),
        program.seed,
        program.now,
        program.clock,
        program.wall,
        tuple(_calls(transcript, shown)),
        _outcome(transcript, outcome, shown),
    )


def _calls(transcript: Transcript, shown: Shown) -> Iterator[RecordedCall]:
    """The calls in the order in which the program made them."""
    steps = [decode_step(turn.step) for turn in transcript.turns]
    events = [(at, decode_event(text)) for at, turn in enumerate(transcript.turns, 1) for text in turn.events or ()]
    if any(event.kind not in ("value", "error") for _, event in events):
        raise NotRepeatable("a call was answered in parts")
    answers = {event.call: (order, told, event) for order, (told, event) in enumerate(events, 1)}
    for asked, request in ((at, request) for at, step in enumerate(steps, 1) for request in step.requests):
        order, told, event = answers.get(request.call, (0, 0, Event(request.call, "value")))
        sent, ended = transcript.sent.get(request.call), transcript.ended.get(request.call)
        hosts = request.operation.startswith("isthmus.")
        yield RecordedCall(
            sent.operation if sent else request.operation,
            shown(dict(request.arguments)),
            tuple(shown(list(request.positional))),
            ended.status if ended else "done" if hosts and order else "failed" if order else "cancelled",
            order,
            shown(event.payload) if event.kind == "value" else None,
            _error(shown(event.payload)) if event.kind == "error" else None,
            tuple(map(shown, ended.warnings)) if ended else (),
            (asked, told),
        )


def _error(payload: Any) -> RecordedError:
    return RecordedError(
        payload["type"], payload["message"], payload["hint"], payload.get("status"), payload.get("body")
    )


def _outcome(transcript: Transcript, outcome: Outcome, shown: Shown) -> RecordedOutcome:
    output = "".join(decode_step(turn.step).output for turn in transcript.turns) + outcome.output
    error = outcome.error
    return RecordedOutcome(
        outcome.ok,
        outcome.kind,
        shown(outcome.value),
        shown(output),
        shown(f"{error.type}: {error.message}") if error else "",
        error.line if error else None,
    )


def within(files: dict[str, str], kilobytes: int) -> dict[str, str]:
    """The files, if they are not too large to keep in version control.

    Raises:
        LimitExceeded: they are.
    """
    size = sum(len(text.encode()) for text in files.values())
    if size > kilobytes * 1024:
        raise LimitExceeded(
            f"the recording has {size:,} bytes, more than {kilobytes:,} KiB (--kb)",
            limit="--kb",
            hint="record a program that reads less, or allow more: --kb N",
        )
    return files
