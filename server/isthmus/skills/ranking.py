"""Which skills a query finds, and in which order: by words, then by what became of their calls."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from isthmus.catalog.terms import STOP_WORDS, split, stem, verb_action
from isthmus.skills.skill import Listed, Usage

DAY = 86_400.0
FRESH = 30 * DAY
"""Seconds for which a skill that nobody uses keeps its rank."""

_IN_NAME, _IN_DESCRIPTION, _IN_USES = 1.0, 0.8, 0.5
_VERB = 0.3
_BELONGS = 0.5
"""The part of the query's words, by weight, that a skill must have to be shown."""


def worth(usage: Usage, saved: float, now: float, *, broken: bool = False) -> float:
    """How much a skill's record raises or lowers it: about 1 for a new one, never more than 2, never less than 0.1.

    `saved` and `now` are seconds since the epoch.
    """
    ended_badly = usage.failures + usage.stopped
    reliable = (usage.successes + 2) / (usage.successes + ended_badly + 2)
    proven = 1 + min(math.log2(1 + usage.successes) / 10, 1)
    idle = max(0.0, now - max(usage.last, saved) - FRESH)
    fresh = max(0.25, 1 / (1 + idle / FRESH))
    return max(0.1, proven * reliable * fresh * (0.3 if broken else 1))


def ranked(query: str, skills: Sequence[tuple[Listed, float]]) -> list[Listed]:
    """The skills that a query is about, best first. Each comes with its worth."""
    terms = {term: _weight(term) for term in _terms(query)}
    whole = sum(terms.values())
    if not whole:
        return []
    scored = [(_match(terms, listed) / whole, value, -place) for place, (listed, value) in enumerate(skills)]
    fitting = sorted(((score * value, place) for score, value, place in scored if score >= _BELONGS), reverse=True)
    return [skills[-place][0] for _, place in fitting]


def _terms(text: str) -> set[str]:
    return {stem(word) for word in split(text) if word not in STOP_WORDS}


def _weight(term: str) -> float:
    """A verb that every API has (get, list, update) says little."""
    return _VERB if verb_action(term) else 1.0


def _match(terms: Mapping[str, float], listed: Listed) -> float:
    skill = listed.skill
    parts = ((_IN_NAME, skill.name), (_IN_DESCRIPTION, skill.description), (_IN_USES, " ".join(skill.uses)))
    best: dict[str, float] = {}
    for weight, text in parts:
        for term in _terms(text):
            best[term] = max(best.get(term, 0.0), weight)
    return sum(weight * best.get(term, 0.0) for term, weight in terms.items())


def by_worth(skills: Iterable[tuple[Listed, float]]) -> list[Listed]:
    """All of them, the most useful first."""
    return [listed for listed, _ in sorted(skills, key=lambda pair: (-pair[1], pair[0].skill.name))]
