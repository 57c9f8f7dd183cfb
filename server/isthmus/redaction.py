"""Secrets taken out of whatever is about to leave: exact values, and the forms in which they like to travel.

Redactor(["hunter22"]).text("password=hunter22")     "password=[redacted]"
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import count
from operator import is_
from typing import Any
from urllib.parse import quote, quote_plus

from isthmus.compact import written

MARK = "[redacted]"

MIN_SECRET = 4
"""Characters. A shorter value is no secret, and taking it out would ruin ordinary text."""

_MIN_BASE64 = 8
_MAX_DEPTH = 200


class Redactor:
    """Replaces secrets by a mark, in text and in plain data. Holds them: it has no repr that shows them."""

    __slots__ = ("_bytes", "_forms", "_known", "_signs")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: dict[str, frozenset[str]] = {}
        self.learn("", secrets)

    def learn(self, whose: str, secrets: Iterable[str]) -> None:
        """Know other secrets of `whose` from now on; of everybody else, the same as before."""
        self._known[whose] = frozenset(secret for secret in secrets if len(secret) >= MIN_SECRET)
        found = {form for known in self._known.values() for secret in known for form in forms(secret)}
        self._forms = tuple(sorted(found, key=lambda form: (-len(form), form)))
        self._bytes = tuple(form.encode("utf-8", "surrogatepass") for form in self._forms)
        self._signs = tuple(sign.decode() for form in self._forms if (sign := _inner(form)) is not None)

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def text(self, text: str) -> str:
        """The text without any secret."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MARK)
        return text

    def holds(self, content: bytes) -> bool:
        """Whether a secret stands in a text in UTF-8, in one of the forms that are taken out."""
        return any(form in content for form in self._bytes)

    def data(self, value: Any) -> Any:
        """Plain data (bytes anywhere) without any secret, in values and in keys; itself where it holds none."""
        return rewritten(value, self._leaf) if self._forms and self._may_hold(value) else value

    def may_stand_in(self, text: bytes) -> bool:
        """Whether there can be a secret in plain data of which this is the JSON (`compact`)."""
        return holds_any(text.decode(), self._signs)

    def _may_hold(self, value: Any) -> bool:
        """Whether there can be a secret in plain data: a look at its JSON, which is quick; a closer one follows."""
        text = _inner(value)
        return text is None or self.may_stand_in(text)

    def _leaf(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        return self._raw(value) if isinstance(value, bytes) else value

    def _raw(self, value: bytes) -> bytes:
        for form in self._bytes:
            if form in value:
                value = value.replace(form, MARK.encode())
        return value


def holds_any(text: str, parts: Iterable[str]) -> bool:
    """Whether one of the parts stands in the text."""
    for part in parts:  # noqa: SIM110 - `any` takes twice as long, and this is asked several times a call
        if part in text:
            return True
    return False


Leaf = Callable[[Any], Any]
"""What becomes of a value that is no container, or of a key."""


def rewritten(value: Any, leaf: Leaf, key: Leaf | None = None, depth: int = 0) -> Any:
    """Plain data with each leaf, and each key, as the functions have it; itself where they change nothing.

    What is nested too deep to be looked at becomes a mark.
    """
    if isinstance(value, dict):
        if depth > _MAX_DEPTH:
            return MARK
        return _mapping(value, leaf, key or leaf, depth)
    if isinstance(value, list | tuple):
        if depth > _MAX_DEPTH:
            return MARK
        new = [rewritten(item, leaf, key, depth + 1) for item in value]
        return value if all(map(is_, new, value)) else new
    return leaf(value)


def _mapping(value: dict[Any, Any], leaf: Leaf, key: Leaf, depth: int) -> dict[Any, Any]:
    new: dict[Any, Any] = {}
    for name, item in value.items():
        shown = key(name)
        new[shown if shown not in new else another(shown, new)] = rewritten(item, leaf, key, depth + 1)
    same = all(map(is_, new, value)) and all(map(is_, new.values(), value.values()))
    return value if same else new


def _inner(value: Any) -> bytes | None:
    """The JSON of a value; of a text, what stands between its quotes. None where it has none."""
    text = written(value)
    return text[1:-1] if text is not None and isinstance(value, str) else text


def another(name: Any, taken: Container[Any]) -> str:
    """Two keys that have become one: the second is told apart by a number."""
    return next(other for number in count(2) if (other := f"{name} ({number})") not in taken)


def forms(secret: str) -> Iterator[str]:
    """The secret as it is, in URLs, in JSON, and in Base64: by itself and in the midst of something longer."""
    yield secret
    yield quote(secret, safe="", errors="replace")
    yield quote(secret, errors="replace")
    yield quote_plus(secret, errors="replace")
    yield quote(secret, safe="", errors="replace").lower()
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield from base64_forms(secret)


def base64_forms(secret: str) -> Iterator[str]:
    """Base64 works on three bytes at a time, so there are three ways for a secret to lie in a longer text.

    Of each, only the characters are taken that depend on nothing but the secret. There are two alphabets.
    """
    raw = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        start = (before * 8 + 5) // 6
        end = (before + len(raw)) * 8 // 6
        if end - start >= _MIN_BASE64:
            text = base64.b64encode(b"\0" * before + raw).decode()[start:end]
            yield text
            if "+" in text or "/" in text:
                yield text.replace("+", "-").replace("/", "_")
