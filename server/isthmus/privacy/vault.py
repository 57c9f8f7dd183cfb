"""The private values of one session, and the tokens that stand for them. It has no repr that shows them.

    vault = Vault(frozenset({"EMAIL"}))
    vault.token("Ada@example.com", "EMAIL", "crm")        "[EMAIL_1]"
    vault.token("ada@example.com", "EMAIL", "mail")       "[EMAIL_1]": the same address in another spelling
    vault.value("[EMAIL_1]", "mail")                      "ada@example.com": as that upstream spells it

What it learns is noted in `news`, to be kept before any of it is used: `Vault.learn` makes the same vault of it again.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from isthmus.errors import LimitExceeded
from isthmus.privacy.forms import SHORTEST, Forms, joined
from isthmus.privacy.kinds import same

_MOST_TOLD = 2_000
"""Tokens that are remembered by how they were asked for: the same values come again and again."""

Scalar = str | int | float | bool | bytes


@dataclass(frozen=True, slots=True)
class Met:
    """A value was met: the token that stands for it, and as what, in which upstream's answer, in which spelling.

    `sealed`: it must not be seen by programs. `key` is the same for values that count as equal.
    """

    token: str
    kind: str
    upstream: str
    value: Scalar = field(repr=False)
    sealed: bool
    key: str = field(repr=False)


@dataclass(slots=True)
class Kept:
    """One value: what it was met as, and how each upstream spells it."""

    kinds: set[str] = field(default_factory=set)
    spellings: dict[str, Scalar] = field(default_factory=dict, repr=False)


class Vault:
    """Tokens for values, and values for tokens.

    `names` is what tokens may be called, `most` how many values there may be.
    """

    __slots__ = (
        "_by_key",
        "_by_token",
        "_counts",
        "_forms",
        "_lock",
        "_met",
        "_numbers",
        "_sealed",
        "_told",
        "_words",
        "most",
        "names",
        "news",
        "pattern",
    )

    def __init__(self, names: Collection[str], most: int = 20_000) -> None:
        self.names = frozenset(names)
        self.pattern = _pattern(self.names)
        self.most = most
        self.news: list[Met] = []
        self._lock = threading.RLock()  # large answers are read in threads
        self._by_token: dict[str, Kept] = {}
        self._by_key: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._met: set[tuple[str, str, str, str, bool]] = set()
        self._told: dict[tuple[str, str, str, str | None, bool], str] = {}  # tokens by what was asked for, lately
        self._forms = Forms()
        self._sealed: set[str] = set()  # tokens of what programs must not see
        self._words: dict[str, str] = {}  # tokens by values that are too short to be looked for in texts
        self._numbers: dict[float, str] = {}  # tokens by numbers

    def __len__(self) -> int:
        return len(self._by_token)

    def __repr__(self) -> str:
        return f"Vault({len(self)} values)"

    def token(self, value: Scalar, kind: str, upstream: str, *, key: str | None = None, sealed: bool = True) -> str:
        """The token that stands for a value, for good: the same for the same value.

        Raises:
            LimitExceeded: the session has met too many.
        """
        if type(value) is not str:  # equal numbers may be written otherwise, and differ
            return self._token(value, kind, upstream, _key(value) if key is None else key, sealed=sealed)
        told = (value, kind, upstream, key, sealed)
        if (token := self._told.get(told)) is None:
            token = self._token(value, kind, upstream, _key(value) if key is None else key, sealed=sealed)
            if len(self._told) >= _MOST_TOLD:
                self._told.clear()
            self._told[told] = token
        return token

    def _token(self, value: Scalar, kind: str, upstream: str, key: str, *, sealed: bool) -> str:
        with self._lock:
            token = self._by_key.get(key)
            if token is None:
                if len(self) >= self.most:
                    raise LimitExceeded(
                        f"this session has met {self.most:,} private values (limit `private.values`)",
                        limit="private.values",
                        hint='go on in another session (session="new"), or ask for less; the operator can raise the '
                        "limit",
                    )
                token = f"[{kind}_{self._counts[kind] + 1}]"
            met = Met(token, kind, upstream, value, sealed, key)
            if _facts(met) not in self._met:
                self.news.append(met)
                self.learn([met])
            return token

    def settle(self, keep: Callable[[Sequence[Met]], None]) -> None:
        """Have what is new kept; when it returns, all that is known is."""
        if not self.news:  # it is empty only once all of it is kept
            return
        with self._lock:
            if self.news:
                keep(tuple(self.news))
                self.news.clear()

    def learn(self, met: Iterable[Met]) -> None:
        """Take in what was met, in the order in which it was."""
        for each in met:
            self._met.add(_facts(each))
            kind, _, number = each.token.strip("[]").rpartition("_")
            self._counts[kind] = max(self._counts[kind], int(number))
            if kind not in self.names:  # they were called otherwise, in an earlier configuration
                self.names |= {kind}
                self.pattern = _pattern(self.names)
            kept = self._by_token.setdefault(each.token, Kept())
            self._by_key.setdefault(each.key, each.token)
            kept.kinds.add(each.kind)
            kept.spellings.setdefault(each.upstream, each.value)
            if each.sealed:
                self._sealed.add(each.token)
            self._watch(each.token, each.value)

    def _watch(self, token: str, value: Scalar) -> None:
        """From now on the value is known wherever it stands."""
        if not isinstance(value, bool | bytes):
            self._forms.add(str(value), token)
        if isinstance(value, str) and 0 < len(value) < SHORTEST:
            self._words.setdefault(value.lower(), token)
        if isinstance(value, int | float) and not isinstance(value, bool) and len(str(value)) >= SHORTEST:
            self._numbers.setdefault(value, token)

    # tokens for values

    def sealing(self, value: Any) -> Any:
        """A leaf of data that is about to reach a program."""
        if type(value) is str:
            return self._replaced(value, self._sealed)
        return self._raw(value, self._sealed) if type(value) is bytes else value

    def masking(self, value: Any) -> Any:
        """A leaf of data that is about to be seen."""
        kind = type(value)
        if kind is str:
            return self._words.get(value.lower()) or self._replaced(value, None)
        if kind is int or kind is float:
            return self._numbers.get(value, value)
        return self._raw(value, None) if kind is bytes else value

    def may_seal(self, value: Any) -> bool:
        """Whether there can be anything in plain data that programs must not see: a look at all its texts at once."""
        if not self._sealed or not self._forms.may_stand_in(value):
            return False
        text = joined(value)
        return self._forms.text(text, self._sealed) is not text

    def _replaced(self, text: str, only: Container[str] | None) -> str:
        """The text with tokens for values; what are tokens already stays as it is."""
        if "[" not in text:
            return self._forms.text(text, only)
        parts = self.pattern.split(text)
        new = [self._forms.text(part, only) if number % 2 == 0 else part for number, part in enumerate(parts)]
        return text if new == parts else "".join(new)

    def _raw(self, content: bytes, only: Container[str] | None) -> bytes:
        text = content.decode("utf-8", "surrogateescape")
        new = self._replaced(text, only)
        return content if new is text else new.encode("utf-8", "surrogateescape")

    # values for tokens

    def kept(self, token: str) -> Kept | None:
        """What is known of a token; None where it stands for nothing."""
        return self._by_token.get(token)

    def tokens(self) -> Iterable[str]:
        """All tokens, in the order in which they came to be."""
        return self._by_token.keys()

    def value(self, token: str, upstream: str) -> Scalar:
        """The value of a token, as an upstream spells it, or else as it was met first.

        Raises:
            KeyError: it stands for nothing.
        """
        spellings = self._by_token[token].spellings
        return spellings[upstream] if upstream in spellings else next(iter(spellings.values()))


def _facts(met: Met) -> tuple[str, str, str, str, bool]:
    value = met.key if isinstance(met.value, bytes) else str(met.value)
    return met.token, met.kind, met.upstream, value, met.sealed


def _key(value: Scalar) -> str:
    """The same for values that count as equal."""
    if isinstance(value, bool):
        return f"bool:{value}"
    if isinstance(value, bytes):
        return f"bytes:{hashlib.sha256(value).hexdigest()}"
    return same(str(value))


def _pattern(names: Collection[str]) -> re.Pattern[str]:
    """What looks like a token; the one group is all of it."""
    return re.compile(rf"(\[(?:{'|'.join(map(re.escape, sorted(names)))})_[1-9][0-9]{{0,8}}\])")
