"""Search over the operations of one catalog, in pure Python.

    index = Index.build(catalog.operations)
    found = index.search("open an issue", limit=8)
    found.hits[0].operation.id      github.issues.create

Two stages. The first adds up, for every operation, what each word of the query is worth in it (BM25 over weighted
fields, worths computed when the index is built), and what the words that the thesaurus relates to it are worth. The
second looks at the best of the first more closely: `ranking` measures some signals of each, and a learned curve says
what each signal is worth.

Everything that the stages read is plain data, addressed by two counts: the *place* of an operation in the catalog's
order, and the *number* of a term in `_numbers`. By number: `_places` and `_worths` (where the term stands, ascending,
and what it is worth there) and `_rarity`. By place: `_entries`, the operation's distinct terms and the fields that each
stands in (flat arrays), and `_facts`, what else the signals ask. `_actions` has the places of what creates, reads,
updates and deletes. `_related` and `_spellings` are made of `_numbers`.
"""

from __future__ import annotations

import difflib
import heapq
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isthmus.catalog.question import Question, Wanted
from isthmus.catalog.ranking import Candidate, Entries, Facts, Ranker, Signals, Word, ranker
from isthmus.catalog.reading import Field, Reading
from isthmus.catalog.terms import ACTIONS, Analyzer, stem
from isthmus.catalog.thesaurus import SAME, Thesaurus, thesaurus
from isthmus.model import Operation

Allowed = Callable[[Operation], bool]

_CONTRAST = 3.0
"""Scores of the second stage apart by this make a hit e times as good. Nearly all that are relevant are within 4."""

_SPELLABLE, _LIKE = 6, 0.85
"""From how many letters on a word is taken for a misspelt one, and how like it the right one must be."""


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
class Weighting:
    """How a field counts: the weight of a word in it, and how much its length is held against it."""

    weight: float
    b: float  # 0: length does not matter; 1: a word in twice the usual length counts half
    usual: float  # words


@dataclass(frozen=True, slots=True)
class Tuning:
    """The constants of the first stage."""

    fields: Mapping[Field, Weighting] = field(
        default_factory=lambda: {
            Field.NAME: Weighting(5.0, 0.6, 4),
            Field.SUMMARY: Weighting(1.1, 0.6, 6),
            Field.PATH: Weighting(1.2, 0.4, 5),
            Field.TAGS: Weighting(1.0, 0.4, 2),
            Field.UPSTREAM: Weighting(2.4, 0.0, 2),
            Field.DESCRIPTION: Weighting(1.0, 0.8, 25),
            Field.PARAMETERS: Weighting(0.6, 0.6, 8),
            Field.ABOUT: Weighting(0.25, 0.9, 60),
        }
    )
    k1: float = 1.3
    action: float = 0.4  # what a verb counts for that means the same as the query's
    same: float = 0.5  # what a word's synonym counts for, as a part of its closeness
    suggested: float = 0.3  # and a word that it merely suggests
    widespread: int = 800  # a related word in more operations than this is not followed: it would find all of them
    crowd: int = 5000  # beside other words, one in more operations than this finds nothing; the second stage counts it
    counted: int = 100  # operations of the first stage that are looked at for how many more match
    looked_at: int = 40  # operations that reach the second stage
    comparable: float = 0.5  # an operation with this part of the best score counts as one more that matches


class Index:
    """An immutable search structure. Build one for each catalog; any number of threads may search it."""

    __slots__ = (
        "_actions", "_analyzer", "_entries", "_facts", "_numbers", "_operations", "_places", "_ranker", "_rarity",
        "_related", "_spellings", "_thesaurus", "_tuning", "_worths",
    )  # fmt: skip

    def __init__(self, operations: Sequence[Operation], tuning: Tuning, words: Thesaurus, ranked: Ranker) -> None:
        self._operations = tuple(operations)
        self._tuning, self._thesaurus, self._ranker = tuning, words, ranked
        self._analyzer = Analyzer()
        self._numbers: dict[str, int] = {}
        self._places: list[array[int]] = []
        self._worths: list[array[float]] = []
        self._entries = Entries()
        self._facts: list[Facts] = []
        self._actions: dict[str, list[int]] = {action: [] for action in ACTIONS}
        for place, operation in enumerate(self._operations):
            self._add(place, operation)
        self._rarity = [self._rare(len(places)) for places in self._places]
        self._entries.weigh(self._rarity)
        self._related = self._relate()
        self._spellings = self._by_letter()

    @classmethod
    def build(cls, operations: Iterable[Operation], tuning: Tuning | None = None) -> Index:
        """The index over these operations; 10,000 take a few seconds, once."""
        listed = tuple(operations)
        # A server begins with an empty catalog, and must answer before there is time to read the thesaurus.
        words, ranked = (thesaurus(), ranker()) if listed else (Thesaurus(), Ranker())
        return cls(listed, tuning or Tuning(), words, ranked)

    def __len__(self) -> int:
        return len(self._operations)

    def search(self, query: str, limit: int = 8, upstream: str | None = None, allowed: Allowed | None = None) -> Found:
        """The best operations for a query, at most `limit`; of one upstream, where it is given.

        `allowed` leaves operations out as if they did not exist. Nothing is found where too little of what the query
        says stands in any one operation; words that stand in none are reported.
        """
        question = Question.read(query, self._thesaurus)
        words = self._words(question)
        unmatched = tuple(word.wanted.word for word in words if not word.known)
        candidates = self._candidates(question, words, upstream, allowed, limit)
        if not candidates:
            return Found(unmatched=unmatched)
        near = candidates[: max(limit, self._tuning.looked_at)]
        signals = Signals(question, words, near, self._entries, self._facts, self._rarity)
        scores = [self._ranker.score(each) for each in signals.rows()]
        ranked = sorted(zip(scores, near, strict=True), key=lambda pair: (-pair[0], pair[1].place))
        if not self._ranker.convinced(signals.evidence(ranked[0][1])):
            return Found(unmatched=unmatched)
        hits = tuple(Hit(self._operations[each.place], math.exp(score / _CONTRAST)) for score, each in ranked[:limit])
        floor = candidates[0].score * self._tuning.comparable
        comparable = sum(each.score >= floor for each in candidates)
        return Found(hits, unmatched, max(comparable - len(hits), 0))

    def signals(self, query: str) -> tuple[tuple[Operation, ...], list[list[float]], list[list[float]]]:
        """What the second stage sees: the operations, the signals of each, and the evidence for each. For training."""
        question = Question.read(query, self._thesaurus)
        words = self._words(question)
        candidates = self._candidates(question, words, None, None, 0)[: self._tuning.looked_at]
        found = Signals(question, words, candidates, self._entries, self._facts, self._rarity)
        operations = tuple(self._operations[each.place] for each in candidates)
        return operations, list(found.rows()), [found.evidence(each) for each in candidates]

    def near(self, word: str, n: int = 3, like: float = 0.75) -> tuple[str, ...]:
        """Words that stand in operations and are written like `word`, the likeliest first; `like` is from 0 to 1."""
        word = word.lower()
        likely = [each for each in self._spellings.get(word[:1], ()) if abs(len(each) - len(word)) <= 2]
        return tuple(difflib.get_close_matches(word, likely, n, like))

    def _add(self, place: int, operation: Operation) -> None:
        reading = Reading.read(operation, self._analyzer)
        masks: dict[int, int] = {}
        for part, terms in reading.fields:
            for term in terms:
                number = self._number(term)
                masks[number] = masks.get(number, 0) | part
        for number, frequency in self._frequencies(reading).items():
            self._places[number].append(place)
            self._worths[number].append(frequency / (self._tuning.k1 + frequency))
        for action in reading.actions:
            self._actions[action].append(place)
        self._entries.add(masks)
        self._facts.append(Facts.of(reading, operation.upstream, self._numbers))

    def _number(self, term: str) -> int:
        number = self._numbers.get(term)
        if number is None:
            number = self._numbers[term] = len(self._numbers)
            self._places.append(array("i"))
            self._worths.append(array("f"))
        return number

    def _frequencies(self, reading: Reading) -> dict[int, float]:
        """How often each term stands in an operation, weighted by the field and its length."""
        frequencies: dict[int, float] = {}
        for part, terms in reading.fields:
            weighting = self._tuning.fields.get(part)
            if terms and weighting:
                each = weighting.weight / (1 - weighting.b + weighting.b * len(terms) / weighting.usual)
                for term in terms:
                    number = self._numbers[term]
                    frequencies[number] = frequencies.get(number, 0.0) + each
        return frequencies

    def _rare(self, size: int) -> float:
        """What a term is worth for standing in only so many operations."""
        return math.log(1 + (len(self._operations) - size + 0.5) / (size + 0.5))

    def _relate(self) -> dict[str, tuple[tuple[int, float], ...]]:
        """For each term of the thesaurus, the numbers of those it relates to that stand in an operation."""
        numbers = self._numbers
        related = {
            term: tuple((numbers[other], closeness) for other, closeness in others.items() if other in numbers)
            for term, others in self._thesaurus.related.items()
        }
        return {term: others for term, others in related.items() if others}

    def _by_letter(self) -> dict[str, list[str]]:
        """One spelling of every term but the shortest, by first letter."""
        spellings: dict[str, list[str]] = {}
        for term in self._numbers:
            spelling = self._analyzer.spelling(term)
            if len(spelling) > 2:
                spellings.setdefault(spelling[0], []).append(spelling)
        return spellings

    def _words(self, question: Question) -> list[Word]:
        """The words of a query as this catalog knows them."""
        unheard = self._rare(0)
        words = []
        for wanted in question.wanted:
            number = self._numbers.get(wanted.term)
            rarity = unheard if number is None else self._rarity[number]
            related = self._related.get(wanted.term) or (self._misspelt(wanted) if number is None else ())
            words.append(Word(wanted, number, rarity, related))
        return words

    def _misspelt(self, wanted: Wanted) -> tuple[tuple[int, float], ...]:
        """The term that was meant, perhaps, by a word which stands nowhere and means nothing to the thesaurus."""
        if not wanted.plain or len(wanted.word) < _SPELLABLE or wanted.term in self._thesaurus.related:
            return ()
        near = [self._numbers.get(stem(word)) for word in self.near(wanted.word, 1, _LIKE)]
        return tuple((number, SAME) for number in near if number is not None)

    def _candidates(
        self, question: Question, words: list[Word], upstream: str | None, allowed: Allowed | None, limit: int
    ) -> list[Candidate]:
        """The best of the first stage, best first."""
        scores = self._scores(question, words)
        number = max(limit, self._tuning.counted)
        places = self._places_of(upstream, allowed, scores) if upstream or allowed else range(len(scores))
        least = min(heapq.nlargest(number, (scores[place] for place in places)), default=0.0)
        best = [place for place in places if scores[place] >= least and scores[place] > 0]
        best.sort(key=scores.__getitem__, reverse=True)
        return [Candidate(place, scores[place]) for place in best[:number]]

    def _places_of(self, upstream: str | None, allowed: Allowed | None, scores: list[float]) -> list[int]:
        """Where the operations stand that may be found and were."""
        return [
            place
            for place, operation in enumerate(self._operations)
            if scores[place]
            and (upstream is None or operation.upstream == upstream)
            and (not allowed or allowed(operation))
        ]

    def _scores(self, question: Question, words: list[Word]) -> list[float]:
        scores = [0.0] * len(self._operations)
        for number, factor in self._factors(words).items():
            for place, worth in zip(self._places[number], self._worths[number], strict=True):
                scores[place] += worth * factor
        for action in set(question.actions):
            places = self._actions[action]
            worth = self._tuning.action * self._rare(len(places))
            for place in places:
                scores[place] += worth
        return scores

    def _factors(self, words: list[Word]) -> dict[int, float]:
        """What each term, those of the query and those that these suggest, multiplies its worths by."""
        factors: dict[int, float] = {}
        for word in words:
            for number, closeness in word.related:
                if len(self._places[number]) <= self._tuning.widespread:
                    part = self._tuning.same if closeness >= SAME else self._tuning.suggested
                    factor = word.wanted.weight * closeness * part * min(word.rarity, self._rarity[number])
                    factors[number] = max(factors.get(number, 0.0), factor)
        said = {word.number: word.wanted.weight * word.rarity for word in words if word.number is not None}
        telling = {number: factor for number, factor in said.items() if len(self._places[number]) <= self._tuning.crowd}
        return factors | (telling or said)
