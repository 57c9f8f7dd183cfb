"""Tokens of the configuration's own beside those of an issuer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from isthmus.identity.issuer import Issuer
from isthmus.identity.tokens import PREFIX, Tokens
from isthmus.model import Principal


def either(tokens: Tokens, issuer: Issuer) -> Callable[[str], Awaitable[Principal]]:
    """Who has a token. One that is no JWT can only be of the configuration: an issuer is not bothered with it."""

    async def principal(token: str) -> Principal:
        ours = token.startswith(PREFIX) or token.count(".") != 2
        return await (tokens if ours else issuer).principal(token)

    return principal
