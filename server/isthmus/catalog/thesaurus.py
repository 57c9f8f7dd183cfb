"""What words mean to one another, beyond their spelling: a thesaurus of English as people and APIs speak it.

The words stand in `thesaurus.txt` and `filler.txt` beside this module, for people to read and to extend. They are
general: nothing in them is about one API.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from isthmus.catalog.terms import STOP_WORDS, stem

SAME, SUGGESTED, SUGGESTS = 0.6, 0.35, 0.2
"""How close two words are: of one line; the second after the bar of the first's line; the first after the second's."""


@dataclass(frozen=True, slots=True)
class Thesaurus:
    """Terms (stemmed words) and the terms that they suggest, each with its closeness; and words that say little."""

    related: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    filler: frozenset[str] = frozenset()  # words, not terms: as they are written

    @classmethod
    def read(cls, lines: Iterable[str], filler: Iterable[str]) -> Thesaurus:
        """The thesaurus of such lines.

        >>> Thesaurus.read(["film movie | actor"], ["please"]).related["movi"]
        {'film': 0.6, 'actor': 0.35}
        """
        related: defaultdict[str, dict[str, float]] = defaultdict(dict)
        stems = cache(stem)
        for line in _content(lines):
            words = (part.split() for part in line.split("|", 1))
            terms = [[stems(word) for word in each if word not in STOP_WORDS] for each in words]
            _relate(related, terms[0], terms[1] if len(terms) > 1 else [])
        return cls(dict(related), frozenset(word for line in _content(filler) for word in line.split()))


@cache
def thesaurus() -> Thesaurus:
    """The thesaurus that is shipped: read once, a value ever after."""
    folder = files("isthmus.catalog")
    texts = (folder.joinpath(name).read_text("utf-8").splitlines() for name in ("thesaurus.txt", "filler.txt"))
    return Thesaurus.read(*texts)


def _content(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if line.strip() and not line.startswith("#"))


def _relate(related: defaultdict[str, dict[str, float]], alike: list[str], suggested: list[str]) -> None:
    for term in alike:
        closeness = related[term]
        for other in alike:
            if other != term and closeness.get(other, 0.0) < SAME:
                closeness[other] = SAME
        for other in suggested:
            if other != term:
                closeness[other] = max(closeness.get(other, 0.0), SUGGESTED)
                related[other][term] = max(related[other].get(term, 0.0), SUGGESTS)
