"""An issuer's public keys: found by its metadata, kept for a while, asked for again when one is not known.

Whoever sends tokens with made-up names of keys must not make us ask the issuer again and again, nor an issuer that does
not answer hold up those whose keys we have.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

import anyio
import httpx2
import jwt

from isthmus.identity.verdicts import IssuerUnavailable

KEPT = 3600.0
"""Seconds after which keys are asked for again, so that one which was withdrawn is not believed for long."""

STALE = 24 * 3600.0
"""Seconds for which keys are believed while the issuer cannot be reached."""

PAUSE = 30.0
"""Seconds between two questions to the issuer, at least."""

PATIENCE = 10.0
"""Seconds for one answer of the issuer's."""

MAX_BYTES = 1_048_576
"""Of one answer of the issuer's."""

_WELL_KNOWN = ("openid-configuration", "oauth-authorization-server")

log = logging.getLogger(__name__)


class Fetch(Protocol):
    """Gets the JSON object that stands at a URL."""

    async def __call__(self, url: str) -> dict[str, Any]:
        """The object.

        Raises:
            IssuerUnavailable: there is none to be had.
        """
        ...


class Keys:
    """The keys of one issuer. `clock` gives seconds, and only ever grows."""

    def __init__(self, issuer: str, jwks: str | None, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._jwks = jwks
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[jwt.PyJWK, ...] = ()
        self._fetched = float("-inf")  # when the keys were had
        self._asked = float("-inf")  # when they were last asked for
        self._asking = anyio.Lock()

    async def named(self, kid: str | None) -> tuple[jwt.PyJWK, ...]:
        """The keys of that name; all, where a token names none.

        Raises:
            IssuerUnavailable: there are no keys, and the issuer gives none.
        """
        if self._clock() - self._fetched > KEPT or not self._matching(kid):
            await self._refresh(kid)
        if self._clock() - self._fetched > STALE:
            raise IssuerUnavailable("the issuer's keys cannot be had now")
        return self._matching(kid)

    def _matching(self, kid: str | None) -> tuple[jwt.PyJWK, ...]:
        return tuple(key for key in self._keys if kid is None or key.key_id == kid)

    async def _refresh(self, kid: str | None) -> None:
        async with self._asking:
            now = self._clock()
            fresh = now - self._fetched <= KEPT and self._matching(kid)  # had, while we waited
            if fresh or now - self._asked < PAUSE:
                return
            self._asked = now
            try:
                self._keys = keys_of(await self._fetch(await self._place()))
            except IssuerUnavailable as error:
                log.warning("keys of %s: %s", self._issuer, error)
            else:
                self._fetched = now

    async def _place(self) -> str:
        """Where the keys are: said, or told by the issuer's metadata, which must be its own."""
        if self._jwks is not None:
            return self._jwks
        problem = ""
        for url in metadata_urls(self._issuer):
            try:
                found = await self._fetch(url)
            except IssuerUnavailable as error:
                problem = problem or str(error)
                continue
            place = found.get("jwks_uri")
            if found.get("issuer") != self._issuer or not isinstance(place, str) or not is_safe(place):
                raise IssuerUnavailable(f"{url} is not the metadata of this issuer, or names no keys that can be had")
            self._jwks = place
            return place
        raise IssuerUnavailable(problem)


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where an issuer's metadata may be: OpenID Connect Discovery 4, and RFC 8414 3.

    >>> metadata_urls("https://id.example.com/t")[0]
    'https://id.example.com/t/.well-known/openid-configuration'
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    inserted = f"{parts.scheme}://{parts.netloc}/.well-known/{_WELL_KNOWN[1]}{path}"
    return (f"{issuer.rstrip('/')}/.well-known/{_WELL_KNOWN[0]}", inserted)


def is_safe(url: str) -> bool:
    """Whether what is read there is what was written: TLS, or this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1"))


def keys_of(document: dict[str, Any]) -> tuple[jwt.PyJWK, ...]:
    """The public keys of a JWKS that can be used; the others are left out."""
    found = []
    for each in document.get("keys") or ():
        try:
            key = jwt.PyJWK.from_dict(each)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError) as error:
            log.info("a key of the issuer's was left out: %s", type(error).__name__)
            continue
        if key.key_type in ("RSA", "EC", "OKP") and "d" not in each:
            found.append(key)
    if not found:
        raise IssuerUnavailable("its set of keys holds none that can be used")
    return tuple(found)


@asynccontextmanager
async def fetching() -> AsyncIterator[Fetch]:
    """Asks over HTTP. Redirects are not followed, and proxies of the environment are not asked."""
    async with httpx2.AsyncClient(follow_redirects=False, trust_env=False) as client:
        yield partial(fetched, client=client)


async def fetched(url: str, client: httpx2.AsyncClient) -> dict[str, Any]:
    """The JSON object at a URL; no more is read than an honest issuer sends.

    Raises:
        IssuerUnavailable: there is none to be had.
    """
    body = bytearray()
    try:
        with anyio.fail_after(PATIENCE):
            async with client.stream("GET", url, headers={"accept": "application/json"}) as response:
                if response.status_code != 200:
                    raise IssuerUnavailable(f"{url} answered {response.status_code}")
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise IssuerUnavailable(f"{url} answered more than {MAX_BYTES:,} bytes")
        found = json.loads(bytes(body))
    except (httpx2.HTTPError, TimeoutError) as error:
        raise IssuerUnavailable(f"{url} cannot be reached: {type(error).__name__}") from None
    except (ValueError, RecursionError):
        raise IssuerUnavailable(f"{url} answered no JSON") from None
    if not isinstance(found, dict):
        raise IssuerUnavailable(f"{url} answered no JSON object")
    return found
