"""What a text is about, as terms: words taken apart, lower-cased, stemmed, without those that say nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"[a-z0-9]+|[^\x00-\x7f]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_POSSESSIVE = re.compile(r"['\u2019](?:s|re|ve|ll|d|m|t)\b")

STOP_WORDS = _set(
    """
    a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing down during each few for from further had has have having he her here hers him his how i
    if in into is it its just let like ll me more most my need no nor not now of off on once only or other our out over
    own please re same she should so some such than that the their them then there these they this those through to too
    under until up us use used using very via want wants was we were what when where which while who whom why will with
    within without would you your
    """
)
"""Words without meaning of their own, in queries and documents alike."""


def split(text: str) -> list[str]:
    """The words of a text or a name, in lower case: `listForRepo` and `list-for-repo` are the same.

    >>> split("PUT /repos/{owner}/issueLabels, the user's")
    ['put', 'repos', 'owner', 'issue', 'labels', 'the', 'user']
    """
    return _words(_CAMEL.sub(" ", _POSSESSIVE.sub("", text) if "'" in text or "\u2019" in text else text).lower())


def _words(text: str) -> list[str]:
    if text.isascii():
        return _WORD.findall(text)
    folded = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return [part for word in _WORD.findall(folded) for part in _unspaced(word)]


def _unspaced(word: str) -> list[str]:
    """A run of a script without spaces (Chinese, Japanese, Thai) as its pairs of characters; others as they are."""
    letters = "".join(character for character in word if character.isalnum())
    if not any("\u0e00" <= c <= "\u0eff" or "\u2e80" <= c <= "\U0003ffff" for c in letters):
        return [letters] if letters else []
    return [letters[place : place + 2] for place in range(max(len(letters) - 1, 1))]


def stem(word: str) -> str:
    """The word without its inflection: Porter's first steps and the commonest derivations.

    >>> [stem(word) for word in ("repositories", "created", "listing", "subscription", "subscribe", "status")]
    ['repositori', 'creat', 'list', 'subscript', 'subscrib', 'status']
    """
    if len(word) <= 3 or not word.isascii():
        return word
    word = _without_plural(word)
    word = _without_participle(word)
    if len(word) > 3 and word[-1] == "y" and word[-2] not in "aeiou":
        word = word[:-1] + "i"
    word = _without_derivation(word)
    if len(word) > 4 and word[-1] == "e":
        word = word[:-1]
    return word


_VOWEL = re.compile(r"[aeiouy]")


def _without_plural(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("ies"):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith(("ches", "shes", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _without_participle(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if len(word) > 4 else word
    for ending in ("ing", "ed"):
        base = word[: -len(ending)]
        if word.endswith(ending) and len(base) > 2 and _VOWEL.search(base):
            if base.endswith(("at", "bl", "iz", "us", "iv")):
                return base + "e"
            if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz":
                return base[:-1]
            return base
    return word


_DERIVATIONS = (
    ("ization", "ize"),
    ("ational", "ate"),
    ("fulness", "ful"),
    ("iveness", "ive"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("ment", "ment"),
    ("ness", ""),
    ("ful", ""),
    ("ly", ""),
    ("ical", "ic"),
    ("alize", "al"),
)


def _without_derivation(word: str) -> str:
    for ending, rest in _DERIVATIONS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)] + rest
    return word


ACTIONS = {
    "~create": _set(
        "create add new make insert post open start register submit generate schedule send compose provision spawn spin"
    ),
    "~read": _set(
        "get list retrieve fetch show find search read view query describe lookup look see check browse obtain inspect "
        "examine enumerate locate peek grab"
    ),
    "~update": _set(
        "update edit modify change set patch put replace rename adjust amend alter tweak revise turn toggle reschedule"
    ),
    "~delete": _set(
        "delete remove cancel destroy drop clear revoke unset erase wipe purge discard terminate uninstall nuke ditch "
        "void rid"
    ),
}
"""Verbs that mean the same to an API, under a name that no word can have."""

_METHODS = {
    "POST": "~create",
    "GET": "~read",
    "PUT": "~update",
    "PATCH": "~update",
    "DELETE": "~delete",
    "HEAD": "~read",
}


_VERBS = {stem(verb): action for action, verbs in ACTIONS.items() for verb in verbs}


def verb_action(term: str) -> str | None:
    """The action that a term means, if it is one of the verbs that nearly every API has."""
    return _VERBS.get(term)


def actions(name: Iterable[str], method: str) -> frozenset[str]:
    """What an operation does, by the verbs of its name (as terms), or else by its HTTP method."""
    said = frozenset(_VERBS[term] for term in name if term in _VERBS)
    return said or (frozenset({_METHODS[method]}) if method in _METHODS else frozenset())


class Analyzer:
    """Turns texts into terms, and remembers the words that it has stemmed: one for each index."""

    __slots__ = ("_spellings", "_stems")

    def __init__(self) -> None:
        self._stems: dict[str, str] = {}
        self._spellings: dict[str, str] = {}

    def terms(self, text: str) -> list[str]:
        """The terms of a text of an operation, in order, with repetitions."""
        stems = self._stems
        found = []
        for word in split(text):
            term = stems.get(word)
            if term is None:
                term = stems[word] = "" if word in STOP_WORDS else stem(word)
                self._spellings.setdefault(term, word)
            if term:
                found.append(term)
        return found

    def spelling(self, term: str) -> str:
        """A word that has this term, as some operation wrote it."""
        return self._spellings.get(term, term)
