"""Secrets taken out of whatever is about to leave: exact values, and the forms in which they like to travel.

Redactor(["hunter22"]).text("password=hunter22")     "password=[redacted]"
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MARK = "[redacted]"

MIN_SECRET = 4
"""Characters. A shorter value is no secret, and taking it out would ruin ordinary text."""

_MIN_BASE64 = 8
_MAX_DEPTH = 200


class Redactor:
    """Replaces secrets by a mark, in text and in plain data. Holds them: it has no repr that shows them."""

    __slots__ = ("_bytes", "_forms")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= MIN_SECRET for form in _forms(secret)}
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self._bytes = tuple(form.encode("utf-8", "surrogatepass") for form in self._forms)

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def text(self, text: str) -> str:
        """The text without any secret."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MARK)
        return text

    def data(self, value: Any) -> Any:
        """Plain data (bytes anywhere) without any secret, in values and in keys; itself where it holds none."""
        return self._data(value, 0) if self._forms else value

    def _data(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self._raw(value)
        if depth > _MAX_DEPTH:
            return MARK if isinstance(value, dict | list | tuple) else value
        if isinstance(value, dict):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple):
            cleaned = [self._data(item, depth + 1) for item in value]
            return value if all(new is old for new, old in zip(cleaned, value, strict=True)) else cleaned
        return value

    def _mapping(self, value: dict[Any, Any], depth: int) -> dict[Any, Any]:
        cleaned = {self._data(key, depth + 1): self._data(item, depth + 1) for key, item in value.items()}
        same = len(cleaned) == len(value) and all(
            key is old_key and item is old
            for (key, item), (old_key, old) in zip(cleaned.items(), value.items(), strict=True)
        )
        return value if same else cleaned

    def _raw(self, value: bytes) -> bytes:
        for form in self._bytes:
            if form in value:
                value = value.replace(form, MARK.encode())
        return value


def _forms(secret: str) -> Iterator[str]:
    """The secret as it is, in URLs, in JSON, and in Base64: by itself and in the midst of something longer."""
    yield secret
    yield quote(secret, safe="", errors="replace")
    yield quote(secret, errors="replace")
    yield quote_plus(secret, errors="replace")
    yield quote(secret, safe="", errors="replace").lower()
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    raw = secret.encode("utf-8", "surrogatepass")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield from _base64_forms(raw, encode)


def _base64_forms(raw: bytes, encode: Any) -> Iterator[str]:
    """Base64 works on three bytes at a time, so there are three ways for a secret to lie in a longer text.

    Of each, only the characters are taken that depend on nothing but the secret.
    """
    for before in range(3):
        text: str = encode(b"\0" * before + raw).decode().rstrip("=")
        start = (before * 8 + 5) // 6
        end = (before + len(raw)) * 8 // 6
        if end - start >= _MIN_BASE64:
            yield text[start:end]
