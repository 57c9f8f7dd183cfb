"""An authorization server on loopback, and an MCP server that accepts its tokens alone.

async with authorizing() as server, protecting(server) as url:
    ...                                        # `url` is the MCP server's
    assert server.asked("/token")[-1]["grant_type"] == "refresh_token"
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import httpx2

from tests.simulators.http_upstream import Asked, Told, http_server
from tests.simulators.mcp_server import SimulatedServer, tool

CANARY = "c4n4ry"
"""Stands in every value that must not be seen."""

METADATA = "/.well-known/oauth-authorization-server"


@dataclass
class AuthorizationServer:
    """Gives tokens as RFC 6749, 7009, 7591, 7636, 8414 and 9207 say; `metadata`, `told` and `granted` change that."""

    origin: str = ""
    life: float | None = 3600  # of an access token, in seconds, as it is told
    in_body: bool = False  # whether a client's secret is taken there only
    metadata: dict[str, Any] = field(default_factory=dict)  # in place of, or beside, what it says; None takes away
    granted: dict[str, Any] = field(default_factory=dict)  # the same of its answers with a token
    told: dict[str, Callable[[Asked], Told]] = field(default_factory=dict)  # answers of paths
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refreshable: set[str] = field(default_factory=set)
    counting: set[str] = field(default_factory=set)  # access tokens that are accepted
    made: int = 0

    def asked(self, path: str) -> list[dict[str, Any]]:
        """The parameters of each request for a path."""
        return [parameters for each, parameters in self.heard if each == path]

    async def __call__(self, asked: Asked) -> Told:
        """Answer as a server does."""
        parts = urlsplit(asked.path)
        text = asked.body.decode() if asked.method == "POST" else parts.query
        is_json = asked.headers.get("content-type", "") == "application/json"
        parameters = json.loads(text) if is_json else dict(parse_qsl(text))
        self.heard.append((parts.path, parameters))
        if parts.path in self.told:
            return self.told[parts.path](asked)
        answers = {
            METADATA: lambda: answer(self.described()),
            "/register": lambda: self._register(parameters),
            "/authorize": lambda: self._authorize(parameters),
            "/token": lambda: self._token(asked, parameters),
            "/revoke": lambda: self._revoke(parameters),
        }
        return answers.get(parts.path, lambda: Told(404))()

    def described(self) -> dict[str, Any]:
        """The metadata."""
        return _without(
            {
                "issuer": self.origin,
                "authorization_endpoint": f"{self.origin}/authorize",
                "token_endpoint": f"{self.origin}/token",
                "registration_endpoint": f"{self.origin}/register",
                "revocation_endpoint": f"{self.origin}/revoke",
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                **self.metadata,
            }
        )

    def _register(self, said: dict[str, Any]) -> Told:
        client = {**said, "client_id": f"client-{len(self.clients) + 1}", "client_secret": self._new("secret")}
        self.clients[client["client_id"]] = client
        return answer(client, 201)

    def _authorize(self, said: dict[str, str]) -> Told:
        """As if the person had agreed at once."""
        client = self.clients.get(said["client_id"], {})
        if said["redirect_uri"] not in client.get("redirect_uris", [said["redirect_uri"]]):
            return Told(400, b"another redirect_uri")
        code = self._new("code")
        self.codes[code] = said
        given = {"code": code, "state": said["state"], "iss": self.origin}
        return Told(302, headers={"Location": f"{said['redirect_uri']}?{urlencode(given)}"})

    def _token(self, asked: Asked, said: dict[str, str]) -> Told:
        name, secret = self._client(asked, said)
        if name in self.clients and secret != self.clients[name].get("client_secret", ""):
            return answer({"error": "invalid_client"}, 401)
        match said["grant_type"]:
            case "authorization_code":
                begun = self.codes.pop(said["code"], None)
                if begun is None or begun["redirect_uri"] != said["redirect_uri"] or not _proves(said, begun):
                    return answer({"error": "invalid_grant"}, 400)
                return self._granted(refreshable=True, scope=begun.get("scope", "all"))
            case "refresh_token":
                if said["refresh_token"] not in self.refreshable:
                    return answer({"error": "invalid_grant", "error_description": said["refresh_token"]}, 400)
                self.refreshable.discard(said["refresh_token"])
                return self._granted(refreshable=True)
            case _:
                return self._granted(refreshable=False, scope=said.get("scope", ""))

    def _client(self, asked: Asked, said: dict[str, str]) -> tuple[str, str]:
        basic = asked.headers.get("authorization", "").removeprefix("Basic ")
        if basic and not self.in_body:
            name, _, secret = base64.b64decode(basic).decode().partition(":")
            return unquote(name), unquote(secret)
        return said.get("client_id", next(iter(self.clients), "")), said.get("client_secret", "")

    def _granted(self, *, refreshable: bool, **more: str) -> Told:
        token = self._new("access")
        self.counting.add(token)
        given: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": self.life, **more}
        if refreshable:
            given["refresh_token"] = self._new("refresh")
            self.refreshable.add(given["refresh_token"])
        return answer(_without({**given, **self.granted}))

    def _revoke(self, said: dict[str, str]) -> Told:
        self.refreshable.discard(said["token"])
        self.counting.discard(said["token"])
        return Told(200)

    def _new(self, kind: str) -> str:
        self.made += 1
        return f"{kind}-{CANARY}-{self.made}"


def answer(body: Any, status: int = 200) -> Told:
    """An answer in JSON."""
    return Told(status, json.dumps(body).encode(), headers={"Cache-Control": "no-store"})


def _without(said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if value is not None}


def _proves(said: dict[str, str], begun: dict[str, str]) -> bool:
    digest = hashlib.sha256(said.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") == begun["code_challenge"]


@asynccontextmanager
async def authorizing(**settings: Any) -> AsyncIterator[AuthorizationServer]:
    """An authorization server that listens."""
    server = AuthorizationServer(**settings)
    async with http_server(server) as server.origin:
        yield server


@dataclass
class Protected:
    """An MCP server behind bearer tokens. `resource` changes what it says of itself; `came` is what it was sent."""

    server: AuthorizationServer
    mcp: SimulatedServer = field(default_factory=lambda: SimulatedServer([tool("list_issues")]))
    origin: str = ""
    resource: dict[str, Any] = field(default_factory=dict)
    came: list[Asked] = field(default_factory=list)
    lenient: bool = False  # whether it refuses calls alone
    moved: Callable[[Asked], Told] | None = None  # the answer in place of all others

    async def __call__(self, asked: Asked) -> Told:
        """Answer as a server does."""
        self.came.append(asked)
        if asked.path == "/.well-known/oauth-protected-resource/mcp":
            said = {"resource": f"{self.origin}/mcp", "authorization_servers": [self.server.origin], **self.resource}
            return answer(_without(said))
        if self.moved is not None:
            return self.moved(asked)
        if asked.path != "/mcp":
            return Told(404)
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.server.counting and not (
            self.lenient and b"tools/call" not in asked.body
        ):
            metadata = f"{self.origin}/.well-known/oauth-protected-resource/mcp"
            return Told(401, headers={"WWW-Authenticate": f'Bearer resource_metadata="{metadata}", scope="read"'})
        if asked.method != "POST":
            return Told(405)
        reply = self.mcp.reply(json.loads(asked.body))
        return Told(202) if reply is None else answer(reply)

    @property
    def tokens(self) -> list[str]:
        """The token of each request for the MCP server that had one, in their order."""
        every = [asked.headers.get("authorization", "") for asked in self.came if asked.path == "/mcp"]
        return [each.removeprefix("Bearer ") for each in every if each]


@asynccontextmanager
async def protecting(server: AuthorizationServer, **settings: Any) -> AsyncIterator[Protected]:
    """An MCP server that listens, at `origin` + `/mcp`."""
    protected = Protected(server, **settings)
    async with http_server(protected) as protected.origin:
        yield protected


@dataclass
class Browser:
    """A person who agrees at once; `changes` are made to the parameters of the address that the browser ends at."""

    changes: dict[str, str | None] = field(default_factory=dict)
    visited: list[str] = field(default_factory=list)
    expects: str = ""

    async def visit(self, address: str, state: str) -> None:
        """Be sent there."""
        self.visited.append(address)
        self.expects = state

    async def answer(self) -> str:
        """Where the browser ends."""
        async with httpx2.AsyncClient() as client:
            location = (await client.get(self.visited[-1])).headers["location"]
        address, _, query = location.partition("?")
        given = {**dict(parse_qsl(query)), **self.changes}
        return f"{address}?{urlencode({key: value for key, value in given.items() if value is not None})}"

    @property
    def asked(self) -> dict[str, str]:
        """The parameters of the address that it was sent to."""
        return dict(parse_qsl(urlsplit(self.visited[-1]).query))
