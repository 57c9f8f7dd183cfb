"""An upstream's share of an index: all that was read of its operations, as plain arrays.

    share = Share.read(operations)
    Share.unpacked(share.packed()) == share

Nothing in it depends on other upstreams, so that a share is made once for each list of operations, kept on disk as it
is, and joined with others in a moment (`index`). Terms are known by their *number* in `terms`, operations by their
*place* in the list. What belongs to the one or the other lies in one flat array for all of them, and another one says
where each begins.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import le
from struct import Struct
from typing import Any, NamedTuple

from isthmus.catalog.reading import HEAD, Field, Reading
from isthmus.catalog.terms import ACTIONS, Analyzer
from isthmus.catalog.tuning import Tuning
from isthmus.catalog.vectors import CODE_BYTES, DIMENSIONS, Vectors, code, shrunk, square, unpacked, vectors
from isthmus.model import Operation

_ACTIONS = tuple(ACTIONS)
_DOING = [frozenset(each for bit, each in enumerate(_ACTIONS) if bits >> bit & 1) for bits in range(1 << len(_ACTIONS))]
_TITLE, _HEAD = int(Field.NAME | Field.FIRST), int(HEAD)
_vector_at = Struct(f"{DIMENSIONS}B").unpack_from
_COUNTS = 8  # numbers of an operation's `facts` that come before its groups of terms


class Facts(NamedTuple):
    """What the second stage asks of an operation beside its terms; terms are numbers of the index."""

    upstream: str
    upstream_terms: frozenset[int]
    actions: frozenset[str]
    finds: bool
    names: frozenset[int]
    required: tuple[frozenset[int], ...]
    needs: frozenset[int]
    parameters: float  # log(1 + n), like the lengths
    depth: int
    holes: int
    one: bool
    lengths: tuple[float, float, float]  # of name, first sentence and description


@dataclass(frozen=True, slots=True)
class Share:
    """See the module. Arrays are of 32-bit numbers (`I`), 16-bit numbers (`H`) and single floats (`f`)."""

    terms: tuple[str, ...]
    spellings: tuple[str, ...]  # of each term, as some operation wrote it
    begins: array[int]  # I: by term, where its `places` and `worths` begin, and the end of all
    places: array[int]  # I: where the term stands, ascending
    worths: array[float]  # f: what it is worth there
    starts: array[int]  # I: by operation, where its `numbers` and `masks` begin, and the end of all
    numbers: array[int]  # I: its distinct terms
    masks: array[int]  # H: the fields that each stands in
    tells: array[int]  # I: by operation, where its `facts` begin, and the end of all
    facts: array[int]  # I: see `facts_of`
    vectors: array[int]  # B: `DIMENSIONS` numbers for each operation, which say what it is about
    squares: array[int]  # I: of the lengths of these vectors
    codes: array[int]  # B: `CODE_BYTES` for each operation, the code of its vector

    @classmethod
    def read(cls, operations: Sequence[Operation], tuning: Tuning | None = None) -> Share:
        """The share of these operations: a thousand take some 0.3 s."""
        return _Reader(tuning or Tuning(), vectors() if operations else Vectors()).share(operations)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def standing(self, number: int) -> tuple[array[int], array[float]]:
        """The places where a term stands, and what it is worth in each."""
        begin, end = self.begins[number], self.begins[number + 1]
        return self.places[begin:end], self.worths[begin:end]

    def frequency(self, number: int) -> int:
        """How many operations have a term."""
        return self.begins[number + 1] - self.begins[number]

    def entries(self, place: int) -> tuple[array[int], array[int]]:
        """The distinct terms of an operation, and the fields that each stands in."""
        begin, end = self.starts[place], self.starts[place + 1]
        return self.numbers[begin:end], self.masks[begin:end]

    def actions(self, place: int) -> int:
        """What an operation does, as bits in the order of `ACTIONS`."""
        return self.facts[self.tells[place]]

    def vector(self, place: int) -> tuple[tuple[int, ...], int]:
        """What an operation is about, as `shrunk` made it, and the square of its length."""
        return _vector_at(self.vectors, place * DIMENSIONS), self.squares[place]

    def facts_of(self, place: int, upstream: str, numbering: Sequence[int]) -> Facts:
        """The facts of an operation, its terms as `numbering` numbers them.

        They are kept as eight counts (actions, flags, parameters, depth, holes, three lengths) and groups of terms,
        each led by its size: those of the upstream, of the name, of what is needed, of each required parameter.
        """
        said = self.facts[self.tells[place] : self.tells[place + 1]]
        actions, flags, parameters, depth, holes, *lengths = said[:_COUNTS]
        groups, at = [], _COUNTS
        while at < len(said):
            begin = at + 1
            at = begin + said[at]
            groups.append(frozenset([numbering[number] for number in said[begin:at]]))
        name, first, description = map(math.log1p, lengths)
        return Facts(
            upstream=upstream,
            upstream_terms=groups[0],
            actions=_DOING[actions],
            finds=bool(flags & 1),
            names=groups[1],
            required=tuple(groups[3:]),
            needs=groups[2],
            parameters=math.log1p(parameters),
            depth=depth,
            holes=holes,
            one=bool(flags & 2),
            lengths=(name, first, description),
        )

    def packed(self) -> bytes:
        """The share as bytes: a line of JSON (the terms, and the bytes of each array), then the arrays."""
        arrays = [getattr(self, name).tobytes() for name, _ in _ARRAYS]
        head = {"terms": self.terms, "spellings": self.spellings, "bytes": list(map(len, arrays))}
        return b"".join([json.dumps(head).encode(), b"\n", *arrays])

    @classmethod
    def unpacked(cls, content: bytes) -> Share:
        """The share that `packed` wrote, on a machine of the same kind.

        Raises:
            ValueError: it is none.
        """
        head, _, _ = content.partition(b"\n")
        try:
            said = json.loads(head)
            terms, spellings, sizes = tuple(said["terms"]), tuple(said["spellings"]), list(map(int, said["bytes"]))
            arrays: dict[str, array[Any]] = {}
            at = len(head) + 1
            for (name, kind), size in zip(_ARRAYS, sizes, strict=True):
                arrays[name] = array(kind)
                arrays[name].frombytes(content[at : at + size])
                at += size
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"no share of an index: {type(error).__name__}") from None
        share = cls(terms, spellings, **arrays)
        if at != len(content) or not share._fits():
            raise ValueError("no share of an index: its parts do not fit together")
        return share

    def _fits(self) -> bool:
        """Whether the arrays belong together, as far as that can be told in a moment."""
        many = len(self.terms)
        return (
            len(self.spellings) == many
            and set(map(type, (*self.terms, *self.spellings))) <= {str}
            and _divides(self.begins, many, len(self.places))
            and _divides(self.starts, len(self), len(self.numbers))
            and _divides(self.tells, len(self), len(self.facts))
            and len(self.places) == len(self.worths)
            and len(self.numbers) == len(self.masks)
            and len(self.vectors) == len(self) * DIMENSIONS
            and len(self.squares) == len(self)
            and len(self.codes) == len(self) * CODE_BYTES
            and max(self.places, default=-1) < len(self)
            and max(self.numbers, default=-1) < many
        )


_ARRAYS = tuple(
    (each.name, {"worths": "f", "masks": "H", "vectors": "B", "codes": "B"}.get(each.name, "I"))
    for each in fields(Share)[2:]
)
"""The arrays of a share, in the order in which they are packed, with their types."""


def _about(mask: int) -> int:
    """What a term counts for in what an operation is about, by the fields that it stands in."""
    if mask & _TITLE:
        return 12
    if mask & _HEAD:
        return 6
    return 3 if mask & Field.DESCRIPTION else 2 if mask & Field.PARAMETERS else 0


def _divides(borders: array[int], parts: int, whole: int) -> bool:
    """Whether these are the borders of so many parts of a whole, in order."""
    ascending = all(map(le, borders, borders[1:]))
    return len(borders) == parts + 1 and borders[0] == 0 and borders[-1] == whole and ascending


class _Reader:
    """Reads operations one after the other, and numbers their terms as they come."""

    def __init__(self, tuning: Tuning, words: Vectors) -> None:
        self._analyzer = Analyzer()
        self._k1 = tuning.k1
        self._weightings = {int(part): weighting for part, weighting in tuning.fields.items()}
        self._known: dict[str, int] = {}
        self._places: list[array[int]] = []
        self._worths: list[array[float]] = []
        self._starts, self._numbers, self._masks = array("I", [0]), array("I"), array("H")
        self._tells, self._facts = array("I", [0]), array("I")
        self._words = words
        self._lanes: list[tuple[int, int]] = []  # by term, its vector and what it counts for
        self._vectors, self._squares, self._codes = array("B"), array("I"), array("B")

    def share(self, operations: Sequence[Operation]) -> Share:
        for place, operation in enumerate(operations):
            reading = Reading.read(operation, self._analyzer)
            self._add(place, reading)
            self._facts.extend(self._told(reading))
            self._tells.append(len(self._facts))
        begins = array("I", [0])
        for each in self._places:
            begins.append(begins[-1] + len(each))
        return Share(
            tuple(self._known),
            tuple(map(self._analyzer.spelling, self._known)),
            begins,
            array("I", b"".join(each.tobytes() for each in self._places)),
            array("f", b"".join(each.tobytes() for each in self._worths)),
            self._starts,
            self._numbers,
            self._masks,
            self._tells,
            self._facts,
            self._vectors,
            self._squares,
            self._codes,
        )

    def _add(self, place: int, reading: Reading) -> None:
        """The terms of an operation with their fields, and what each is worth: how often it stands in which field."""
        masks: dict[int, int] = {}
        frequencies: dict[int, float] = {}
        for field, terms in reading.fields:
            part, weighting = int(field), self._weightings.get(field)
            each = weighting and weighting.weight / (1 - weighting.b + weighting.b * len(terms) / weighting.usual)
            for number in map(self._number, terms):
                masks[number] = masks.get(number, 0) | part
                if each:
                    frequencies[number] = frequencies.get(number, 0.0) + each
        for number, frequency in frequencies.items():
            self._places[number].append(place)
            self._worths[number].append(frequency / (self._k1 + frequency))
        self._numbers.extend(masks)
        self._masks.extend(masks.values())
        self._starts.append(len(self._numbers))
        self._mean(masks)

    def _mean(self, masks: Mapping[int, int]) -> None:
        """What an operation is about: the sum of its terms' vectors, by the most important field of each."""
        sum_of_lanes = counted = 0
        for number, mask in masks.items():
            weight = _about(mask)
            lanes, counts = self._lanes[number]
            sum_of_lanes += lanes * weight
            counted += counts * weight
        vector = unpacked(sum_of_lanes, counted)
        small = shrunk(vector)
        self._vectors.extend(small)
        self._squares.append(square(small))
        self._codes.frombytes(code(vector).to_bytes(CODE_BYTES))

    def _number(self, term: str) -> int:
        number = self._known.get(term)
        if number is None:
            number = self._known[term] = len(self._known)
            self._places.append(array("I"))
            self._worths.append(array("f"))
            self._lanes.append((self._words.lanes(term), self._words.length(term)))
        return number

    def _told(self, reading: Reading) -> Iterator[int]:
        """The facts of an operation, as `Share.facts_of` reads them."""
        parts: Mapping[Field, list[str]] = dict(reading.fields)
        yield sum(1 << bit for bit, each in enumerate(_ACTIONS) if each in reading.actions)
        yield reading.finds | reading.one << 1
        yield reading.parameters
        yield reading.depth
        yield reading.holes
        yield from (len(parts[each]) for each in (Field.NAME, Field.FIRST, Field.DESCRIPTION))
        for terms in (parts[Field.UPSTREAM], parts[Field.NAME], reading.needs, *reading.required):
            known = sorted(self._known[term] for term in set(terms) if term in self._known)
            yield len(known)
            yield from known
