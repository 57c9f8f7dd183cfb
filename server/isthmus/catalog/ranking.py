"""The second stage of a search: signals of how well an operation answers a query, and what each is worth.

A signal is a number, measured for each candidate alike. What signals are worth together is said by small trees of
questions about them (`ranking.json`), learned from judged queries by `tests/search_quality/train.py`; a candidate's
score is the sum over the trees.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate, compress
from operator import mul
from typing import NamedTuple

from isthmus.catalog.forest import Forest
from isthmus.catalog.question import Question, Wanted
from isthmus.catalog.reading import HEAD, Field
from isthmus.catalog.share import Facts, Share
from isthmus.catalog.vectors import Direction

_NAME, _PATH, _FIRST, _LAST = int(Field.NAME), int(Field.PATH), int(Field.FIRST), int(Field.LAST)
_DESCRIPTION, _UPSTREAM, _IN_HEAD = int(Field.DESCRIPTION), int(Field.UPSTREAM), int(HEAD)
_WEIGHED = (_NAME, _PATH, _FIRST, _DESCRIPTION, _LAST)
_ANYWHERE = 0xFFFF
_AGREEING = (_NAME, _IN_HEAD, _FIRST, _ANYWHERE, _LAST)
_MISSED = (_WEIGHED.index(_NAME), _WEIGHED.index(_PATH), _WEIGHED.index(_LAST))
_UNHEARD = 0.8  # the part of its rarity that a word counts for which stands nowhere, but is related to words that do
_LEADERS = 5  # candidates whose terms the others are compared with
_DEMANDING = 20  # candidates whose needs are looked at
_VERBS = 3  # verbs of a query that are counted
_FADING = 6.0  # words after which a word counts 1/e of the first

SIGNALS = (
    "relative", "total", "density",
    "soft_name", "soft_head", "soft_first", "soft_any", "soft_last",
    "noun_name", "noun_head", "noun_first", "noun_any", "noun_last",
    "early", "object_name", "object_head", "object_first", "object_any", "object_last",
    "own_name", "own_path", "own_first", "own_description", "own_last",
    "extra_name", "extra_path", "extra_last", "rarest",
    "action_same", "action_other", "action_first", "asks_read", "writes",
    "one_identified", "one_plural", "holes", "depth", "parameters",
    "upstream_named", "upstream_best", "upstream_mean",
    "required_part", "required_count",
    "name_length", "first_length", "description_length",
    "leads_to", "finds_named", "leads_to_named", "like_leaders",
    "meaning", "meaning_behind", "meaning_place",
    "clauses", "clause_place", "clause_meaning", "clause_behind", "clause_mean",
    "said", "said_verbs", "said_values", "said_known", "creates", "deletes", "unasked",
)  # fmt: skip
"""The signals, in the order of a row."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a query as a catalog knows it: its number, if it stands anywhere, and the numbers it is related to."""

    wanted: Wanted
    number: int | None
    rarity: float
    related: tuple[tuple[int, float], ...]

    @property
    def known(self) -> bool:
        """Whether it stands in any operation."""
        return self.number is not None


class Candidate(NamedTuple):
    """An operation that reached the second stage: its score by words, and how like the query it is in meaning."""

    place: int
    score: float
    likeness: float


class Agreement(NamedTuple):
    """How an operation and a query agree: signals; how near its head is to each word; its likeness to the leaders."""

    signals: list[float]
    heads: list[float]
    like: float


class Entries:
    """What the shares of an index say of each operation, by its place among all, in the terms of the index.

    `numberings` give the terms of each share their numbers in the index, whose rarity is `rarity`. `firsts` has the
    place of the first operation of each share, and the end of all.
    """

    __slots__ = ("_numberings", "_rarity", "_shares", "_upstreams", "_weighed", "firsts")

    def __init__(
        self,
        shares: Sequence[Share],
        numberings: Sequence[Sequence[int]],
        rarity: Sequence[float],
        upstreams: Sequence[str],
    ) -> None:
        self._shares, self._numberings, self._rarity, self._upstreams = shares, numberings, rarity, upstreams
        self.firsts = list(accumulate(map(len, shares), initial=0))
        self._weighed: dict[int, tuple[list[float], float]] = {}

    def __len__(self) -> int:
        return self.firsts[-1]

    def of(self, place: int, terms: Container[int] | None = None) -> Iterator[tuple[int, int]]:
        """The terms and fields of one operation; only such terms, where they are given."""
        share, numbering, local = self._at(place)
        own, masks = share.entries(local)
        numbers = list(map(numbering.__getitem__, own))
        every = zip(numbers, masks, strict=True)
        return every if terms is None else compress(every, map(terms.__contains__, numbers))

    def facts(self, place: int) -> Facts:
        """What else there is to say of one operation."""
        share, numbering, local = self._at(place)
        return share.facts_of(local, self._upstreams[place], numbering)

    def vectors(self, places: Iterable[int]) -> list[tuple[Sequence[int], int]]:
        """What each of these operations is about; see `Direction.likenesses`."""
        return [share.vector(local) for share, _, local in map(self._at, places)]

    def weights(self, place: int) -> list[float]:
        """The sums of rarities in name, path, first sentence, description and last segment."""
        return self._weigh(place)[0]

    def norm(self, place: int) -> float:
        """The length of a head, as a vector of rarities."""
        return self._weigh(place)[1]

    def _at(self, place: int) -> tuple[Share, Sequence[int], int]:
        which = bisect_right(self.firsts, place) - 1
        return self._shares[which], self._numberings[which], place - self.firsts[which]

    def _weigh(self, place: int) -> tuple[list[float], float]:
        """Worked out when an operation is first a candidate: few ever are."""
        weighed = self._weighed.get(place)
        if weighed is None:
            sums, norm = [0.0] * len(_WEIGHED), 0.0
            for number, mask in self.of(place):
                rare = self._rarity[number]
                if mask & _IN_HEAD:
                    norm += rare * rare
                for which in _parts_of(mask)[0]:
                    sums[which] += rare
            weighed = self._weighed[place] = sums, math.sqrt(norm + 1)
        return weighed


class Signals:
    """Measures the signals of the candidates of one query."""

    def __init__(
        self,
        question: Question,
        words: Sequence[Word],
        about: Sequence[Direction],
        candidates: Sequence[Candidate],
        entries: Entries,
        rarity: Sequence[float],
    ) -> None:
        self._question, self._words, self._about, self._candidates = question, words, about, candidates
        self._entries, self._rarity = entries, rarity
        self._facts = {each.place: entries.facts(each.place) for each in candidates}
        self._near = self._by_number()
        self._closest = {number: max([close for _, close in near]) for number, near in self._near.items()}
        self._best = max((each.score for each in candidates), default=0.0) or 1.0
        self._likenesses = sorted([each.likeness for each in candidates])
        self._unheard = math.log(2 * len(entries) + 2)
        self._weigh_words()
        self._actions = set(question.actions) or ({"~read"} if question.asks else set())
        self._spoken = {word.number for word in words if word.number is not None}
        self._named = sum((each.wanted.name or each.wanted.value) and not each.known for each in words)
        self._said = self._sayings()
        self._upstreams = self._by_upstream()
        self._needed = self._needs()
        self._leaders, self._leading = self._center()
        self._telling = {*self._near, *self._leaders}
        self._worths: dict[tuple[float, ...], tuple[float, float, float]] = {}
        self._agreements = {each.place: self._agreement(each.place) for each in candidates}
        self._clauses = self._by_clause()
        self._ascending = [sorted(clause.values()) for clause in self._clauses]

    def rows(self) -> Iterator[list[float]]:
        """The signals of each candidate, in the order of `SIGNALS`."""
        return (self._row(each) for each in self._candidates)

    @property
    def nearest(self) -> float:
        """How near the query is in meaning to the candidate that is nearest."""
        return self._likenesses[-1]

    def heads(self) -> Iterator[list[float]]:
        """How near the head of each candidate is to each word of the query."""
        return (self._agreements[each.place].heads for each in self._candidates)

    def _sayings(self) -> list[float]:
        """How a query is said, the same for each candidate: three words are judged otherwise than a story."""
        words, many = self._words, len(self._words) or 1
        return [
            math.log1p(len(words)),
            float(min(len(self._question.actions), _VERBS)),
            sum(word.wanted.value or word.wanted.name for word in words) / many,
            sum(word.known for word in words) / many,
        ]

    def _by_number(self) -> dict[int, list[tuple[int, float]]]:
        """The words of the query that each term is close to."""
        near: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
        for index, word in enumerate(self._words):
            if word.number is not None:
                near[word.number].append((index, 1.0))
            for number, closeness in word.related:
                near[number].append((index, closeness))
        return dict(near)

    def _weigh_words(self) -> None:
        """What each word counts for: in all, if it is no verb or value, and if it stands early."""
        words = self._words
        sayable = [word.rarity if word.known else _UNHEARD * self._unheard if word.related else 0.0 for word in words]
        filler = [0.5 if word.wanted.filler else 1.0 for word in words]
        self._known = sum(word.rarity for word in words if word.known) + 1e-6
        self._soft = _share(list(map(mul, sayable, filler)))
        plain = [not word.wanted.value and not word.wanted.action for word in words]
        self._noun = _share([rare * each for rare, each in zip(map(mul, sayable, filler), plain, strict=True)])
        self._early = _share([rare * math.exp(-n / _FADING) for n, rare in enumerate(map(mul, sayable, filler))])
        self._object = next(
            (
                index
                for index, word in enumerate(words)
                if plain[index] and not word.wanted.filler and (word.known or word.related)
            ),
            None,
        )

    def _by_upstream(self) -> dict[str, list[float]]:
        """The scores of the three best candidates of each upstream, relative to the best of all."""
        scores: defaultdict[str, list[float]] = defaultdict(list)
        for each in self._candidates:
            found = scores[self._facts[each.place].upstream]
            if len(found) < 3:
                found.append(each.score / self._best)
        return dict(scores)

    def _needs(self) -> dict[tuple[str, int], float]:
        """What the best candidates need the identifier of: (upstream, term) with the best relative score of them."""
        needed: dict[tuple[str, int], float] = {}
        for each in self._candidates[:_DEMANDING]:
            facts = self._facts[each.place]
            for number in facts.needs:
                key = (facts.upstream, number)
                needed[key] = max(needed.get(key, 0.0), each.score / self._best)
        return needed

    def _center(self) -> tuple[dict[int, float], float]:
        """The heads of the best candidates, put together, and the length of that."""
        leaders = self._candidates[:_LEADERS]
        whole = sum(each.score for each in leaders) or 1.0
        center: defaultdict[int, float] = defaultdict(float)
        for each in leaders:
            for number, mask in self._entries.of(each.place):
                if mask & _IN_HEAD:
                    center[number] += each.score / whole * self._rarity[number]
        return dict(center), math.sqrt(sum(each * each for each in center.values())) + 1e-6

    def _row(self, candidate: Candidate) -> list[float]:
        place, score = candidate.place, candidate.score
        return [
            score / self._best,
            math.log1p(score),
            score / self._known,
            *self._agreements[place].signals,
            *self._doing(self._facts[place]),
            *self._belonging(self._facts[place]),
            *self._leading_to(place, self._facts[place]),
            *self._meaning(candidate),
            *self._said,
            *self._effects(self._facts[place].actions),
        ]

    def _agreement(self, place: int) -> Agreement:
        """How far the query stands in the operation, and the operation in the query."""
        fields = [[0.0] * len(self._words) for _ in _AGREEING]
        own = [0.0] * len(_WEIGHED)
        rarest = like = 0.0
        near, closest, rarity, leaders = self._near, self._closest, self._rarity, self._leaders
        for number, mask in self._entries.of(place, self._telling):
            if number in leaders and mask & _IN_HEAD:
                like += leaders[number] * rarity[number]
            if number not in near:
                continue
            hits, worth, (weighed, agreeing) = near[number], closest[number] * rarity[number], _parts_of(mask)
            if mask & _IN_HEAD and closest[number] == 1.0:
                rarest = max(rarest, rarity[number])
            for which in weighed:
                own[which] += worth
            for which in agreeing:
                found = fields[which]
                for index, close in hits:
                    if close > found[index]:
                        found[index] = close
        whole = self._entries.weights(place)
        worths = [self._worth_of(tuple(each)) for each in fields]
        thing = self._object
        signals = [
            *[soft for soft, _, _ in worths],
            *[noun for _, noun, _ in worths],
            worths[1][2],
            *([-0.1] * len(fields) if thing is None else [each[thing] for each in fields]),
            *[part / (all_of + 1e-3) for all_of, part in zip(whole, own, strict=True)],
            *[(whole[which] - own[which]) / self._unheard for which in _MISSED],
            rarest / self._unheard,
        ]
        return Agreement(signals, fields[1], like)

    def _worth_of(self, near: tuple[float, ...]) -> tuple[float, float, float]:
        """What it is worth to be so near to each word: of all that the query says, of its nouns, of early words.

        Many candidates have the same words of a query in the same field.
        """
        worth = self._worths.get(near)
        if worth is None:
            worth = self._worths[near] = (
                sum(map(mul, self._soft, near)), sum(map(mul, self._noun, near)), sum(map(mul, self._early, near)),
            )  # fmt: skip
        return worth

    def _doing(self, facts: Facts) -> list[float]:
        """Whether the operation does what is asked, to as many as is asked."""
        question, does = self._question, facts.actions
        same = not does.isdisjoint(self._actions)
        first = question.actions[0] if question.actions else None
        reads = "~read" in does
        plural = 0.0 if question.plural is None or not facts.depth else (1.0 if question.plural == facts.one else -1.0)
        return [
            float(same),
            float(bool(does) and bool(self._actions) and not same),
            0.0 if first is None or not does else (1.0 if first in does else -1.0),
            (1.0 if reads else -1.0) if question.asks else 0.0,
            float(bool(does) and not reads),
            float(facts.one) * (1.0 if question.identified else -1.0),
            plural,
            float(facts.holes),
            float(facts.depth),
            facts.parameters,
        ]

    def _effects(self, does: frozenset[str]) -> list[float]:
        """Whether it creates, or deletes; and whether it writes though the query has no verb: it is after a list."""
        unasked = bool(does) and "~read" not in does and not self._question.actions
        return [float("~create" in does), float("~delete" in does), float(unasked)]

    def _belonging(self, facts: Facts) -> list[float]:
        """Whether its upstream is meant, and its required arguments are spoken of."""
        spoken, best = self._spoken, self._upstreams.get(facts.upstream, [0.0])
        own = facts.upstream_terms
        parts = [len(each & spoken) / max(len(each), 1) for each in facts.required]
        return [
            len(own & spoken) / len(own) if own else -0.1,
            best[0],
            sum(best) / 3,
            sum(parts) / len(parts) if parts else -0.1,
            sum(parts),
            *facts.lengths,
        ]

    def _leading_to(self, place: int, facts: Facts) -> list[float]:
        """Whether it finds what others need the identifier of, if the query has a name; whether it is like them."""
        leads = finds = named = 0.0
        if facts.finds and not self._question.identified:
            leads = max((self._needed.get((facts.upstream, number), 0.0) for number in facts.names), default=0.0)
            finds, named = float(min(self._named, 3)), leads if self._named else 0.0
        return [leads, finds, named, self._agreements[place].like / (self._entries.norm(place) * self._leading)]

    def _by_clause(self) -> list[dict[int, float]]:
        """For each clause how near each candidate is to it, in meaning and by the words in its head."""
        if len(self._about) == 1:
            return [{each.place: each.likeness + self._covered(each.place, self._soft) for each in self._candidates}]
        vectors = self._entries.vectors(self._agreements)
        near: list[dict[int, float]] = []
        for about, clause in zip(self._about[1:], self._question.clauses, strict=True):
            soft = _share([each if place in clause else 0.0 for place, each in enumerate(self._soft)])
            likenesses = about.likenesses(vectors)
            near.append(
                {
                    place: likeness + self._covered(place, soft)
                    for place, likeness in zip(self._agreements, likenesses, strict=True)
                }
            )
        return near

    def _covered(self, place: int, soft: Sequence[float]) -> float:
        return math.fsum(map(mul, soft, self._agreements[place].heads))

    def _meaning(self, candidate: Candidate) -> list[float]:
        """How near the operation is to the query in meaning, and to its nearest clause; and how it stands in that."""
        own, every = candidate.likeness, self._likenesses
        near = [clause[candidate.place] for clause in self._clauses]
        behind = [each - ascending[-1] for each, ascending in zip(near, self._ascending, strict=True)]
        ahead = [
            len(ascending) - bisect_right(ascending, each)
            for each, ascending in zip(near, self._ascending, strict=True)
        ]
        return [
            own,
            own - every[-1],
            math.log1p(len(every) - bisect_right(every, own)),
            float(len(near)),
            math.log1p(min(ahead)),
            max(near),
            max(behind),
            sum(near) / len(near),
        ]


@cache
def _parts_of(mask: int) -> tuple[list[int], list[int]]:
    """Which of the parts that are weighed, and of those that may agree, a term in these fields stands in."""
    return (
        [which for which, part in enumerate(_WEIGHED) if mask & part],
        [which for which, part in enumerate(_AGREEING) if mask & part],
    )


def _share(weights: list[float]) -> list[float]:
    whole = sum(weights) + 1e-6
    return [each / whole for each in weights]


_NOTHING = Forest()


@dataclass(frozen=True, slots=True)
class Ranker:
    """What the signals are worth together."""

    ranking: Forest = _NOTHING

    @classmethod
    def read(cls, text: str) -> Ranker:
        """The ranker of such a JSON text.

        Raises:
            ValueError: a tree asks for a signal that there is not, or is none.
        """
        return cls(Forest.read(json.loads(text), SIGNALS))

    def scores(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """What the signals of each candidate are worth together; to be compared within one search."""
        return self.ranking.sums(rows)


@cache
def ranker() -> Ranker:
    """The ranker that is shipped: read once, a value ever after."""
    return Ranker.read(files("isthmus.catalog").joinpath("ranking.json").read_text("utf-8"))
