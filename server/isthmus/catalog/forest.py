"""Trees of questions about numbers, each leaf of which is worth something; and their sums for rows of numbers.

A tree asks of a row whether a number in it is at most so much, and then one of two trees more. All trees are asked at
once, as QuickScorer does (Lucchese et al., SIGIR 2015): a question that is answered with no rules out the leaves below
it, and of those that no question rules out, the first is the one that the row comes to. A set of leaves of all trees is
an integer with a byte for each tree, and a bit in that for each of its leaves, the first the lowest. So a number of a
row costs one look-up, of the leaves that are left where it exceeds so many of the thresholds that it is held against.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, getitem, itemgetter
from typing import Any, NamedTuple

LEAVES = 8
"""A tree has no more."""

_UNIT = 1e-5  # what leaves are worth is counted in these, so that no order of adding them up matters
_LOWEST = bytes((byte & -byte).bit_length() - 1 if byte else 0 for byte in range(256))


class _Question(NamedTuple):
    threshold: float
    below: int  # the leaves that it rules out, where it is answered with no


@dataclass(frozen=True, slots=True)
class Forest:
    """The numbers that are asked about, by their places in a row, and what follows from each; the leaves' worths."""

    numbers: tuple[int, ...] = ()
    thresholds: tuple[tuple[float, ...], ...] = ()  # by number, ascending
    left: tuple[tuple[int, ...], ...] = ()  # by number, and by how many of its thresholds are exceeded: the leaves left
    worths: tuple[tuple[int, ...], ...] = ()  # by tree, of each leaf

    @classmethod
    def read(cls, trees: Sequence[Any], names: Sequence[str]) -> Forest:
        """The forest of such JSON values: a tree is `[name, threshold, below, above]`, or what its leaf is worth.

        Raises:
            ValueError: a name is not one of `names`, or a tree is none, or has more than `LEAVES`.
        """
        places = {name: place for place, name in enumerate(names)}
        asked: dict[int, list[_Question]] = {}
        worths = []
        for which, tree in enumerate(trees):
            _check(tree, places)
            leaves, questions = list[float](), list[tuple[str, float, int]]()
            _walk(tree, leaves, questions)
            if len(leaves) > LEAVES:
                raise ValueError(f"a tree of {len(leaves)} leaves: {str(tree)[:80]}")
            worths.append(tuple(round(each / _UNIT) for each in leaves))
            for name, threshold, below in questions:
                asked.setdefault(places[name], []).append(_Question(threshold, below << 8 * which))
        numbers = tuple(sorted(asked))
        ordered = [sorted(asked[number]) for number in numbers]
        every = (1 << 8 * len(worths)) - 1
        return cls(
            numbers,
            tuple(tuple(each.threshold for each in questions) for questions in ordered),
            tuple(_left(every, questions) for questions in ordered),
            tuple(worths),
        )

    def sums(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """What all trees are worth together, for each row."""
        many, numbers, thresholds, left, worths = (
            len(self.worths), self.numbers, self.thresholds, self.left, self.worths,
        )  # fmt: skip
        if not many:
            return [0.0] * len(rows)
        found = []
        asked = itemgetter(*numbers, 0)  # with one more, it gives several in any case
        for row in rows:
            exceeded = map(bisect_left, thresholds, asked(row))
            leaves = reduce(and_, map(getitem, left, exceeded)).to_bytes(many, "little").translate(_LOWEST)
            found.append(sum(map(getitem, worths, leaves)) * _UNIT)
        return found


def _left(every: int, questions: Sequence[_Question]) -> tuple[int, ...]:
    left = [every]
    for each in questions:
        left.append(left[-1] & ~each.below)
    return tuple(left)


def _check(tree: Any, places: Mapping[str, int]) -> None:
    if not (isinstance(tree, list) and len(tree) == 4 and tree[0] in places and isinstance(tree[1], int | float)):
        raise ValueError(f"no question about what is measured: {str(tree)[:80]}")
    for part in tree[2:]:
        if isinstance(part, list) or not (isinstance(part, int | float) and math.isfinite(part)):
            _check(part, places)


def _walk(tree: Any, leaves: list[float], questions: list[tuple[str, float, int]]) -> None:
    """Add what the leaves of a tree are worth, from below to above; and the name, threshold and leaves below of each
    of its questions."""
    if isinstance(tree, list):
        name, threshold, below, above = tree
        first = len(leaves)
        _walk(below, leaves, questions)
        questions.append((name, float(threshold), (1 << len(leaves)) - (1 << first)))
        _walk(above, leaves, questions)
    else:
        leaves.append(float(tree))
