"""What is on offer elsewhere: what operations of public APIs are about, as a search measures it (`vectors`).

A query may be nearest to some operation of a catalog, and yet be about something else. How near it is to operations of
other APIs tells: what belongs to this catalog is not much nearer to them. `elsewhere.bin` has the vectors of some ten
thousand operations, and no text; `tests/search_quality/elsewhere.py` makes it.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Container
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import accumulate, islice

from isthmus.catalog.vectors import CODE_BYTES, DIMENSIONS, Codes, Direction, square

_LOOKED_AT = 20  # those whose codes are nearest
SIGNS = CODE_BYTES // 2
"""The bytes of a code that are kept, those of the signs alone: the nearest are looked at more closely, after all."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The vectors of operations, as `shrunk` makes them, and how their codes begin; an API or collection is a group."""

    groups: tuple[str, ...] = ()
    firsts: tuple[int, ...] = (0,)  # the place of the first operation of each group, and the end of all
    vectors: bytes = b""
    codes: Codes = field(default_factory=lambda: Codes(b""))

    @classmethod
    def read(cls, content: bytes) -> Elsewhere:
        """Those of such a file: a line of JSON, how many operations each group has, then the vectors, and the codes.

        Raises:
            ValueError: it is none.
        """
        head, _, body = content.partition(b"\n")
        sizes: dict[str, int] = json.loads(head)
        firsts = tuple(accumulate(sizes.values(), initial=0))
        if len(body) != firsts[-1] * (DIMENSIONS + SIGNS):
            raise ValueError(f"{firsts[-1]} operations do not take {len(body)} bytes")
        end = firsts[-1] * DIMENSIONS
        return cls(tuple(sizes), firsts, body[:end], Codes(body[end:], SIGNS))

    def nearest(self, about: Direction, without: Container[str] = ()) -> list[float]:
        """How near the nearest of these operations are to a query, the nearest first; some groups may be left out."""
        if not about:
            return []
        places = (
            place
            for place in self.codes.most_alike(about.code)
            if not without or self.groups[bisect_right(self.firsts, place) - 1] not in without
        )
        vectors = (
            tuple(self.vectors[place * DIMENSIONS : (place + 1) * DIMENSIONS]) for place in islice(places, _LOOKED_AT)
        )
        return sorted(about.likenesses([(each, square(each)) for each in vectors]), reverse=True)


@cache
def elsewhere() -> Elsewhere:
    """What is shipped: read once, a value ever after."""
    return Elsewhere.read(files("isthmus.catalog").joinpath("elsewhere.bin").read_bytes())
