"""The scores of the first stage of a search, and the best of them without looking at all."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_ROUNDED = 1 - 1e-9  # sums of the same numbers differ by as little, in another order


class Standing(NamedTuple):
    """Where a term stands."""

    most: float  # that it adds to any score
    held: Sequence[tuple[int, Sequence[int]]]  # places, for each share: counted from this one

    def places(self) -> Iterator[Iterable[int]]:
        """The places, counted from the first of all."""
        for first, places in self.held:
            yield map(first.__add__, places) if first else places


@dataclass(frozen=True, slots=True)
class Scores:
    """The score of every operation by its place: so much at most of its own, and what the terms in it add."""

    of: Sequence[float]
    terms: Sequence[Standing]
    own: float

    def best_first(self, many: int) -> Iterator[int]:
        """The places that have a score, the best first. Who takes no more than `many` has the others never sorted."""
        of = self.of
        least, places = self._likely(many)
        near = sorted([place for place in places if of[place] >= least and of[place]])
        near.sort(key=of.__getitem__, reverse=True)
        yield from near
        far = [place for place, score in enumerate(of) if 0 < score < least]
        far.sort(key=of.__getitem__, reverse=True)
        yield from far

    def _likely(self, many: int) -> tuple[float, Iterable[int]]:
        """A score that so many have, and places among which all are that have it.

        Whatever has it, has one of the terms that add much: the others together, and what is its own, do not reach it.
        """
        terms = sorted(self.terms, key=lambda term: -term.most)
        found: set[int] = set()
        looked_at = 0
        while len(found) < many and looked_at < len(terms):
            found.update(*terms[looked_at].places())
            looked_at += 1
        least = min(heapq.nlargest(many, map(self.of.__getitem__, found)), default=0.0)
        reached = self.own
        while len(terms) > looked_at and reached + terms[-1].most < least * _ROUNDED:
            reached += terms.pop().most
        if len(found) < many or reached >= least * _ROUNDED:
            return min(heapq.nlargest(many, self.of), default=0.0), range(len(self.of))
        for term in terms[looked_at:]:
            found.update(*term.places())
        return least, found
