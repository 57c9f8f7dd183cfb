"""Foreign text on its way into our own sentences: one line, bounded, inert, without secrets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# A word that announces a secret, a separator, and what follows it.
_ANNOUNCED = re.compile(
    r"(?i)\b([\w-]*(?:token|secret|passw(?:or)?d|api[_-]?key|access[_-]?key|credentials?)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]+"
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_IN_URL = re.compile(r"(?<=://)[^/\s@]+@")

_TOO_SHORT_TO_HIDE = 4  # a secret of three characters stands in any text


def one_line(text: str, limit: int) -> str:
    """The text without control, invisible and bidirectional characters, on one line, within `limit` characters.

    >>> one_line("a\\x1b[8m b\\u202e\\n\\tc", 80), one_line("abcdef", 4)
    ('a[8m b c', 'abc…')
    """
    shown = " ".join("".join(map(_inert, text[: 4 * limit])).split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _inert(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character)[0] == "C" else character


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, and without what looks like one.

    >>> redacted("login with hunter22 failed, token: abc", ["hunter22"])
    'login with *** failed, token: ***'
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _TOO_SHORT_TO_HIDE:
            text = text.replace(secret, "***")
    text = _SCHEME.sub(r"\1 ***", text)
    text = _IN_URL.sub("***@", text)
    return _ANNOUNCED.sub(r"\1***", text)
