"""What upstreams say, as it may stand in Python source: data that cannot end its string, its comment or its line.

Control, bidirectional and zero-width characters are made visible, formatting that only costs tokens is taken off, and
everything is bounded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from isthmus.render.results_text import visible

_READ = 20_000
"""Characters of a text that are looked at at all."""

_FORMATTING = re.compile(
    r"</?(?:p|br|a|b|i|u|em|strong|code|pre|span|div|ul|ol|li|table|tbody|thead|tr|td|th|h[1-6]|hr|img|sup|sub|dl|dt|dd)"
    r"(?:\s[^<>]{0,400})?/?>",
    re.IGNORECASE,
)
_LINK = re.compile(r"\[([^\[\]]{1,200})\]\((?:[^()\s]|\([^()\s]*\)){1,500}(?:\s+\"[^\"]*\")?\)")
_MARKS = re.compile(r"\*\*|^\s{0,3}(?:#{1,6}|>)(?=\s)|`{2,}", re.MULTILINE)
_ENTITIES = {"&quot;": '"', "&#39;": "'", "&apos;": "'", "&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))
_SENTENCE = re.compile(r"[.!?。！？](?=\s|$)")  # noqa: RUF001 - the full stops of Chinese and Japanese
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|approx|no|[A-Z])$", re.IGNORECASE)


def plain(text: str, limit: int) -> str:
    """The text on one line, without formatting, at most `limit` characters; what is cut ends in an ellipsis.

    >>> plain("Creates an **issue**.<br/>See [the docs](https://example.com).", 100)
    'Creates an issue. See the docs.'
    """
    return cut(_unformatted(text), limit)


def first_sentences(text: str, limit: int) -> str:
    """As many whole sentences from the front of a text as fit in `limit` characters; at least a part of the first."""
    whole = _unformatted(text)
    if len(whole) <= limit:
        return whole
    end = 0
    for match in _SENTENCE.finditer(whole[:limit]):
        if not _ABBREVIATION.search(whole[: match.start()][-8:]):
            end = match.end()
    return whole[:end] if end else cut(whole, limit)


def first_sentence(text: str, limit: int) -> str:
    """The first sentence of a text, cut to `limit` characters."""
    whole = _unformatted(text)
    for match in _SENTENCE.finditer(whole[:limit]):
        if not _ABBREVIATION.search(whole[: match.start()][-8:]):
            return whole[: match.end()]
    return cut(whole, limit)


def cut(text: str, limit: int) -> str:
    """The text, shortened at a word where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    front = text[: max(limit - 1, 0)]
    space = front.rfind(" ", len(front) * 2 // 3)
    return (front[:space] if space > 0 else front).rstrip(" ,;:") + "…"


def docstring(lines: Sequence[str], indent: str = "    ") -> str:
    """The lines as a Python docstring that nothing in them can end. Each must be one line already."""
    safe = [_in_docstring(line) for line in lines]
    if len(safe) == 1:
        return f'{indent}"""{safe[0]}"""'
    rest = "".join(f"\n{indent}{line}" if line else "\n" for line in safe[1:])
    return f'{indent}"""{safe[0]}{rest}"""'


def comment(text: str) -> str:
    """A text as it may stand behind a `#`: one line."""
    return " ".join(visible(text).split())


def literal(value: Any, limit: int = 60) -> str | None:
    """Plain data as a Python literal; None where that is not possible within `limit` characters.

    >>> literal('a"b\\u202e'), literal([1, None]), literal(float("nan"))
    ('\\'a"b\\\\u202e\\'', '[1, None]', None)
    """
    if isinstance(value, str) and len(value) > limit:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not isinstance(value, str | int | float | bool | list | dict | None):
        return None
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return None
    if len(text) > limit or (isinstance(value, list | dict) and ("nan" in text or "inf" in text)):
        return None
    return f'"{text[1:-1]}"' if isinstance(value, str) and '"' not in text and "\\'" not in text else text


def _unformatted(text: str) -> str:
    text = text[:_READ]
    if "<" in text:
        text = _FORMATTING.sub(" ", text)
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "&" in text:
        text = _ENTITY.sub(lambda match: _ENTITIES[match.group()], text)
    if "**" in text or "#" in text or ">" in text or "``" in text:
        text = _MARKS.sub("", text)
    return " ".join(visible(text).split()).replace(" .", ".").replace(" ,", ",")


def _in_docstring(line: str) -> str:
    safe = visible(line).replace("\n", " ").replace("\\", "\\\\").replace('"""', "'''")
    return f"{safe[:-1]}'" if safe.endswith('"') else safe
