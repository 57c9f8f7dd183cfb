"""The door of the HTTP server: who may come in, and with how much. Behind it stands the SDK's Streamable HTTP.

    Host           one of our own names, or 421: a page that a browser took for us by a rebound name stays outside
    Origin         our own, or one of the configuration's, or 403
    Authorization  a token that `identify` knows, or 401 with what a client needs to get one (RFC 6750, RFC 9728)
    principal      at most so many requests under way, and these by turns (`http_turns`), or 429
    body           at most so large, of at most `VALUES` values, and there within `BODY_SECONDS`, or 413, 408

Who is refused waits a little for the answer, the longer the more there are: a flood of refused requests takes little
from those that are let in. What it lets in, it lets in as a principal: the token itself goes no further. It answers
itself where no program is concerned: `/healthz`, `/readyz`, and the metadata of the protected resource.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import anyio

from isthmus.front.http_turns import Turns
from isthmus.identity.verdicts import IssuerUnavailable, NotEnough, Unidentified
from isthmus.model import Principal

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Endpoint: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = Mapping[str, list[str]]

Identify: TypeAlias = Callable[[str], Awaitable[Principal]]
"""The principal of a token; raises what `isthmus.identity.verdicts` holds."""

BODY_SECONDS = 30.0
"""Within which the whole of a request has to be there."""

VALUES = 10_000
"""Texts, lists, objects and their members in one request: reading a million of them stops all others for a second."""

REFUSED_EVERY = 0.01
"""Seconds between two refusals, as long as their number keeps the wait below `REFUSED_WITHIN`."""

REFUSED_WITHIN = 1.0
"""Seconds that a refusal is held back at most."""

PRINCIPAL = "isthmus.principal"
"""Where the scope of a request that was let in says whose it is."""

_RESOURCE = "/.well-known/oauth-protected-resource"
_SECRETS = (b"authorization", b"proxy-authorization", b"cookie")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Names:
    """What we are called. `hosts` are names with or without a port; without, any port is ours."""

    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()

    def is_ours(self, host: str) -> bool:
        """Whether a Host header names us.

        >>> Names(frozenset({"a.example", "b.example:80"})).is_ours("A.example:8080")
        True
        """
        name, _, port = host.lower().rpartition(":")
        without = name if name and port.isdigit() else host.lower()
        return host.lower() in self.hosts or without in self.hosts

    def welcomes(self, origin: str, host: str) -> bool:
        """Whether a page of that origin may send requests to that host of ours: it is from there itself, or known.

        >>> Names(frozenset()).welcomes("http://localhost:80", "localhost:80")
        True
        """
        if origin in self.origins:
            return True
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


@dataclass(frozen=True, slots=True)
class Resource:
    """What this server says of itself to clients that look for an issuer (RFC 9728)."""

    url: str
    issuer: str
    scopes: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The path of the metadata.

        >>> Resource("https://a.example/mcp", "https://id.example").place
        '/.well-known/oauth-protected-resource/mcp'
        """
        return _RESOURCE + urlsplit(self.url).path

    @property
    def metadata_url(self) -> str:
        """Where clients find the metadata."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{self.place}"

    def metadata(self) -> dict[str, Any]:
        """The metadata."""
        return {
            "resource": self.url,
            "authorization_servers": [self.issuer],
            "bearer_methods_supported": ["header"],
            "resource_name": "Isthmus",
            **({"scopes_supported": list(self.scopes)} if self.scopes else {}),
        }


@dataclass(frozen=True, slots=True)
class Rules:
    """How the door is kept. Without `identify` everyone who comes in is `local`."""

    path: str
    names: Names
    body_bytes: int
    identify: Identify | None = None
    resource: Resource | None = None
    body_seconds: float = BODY_SECONDS


class Refusal(Exception):
    """A request that is answered at the door."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers or {}


class Door:
    """An ASGI application. `is_ready` says whether programs can run; `why_not` is told where they cannot."""

    def __init__(self, rules: Rules, endpoint: Endpoint, why_not: Callable[[], str], turns: Turns) -> None:
        self._rules = rules
        self._endpoint = endpoint
        self._why_not = why_not
        self._turns = turns
        self._refusing = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            await self._or_refuse(send, self._answer(scope, receive, send))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if told := self._told(scope["path"], scope["method"]):
            await _respond(send, *told)
        else:
            await self._enter(scope, receive, send)

    async def _or_refuse(self, send: Send, answering: Awaitable[None]) -> None:
        try:
            await answering
        except Refusal as refusal:
            await self._hold_back()
            await _respond(send, refusal.status, {"error": refusal.reason}, refusal.headers)

    async def _hold_back(self) -> None:
        """Wait as long as those who were refused before need, each a moment of his own."""
        self._refusing += 1
        try:
            await anyio.sleep(min(self._refusing * REFUSED_EVERY, REFUSED_WITHIN))
        finally:
            self._refusing -= 1

    def _told(self, path: str, method: str) -> tuple[int, Any, Mapping[str, str]] | None:
        """What anyone is told; None for the endpoint itself."""
        if path == self._rules.path:
            return None
        resource = self._rules.resource
        known = ("/healthz", "/readyz", *((resource.place, _RESOURCE) if resource else ()))
        if path not in known:
            raise Refusal(404, f"there is nothing here; the endpoint is {self._rules.path}")
        if method not in ("GET", "HEAD"):
            raise Refusal(405, "only GET", {"allow": "GET, HEAD"})
        if path == "/healthz":
            return 200, {"status": "alive"}, {}
        if path == "/readyz":
            problem = self._why_not()
            return (503, {"status": "not ready", "reason": problem}, {}) if problem else (200, {"status": "ready"}, {})
        metadata = resource.metadata() if resource else {}
        return 200, metadata, {"access-control-allow-origin": "*", "cache-control": "max-age=3600"}

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        self._check_names(headers)
        if scope["method"] != "POST":
            # There are no sessions of the protocol here: no stream to be opened by GET, and none to DELETE.
            raise Refusal(405, "only POST: this server keeps no protocol sessions", {"allow": "POST"})
        principal = await self._identified(headers)
        self._check_declared(headers)
        kept = [(name, value) for name, value in scope["headers"] if name not in _SECRETS]
        inside = {**scope, "headers": kept, PRINCIPAL: principal}
        async with self._turns.turn(principal) as may_enter:
            if not may_enter:
                hint = {"retry-after": "1"}
                raise Refusal(429, "too many requests of yours are under way (limit http.requests_each)", hint)
            # Refused within his turn: while he is held back, the request is under way, and he goes behind the others.
            await self._or_refuse(send, self._let_in(inside, receive, send))

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._body(receive)
        if _many(body, b'"[{,') > VALUES and values_of(body) > VALUES:
            raise Refusal(413, f"the request has more than {VALUES:,} values: send what is long as one text")
        await self._endpoint(scope, _replayed(body, receive), send)

    def _check_names(self, headers: Headers) -> None:
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self._rules.names.is_ours(hosts[0]):
            raise Refusal(421, "this server is not called so; the operator can add the name to http.hosts")
        for origin in headers.get("origin", []):
            if not self._rules.names.welcomes(origin, hosts[0]):
                raise Refusal(
                    403, "pages of this origin may not use this server; the operator can add it to http.origins"
                )

    async def _identified(self, headers: Headers) -> Principal:
        identify = self._rules.identify
        if identify is None:
            return Principal()
        given = headers.get("authorization", [])
        if not given:
            raise self._challenge(401, None, "a bearer token is needed")
        scheme, _, token = given[0].partition(" ")
        if len(given) > 1 or scheme.lower() != "bearer" or not token.strip():
            raise self._challenge(401, "invalid_request", "one header is needed: Authorization: Bearer TOKEN")
        try:
            return await identify(token.strip())
        except NotEnough as error:
            raise self._challenge(403, error.error, str(error)) from None
        except Unidentified as error:
            log.info("refused a token: %s", error.why)
            raise self._challenge(401, error.error, str(error)) from None
        except IssuerUnavailable as error:
            log.warning("%s", error)
            raise Refusal(
                503, "tokens cannot be checked now: their issuer does not answer", {"retry-after": "30"}
            ) from None

    def _challenge(self, status: int, error: str | None, reason: str) -> Refusal:
        """Say how to authenticate: RFC 6750 section 3, RFC 9728 section 5.1."""
        parts = ['realm="isthmus"']
        if error:
            parts += [f'error="{error}"', f'error_description="{reason}"']
        if resource := self._rules.resource:
            parts.append(f'resource_metadata="{resource.metadata_url}"')
            if resource.scopes:
                parts.append(f'scope="{" ".join(resource.scopes)}"')
        return Refusal(status, reason, {"www-authenticate": f"Bearer {', '.join(parts)}"})

    def _check_declared(self, headers: Headers) -> None:
        """Refuse what says itself that it is too large, before any of it is read."""
        declared = headers.get("content-length", ["0"])[0]
        if declared.isascii() and declared.isdigit():
            self._check_size(int(declared) if len(declared) <= 12 else 10**12)

    def _check_size(self, size: int) -> None:
        if size > self._rules.body_bytes:
            raise Refusal(413, f"the request has more than {self._rules.body_bytes:,} bytes (limit http.body_bytes)")

    async def _body(self, receive: Receive) -> bytes:
        body = bytearray()
        try:
            with anyio.fail_after(self._rules.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise Refusal(400, "the request ended before its body did")
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    self._check_size(len(body))
        except TimeoutError:
            raise Refusal(
                408, f"the request was not there within {self._rules.body_seconds:g} s", {"connection": "close"}
            ) from None
        return bytes(body)


def values_of(body: bytes) -> int:
    """The texts of a body of JSON, and the beginnings of its other values and members, counted without reading it.

    What stands within a text counts for nothing. Of many more than `VALUES`, only the texts are counted.

    >>> values_of(b'{"a": ["[,]", 2]}')
    5
    """
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    borders = body.count(b'"')
    if borders > 2 * VALUES:
        return borders // 2
    return borders // 2 + _many(b"".join(body.split(b'"')[::2]), b"[{,")


def _many(body: bytes, of: bytes) -> int:
    """How many of these bytes there are: as long for many as for none."""
    return len(body) - len(body.translate(None, of))


def _headers(scope: Scope) -> Headers:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return found


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What the endpoint receives: the body that was read, and then whatever comes."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _respond(send: Send, status: int, content: Any, headers: Mapping[str, str]) -> None:
    body = json.dumps(content).encode()
    fields = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
