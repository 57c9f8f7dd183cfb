"""Whether a catalog has anything for a query: evidence, and what it is worth together.

It is measured of all candidates together, before they are ranked: by a few measures, and by the most that any
candidate has of each signal of the ranking. What they are worth is said by small trees (`forest`), learned from judged
queries and from others that are asked where nothing is for them (`tests/search_quality/nothing.py`).
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from operator import mul

from isthmus.catalog.forest import Forest
from isthmus.catalog.ranking import SIGNALS, Signals, Word

EVIDENCE = (
    "nearest", "ahead_of_three", "ahead_of_ten", "nouns", "commands", *(f"most_{name}" for name in SIGNALS),
)  # fmt: skip
"""The measures, in the order in which they are taken; see `evidence`."""

_NEAR = 3, 10  # operations elsewhere that the nearest is held against
_ALL = 0.999
_NOUNS, _AHEAD = EVIDENCE.index("nouns"), EVIDENCE.index("ahead_of_ten")
_FAR = -0.4  # so far behind the ten nearest elsewhere is one right catalog in a thousand, and every fourth wrong one
_NOTHING = Forest()


@dataclass(frozen=True, slots=True)
class Evidence:
    """The measures of one query in one catalog, and what else is asked of it."""

    measures: tuple[float, ...]
    wholly: bool  # the words of the query stand there, so that no more is asked
    meant: bool  # the query has a word whose meaning is known

    def convinces(self, worth: float, least: float) -> bool:
        """Whether anything is meant at all, if the measures are worth so much and that is the least that will do.

        Always, where a head has all the nouns, if they are several, or unknown to the vectors: words of another
        language or trade are near to nothing. And where the query is one word, and it stands anywhere. Where the
        vectors know no word at all, one noun in a head is enough. Never otherwise, where what is on offer elsewhere is
        far nearer than anything here.
        """
        if not self.meant:
            return self.measures[_NOUNS] > 0
        return self.wholly or (worth >= least and self.measures[_AHEAD] > _FAR)


def evidence(
    words: Sequence[Word],
    known: Container[str],
    signals: Signals,
    rows: Sequence[Sequence[float]],
    elsewhere: Sequence[float],
) -> Evidence:
    """What speaks for a catalog and against it.

    `known` has the terms whose meaning is known; `rows` are the signals of each candidate. `elsewhere` says how near
    what is on offer elsewhere is to the query, the nearest first; nothing, where no word of it is known. Measured
    are: how near the nearest candidate is, and how much nearer than the three and the ten nearest elsewhere; how many
    nouns of the query stand in one head; whether it is a command (who commands, "list the tasks of a project", says it
    as an API would, and what is meant is nearer than for others); and the most of each signal.
    """
    plain = [float(word.wanted.plain) for word in words]
    telling = sum(plain) > 1 or not any(word.wanted.plain and word.wanted.term in known for word in words)
    nouns = max(sum(map(mul, plain, heads)) for heads in signals.heads())
    measures = (
        signals.nearest,
        *(signals.nearest - _mean(elsewhere[:many]) for many in _NEAR),
        nouns,
        float(bool(words) and words[0].wanted.action is not None),
        *map(max, zip(*rows, strict=True)),
    )
    wholly = telling and 0 < sum(plain) <= nouns / _ALL
    return Evidence(measures, wholly or (len(words) == 1 and words[0].known), bool(elsewhere))


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


@dataclass(frozen=True, slots=True)
class Conviction:
    """What the measures are worth together, and from which worth on a catalog is taken to have something."""

    trees: Forest = _NOTHING
    least: float = 0.0

    @classmethod
    def read(cls, text: str) -> Conviction:
        """The conviction of such a JSON text.

        Raises:
            ValueError: a tree asks for a measure that there is not, or is none.
        """
        content = json.loads(text)
        return cls(Forest.read(content["trees"], EVIDENCE), content["least"])

    def convinced(self, found: Evidence) -> bool:
        """Whether anything is meant at all."""
        return found.convinces(self.worth(found), self.least)

    def worth(self, found: Evidence) -> float:
        """What the evidence is worth together; comparable between searches and catalogs."""
        return self.trees.sums([found.measures])[0]


@cache
def conviction() -> Conviction:
    """What is shipped: read once, a value ever after."""
    return Conviction.read(files("isthmus.catalog").joinpath("evidence.json").read_text("utf-8"))
