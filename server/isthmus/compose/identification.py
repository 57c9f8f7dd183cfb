"""Who asks, over HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from isthmus.model import Principal

if TYPE_CHECKING:
    from isthmus.config.http import HttpConfig


@asynccontextmanager
async def identification(http: HttpConfig) -> AsyncIterator[Callable[[str], Awaitable[Principal]] | None]:
    """Who has which token, by the configuration: its own tokens, and an issuer's. None where nobody has to say."""
    from isthmus.identity.either import either
    from isthmus.identity.issuer import Expected, Issuer
    from isthmus.identity.keys import Keys, fetching
    from isthmus.identity.tokens import Tokens

    if not http.authenticates:
        yield None
        return
    tokens = Tokens(http.tokens, lambda: datetime.now(UTC).date())
    if (oidc := http.oidc) is None:
        yield tokens.principal
        return
    async with fetching() as fetch:
        keys = Keys(oidc.issuer, oidc.jwks, fetch, time.monotonic)
        expected = Expected(oidc.issuer, oidc.audience or http.url or "", tuple(oidc.scopes), oidc.claim)
        yield either(tokens, Issuer(expected, keys, time.time))
