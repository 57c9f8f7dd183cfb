"""Search over the operations of one catalog, in pure Python.

    index = Index.build(catalog.operations)
    found = index.search("open an issue", limit=8)
    found.hits[0].operation.id      github.issues.create

Two stages. The first adds up, for every operation, what each word of the query is worth in it (BM25 over weighted
fields, worths computed when the index is built), and what the words that the thesaurus relates to it are worth; and it
counts how near every operation is to the query in meaning (`vectors`). The second looks at the best of both more
closely: `ranking` measures some signals of each, and learned trees say what they are worth together.

What was read of the operations lies in *shares*, one for each upstream (`share`), which are made, kept and exchanged
by themselves. An index joins them, and copies nothing of them but where the terms stand that are asked for. It counts
by the *place* of an operation among all, and the *number* of a term in `_numbers`. By number: `_held` (in which shares
the term is, and its number there), `_standing` (where it stands and what it is worth there, of those that queries had),
`_sizes` (how many operations have it) and `_rarity`. By place: `_entries` (an operation's terms, fields and facts) and
`_codes` (what it is about). `_actions` has the places of what creates, reads, updates and deletes. `_spellings` is made
of `_numbers`.
"""

from __future__ import annotations

import difflib
import math
from array import array
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from isthmus.catalog.catalog import Allowed
from isthmus.catalog.elsewhere import Elsewhere, elsewhere
from isthmus.catalog.evidence import Conviction, Evidence, conviction, evidence
from isthmus.catalog.question import Question, Wanted
from isthmus.catalog.ranking import Candidate, Entries, Ranker, Signals, Word, ranker
from isthmus.catalog.scores import Scores, Standing
from isthmus.catalog.share import Share
from isthmus.catalog.terms import ACTIONS, stem
from isthmus.catalog.thesaurus import SAME, Thesaurus, thesaurus
from isthmus.catalog.tuning import Tuning
from isthmus.catalog.vectors import Codes, Direction, Vectors, vectors
from isthmus.model import Operation

Learned = tuple[Thesaurus, Vectors, Ranker, Conviction, Elsewhere]
"""What is known of words, of what makes a good answer, and any at all, and of what is on offer elsewhere."""

Part = tuple[Sequence[Operation], Share]
"""A list of operations, and what was read of it."""

_CONTRAST = 3.0
"""Scores of the second stage apart by this make a hit e times as good. Nearly all that are relevant are within 4."""

_SPELLABLE, _LIKE = 6, 0.85
"""From how many letters on a word is taken for a misspelt one, and how like it the right one must be."""

_ROUNDING = 1e-9


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


class Index:
    """An immutable search structure. Build one for each catalog; any number of threads may search it."""

    __slots__ = (
        "_actions", "_codes", "_conviction", "_elsewhere", "_entries", "_held", "_numbers", "_operations", "_ranker",
        "_rarity", "_shares", "_sizes", "_spellings", "_standing", "_thesaurus", "_tuning", "_vectors",
        "_worths_of_actions",
    )  # fmt: skip

    def __init__(self, parts: Sequence[Part], tuning: Tuning, learned: Learned) -> None:
        self._shares = tuple(share for _, share in parts)
        self._operations = tuple(chain.from_iterable(operations for operations, _ in parts))
        self._tuning = tuning
        self._thesaurus, self._vectors, self._ranker, self._conviction, self._elsewhere = learned
        self._codes = Codes(b"".join(share.codes for share in self._shares))
        self._numbers: dict[str, int] = {}
        self._held: list[list[tuple[int, int]]] = []
        numberings = [self._numbered(which, share) for which, share in enumerate(self._shares)]
        self._sizes = [sum(self._shares[which].frequency(each) for which, each in held) for held in self._held]
        self._rarity = [self._rare(size) for size in self._sizes]
        upstreams = [operation.upstream for operation in self._operations]
        self._entries = Entries(self._shares, numberings, self._rarity, upstreams)
        self._standing: dict[int, tuple[array[int], array[float]]] = {}
        self._actions = self._by_action()
        self._worths_of_actions: dict[frozenset[str], tuple[list[float], float]] = {}
        self._spellings = self._by_letter()

    @classmethod
    def build(cls, operations: Iterable[Operation], tuning: Tuning | None = None) -> Index:
        """The index over these operations; 10,000 take a few seconds, once."""
        listed, tuning = tuple(operations), tuning or Tuning()
        return cls.of([(listed, Share.read(listed, tuning))], tuning)

    @classmethod
    def of(cls, parts: Sequence[Part], tuning: Tuning | None = None) -> Index:
        """The index over several lists of operations, each with the share that was read of it; done in a moment."""
        # A server begins with an empty catalog, and must answer before there is time to read any of these.
        learned = any(listed for listed, _ in parts)
        unlearned = (Thesaurus(), Vectors(), Ranker(), Conviction(), Elsewhere())
        used = (thesaurus(), vectors(), ranker(), conviction(), elsewhere()) if learned else unlearned
        return cls(parts, tuning or Tuning(), used)

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
        about = self._about(question)
        candidates, near = self._candidates(question, words, about, upstream, allowed, limit)
        if not near:
            return Found(unmatched=unmatched)
        signals = Signals(question, words, about, near, self._entries, self._rarity)
        rows = list(signals.rows())
        if not self._conviction.convinced(self._evidence(words, about, signals, rows)):
            return Found(unmatched=unmatched)
        scores = self._ranker.scores(rows)
        ranked = sorted(zip(scores, near, strict=True), key=lambda pair: (-pair[0], pair[1].place))
        hits = tuple(Hit(self._operations[each.place], math.exp(score / _CONTRAST)) for score, each in ranked[:limit])
        floor = max(candidates, default=0.0) * self._tuning.comparable
        comparable = sum(each >= floor for each in candidates)
        return Found(hits, unmatched, max(comparable - len(hits), 0))

    def signals(self, query: str) -> tuple[tuple[Operation, ...], list[list[float]]]:
        """What the second stage sees: the operations, and the signals of each. For training."""
        _, _, candidates, found = self._looked(query)
        return tuple(self._operations[each.place] for each in candidates), list(found.rows())

    def evidence(self, query: str, without: Sequence[Container[str]] = ((),)) -> list[Evidence]:
        """The evidence that there is anything for a query, with each of these groups left out elsewhere. For training.

        There is none where there is no candidate.
        """
        words, about, candidates, found = self._looked(query)
        rows = list(found.rows())
        return [self._evidence(words, about, found, rows, groups) for groups in without] if candidates else []

    def _looked(self, query: str) -> tuple[list[Word], tuple[Direction, ...], list[Candidate], Signals]:
        question = Question.read(query, self._thesaurus)
        words, about = self._words(question), self._about(question)
        _, candidates = self._candidates(question, words, about, None, None, 0)
        return words, about, candidates, Signals(question, words, about, candidates, self._entries, self._rarity)

    def _evidence(
        self,
        words: Sequence[Word],
        about: Sequence[Direction],
        found: Signals,
        rows: Sequence[Sequence[float]],
        without: Container[str] = (),
    ) -> Evidence:
        return evidence(words, self._vectors.rows, found, rows, self._elsewhere.nearest(about[0], without))

    def near(self, word: str, n: int = 3, like: float = 0.75) -> tuple[str, ...]:
        """Words that stand in operations and are written like `word`, the likeliest first; `like` is from 0 to 1."""
        word = word.lower()
        letters, long = set(word), len(word)
        likely = [
            each
            for length in range(long - 2, long + 3)
            for each in self._spellings.get((word[:1], length), ())
            # What is not in common by mere letters cannot be in common in their order, which takes ten times as long.
            if 2 * (long - len(letters.difference(each))) >= like * (long + length) - _ROUNDING
        ]
        return tuple(difflib.get_close_matches(word, likely, n, like))

    def _numbered(self, which: int, share: Share) -> array[int]:
        """The numbers that the terms of a share have here; new ones for those that no share before it has."""
        numbering = array("I")
        for local, term in enumerate(share.terms):
            number = self._numbers.setdefault(term, len(self._held))
            if number == len(self._held):
                self._held.append([])
            self._held[number].append((which, local))
            numbering.append(number)
        return numbering

    def _by_action(self) -> dict[str, list[int]]:
        """The places of what creates, reads, updates and deletes."""
        does = [share.actions(local) for share in self._shares for local in range(len(share))]
        return {
            action: [place for place, bits in enumerate(does) if bits >> bit & 1] for bit, action in enumerate(ACTIONS)
        }

    def _rare(self, size: int) -> float:
        """What a term is worth for standing in only so many operations."""
        return math.log(1 + (len(self._operations) - size + 0.5) / (size + 0.5))

    def _related(self, term: str) -> tuple[tuple[int, float], ...]:
        """The numbers of the terms that the thesaurus relates to one, of those that stand in an operation."""
        numbers, others = self._numbers, self._thesaurus.related.get(term, {})
        return tuple((numbers[other], closeness) for other, closeness in others.items() if other in numbers)

    def _by_letter(self) -> dict[tuple[str, int], list[str]]:
        """One spelling of every term but the shortest, by first letter and length."""
        spellings: dict[tuple[str, int], list[str]] = {}
        for held in self._held:
            which, local = held[0]
            spelling = self._shares[which].spellings[local]
            if len(spelling) > 2:
                spellings.setdefault((spelling[0], len(spelling)), []).append(spelling)
        return spellings

    def _words(self, question: Question) -> list[Word]:
        """The words of a query as this catalog knows them."""
        unheard = self._rare(0)
        words = []
        for wanted in question.wanted:
            number = self._numbers.get(wanted.term)
            rarity = unheard if number is None else self._rarity[number]
            related = self._related(wanted.term) or (self._misspelt(wanted) if number is None else ())
            words.append(Word(wanted, number, rarity, related))
        return words

    def _misspelt(self, wanted: Wanted) -> tuple[tuple[int, float], ...]:
        """The term that was meant, perhaps, by a word which stands nowhere and means nothing to the thesaurus."""
        if not wanted.plain or len(wanted.word) < _SPELLABLE or wanted.term in self._thesaurus.related:
            return ()
        near = [self._numbers.get(stem(word)) for word in self.near(wanted.word, 1, _LIKE)]
        return tuple((number, SAME) for number in near if number is not None)

    def _about(self, question: Question) -> tuple[Direction, ...]:
        """What the query is about, and then what each of its clauses is, if there are several."""
        weights = [(each.term, 1) for each in question.wanted]
        clauses = question.clauses if len(question.clauses) > 1 else ()
        texts = [weights, *([weights[place] for place in sorted(clause)] for clause in clauses)]
        return tuple(Direction(self._vectors.of(text)) for text in texts)

    def _candidates(
        self,
        question: Question,
        words: list[Word],
        about: tuple[Direction, ...],
        upstream: str | None,
        allowed: Allowed | None,
        limit: int,
    ) -> tuple[list[float], list[Candidate]]:
        """The scores by words of the best, and those that reach the second stage, best first."""
        scores = self._scores(question, words)
        number = max(limit, self._tuning.counted)

        def first(places: Iterable[int], many: int) -> list[int]:
            return list(islice((place for place in places if self._fits(place, upstream, allowed)), many))

        best = first(scores.best_first(number), number)
        alike = first(self._codes.most_alike(about[0].code), self._tuning.alike) if about[0] else []
        score = scores.of
        whole = score[best[0]] if best else 1.0
        places = list(dict.fromkeys(chain(best, alike)))
        likenesses = about[0].likenesses(self._entries.vectors(places))
        found = [Candidate(place, score[place], near) for place, near in zip(places, likenesses, strict=True)]
        found.sort(key=lambda each: -each.score / whole - self._tuning.likeness * each.likeness)
        return [score[place] for place in best], found[: max(limit, self._tuning.looked_at)]

    def _fits(self, place: int, upstream: str | None, allowed: Allowed | None) -> bool:
        """Whether the operation there may be found."""
        operation = self._operations[place]
        return (upstream is None or operation.upstream == upstream) and (not allowed or allowed(operation))

    def _scores(self, question: Question, words: list[Word]) -> Scores:
        """What every operation has of the query: the first stage."""
        acting, most = self._acting(frozenset(question.actions))
        scores = list(acting)
        terms = []
        for number, factor in self._factors(words).items():
            places, worths = self._standing.get(number) or self._join(number)
            for place, worth in zip(places, worths, strict=True):
                scores[place] += worth * factor
            terms.append(Standing(factor, places))
        return Scores(scores, terms, most)

    def _join(self, number: int) -> tuple[array[int], array[float]]:
        """The places where a term stands, among all, and what it is worth there; put together when first asked for."""
        places, worths = array("I"), array("f")
        for which, local in self._held[number]:
            own, worth = self._shares[which].standing(local)
            first = self._entries.firsts[which]
            places.extend(map(first.__add__, own) if first else own)
            worths.extend(worth)
        joined = self._standing[number] = places, worths
        return joined

    def _acting(self, actions: frozenset[str]) -> tuple[list[float], float]:
        """What each operation is worth for doing what these verbs mean, and the most; worked out when first asked."""
        acting = self._worths_of_actions.get(actions)
        if acting is None:
            worths = [0.0] * len(self)
            for action in actions:
                worth = self._tuning.action * self._rare(len(self._actions[action]))
                for place in self._actions[action]:
                    worths[place] += worth
            acting = self._worths_of_actions[actions] = worths, max(worths, default=0.0)
        return acting

    def _factors(self, words: list[Word]) -> dict[int, float]:
        """What each term, those of the query and those that these suggest, multiplies its worths by."""
        factors: dict[int, float] = {}
        for word in words:
            for number, closeness in word.related:
                if self._sizes[number] <= self._tuning.widespread:
                    part = self._tuning.same if closeness >= SAME else self._tuning.suggested
                    factor = word.wanted.weight * closeness * part * min(word.rarity, self._rarity[number])
                    factors[number] = max(factors.get(number, 0.0), factor)
        said = {word.number: word.wanted.weight * word.rarity for word in words if word.number is not None}
        telling = {number: factor for number, factor in said.items() if self._sizes[number] <= self._tuning.crowd}
        return factors | (telling or said)
