"""The demo's account of tokens: what the same work costs with a tool for each operation, and with two tools."""

from __future__ import annotations

import json
from dataclasses import dataclass

from isthmus.demo import data
from isthmus.render.tokens import estimate


@dataclass(frozen=True, slots=True)
class Account:
    """Tokens, estimated for o200k."""

    operations: int
    direct_definitions: int  # a tool for each operation, with its schema
    direct_answers: int  # every answer passes through the model
    our_definitions: int  # two tools and the instructions
    our_answers: int  # what the model has read in this transcript

    def lines(self) -> list[str]:
        """The account as a small table."""
        direct, ours = self.direct_definitions + self.direct_answers, self.our_definitions + self.our_answers
        return [
            f"{'':38}{'a tool each':>14}{'two tools':>14}",
            _row(f"definitions, {self.operations} operations", self.direct_definitions, self.our_definitions),
            _row("answers that the model reads", self.direct_answers, self.our_answers),
            f"{_row('together', direct, ours)}   {direct / max(ours, 1):.0f} times less",
        ]


def _row(what: str, direct: int, ours: int) -> str:
    return f"{what:38}{direct:>14,}{ours:>14,}"


def tokens_of_answers(characters: int) -> int:
    """What answers of so many characters cost, by the density of the demo's own records."""
    sample = json.dumps([data.ticket(n) for n in range(1, 30)] + [data.order(n) for n in range(1, 30)])
    return characters * estimate(sample) // len(sample)
