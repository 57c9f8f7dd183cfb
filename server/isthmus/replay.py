"""An execution run again from its journal: every step is compared with the one that was recorded, and answered alike.

Nothing is called. Where the record ends, whoever asked for the replay decides what follows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isthmus.journal import Transcript, Turn
from isthmus.model import Report
from isthmus.ports import Guest
from isthmus_sandbox.frames import decode_outcome, decode_step
from isthmus_sandbox.protocol import NO_READINGS, Event, Failure, Outcome, Program, Step

_ADDRESS = re.compile(rb"(?<= at 0x)[0-9a-f]{1,16}\b")

Rest = Callable[[Step, bool], Awaitable[Sequence[Event]]]
"""Answers the steps beyond the record. The flag: this step stands in it too, but was never answered."""


class Diverged(Exception):
    """The program did not do what it did before. `step` counts from 1; one beyond the last is the outcome."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"step {step}: {what}")
        self.step = step
        self.what = what


class Ended(Exception):
    """The program stands where its record ends: it was stopped there, or its server was."""


class NotRepeatable(Exception):
    """The record does not hold what a replay needs; the message says why."""


@dataclass(slots=True)
class Replay:
    """The server's side of the door during a replay; `rest` answers what comes after."""

    transcript: Transcript
    rest: Rest
    at: int = 0

    async def exchange(self, step: Step) -> Sequence[Event]:
        """Answer a step as it was answered.

        Raises:
            Diverged: it is not the step that was recorded.
        """
        if self.at == len(self.transcript.turns):
            return await self.rest(step, False)
        turn = self.transcript.turns[self.at]
        self.at += 1
        if not _alike(turn.step, step.text):
            raise Diverged(self.at, _difference(turn.step, step.text))
        if turn.events is None:
            return await self.rest(step, True)
        return [Event(0, "value", text=text) for text in turn.events]

    def compare(self, outcome: Outcome) -> None:
        """See that the program ended as it did.

        Raises:
            Diverged: it did not.
        """
        finished = self.transcript.finished
        if self.at < len(self.transcript.turns):
            raise Diverged(self.at + 1, "the program ended, where it went on before")
        if finished is not None and finished.text and not _alike(finished.text, outcome.text):
            raise Diverged(self.at + 1, f"it ended otherwise: {_difference(finished.text, outcome.text)}")


async def run_again(guest: Guest, transcript: Transcript) -> Outcome:
    """Run an execution again in a guest that stands where it stood then.

    Raises:
        Diverged: it goes otherwise.
        Ended: it stands where it was stopped; the guest is of no more use.
        GuestLost: the worker is gone.
    """
    if transcript.finished is None or not transcript.finished.text:
        if not transcript.turns:
            raise Ended
        # What it did after its last step cannot be compared, and may have no end.
        last = Turn(transcript.turns[-1].step, None)
        transcript = replace(transcript, turns=(*transcript.turns[:-1], last))
    replay = Replay(transcript, _no_more)
    outcome = await guest.run(program_of(transcript), replay.exchange)
    replay.compare(outcome)
    return outcome


async def _no_more(_step: Step, recorded: bool) -> Sequence[Event]:
    raise Ended if recorded else Diverged(0, "the program went on where it had ended")


def outcome_of(transcript: Transcript) -> Outcome | None:
    """The outcome, where there is one."""
    finished = transcript.finished
    return decode_outcome(finished.text) if finished is not None and finished.text else None


def report_of(transcript: Transcript, outcome: Outcome | None) -> Report:
    """What was to be told of an execution, as far as its record has it; notes of the server's own are not there."""
    output = "".join(decode_step(turn.step).output for turn in transcript.turns)
    began, finished = transcript.began, transcript.finished
    report = Report(
        began.execution,
        began.session,
        ok=False,
        output=output,
        error=Failure("Interrupted", "its server ended", code="interrupted"),
        calls=transcript.calls,
        ms=finished.ms if finished else 0.0,
    )
    if outcome is None:
        if finished is not None:
            return replace(report, error=Failure("Stopped", finished.message, code=finished.code))
        return report
    return replace(
        report,
        ok=outcome.ok,
        kind=outcome.kind,
        value=outcome.value,
        output=output + outcome.output,
        error=outcome.error,
        notes=outcome.notes,
    )


def program_of(transcript: Transcript) -> Program:
    """The program, with clocks that show at first what they showed."""
    clock = wall = NO_READINGS
    frames: list[Step | Outcome] = [decode_step(turn.step) for turn in transcript.turns]
    if outcome := outcome_of(transcript):
        frames.append(outcome)
    for each in frames:
        clock, wall = clock.then(each.clock), wall.then(each.wall)
    return replace(transcript.began.program, clock=clock, wall=wall)


def _alike(before: bytes, now: bytes) -> bool:
    """Whether two texts are the same but for addresses of objects, as in `<Cursor object at 0x1aad4c8>`.

    Where an object lies depends on what its interpreter did before it had a program.
    """
    return before == now or _ADDRESS.sub(b"", before) == _ADDRESS.sub(b"", now)


def _difference(before: bytes, now: bytes) -> str:
    """The first part of a step or an outcome that is not the same, as it was and as it is."""
    was, is_ = _parts(before), _parts(now)
    for name in was:
        if was[name] != is_.get(name):
            return f"{name}: was {_shown(was[name])}, is now {_shown(is_.get(name))}"
    return "its text is not the same, byte for byte"


def _parts(text: bytes) -> dict[str, Any]:
    head, _, rest = text.partition(b"\n") if text.startswith(b"[") else (b"", b"", text)
    parts: dict[str, Any] = json.loads(rest)
    return {**parts, "wall clock": json.loads(head or b"null")}


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text):,} characters)"
