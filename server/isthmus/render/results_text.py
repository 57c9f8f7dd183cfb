"""Safe text: what a program or an upstream says, made harmless for a terminal, a log and a reader, at little cost.

Characters that move the cursor, hide, reorder or carry invisible messages are shown as escapes. A text that could be
mistaken for a line of our own layout is quoted, line by line.
"""

from __future__ import annotations

import json
import re
from typing import Any

_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, marks and fillers without a glyph
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\uffa0"  # zero width, line separators, bidirectional overrides
    "\ufe00-\ufe0f\ufeff\ufff0-\uffff\ud800-\udfff"  # variation selectors, byte order mark, lone surrogates
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # format controls, tags
)
_HIDDEN_CHARACTER = re.compile(f"[{_HIDDEN}]")
_JOINERS = "\u200c\u200d"
_PRESENTATION = "\ufe0e\ufe0f"

LABELS = (
    "result",
    "output",
    "error",
    "hint",
    "note",
    "calls",
    "session",
    "continue",
    "whole",
    "waiting",
    "changes",
    "simulated",
)
"""The words that begin our own lines. They stand in the first column, and nothing else that looks so may."""

_FORGED = re.compile(rf"^[\W_]*(?:{'|'.join(LABELS)})(?:s|\b)[^\n:]{{0,120}}:", re.IGNORECASE | re.MULTILINE)
_CONTINUED = re.compile(r"\n(?=.)")

QUOTE = "| "
"""What begins each line of a quoted text."""


def visible(text: str) -> str:
    r"""The text with every hidden character written as Python would write it; line ends are line feeds.

    >>> visible("a\x1b[31mb\u202ec")
    'a\\x1b[31mb\\u202ec'

    The joiners and presentation selectors that writing systems and emoji need are left where they are of use.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN_CHARACTER.sub(_python_escape, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The text on one line: line feeds become spaces."""
    return " ".join(visible(text).split())


def indented(text: str) -> str:
    """The text with every line but its first moved in, so that none of them can pass for a line of ours."""
    return _CONTINUED.sub("\n  ", visible(text).strip("\n"))


def looks_like_layout(text: str) -> bool:
    """Whether a line of the text could be taken for one of our own."""
    return _FORGED.search(text) is not None


def quoted(text: str) -> str:
    """The text with every line marked as somebody else's."""
    return QUOTE + text.replace("\n", "\n" + QUOTE)


def encode(value: Any) -> str:
    """Plain data as compact JSON that reads back equal: letters stay letters, hidden characters are escaped."""
    return encoded_safely(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False))


def encoded_safely(text: str) -> str:
    """A JSON text with its hidden characters escaped. They can only stand in its strings."""
    return _HIDDEN_CHARACTER.sub(_json_escape, text)


def _python_escape(match: re.Match[str]) -> str:
    if _is_of_use(match):
        return match[0]
    code = ord(match[0])
    if code == 0x0D:
        return r"\r"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(match: re.Match[str]) -> str:
    return match[0] if _is_of_use(match) else json.dumps(match[0])[1:-1]


def _is_of_use(match: re.Match[str]) -> bool:
    """Whether a joiner joins two letters, or a selector follows something that it can select for."""
    character, whole, at = match[0], match.string, match.start()
    before, after = whole[at - 1 : at], whole[at + 1 : at + 2]
    if character in _JOINERS:
        return _joins(before) and _joins(after)
    return character in _PRESENTATION and bool(before) and not _HIDDEN_CHARACTER.match(before)


def _joins(character: str) -> bool:
    return character > "\x7f" and (character in _PRESENTATION or not _HIDDEN_CHARACTER.match(character))


def count(number: int, noun: str) -> str:
    """A number and its noun: `1 write`, `12,000 writes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(length: int) -> str:
    """A number of bytes: `312 bytes`, `48 kB`, `5.8 MB`."""
    if length < 1000:
        return count(length, "byte")
    return f"{length / 1000:.3g} kB" if length < 999_500 else f"{length / 1e6:.3g} MB"
