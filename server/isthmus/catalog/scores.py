"""The scores of the first stage of a search, and the best of them without looking at all."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_ENOUGH = 4  # times as many as are wanted: a score that so many of these have is hardly less than the best have
_ROUNDED = 1 - 1e-9  # sums of the same numbers differ by as little, in another order


class Standing(NamedTuple):
    """Where a term stands, of all places."""

    most: float  # that it adds to any score
    places: Sequence[int]


@dataclass(frozen=True, slots=True)
class Scores:
    """The score of every operation by its place: so much at most of its own, and what the terms in it add."""

    of: Sequence[float]
    terms: Sequence[Standing]
    own: float

    def best_first(self, many: int) -> Iterator[int]:
        """The places that have a score, the best first. Who takes no more than `many` has the others never sorted."""
        of = self.of
        least, near = self._near(many)
        near.sort()
        near.sort(key=of.__getitem__, reverse=True)
        yield from near
        far = [place for place, score in enumerate(of) if 0 < score < least]
        far.sort(key=of.__getitem__, reverse=True)
        yield from far

    def _near(self, many: int) -> tuple[float, list[int]]:
        """A score that so many have, and the places of all that have it.

        Such a score is found among what has the terms that add most. What has it has one of the terms that are not
        weak: all of these together, and what is its own, do not reach it.
        """
        of, terms = self.of, sorted(self.terms, key=lambda term: -term.most)
        some: set[int] = set()
        for term in terms:
            some.update(term.places)
            if len(some) >= many * _ENOUGH:
                break
        least = min(heapq.nlargest(many, map(of.__getitem__, some)), default=0.0)
        reached = self.own
        while terms and reached + terms[-1].most < least * _ROUNDED:
            reached += terms.pop().most
        if len(some) < many or reached >= least * _ROUNDED:
            least = min(heapq.nlargest(many, of), default=0.0)
            return least, [place for place, score in enumerate(of) if score >= least and score]
        return least, list({place for term in terms for place in term.places if of[place] >= least})
