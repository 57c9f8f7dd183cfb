"""An execution run again from its journal: every step is compared with the one that was recorded, and answered alike.

Nothing is called. Where the record ends, whoever asked for the replay decides what follows.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isthmus.journal import Transcript
from isthmus_sandbox.frames import decode_outcome, decode_step
from isthmus_sandbox.protocol import NO_READINGS, Event, Outcome, Program, Step

Rest = Callable[[Step, bool], Awaitable[Sequence[Event]]]
"""Answers the steps beyond the record. The flag: this step stands in it too, but was never answered."""


class Diverged(Exception):
    """The program did not do what it did before. `step` counts from 1; one beyond the last is the outcome."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"step {step}: {what}")
        self.step = step
        self.what = what


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
        if step.text != turn.step:
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
        if finished is not None and finished.text and finished.text != outcome.text:
            raise Diverged(self.at + 1, f"it ended otherwise: {_difference(finished.text, outcome.text)}")


def program_of(transcript: Transcript) -> Program:
    """The program, with clocks that show at first what they showed."""
    clock = wall = NO_READINGS
    frames: list[Step | Outcome] = [decode_step(turn.step) for turn in transcript.turns]
    if transcript.finished is not None and transcript.finished.text:
        frames.append(decode_outcome(transcript.finished.text))
    for each in frames:
        clock, wall = clock.then(each.clock), wall.then(each.wall)
    return replace(transcript.began.program, clock=clock, wall=wall)


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
