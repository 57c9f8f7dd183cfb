"""Bearer tokens of the configuration, known by their hashes.

A token is 32 random bytes, so that one SHA-256 hides it for good: there is nothing to guess, and so nothing to slow
down. Every entry is compared, each in the same time, whether one before it fitted or not.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import date

from isthmus.config.http import TokenConfig
from isthmus.identity.verdicts import Unidentified
from isthmus.model import Principal

PREFIX = "isthmus_"
"""How tokens of ours begin, so that one in the wrong place is found by who looks for leaked secrets."""


def digest_of(token: str) -> str:
    """What the configuration keeps of a token.

    >>> digest_of("isthmus_example")[:16]
    '7135ab87d37c2cd7'
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token(random_text: Callable[[int], str]) -> str:
    """A token that nobody can guess. `random_text(n)` gives n random bytes as URL-safe text."""
    return PREFIX + random_text(32)


class Tokens:
    """Who has which token. `today` gives the day by UTC."""

    def __init__(self, entries: Sequence[TokenConfig], today: Callable[[], date]) -> None:
        self._entries = tuple(entries)
        self._today = today

    async def principal(self, token: str) -> Principal:
        """Whose token it is.

        Raises:
            Unidentified: nobody's, or it has expired.
        """
        digest = digest_of(token)
        fitting = [entry for entry in self._entries if hmac.compare_digest(entry.sha256, digest)]
        if not fitting:
            raise Unidentified("the token is not known here")
        [entry] = fitting
        if entry.expires is not None and self._today() > entry.expires:
            raise Unidentified(
                "the token has expired", why=f"the token of {entry.principal} expired on {entry.expires}"
            )
        return Principal(entry.principal)
