"""A query, read: which of its words say what is wanted, which are values, and what is to be done."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from isthmus.catalog.terms import STOP_WORDS, split, stem, verb_action
from isthmus.catalog.thesaurus import Thesaurus

LONGEST = 2000
"""Characters of a query that are read."""

ID_TERMS = frozenset(stem(word) for word in ("id", "ids", "identifier", "gid", "sid", "uuid", "key"))
"""What an identifier is called."""

_FILLER = 0.6
_ASKS = frozenset("what who whom whose when where which how is are do does did show tell can".split())  # noqa: SIM905
_WORD = re.compile(r"[^\W_]+(?:['\u2019][a-z]+)?")
_VALUE = re.compile(
    r"\"[^\"]{1,80}\"|(?<!\w)'[^'\s][^']{0,60}'(?!\w)|<[^<>]{1,40}>|https?://\S{1,200}|(?<!\S)\S{0,60}?\d\S{0,60}"
)
_LONG_NUMBER = re.compile(r"\d{4}")
_BREAK = re.compile(
    r"[.!?;:]\s|[\n;,]|\b(?:and|or|then|also|plus|while|before|additionally|furthermore|moreover|after that)\b",
    re.IGNORECASE,
)
_CLAUSES, _TELLING = 8, 2  # how many clauses are told apart, and with how many words that tell something
_SENTENCE_ENDS = '.!?":('


@dataclass(slots=True)
class Wanted:
    """A term of a query.

    It is a value where it always is quoted or has a digit, a name where it always has a capital in mid-sentence.
    """

    term: str
    word: str
    value: bool
    name: bool
    filler: bool
    count: int = 1

    @property
    def action(self) -> str | None:
        """The action that it means, where it is a verb."""
        return verb_action(self.term)

    @property
    def plain(self) -> bool:
        """Whether it says what is wanted: it is no verb, value, name, filler or word for an identifier."""
        return not (self.action or self.value or self.name or self.filler or self.term in ID_TERMS)

    @property
    def weight(self) -> float:
        """What it counts for, before its rarity."""
        return float(self.count**0.5) * (_FILLER if self.filler else 1.0)


@dataclass(frozen=True, slots=True)
class Question:
    """What was read from a query."""

    wanted: tuple[Wanted, ...] = ()  # in the order in which they first stand
    actions: tuple[str, ...] = ()  # of its verbs, in order
    asks: bool = False  # it begins as a question does
    identified: bool = False  # it gives an identifier, or speaks of one
    plural: bool | None = None  # whether its first noun is; unknown without one
    clauses: tuple[frozenset[int], ...] = ()  # what it asks one after the other: places in `wanted`

    @classmethod
    def read(cls, text: str, thesaurus: Thesaurus) -> Question:
        """Read a query; of a long one, the first `LONGEST` characters."""
        text = text[:LONGEST]
        wanted: dict[str, Wanted] = {}
        parts: dict[int, list[str]] = {}  # the terms between each two breaks
        breaks = [found.start() for found in _BREAK.finditer(text)]
        stems = cache(stem)
        for start, word, value, name in _words(text):
            term, filler = stems(word), word in thesaurus.filler
            parts.setdefault(bisect_left(breaks, start), []).append(term)
            found = wanted.get(term)
            if found is None:
                wanted[term] = Wanted(term, word, value, name, filler)
            else:
                found.count, found.value, found.name = found.count + 1, found.value and value, found.name and name
        words = split(text)
        nouns = [each.word for each in wanted.values() if not each.filler and not each.action]
        return cls(
            tuple(wanted.values()),
            tuple(each.action for each in wanted.values() if each.action),
            bool(words) and words[0] in _ASKS,
            bool(_LONG_NUMBER.search(text)) or any(stems(word) in ID_TERMS for word in words),
            nouns[0].endswith("s") and not nouns[0].endswith("ss") if nouns else None,
            _clauses(parts.values(), wanted),
        )


def _clauses(parts: Iterable[list[str]], wanted: dict[str, Wanted]) -> tuple[frozenset[int], ...]:
    """Parts of a query that say enough to be asked alone: what says less belongs to what is before it."""
    places = {term: place for place, term in enumerate(wanted)}
    clauses: list[set[str]] = []
    for part in map(set, parts):
        if clauses and (_thin(part, wanted) or _thin(clauses[-1], wanted)):
            clauses[-1] |= part
        else:
            clauses.append(part)
    return tuple(frozenset(places[term] for term in clause) for clause in clauses[:_CLAUSES])


def _thin(terms: set[str], wanted: dict[str, Wanted]) -> bool:
    return sum(not (wanted[term].filler or wanted[term].value) for term in terms) < _TELLING


def _words(text: str) -> Iterator[tuple[int, str, bool, bool]]:
    """The words that say something, each with where it stands, whether it is a value, and a name."""
    values = [found.span() for found in _VALUE.finditer(text)]
    for found in _WORD.finditer(text):
        raw, start = found.group(), found.start()
        value = bool(values) and any(begin <= start < end for begin, end in values)
        before = text[max(start - 3, 0) : start].rstrip()
        name = raw[0].isupper() and raw[1:].islower() and bool(before) and before[-1] not in _SENTENCE_ENDS
        for word in split(raw):
            if word not in STOP_WORDS:
                yield start, word, value, name
