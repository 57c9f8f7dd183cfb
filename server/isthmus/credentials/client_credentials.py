"""OAuth's grant 'client credentials' (RFC 6749, 4.4): an access token for who has an identifier and a secret.

Nothing is discovered: tokens are asked for where the configuration says, and nowhere else is the secret sent.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import anyio
import httpx2

from isthmus.config.model import OAuth2
from isthmus.credentials.ages import YOUNG, used_for
from isthmus.errors import LimitExceeded, PermissionDenied, UpstreamError, UpstreamUnavailable
from isthmus.upstreams.reading import read_bounded
from isthmus.upstreams.transport import TRANSPORT_ERRORS, open_client
from isthmus.upstreams.words import one_line

SECONDS = 20.0
"""How long it may take to get a token."""

ANSWER_BYTES = 262_144
"""The most that an answer with a token, or without one, may have."""


_UNHEARD: tuple[type[Exception], ...] = (TimeoutError, LimitExceeded, UpstreamError, *TRANSPORT_ERRORS)


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    got: float
    until: float


class ClientCredentials:
    """Implements `Tokens` for one client of one upstream: the token is kept in memory, and renewed by one at a time.

    `learn` is told each set of values that must not be seen: the token, and the one before, which may still count.
    """

    def __init__(
        self, upstream: str, said: OAuth2, learn: Callable[[Iterable[str]], None], now: Callable[[], float]
    ) -> None:
        self._upstream = upstream
        self._said = said
        self._learn = learn
        self._now = now
        self._turn = anyio.Lock()
        self._held: _Held | None = None
        self._in_body = False  # whether this server wants the secret there; it is asked with a header first

    def __repr__(self) -> str:
        return f"ClientCredentials({self._upstream!r}, {self._said.token_url!r})"

    async def token(self) -> str:
        """See `Tokens`."""
        if (counts := self._counting()) is not None:
            return counts
        async with self._turn:
            return self._counting() or await self._renewed()

    async def other(self, refused: str) -> str | None:
        """See `Tokens`."""
        async with self._turn:
            held = self._held
            if held is not None and held.token != refused:
                return held.token
            if held is not None and self._now() - held.got < YOUNG:
                return None
            return await self._renewed()

    async def changed(self) -> None:
        """See `Tokens`: it does not come to pass without being asked for."""
        await anyio.sleep_forever()

    def _counting(self) -> str | None:
        held = self._held
        return held.token if held is not None and self._now() < held.until else None

    async def _renewed(self) -> str:
        try:
            with anyio.fail_after(SECONDS):
                status, answer = await self._asked()
        except _UNHEARD as error:
            why = one_line(str(error), 200) or f"no answer within {SECONDS:g} s"
            raise UpstreamUnavailable(f"{self._nothing()}: {why}", hint="try again later", sent=False) from None
        token, kind = answer.get("access_token"), str(answer.get("token_type") or "bearer")
        if status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise self._refused(status, answer)
        if kind.lower() != "bearer":
            raise PermissionDenied(f"{self._nothing()}: it gives tokens of the kind {one_line(kind, 40)}, not Bearer")
        before = [] if self._held is None else [self._held.token]
        self._learn([token, *before])
        self._held = _Held(token, self._now(), self._now() + _life(answer.get("expires_in")))
        return token

    async def _asked(self) -> tuple[int, Mapping[str, Any]]:
        """Status and answer. A server that does not take the secret in the header is asked once more."""
        tls = self._said.token_url.startswith("https://")
        async with open_client(trusted=True, tls=tls, timeout=SECONDS) as client:
            status, answer = await self._exchange(client)
            if not self._in_body and status in (400, 401) and answer.get("error") == "invalid_client":
                self._in_body = True
                status, answer = await self._exchange(client)
                self._in_body = status == 200
        return status, answer

    async def _exchange(self, client: httpx2.AsyncClient) -> tuple[int, Mapping[str, Any]]:
        said, secret = self._said, self._said.client_secret.get_secret_value()
        form = {"grant_type": "client_credentials"}
        form |= {name: value for name in ("scope", "audience", "resource") if (value := getattr(said, name))}
        headers = {"Accept": "application/json"}
        if self._in_body:
            form |= {"client_id": said.client_id, "client_secret": secret}
        else:
            pair = f"{quote(said.client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749, 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        async with client.stream("POST", said.token_url, data=form, headers=headers) as response:
            content = await read_bounded(response, ANSWER_BYTES)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        return response.status_code, answer if isinstance(answer, dict) else {}

    def _refused(self, status: int, answer: Mapping[str, Any]) -> UpstreamError:
        """What the server said, bounded. It may repeat what it was asked: whoever shows that redacts it."""
        words = (str(answer.get(key) or "") for key in ("error", "error_description"))
        why = one_line(": ".join(filter(None, words)), 300) or "no access token"
        told = f"{self._nothing()}: HTTP {status}: {why}"
        if status >= 500 or status == 429:
            return UpstreamUnavailable(told, status=status, hint="try again later", sent=False)
        hint = f"the operator should check auth.oauth2 of {self._upstream} in isthmus.yaml"
        return PermissionDenied(told, status=status, hint=hint)

    def _nothing(self) -> str:
        return f"no access token from {self._said.token_url.partition('?')[0]}"


def _life(said: object) -> float:
    """For how many seconds a token is used; without an end where nobody says, until it is refused."""
    try:
        seconds = float(said)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.inf
    return used_for(seconds) if math.isfinite(seconds) else math.inf
