"""Calls of a document's operations over HTTP. Imported with the first one: the HTTP client takes long to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpx2

from isthmus.errors import LimitExceeded, UpstreamError, UpstreamUnavailable
from isthmus.model import Answer, Call, Credential, Effect, Operation
from isthmus.openapi.answers import Undecodable, decode, failure
from isthmus.openapi.plan import Plan, read_plan
from isthmus.openapi.requests import WireRequest, build_request, with_credential
from isthmus.openapi.security import combined, expectation
from isthmus.openapi.servers import Server, local_server, origin
from isthmus.upstreams.reading import read_bounded
from isthmus.upstreams.transport import MAX_HOPS, NEVER_SENT, TRANSPORT_ERRORS, AddressRefused, open_client
from isthmus.validation import Validation
from isthmus_sandbox.values import clean

if TYPE_CHECKING:
    from isthmus.config.model import UpstreamConfig
    from isthmus.upstreams.http_settings import Loaded, Settings

MAX_PLANS = 2_000
"""Plans of operations that are kept once they have been called."""

_SAFE = ("GET", "HEAD", "OPTIONS")
_AT_ONCE = 65_536  # bytes of an answer that are checked at once; larger ones are checked in a thread


_Response = tuple[int, Mapping[str, str], bytes]
"""Status, headers (in lower case) and decoded body."""


class HttpCalls:
    """Performs calls, with connections to one server."""

    def __init__(self, config: UpstreamConfig, settings: Settings, server: Server) -> None:
        self.server = server
        self._config = config
        self._settings = settings
        self._validation = Validation()
        self._checking = anyio.Lock()
        self._plans: dict[str, tuple[Operation, Plan]] = {}
        self._client = open_client(
            trusted=server.trusted,
            tls=server.url.startswith("https://"),
            timeout=config.timeout,
            connections=settings.connections,
            transport=settings.transport,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def perform(self, call: Call, loaded: Loaded, credential: Credential | None) -> Answer:
        """Perform one call of an operation of a document that is loaded.

        Raises:
            UpstreamError: or one of its kinds.
        """
        plan = self._plan(call.operation)
        response = await self._sent(call, plan, loaded, credential)
        status, headers, content = response
        if not 200 <= status < 300:
            raise self._failure(call, plan, loaded, credential, response)
        return await self._answer(call, plan, status, headers, content)

    async def _sent(self, call: Call, plan: Plan, loaded: Loaded, credential: Credential | None) -> _Response:
        """What was answered. Where an access token is refused, nothing was done: it is sent once more with another."""

        async def sent(credential: Credential | None) -> _Response:
            url, request = self._request(call, plan, loaded, credential)
            exchange = _Exchange(self._client, call, request, url, self._config.timeout, self._settings.answer_bytes)
            return await exchange.perform()

        if credential is None or (tokens := credential.tokens) is None:
            return await sent(credential)
        token = await tokens.token()
        response = await sent(credential.bearing(token))
        if response[0] == 401 and (other := await tokens.other(token)) is not None:
            response = await sent(credential.bearing(other))
        return response

    def _plan(self, operation: Operation) -> Plan:
        kept = self._plans.get(operation.id)
        if kept is not None and kept[0] is operation:
            return kept[1]
        try:
            plan = read_plan(operation)
        except LookupError as error:
            raise UpstreamError(f"{operation.id} cannot be called: {error}") from None
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        self._plans[operation.id] = operation, plan
        return plan

    def _request(
        self, call: Call, plan: Plan, loaded: Loaded, credential: Credential | None
    ) -> tuple[str, WireRequest]:
        request = build_request(call.operation, plan.inputs, call.arguments)
        request = with_credential(request, combined(credential, loaded.schemes, plan.required, plan.demanded))
        variables = self._config.server_variables
        base, _ = local_server(plan.item, plan.node, loaded.document, loaded.server, variables)
        return base, _with_accept(request, plan.accept)

    def _failure(
        self,
        call: Call,
        plan: Plan,
        loaded: Loaded,
        credential: Credential | None,
        response: _Response,
    ) -> UpstreamError:
        status, headers, content = response
        error = failure(
            status,
            headers,
            content,
            what=call.operation.id,
            expected=expectation(plan.required, loaded.schemes),
            configured=credential is not None,
            now=self._settings.now(),
        )
        error.body = clean(error.body)
        return error

    async def _answer(self, call: Call, plan: Plan, status: int, headers: Mapping[str, str], content: bytes) -> Answer:
        operation = call.operation
        if operation.route is not None and operation.route.method == "HEAD":
            return Answer({name: value for name, value in headers.items() if name != "set-cookie"})
        try:
            value = clean(decode(content, headers.get("content-type", "")))
        except Undecodable as error:
            text = content[:2000].decode("utf-8", "replace")
            raise UpstreamError(f"{operation.id}: {error}", status=status, body=text) from None
        if value is None or not plan.is_documented_success(status):
            return Answer(value)
        return Answer(value, tuple(await self._departures(operation, value, len(content))))

    async def _departures(self, operation: Operation, value: Any, size: int) -> list[str]:
        """Where the answer is not what the document promises; worked out beside the event loop where it takes long."""
        if self._validation.is_ready(operation) and size <= _AT_ONCE:
            return self._validation.answer_problems(operation, value)
        async with self._checking:
            return await anyio.to_thread.run_sync(self._validation.answer_problems, operation, value)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request and its response, redirects within the origin included."""

    client: httpx2.AsyncClient
    call: Call
    request: WireRequest
    base: str
    seconds: float
    limit: int

    async def perform(self) -> _Response:
        """The response.

        Raises:
            UpstreamError: there was no answer, or it was too large.
        """
        what = self.call.operation.id
        try:
            with anyio.fail_after(self.seconds):
                return await self._attempts()
        except TimeoutError:
            raise UpstreamUnavailable(
                f"{what}: no complete answer within {self.seconds:g} s (the upstream's `timeout`)",
                hint=self._aftermath(),
            ) from None
        except LimitExceeded as error:
            raise UpstreamError(
                f"{what}: {error} (limits.{error.limit})", hint="ask for less: fewer fields, a smaller page, a filter"
            ) from None
        except TRANSPORT_ERRORS as error:
            raise self._untransported(error) from None

    async def _attempts(self) -> _Response:
        """Send; a read whose connection was closed while it was idle is sent once more."""
        try:
            return await self._follow()
        except TRANSPORT_ERRORS as error:
            if self.request.method not in _SAFE or "disconnected" not in str(error).lower():
                raise
        return await self._follow()

    async def _follow(self) -> _Response:
        url = httpx2.URL(self.base + self.request.target)
        for _ in range(MAX_HOPS + 1):
            status, headers, content = await self._send(url)
            location = headers.get("location", "")
            if self.request.method not in _SAFE or status not in (301, 302, 303, 307, 308) or not location:
                return status, headers, content
            there = url.join(location)
            if origin(str(there)) != origin(str(url)):
                return status, headers, content
            url = there
        raise UpstreamError(f"{self.call.operation.id}: it redirects more than {MAX_HOPS} times")

    async def _send(self, url: httpx2.URL) -> _Response:
        request = self.client.build_request(
            self.request.method, url, headers=_raw_headers(self.request), content=self.request.content
        )
        response = await self.client.send(request, stream=True)
        try:
            content = await read_bounded(response, self.limit)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
        return response.status_code, dict(response.headers.items()), content

    def _untransported(self, error: Exception) -> UpstreamError:
        what, kind = self.call.operation.id, type(error).__name__
        if isinstance(error, AddressRefused):
            hint = "the user can set base_url to allow it"
            return UpstreamUnavailable(f"{what}: not sent: {error}", hint=hint, sent=False)
        if isinstance(error, NEVER_SENT):
            told = f"{what}: no connection ({kind}: {error})"[:400]
            return UpstreamUnavailable(told, hint="nothing was sent", sent=False)
        return UpstreamUnavailable(f"{what}: the connection failed ({kind}: {error})"[:400], hint=self._aftermath())

    def _aftermath(self) -> str:
        if self.call.operation.effect is Effect.READ:
            return "it was only a read: try again"
        return "it may have happened: look before you repeat it"


def _raw_headers(request: WireRequest) -> list[tuple[bytes, bytes]]:
    headers = list(request.headers)
    if request.cookies:
        headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in request.cookies)))
    return [(name.encode(), value.encode("utf-8", "replace")) for name, value in headers]


def _with_accept(request: WireRequest, accept: str) -> WireRequest:
    if any(name.lower() == "accept" for name, _ in request.headers):
        return request
    return replace(request, headers=(("Accept", accept), *request.headers))
