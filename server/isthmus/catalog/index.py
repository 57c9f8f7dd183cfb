"""Search over the operations of one catalog: BM25 over weighted fields, in pure Python.

    index = Index.build(catalog.operations)
    found = index.search("open an issue", limit=8)
    found.hits[0].operation.id      github.issues.create

Two stages. The first adds up, for every operation, what each word of the query is worth in it; these worths are
computed when the index is built, so that a search only walks the lists of its own words. The second looks at the best
of the first more closely: how much of the query, and of the operation's own name, the two have in common.
"""

from __future__ import annotations

import difflib
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from isthmus.catalog.terms import ACTIONS, Analyzer
from isthmus.model import Operation, Parameter

Allowed = Callable[[Operation], bool]


@dataclass(frozen=True, slots=True)
class Hit:
    """An operation and how well it matches; scores are comparable within one search only."""

    operation: Operation
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: the best first, the words that nothing contains, and how many more matched."""

    hits: tuple[Hit, ...] = ()
    unmatched: tuple[str, ...] = ()
    more: int = 0  # operations that match about as well as those shown, as far as they were counted


@dataclass(frozen=True, slots=True)
class Field:
    """How a part of an operation counts: the weight of a word in it, and how much its length is held against it."""

    weight: float
    b: float  # 0: length does not matter; 1: a word in twice the usual length counts half
    usual: float  # words


@dataclass(frozen=True, slots=True)
class Tuning:
    """The constants of the ranking. They were chosen on the judged queries that `tests/search_quality` runs."""

    name: Field = Field(5.0, 0.6, 4)
    summary: Field = Field(1.1, 0.6, 6)
    path: Field = Field(1.2, 0.4, 5)
    tags: Field = Field(1.0, 0.4, 2)
    upstream: Field = Field(2.4, 0.0, 2)
    description: Field = Field(1.0, 0.8, 25)
    parameters: Field = Field(0.6, 0.6, 8)
    about: Field = Field(0.25, 0.9, 60)
    k1: float = 1.3
    action: float = 0.5  # what a verb counts for that means the same as the query's
    looked_at: int = 100  # operations that reach the second stage
    head: float = 0.35  # for one that stands wholly in its name, summary, path, tags and upstream
    precision: float = 0.65  # for a name and a summary that stand wholly in the query
    common: float = 0.1  # beyond this part of all operations a word is one that many have
    comparable: float = 0.5  # an operation with this part of the best score counts as one more that matches


@dataclass(frozen=True, slots=True)
class _Postings:
    """Where a term stands: the numbers of the operations, ascending, and what it is worth in each."""

    places: array[int]
    worths: array[float]


class Index:
    """An immutable search structure. Build one for each catalog; any number of threads may search it."""

    __slots__ = ("_analyzer", "_heads", "_operations", "_postings", "_rarity", "_spellings", "_tuning")

    def __init__(self, operations: Sequence[Operation], tuning: Tuning) -> None:
        self._operations = tuple(operations)
        self._tuning = tuning
        self._analyzer = Analyzer()
        self._heads: list[frozenset[str]] = []
        self._postings = self._post()
        self._rarity = self._rarities()
        self._spellings = self._by_letter()

    @classmethod
    def build(cls, operations: Iterable[Operation], tuning: Tuning | None = None) -> Index:
        """The index over these operations; 10,000 take a few seconds, once."""
        return cls(tuple(operations), tuning or Tuning())

    def __len__(self) -> int:
        return len(self._operations)

    def search(self, query: str, limit: int = 8, upstream: str | None = None, allowed: Allowed | None = None) -> Found:
        """The best operations for a query, at most `limit`; of one upstream, where it is given.

        `allowed` leaves operations out as if they did not exist. Nothing is found where no word of the query that says
        something stands anywhere; such words are reported.
        """
        terms = self._analyzer.query(query)
        known = {term: weight for term, weight in terms.items() if term in self._postings}
        unmatched = tuple(word for word, term in self._analyzer.content(query) if term not in known)
        if not known or (any(word.isalpha() for word in unmatched) and not self._tell(known)):
            return Found(unmatched=unmatched)
        scores = self._scores(known)
        best = self._best(scores, upstream, allowed, max(limit, self._tuning.looked_at))
        if not best:
            return Found(unmatched=unmatched)
        ranked = sorted(((self._closer(place, score, known), -place) for place, score in best), reverse=True)
        hits = tuple(Hit(self._operations[-place], score) for score, place in ranked[:limit])
        floor = best[0][1] * self._tuning.comparable
        comparable = sum(score >= floor for _, score in best)
        return Found(hits, unmatched, max(comparable - len(hits), 0))

    def near(self, word: str, n: int = 3) -> tuple[str, ...]:
        """Words that stand in operations and are written like `word`, the likeliest first."""
        word = word.lower()
        likely = [each for each in self._spellings.get(word[:1], ()) if abs(len(each) - len(word)) <= 2]
        return tuple(difflib.get_close_matches(word, likely, n, 0.75))

    def _by_letter(self) -> dict[str, list[str]]:
        """One spelling of every term but the shortest, by first letter."""
        spellings: dict[str, list[str]] = {}
        for term in self._postings:
            spelling = self._analyzer.spelling(term)
            if term not in ACTIONS and len(spelling) > 2:
                spellings.setdefault(spelling[0], []).append(spelling)
        return spellings

    def _tell(self, known: Iterable[str]) -> bool:
        """Whether these terms, where others matched nothing, say that an operation is meant.

        The verbs that nearly every API has do not, nor does a single word that many operations have.
        """
        nouns = [term for term in known if term not in ACTIONS and not self._analyzer.is_verb(term)]
        many = max(self._tuning.common * len(self._operations), 20)
        return len(nouns) > 1 or any(len(self._postings[term].places) <= many for term in nouns)

    def _post(self) -> dict[str, _Postings]:
        postings: dict[str, _Postings] = {}
        for place, operation in enumerate(self._operations):
            for term, frequency in self._frequencies(operation).items():
                found = postings.get(term)
                if found is None:
                    found = postings[term] = _Postings(array("i"), array("f"))
                found.places.append(place)
                found.worths.append(frequency / (self._tuning.k1 + frequency))
        return postings

    def _rarities(self) -> dict[str, float]:
        """What a term is worth for being rare, multiplied into its worths."""
        count = len(self._operations)
        rarity: dict[str, float] = {}
        for term, found in self._postings.items():
            size = len(found.places)
            rarity[term] = math.log(1 + (count - size + 0.5) / (size + 0.5))
        return rarity

    def _frequencies(self, operation: Operation) -> dict[str, float]:
        """How often each term stands in an operation, weighted by the field and its length."""
        tuning, terms = self._tuning, self._analyzer.document
        local = operation.id.partition(".")[2]
        name = terms(f"{local} {operation.original}" if not operation.route else local)
        if operation.route is not None and not operation.original.startswith(operation.route.method + " "):
            name = terms(operation.original)
        summary = terms(operation.summary[:400])
        path = terms(_literal_path(operation)) if operation.route else []
        tags = terms(" ".join(operation.tags)[:200])
        parts = (
            (tuning.name, name),
            (tuning.summary, summary),
            (tuning.path, path),
            (tuning.tags, tags),
            (tuning.upstream, terms(operation.upstream)),
            (tuning.description, terms(operation.description[:800])),
            (tuning.parameters, [term for each in operation.parameters for term in terms(each.wire)]),
            (tuning.about, [term for each in operation.parameters[:40] for term in terms(_about(each))]),
        )
        self._heads.append(frozenset(name).union(summary, path, tags, terms(operation.upstream)))
        frequencies: dict[str, float] = {}
        for part, found in parts:
            if found:
                each = part.weight / (1 - part.b + part.b * len(found) / part.usual)
                for term in found:
                    frequencies[term] = frequencies.get(term, 0.0) + each
        for action in self._analyzer.actions(name, operation.route.method if operation.route else ""):
            frequencies[action] = tuning.name.weight
        return frequencies

    def _scores(self, known: Mapping[str, float]) -> list[float]:
        scores = [0.0] * len(self._operations)
        for term, weight in known.items():
            found = self._postings[term]
            factor = weight * self._rarity[term] * (self._tuning.action if term in ACTIONS else 1)
            for place, worth in zip(found.places, found.worths, strict=True):
                scores[place] += worth * factor
        return scores

    def _best(
        self, scores: list[float], upstream: str | None, allowed: Allowed | None, number: int
    ) -> list[tuple[int, float]]:
        """The best places of the first stage with their scores, best first."""
        operations = self._operations
        places: Iterable[int] = [place for place, score in enumerate(scores) if score]
        if upstream is not None:
            places = [place for place in places if operations[place].upstream == upstream]
        ordered = sorted(places, key=scores.__getitem__, reverse=True)
        if allowed is None:
            return [(place, scores[place]) for place in ordered[:number]]
        return [(place, scores[place]) for place in islice((p for p in ordered if allowed(operations[p])), number)]

    def _closer(self, place: int, score: float, known: Mapping[str, float]) -> float:
        """The score of the first stage, raised by how much of the query and of the operation's head are the same."""
        head, tuning = self._heads[place], self._tuning
        content = {term: weight * self._rarity[term] for term, weight in known.items() if term not in ACTIONS}
        whole = sum(content.values()) or 1.0
        in_head = sum(worth for term, worth in content.items() if term in head) / whole
        shared = sum(self._rarity[term] for term in head if term in content)
        own = sum(self._rarity[term] for term in head) or 1.0
        return score * (1 + tuning.head * in_head + tuning.precision * shared / own)


def _literal_path(operation: Operation) -> str:
    path = operation.route.path if operation.route else ""
    return " ".join(segment for segment in path.split("/") if not segment.startswith("{"))


def _about(parameter: Parameter) -> str:
    return parameter.description[:160]
