"""What words mean, as vectors: texts that speak of the same thing in other words point the same way.

`vectors.bin` has a vector for each of some seventeen thousand terms; `tests/search_quality/vectors.py` learns them. The
vector of a text is the sum of those of its terms. There are a million of those sums in a large catalog, so a term's
vector is one big integer, with a lane of 32 bits for each dimension: adding two of them adds all their lanes at once.

Texts that point the same way have *codes* that differ in few bits, which a search counts for all operations in some
0.2 ms. A code has a bit for the sign of each dimension, and of the sums and differences of pairs of them.
"""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from operator import add, sub

DIMENSIONS = 128
CODE_BYTES = DIMENSIONS * 2 // 8

_LANE = 4  # bytes; a text would need a million terms to fill one
_LOWEST = 0 if sys.byteorder == "little" else _LANE - 1  # the byte of a lane where small numbers stand
_ZERO = 128  # what stands for zero in the file, and in a lane
_ORIGIN = (_ZERO,) * DIMENSIONS
_LARGEST = 127
_DIGITS = [bytes(b"01"[byte >> bit & 1] for byte in range(256)) for bit in reversed(range(8))]


@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of terms: a row each, of a byte for its length, which is what it counts for, and one a dimension."""

    rows: Mapping[str, int] = field(default_factory=dict)
    content: bytes = b""

    @classmethod
    def read(cls, content: bytes) -> Vectors:
        """The vectors of such a file: a line of JSON, a list of terms, and their rows.

        Raises:
            ValueError: it is none.
        """
        head, _, body = content.partition(b"\n")
        terms = json.loads(head)
        if len(body) != len(terms) * (DIMENSIONS + 1):
            raise ValueError(f"{len(terms)} vectors of {DIMENSIONS} dimensions do not take {len(body)} bytes")
        return cls({term: row for row, term in enumerate(terms)}, body)

    def lanes(self, term: str) -> int:
        """The vector of a term, as an integer to add up; 0 where it has none."""
        row = self.rows.get(term)
        if row is None:
            return 0
        at = row * (DIMENSIONS + 1)
        spread = bytearray(DIMENSIONS * _LANE)
        spread[_LOWEST::_LANE] = self.content[at + 1 : at + DIMENSIONS + 1]
        return int.from_bytes(spread, sys.byteorder) * self.content[at]

    def length(self, term: str) -> int:
        """What a term counts for, from 0 to 255; 0 where it has no vector."""
        row = self.rows.get(term)
        return 0 if row is None else self.content[row * (DIMENSIONS + 1)]

    def of(self, weights: Iterable[tuple[str, int]]) -> list[int]:
        """The vector of a text of these terms, each with what it counts for in it."""
        lanes = counted = 0
        for term, weight in weights:
            lanes += self.lanes(term) * weight
            counted += self.length(term) * weight
        return unpacked(lanes, counted)


@cache
def vectors() -> Vectors:
    """The vectors that are shipped: read once, a value ever after."""
    return Vectors.read(files("isthmus.catalog").joinpath("vectors.bin").read_bytes())


def unpacked(lanes: int, counted: int) -> list[int]:
    """The sum in each lane; `counted` is the sum of what its terms count for."""
    values = array("I")
    values.frombytes(lanes.to_bytes(DIMENSIONS * _LANE, sys.byteorder))
    zero = counted * _ZERO
    return [value - zero for value in values]


def code(vector: Sequence[float]) -> int:
    """The signs of a vector, and of sums and differences of its pairs, as an integer of `CODE_BYTES` bytes."""
    low, high = vector[: DIMENSIONS // 2], vector[DIMENSIONS // 2 :]
    signs = (*vector, *map(add, low, high), *map(sub, low[1:], high[1:]))
    return int("".join(["1" if each > 0 else "0" for each in signs]), 2)


class Codes:
    """The codes of many texts, bit by bit: an integer for each bit of a code, with a bit for each text.

    So one operation does for all texts what is to be done to each.
    """

    __slots__ = ("_columns", "_every", "_many")

    def __init__(self, codes: bytes, size: int = CODE_BYTES) -> None:
        """`codes` has `size` bytes for each text, the most significant first: the beginning of its code, or all."""
        self._many = len(codes) // size
        self._every = (1 << self._many) - 1
        self._columns = [
            int(codes[byte::size].translate(digits) or b"0", 2) for byte in range(size) for digits in _DIGITS
        ]

    def most_alike(self, wanted: int) -> Iterator[int]:
        """The places of all texts, those whose codes differ from the wanted one in the fewest bits first."""
        bits = f"{wanted:0{CODE_BYTES * 8}b}"[: len(self._columns)]
        differing = [
            column ^ self._every if bit == "1" else column for column, bit in zip(self._columns, bits, strict=True)
        ]
        for those in _lowest_first(self._every, _counted(differing)):
            while those:  # the first text has the highest bit
                length = those.bit_length()
                yield self._many - length
                those ^= 1 << length - 1


def _counted(columns: list[int]) -> list[int]:
    """How many of the columns have each bit: the counts' binary digits, the lowest first, each for all bits at once.

    Three columns of one weight are a sum of that weight, and a carry of the next.
    """
    digits = []
    while columns:
        carries = []
        others = iter(columns)
        sum_of_all = next(others)
        for one, two in zip(others, others, strict=False):
            either = sum_of_all ^ one
            carries.append(sum_of_all & one | either & two)
            sum_of_all = either ^ two
        if len(columns) % 2 == 0:
            carries.append(sum_of_all & columns[-1])
            sum_of_all ^= columns[-1]
        digits.append(sum_of_all)
        columns = carries
    return digits


def _lowest_first(those: int, digits: Sequence[int]) -> Iterator[int]:
    """The bits, those with the lowest count first and those with one count together; none where there are none."""
    open_ones = [(those, len(digits))]
    while open_ones:
        those, left = open_ones.pop()
        if left and those:
            high = those & digits[left - 1]
            open_ones += ((high, left - 1), (those ^ high, left - 1))
        else:
            yield those


def shrunk(vector: Sequence[int]) -> array[int]:
    """A vector of the same direction in bytes, of which 128 stands for zero."""
    largest = max(map(abs, vector)) or 1
    return array("B", [round(each * _LARGEST / largest) + _ZERO for each in vector])


def square(small: Sequence[int]) -> int:
    """The square of the length of a vector that `shrunk` made: a whole number, to which a distance comes close."""
    return round(math.dist(small, _ORIGIN) ** 2)


class Direction:
    """Where the vector of a text points: texts that speak of the same thing point the same way."""

    def __init__(self, vector: Sequence[float]) -> None:
        length = math.hypot(*vector)
        self._vector = vector
        self._point = tuple([each / length + _ZERO for each in vector]) if length else ()

    def __bool__(self) -> bool:
        """Whether the text has any term that means something."""
        return bool(self._point)

    @cached_property
    def code(self) -> int:
        """What the codes of other texts are held against."""
        return code(self._vector)

    def likenesses(self, others: Iterable[tuple[Sequence[int], int]]) -> list[float]:
        """How near other texts are in meaning, from -1 to 1: the cosines between this vector and each of theirs.

        A text is given by its vector, as `shrunk` made it, and its `square`. The cosine follows from the distance of
        two points, which the standard library counts in C: in a third of the time that products take.
        """
        point, dist, sqrt = self._point, math.dist, math.sqrt
        if not point:
            return [0.0 for _ in others]
        return [
            (1 + square - dist(point, small) ** 2) / (2 * sqrt(square)) if square else 0.0 for small, square in others
        ]
