"""Trees of questions about numbers, each leaf of which is worth something; and their sums for many rows at once.

A tree asks of a row whether a number in it is at most so much, and then one of two trees more. All rows are taken
through the trees together: those that stand at a question are one integer, with a lane of 32 bits for each row that
is 1 or 0, and the answer parts it in two. What a leaf is worth is added to all of its rows by one multiplication.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

_LANE = 4  # bytes
_UNIT = 1e-5  # what leaves are worth is counted in these
_MOST = 2**31 * _UNIT  # what the leaves of all trees may be worth together, for a lane to hold it


class Node(NamedTuple):
    """A question; what follows where the number is at most the threshold, and where not: a question or a worth."""

    number: int
    threshold: float
    below: Node | int
    above: Node | int


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees, whose leaves are counted in units above `least`."""

    trees: tuple[Node, ...] = ()
    least: float = 0.0

    @classmethod
    def read(cls, trees: Sequence[Any], names: Sequence[str]) -> Forest:
        """The forest of such JSON values: a tree is `[name, threshold, below, above]`, or what its leaf is worth.

        Raises:
            ValueError: a name is not one of `names`, or a tree is none, or is worth too much.
        """
        places = {name: place for place, name in enumerate(names)}
        for tree in trees:
            _check(tree, places)
        worths = [each for tree in trees for each in _leaves(tree)]
        least = min(worths, default=0.0)
        if len(trees) * (max(worths, default=0.0) - least) > _MOST:
            raise ValueError("trees whose leaves are worth too much together")
        return cls(tuple(_node(tree, places, least) for tree in trees), least)

    def sums(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """What all trees are worth together, for each row."""
        if not rows:
            return []
        count = len(rows)
        ones = [1 << 8 * _LANE * row for row in range(count)]
        if sys.byteorder == "big":
            ones.reverse()
        every = sum(ones)
        columns = list(zip(*rows, strict=True))
        lowest: dict[int, tuple[list[float], list[int]]] = {}

        def worth(node: Node, standing: int) -> int:
            number, threshold, under, over = node
            found = lowest.get(number)
            if found is None:
                found = lowest[number] = _lowest(columns[number], ones)
            values, lanes = found
            below = standing & lanes[bisect_right(values, threshold)]
            above = standing ^ below
            total = 0
            if below:
                total = below * under if isinstance(under, int) else worth(under, below)
            if above:
                total += above * over if isinstance(over, int) else worth(over, above)
            return total

        sums = array("I")
        sums.frombytes(sum(worth(tree, every) for tree in self.trees).to_bytes(count * _LANE, sys.byteorder))
        whole = self.least * len(self.trees)
        return [each * _UNIT + whole for each in sums]


def _lowest(column: Sequence[float], ones: Sequence[int]) -> tuple[list[float], list[int]]:
    """The numbers in order; and for every count of the lowest, the lanes of the rows that have them."""
    order = sorted(range(len(column)), key=column.__getitem__)
    return [column[row] for row in order], list(accumulate(map(ones.__getitem__, order), initial=0))


def _check(tree: Any, places: Mapping[str, int]) -> None:
    if not (isinstance(tree, list) and len(tree) == 4 and tree[0] in places and isinstance(tree[1], int | float)):
        raise ValueError(f"no question about what is measured: {str(tree)[:80]}")
    for part in tree[2:]:
        if not isinstance(part, int | float):
            _check(part, places)


def _leaves(tree: Any) -> list[float]:
    return [each for part in tree[2:] for each in _leaves(part)] if isinstance(tree, list) else [float(tree)]


def _node(tree: Any, places: Mapping[str, int], least: float) -> Node:
    below, above = (
        _node(each, places, least) if isinstance(each, list) else round((each - least) / _UNIT) for each in tree[2:]
    )
    return Node(places[tree[0]], float(tree[1]), below, above)
