"""Logging in to an MCP server, by the SDK's own OAuth client: the flow is its, what is sent and shown is bounded here.

The SDK discovers who gives tokens (RFC 9728, 8414), registers (7591), proves that who redeems a code has asked for it
(7636), and sees that the answer is of whom was asked (9207) and for this server (8707).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import OAuthContext
from mcp.client.auth.utils import extract_resource_metadata_from_www_auth, extract_scope_from_www_auth
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
    ProtectedResourceMetadata,
)
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types import LATEST_PROTOCOL_VERSION
from pydantic import AnyUrl, BaseModel

from isthmus.config.model import OAuth
from isthmus.credentials.oauth_wire import Wire
from isthmus.errors import IsthmusError, PermissionDenied, UpstreamError, UpstreamUnavailable
from isthmus.stores.logins import Login
from isthmus.upstreams.words import one_line

CLIENT_NAME = "Isthmus"

_LONG_AGO = 1.0  # when a token that is to be renewed has expired; zero would mean never
_NOT_THERE = (404, 405, 410)
_Model = TypeVar("_Model", bound=BaseModel)


class Person(Protocol):
    """Who logs in, with a browser."""

    async def visit(self, address: str, state: str) -> None:
        """Be sent to an address, to agree there. `state` is what the answer will hold."""
        ...

    async def answer(self) -> str:
        """The address that the browser was sent back to."""
        ...


@dataclass(slots=True)
class _Memory:
    """The SDK's storage. What is worth keeping is taken when all has gone well."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


async def logged_in(url: str, said: OAuth, redirect: str, person: Person, more: Sequence[str] = ()) -> Login:
    """Have a person log in to the MCP server at `url`, whose answer comes to the address `redirect`.

    `more` are scopes to ask for beside those that the server names.

    Raises:
        PermissionDenied: the server, its authorization server or the person refused, or something is not as it must be.
        UpstreamUnavailable: one of them did not answer.
    """
    wire, memory, request = Wire(url), _Memory(client=_registered(said, redirect)), _question(url)
    provider = OAuthClientProvider(url, _described(redirect), memory)
    context = provider.context
    asking = _Asking(wire, person, context)
    context.redirect_handler, context.callback_handler = asking.visit, asking.answer
    async with _flow(provider, request) as flow:
        await anext(flow)
        response = _wanting(await _challenge(wire, request), more)
        while (wanted := await flow.asend(response)) is not request:
            response = await wire.send(wanted)
        response = await wire.send(request)
    if response.status_code in (401, 403):
        told = f"HTTP {response.status_code}: {url} does not accept the access token that it was given"
        raise PermissionDenied(told, status=response.status_code)
    return _taken(provider, wire)


async def renewed(url: str, login: Login) -> Login:
    """The login with other tokens.

    Raises:
        PermissionDenied: the authorization server does not renew it.
        UpstreamUnavailable: it did not answer, or not as it must.
    """
    wire, provider, request = Wire(url, private=login.private), _provider_of(url, login), _question(url)
    status = 0
    async with _flow(provider, request) as flow:
        wanted = await anext(flow)
        while wanted is not request:
            response = await wire.send(wanted)
            status = response.status_code
            wanted = await flow.asend(response)
    if provider.context.current_tokens is not None:
        return _taken(provider, wire)
    told = f"the authorization server answered HTTP {status}, and gave no token"
    if 400 <= status < 500 and status not in (408, 429):
        raise PermissionDenied(told, status=status)
    raise UpstreamUnavailable(told, status=status, hint="try again later", sent=False)


async def revoked(url: str, login: Login) -> bool:
    """Have the tokens of a login end; whether the authorization server has a way to do that (RFC 7009).

    Raises:
        UpstreamError: it has, and it failed.
    """
    wire, context = Wire(url, private=login.private), _provider_of(url, login).context
    context.client_info = _read(OAuthClientInformationFull, login.client)
    endpoint = context.oauth_metadata and context.oauth_metadata.revocation_endpoint
    if not endpoint:
        return False
    for kind, token in (("refresh_token", login.refresh), ("access_token", login.token)):
        if token:
            form = {"token": token, "token_type_hint": kind, "client_id": context.client_info.client_id}
            form, headers = context.prepare_token_auth(form, {})
            response = await wire.send(httpx2.Request("POST", str(endpoint), data=form, headers=headers))
            if response.status_code != 200:
                raise UpstreamError(f"{endpoint} answered HTTP {response.status_code}", status=response.status_code)
    return True


@dataclass(slots=True)
class _Asking:
    """Stands between the SDK and the person."""

    wire: Wire
    person: Person
    context: OAuthContext
    state: str = ""

    async def visit(self, address: str) -> None:
        self.wire.check(address)
        metadata, client = self.context.oauth_metadata, self.context.client_info
        proofs = metadata and metadata.code_challenge_methods_supported
        if proofs is not None and "S256" not in proofs:
            raise PermissionDenied(
                "the authorization server knows no PKCE with S256, without which codes can be stolen"
            )
        if client is not None and client.client_secret and client.token_endpoint_auth_method is None:
            client.token_endpoint_auth_method = _place_of_secret(metadata)
        self.state = parse_qs(urlsplit(address).query)["state"][-1]
        await self.person.visit(address, self.state)

    async def answer(self) -> AuthorizationCodeResult:
        given = {name: values[-1] for name, values in parse_qs(urlsplit(await self.person.answer()).query).items()}
        if given.get("state") != self.state:
            hint = "begin again, and use the new address"
            raise PermissionDenied("this is no answer to the login that was begun", hint=hint)
        if "error" in given:
            why = one_line(": ".join(filter(None, (given["error"], given.get("error_description")))), 300)
            raise PermissionDenied(f"the authorization server refused: {why}")
        return AuthorizationCodeResult(code=given.get("code", ""), state=given["state"], iss=given.get("iss"))


def _place_of_secret(metadata: OAuthMetadata | None) -> str:
    """Where a client that was registered by hand shows its secret: RFC 8414 has the header where nobody says."""
    methods: Sequence[str] = (metadata and metadata.token_endpoint_auth_methods_supported) or ()
    return (
        "client_secret_post"
        if "client_secret_post" in methods and "client_secret_basic" not in methods
        else "client_secret_basic"
    )


async def _challenge(wire: Wire, request: httpx2.Request) -> httpx2.Response:
    """The server's refusal of who is not logged in; in its stead, our own where it refuses only later."""
    response = await wire.send(request)
    if response.status_code == 401:
        return response
    if response.status_code in _NOT_THERE or response.status_code >= 500 or response.is_redirect:
        moved = f" (it redirects to {one_line(response.headers['location'], 200)})" if response.is_redirect else ""
        raise UpstreamUnavailable(f"{request.url} answered HTTP {response.status_code}{moved}", hint="correct `url`")
    return httpx2.Response(401, request=request)


def _wanting(challenge: httpx2.Response, more: Sequence[str]) -> httpx2.Response:
    """A refusal that names these scopes, too: the SDK asks for what it names."""
    if more:
        named = " ".join(dict.fromkeys([*(extract_scope_from_www_auth(challenge) or "").split(), *more]))
        metadata = extract_resource_metadata_from_www_auth(challenge)
        where = f', resource_metadata="{metadata}"' if metadata else ""
        challenge.headers["www-authenticate"] = f'Bearer scope="{named}"{where}'
    return challenge


@asynccontextmanager
async def _flow(provider: OAuthClientProvider, request: httpx2.Request) -> AsyncIterator[Any]:
    """The SDK's flow, to be driven by hand; its errors become ours."""
    flow = provider.async_auth_flow(request)
    try:
        yield flow
    except IsthmusError:
        raise
    except Exception as error:  # noqa: BLE001 - the border: whatever hostile metadata may cause there
        raise PermissionDenied(f"the login failed: {one_line(str(error), 400) or type(error).__name__}") from None
    finally:
        await flow.aclose()


def _question(url: str) -> httpx2.Request:
    """The smallest request that an MCP server asks a login for. It begins no session."""
    headers = {
        "Accept": "application/json, text/event-stream",
        MCP_PROTOCOL_VERSION_HEADER: LATEST_PROTOCOL_VERSION,
        "User-Agent": "isthmus",
    }
    return httpx2.Request("POST", url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=headers)


def _described(redirect: str) -> OAuthClientMetadata:
    return OAuthClientMetadata(redirect_uris=[AnyUrl(redirect)], client_name=CLIENT_NAME)


def _registered(said: OAuth, redirect: str) -> OAuthClientInformationFull | None:
    """The client that the operator has registered by hand, where he has."""
    if said.client_id is None:
        return None
    secret = said.client_secret.get_secret_value() if said.client_secret else None
    return OAuthClientInformationFull(client_id=said.client_id, client_secret=secret, redirect_uris=[AnyUrl(redirect)])


def _provider_of(url: str, login: Login) -> OAuthClientProvider:
    """The SDK's client as it was after a login, with a token that has expired."""
    memory = _Memory(_read(OAuthToken, login.tokens), _read(OAuthClientInformationFull, login.client))
    provider = OAuthClientProvider(url, _described("http://127.0.0.1/"), memory)
    context = provider.context
    context.token_expiry_time = _LONG_AGO
    context.oauth_metadata = _read(OAuthMetadata, login.server) if login.server else None
    context.protected_resource_metadata = _read(ProtectedResourceMetadata, login.resource) if login.resource else None
    return provider


def _taken(provider: OAuthClientProvider, wire: Wire) -> Login:
    context = provider.context
    if context.current_tokens is None or context.client_info is None:
        raise PermissionDenied("the login ended without an access token")
    return Login(
        _written(context.current_tokens),
        _written(context.client_info),
        _written(context.oauth_metadata) if context.oauth_metadata else None,
        _written(context.protected_resource_metadata) if context.protected_resource_metadata else None,
        wire.private,
        time.time(),
    )


def _written(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _read(kind: type[_Model], said: Any) -> _Model:
    return kind.model_validate(said)
