"""What words mean to one another, beyond their spelling: a thesaurus of English as people and APIs speak it.

The words stand in `thesaurus.txt` and `filler.txt` beside this module, for people to read and to extend. They are
general: nothing in them is about one API.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from isthmus.catalog.terms import STOP_WORDS, stem

_BEGIN = 3
"""Letters at the beginning of a word that its stem keeps."""

SAME, SUGGESTED, SUGGESTS = 0.6, 0.35, 0.2
"""How close two words are: of one line; the second after the bar of the first's line; the first after the second's."""


@dataclass(frozen=True, slots=True)
class Thesaurus:
    """Terms (stemmed words) and the terms that they suggest, each with its closeness; and words that say little."""

    related: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # see `Related`
    filler: frozenset[str] = frozenset()  # words, not terms: as they are written

    @classmethod
    def read(cls, lines: Iterable[str], filler: Iterable[str]) -> Thesaurus:
        """The thesaurus of such lines.

        >>> Thesaurus.read(["film movie | actor"], ["please"]).related["movi"]
        {'film': 0.6, 'actor': 0.35}
        """
        return cls(Related(_content(lines)), frozenset(word for line in _content(filler) for word in line.split()))


class Related(Mapping[str, Mapping[str, float]]):
    """What terms suggest, by term, worked out when it is first asked for: of thousands, a process asks for few."""

    __slots__ = ("_known", "_lines", "_places")

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = list(lines)
        # A word and its stem begin with the same letters: by these, the lines, and what came of them.
        self._places: dict[str, list[int]] = {}
        self._known: dict[str, dict[str, dict[str, float]]] = {}
        for place, line in enumerate(self._lines):
            for word in line.split():
                self._places.setdefault(word[:_BEGIN], []).append(place)

    def __getitem__(self, term: str) -> Mapping[str, float]:
        begin = term[:_BEGIN]
        if begin not in self._known and begin in self._places:
            self._known[begin] = self._read(begin)
        return self._known[begin][term]

    def __iter__(self) -> Iterator[str]:
        return (term for begin in self._places for term in self._known.get(begin) or self._read(begin))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _read(self, begin: str) -> dict[str, dict[str, float]]:
        """What the terms with this beginning suggest."""
        related: dict[str, dict[str, float]] = {}
        for place in dict.fromkeys(self._places[begin]):
            alike, _, suggested = self._lines[place].partition("|")
            _relate(related, begin, _terms(alike), _terms(suggested))
        return {term: others for term, others in related.items() if others}


def _terms(words: str) -> list[str]:
    return [stem(word) for word in words.split() if word not in STOP_WORDS]


def _relate(related: dict[str, dict[str, float]], begin: str, alike: list[str], suggested: list[str]) -> None:
    for term in dict.fromkeys([*alike, *suggested]):
        if term[:_BEGIN] == begin:
            closeness = related.setdefault(term, {})
            if term in alike:
                _add(closeness, term, alike, SAME)
                _add(closeness, term, suggested, SUGGESTED)
            if term in suggested:
                _add(closeness, term, alike, SUGGESTS)


def _add(closeness: dict[str, float], term: str, others: Iterable[str], close: float) -> None:
    for other in others:
        if other != term:
            closeness[other] = max(closeness.get(other, 0.0), close)


@cache
def thesaurus() -> Thesaurus:
    """The thesaurus that is shipped: read once, a value ever after."""
    folder = files("isthmus.catalog")
    texts = (folder.joinpath(name).read_text("utf-8").splitlines() for name in ("thesaurus.txt", "filler.txt"))
    return Thesaurus.read(*texts)


def _content(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if line.strip() and not line.startswith("#"))
