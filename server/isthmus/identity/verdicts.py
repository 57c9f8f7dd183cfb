"""What may be wrong with a token, in the words of RFC 6750. None of them repeats the token."""

from __future__ import annotations


class Unidentified(Exception):
    """Nobody that we know. `str(error)` is for the client; `why`, for the log, may say more."""

    error = "invalid_token"

    def __init__(self, message: str, *, why: str = "") -> None:
        super().__init__(message)
        self.why = why or message


class NotEnough(Unidentified):
    """The token is good, and lacks scopes."""

    error = "insufficient_scope"


class IssuerUnavailable(Exception):
    """The issuer's keys cannot be had now, so that nothing can be said of its tokens."""
