"""Known values found in whatever text they stand, in any of the forms in which a text likes to travel.

    known = Forms()
    known.add("ada@example.com", "[EMAIL_1]")
    known.text("mailto:ADA%40example.com")          "mailto:[EMAIL_1]"

The forms are the value itself, in URLs, JSON, HTML, hexadecimal, Base64 (by itself and within something longer) and
backwards; upper and lower case count as one. How long a search takes depends on the text, and hardly on the number of
values.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Container, Iterator, Sized
from typing import Any
from urllib.parse import quote, quote_plus

from isthmus.compact import written
from isthmus.redaction import base64_forms, holds_any

SHORTEST = 4
"""Characters: a shorter value is not looked for within texts, which it would ruin."""

EMBEDDED = 6
"""Characters: a shorter value is found as a word only, and not within one."""

_GRAM = SHORTEST
_FEW = 400
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")  # which is the same in all notations


class Forms:
    """The forms of known values, each with the token that stands for its value. It has no repr that shows them."""

    __slots__ = ("_lengths", "_signs", "_tokens")

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}  # by form, in lower case
        self._signs: list[str] = []  # the forms as they stand in JSON
        self._lengths: dict[str, tuple[int, ...]] = {}  # of the forms that begin so, the longest first

    def __len__(self) -> int:
        return len(self._tokens)

    def __repr__(self) -> str:
        return f"Forms({len(self)})"

    def add(self, value: str, token: str) -> None:
        """From now on, `token` stands for `value`, where that is long enough and no other token does already."""
        for form in _forms(value):
            low = _lower(form)
            if len(low) >= SHORTEST and low not in self._tokens:
                self._tokens[low] = token
                self._signs += _in_json(low)
                lengths = self._lengths.get(low[:_GRAM], ())
                if len(low) not in lengths:
                    self._lengths[low[:_GRAM]] = tuple(sorted((*lengths, len(low)), reverse=True))

    def may_stand_in(self, value: Any) -> bool:
        """Whether any of them can stand in plain data: a look at its JSON, which is quick; a closer one follows."""
        if (text := written(value)) is None:
            return True
        low = _lower(text.decode())
        return not _are_few(self._signs, low) or holds_any(low, self._signs)

    def text(self, text: str, only: Container[str] | None = None) -> str:
        """The text with tokens in the place of values: those of `only`, or all."""
        if len(text) < SHORTEST or not self._tokens:
            return text
        low = _lower(text)
        if _are_few(self._tokens, low) and not holds_any(low, tuple(self._tokens)):
            return text
        return self._replaced(text, low, only)

    def _replaced(self, text: str, low: str, only: Container[str] | None) -> str:
        parts: list[str] = []
        kept, lengths = 0, self._lengths
        places = [at for at in range(len(low) - _GRAM + 1) if low[at : at + _GRAM] in lengths]
        for at in places:
            if at >= kept and (end := self._end(low, at, lengths[low[at : at + _GRAM]], only)):
                parts += (text[kept:at], self._tokens[low[at:end]])
                kept = end
        return text if not parts else "".join([*parts, text[kept:]])

    def _end(self, low: str, at: int, lengths: tuple[int, ...], only: Container[str] | None) -> int:
        """Where the longest form that begins here ends; 0 where none does."""
        for length in lengths:
            end = at + length
            token = self._tokens.get(low[at:end])
            if token and (only is None or token in only) and (length >= EMBEDDED or _is_word(low, at, end)):
                return end
        return 0


def joined(value: Any) -> str:
    """All texts of plain data, names of objects and bytes among them, each on a line of its own."""
    waiting, texts = [value], []
    for item in waiting:  # which grows meanwhile
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
        elif isinstance(item, bytes):
            texts.append(item.decode("utf-8", "surrogateescape"))
    return "\n".join(texts)


def _forms(value: str) -> Iterator[str]:
    yield value
    if not _PLAIN.fullmatch(value):
        yield quote(value, safe="", errors="replace")
        yield quote(value, errors="replace")
        yield quote_plus(value, errors="replace")
        yield html.escape(value)
        if not value.isprintable() or not value.isascii() or '"' in value or "\\" in value:
            yield json.dumps(value)[1:-1]
            yield json.dumps(value, ensure_ascii=False)[1:-1]
    if len(value) >= EMBEDDED:
        yield value[::-1]
        yield value.encode("utf-8", "surrogatepass").hex()
    yield from base64_forms(value)


def _is_word(text: str, start: int, end: int) -> bool:
    return not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum())


def _are_few(forms: Sized, text: str) -> bool:
    """Whether it is quicker to look for each of them than at each place of the text."""
    return len(forms) < min(_FEW, 2 * len(text))


def _in_json(text: str) -> list[str]:
    """What stands in the JSON of every text that holds this one; nothing where such a text has none."""
    json_text = written(text)
    return [] if json_text is None else [json_text.decode()[1:-1]]


def _lower(text: str) -> str:
    """The text in lower case, each character in its place, and the same whatever stands beside it."""
    low = text.lower()
    if low.isascii():
        return low
    if len(low) != len(text):
        low = "".join(lower if len(lower := char.lower()) == 1 else char for char in text)
    return low.replace("\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}")
