"""MCP over HTTP: the SDK's Streamable HTTP transport on a bounded client, and the older SSE transport.

The SDK's transport loses the status of a refusal, ends the whole session where one request cannot be sent, and reads
JSON answers of any size. The client here answers in the server's stead instead, with a JSON-RPC error that carries the
status: the SDK passes such a body on to the caller that it concerns.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client import Transport
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCRequest

from isthmus.config.model import Auth
from isthmus.errors import PermissionDenied, UpstreamError, UpstreamUnavailable
from isthmus.model import Credential, Tokens
from isthmus.upstreams.mcp_wire import Inbox
from isthmus.upstreams.words import one_line

HTTP_REFUSED = -32092
"""Our code of an error answer for an HTTP status of 400 or more; data: {status, retry_after, body}."""

HTTP_UNREACHED = -32093
"""Our code of an error answer for a request that was never sent."""

HTTP_BROKEN = -32094
"""Our code of an error answer for a request that may have been sent, and whose answer cannot be had."""

SESSION_ENDED = -32095
"""Our code of an error answer for a request that was refused because the server has forgotten the session."""

NO_TOKEN = -32096
"""Our code of an error answer for a request that was not sent, as there is no access token; data: {hint, denied}."""

_PATIENCE = 5.0  # seconds beyond a call's own, and for what is no call
_REFUSAL_BYTES = 65_536
_SESSION_HEADER = "mcp-session-id"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an MCP server is, what it is told of us, and how long it may take (s) and talk (bytes) for one answer."""

    url: str
    seconds: float
    limit: int
    credential: Credential = field(default_factory=Credential, repr=False)


def credential_of(auth: Auth | None, tokens: Tokens | None = None) -> Credential:
    """What the configuration says that an HTTP upstream accepts; access tokens are had from `tokens`."""
    if auth is None:
        return Credential(tokens=tokens)
    headers = {name: value.get_secret_value() for name, value in auth.headers.items()}
    places: dict[str, dict[str, str]] = {"header": headers, "query": {}, "cookie": {}}
    if auth.bearer is not None:
        headers["Authorization"] = f"Bearer {auth.bearer.get_secret_value()}"
    if auth.basic is not None:
        pair = f"{auth.basic.username}:{auth.basic.password.get_secret_value()}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    if auth.api_key is not None:
        places[auth.api_key.location][auth.api_key.name] = auth.api_key.value.get_secret_value()
    return Credential(headers=headers, query=places["query"], cookies=places["cookie"], tokens=tokens)


class HttpChannel:
    """Streamable HTTP."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def open(self) -> Transport:
        """Nothing is sent before the first message."""
        return self._open()

    def remarks(self) -> tuple[str, ...]:
        """None: the SDK reads the answers."""
        return ()

    def epitaph(self) -> str:
        """Nothing beyond what the error says."""
        return ""

    def last_words(self) -> str:
        """None: what it says of itself, it says in its answers."""
        return ""

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Any]:
        limit = self._endpoint.limit
        async with (
            BoundedClient(self._endpoint) as client,
            streamable_http_client(self._endpoint.url, http_client=client, max_sse_event_size=limit) as streams,
        ):
            yield streams


class BoundedClient(httpx2.AsyncClient):
    """An HTTP client to one endpoint that bounds every answer in bytes and seconds, and turns failures into answers.

    GET requests carry streams that stay open, and `subscriptions/listen` too: those have no time limit.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        credential = endpoint.credential
        super().__init__(
            # A compressed answer could be a thousand times what was counted.
            headers={"accept-encoding": "identity", "user-agent": "isthmus", **credential.headers},
            params=dict(credential.query) or None,
            cookies=dict(credential.cookies) or None,
            timeout=httpx2.Timeout(30.0, connect=10.0),
        )
        self._endpoint = endpoint

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send; a POST that fails is answered with a JSON-RPC error in the server's stead."""
        seconds = self._seconds(request)
        request.extensions["timeout"] = httpx2.Timeout(30.0, connect=10.0, read=seconds).as_dict()
        try:
            response = await self._authorized(request, **options)
        except (httpx2.TransportError, UpstreamError) as error:
            if request.method == "GET":
                raise
            return _failure(request, error) if isinstance(error, httpx2.TransportError) else _tokenless(request, error)
        if request.method != "POST":
            return response
        if response.status_code >= 400:
            return await _refusal(request, response)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            return _stand_in(request, 502, HTTP_BROKEN, "it compresses its answers, though asked not to", {})
        streaming = response.headers.get("content-type", "").startswith("text/event-stream")
        limit = self._endpoint.limit * (2 if streaming else 1)  # a stream holds more than the answer
        response.stream = Bounded(response.stream, None if seconds is None and streaming else limit, seconds)
        return response

    async def _authorized(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send with an access token, where there are such; with another one, once, where the first is refused."""
        tokens, ours = self._endpoint.credential.tokens, httpx2.URL(self._endpoint.url)
        if tokens is None or _origin(request.url) != _origin(ours):
            return await super().send(request, **options)
        token = await tokens.token()
        request.headers["Authorization"] = f"Bearer {token}"
        response = await super().send(request, **options)
        if response.status_code != 401 or (other := await self._other(tokens, token, response)) is None:
            return response
        await response.aclose()
        request.headers["Authorization"] = f"Bearer {other}"
        return await super().send(request, **options)

    async def _other(self, tokens: Tokens, refused: str, response: httpx2.Response) -> str | None:
        try:
            return await tokens.other(refused)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await response.aclose()
            raise

    def _seconds(self, request: httpx2.Request) -> float | None:
        if request.method == "GET" or request.headers.get("mcp-method") == "subscriptions/listen":
            return None
        is_call = request.method == "POST" and b'"method":"notifications/' not in request.content[:100]
        return self._endpoint.seconds + _PATIENCE if is_call else _PATIENCE


class Bounded(httpx2.AsyncByteStream):
    """A body of at most so many bytes and seconds; beyond, and where the connection breaks, it is a StreamError."""

    def __init__(self, inner: Any, limit: int | None, seconds: float | None) -> None:
        self._inner = inner
        self._limit = limit
        self._deadline = None if seconds is None else anyio.current_time() + seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for chunk in self._inner:
                size += len(chunk)
                if self._limit is not None and size > self._limit:
                    raise httpx2.StreamError(f"it is over the limit of {self._limit:,} bytes (limits.answer_bytes)")
                if self._deadline is not None and anyio.current_time() > self._deadline:
                    raise httpx2.StreamError("it took too long")
                yield chunk
        except httpx2.TransportError as error:
            raise httpx2.StreamError(f"the connection broke: {error or type(error).__name__}") from error

    async def aclose(self) -> None:
        """Close the body, and so its connection."""
        await self._inner.aclose()


class SseChannel:
    """The HTTP+SSE transport of 2024-11-05: one stream of events from the server, one POST for each message to it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._inbox = Inbox(endpoint.limit)

    def open(self) -> Transport:
        """Open the stream of events, and learn where messages are to be sent."""
        return self._open()

    def remarks(self) -> tuple[str, ...]:
        """What it sent that is no message."""
        return self._inbox.remarks()

    def epitaph(self) -> str:
        """Nothing beyond what the error says."""
        return ""

    def last_words(self) -> str:
        """None: what it says of itself, it says in its answers."""
        return ""

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Any]:
        stream = {"accept": "text/event-stream", "cache-control": "no-store"}
        async with (
            BoundedClient(self._endpoint) as client,
            client.stream("GET", self._endpoint.url, headers=stream, follow_redirects=False) as response,
        ):
            _demand_success(response)
            events = aiter(httpx2.EventSource(response, max_event_size=self._endpoint.limit))
            messages = await self._endpoint_of(events)
            arriving, arrived = anyio.create_memory_object_stream[SessionMessage | Exception](0)
            leaving, left = anyio.create_memory_object_stream[SessionMessage](0)
            async with arriving, arrived, leaving, left, anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, events, arriving)
                tasks.start_soon(self._write, client, messages, left, arriving)
                yield arrived, leaving
                tasks.cancel_scope.cancel()

    async def _endpoint_of(self, events: AsyncIterator[httpx2.ServerSentEvent]) -> httpx2.URL:
        async for event in events:
            if event.event != "endpoint":
                continue
            ours = httpx2.URL(self._endpoint.url)
            theirs = ours.join(event.data)
            if _origin(theirs) != _origin(ours):
                raise UpstreamUnavailable(f"it wants messages sent to another origin, {one_line(str(theirs), 200)}")
            return theirs
        raise UpstreamUnavailable("its stream of events ended before it said where to send messages")

    async def _read(
        self,
        events: AsyncIterator[httpx2.ServerSentEvent],
        sink: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        async with sink:
            try:
                async for event in events:
                    for message in self._inbox.read(event.data.encode("utf-8", "replace")):
                        await sink.send(SessionMessage(message))
            except (httpx2.TransportError, httpx2.StreamError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return  # the end of the sink tells the session

    async def _write(
        self,
        client: httpx2.AsyncClient,
        url: httpx2.URL,
        source: MemoryObjectReceiveStream[SessionMessage],
        sink: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        async with anyio.create_task_group() as posts:
            async for item in source:
                posts.start_soon(self._post, client, url, item, sink)

    async def _post(
        self,
        client: httpx2.AsyncClient,
        url: httpx2.URL,
        item: SessionMessage,
        sink: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        message, metadata = item.message, item.metadata
        content = message.model_dump_json(by_alias=True, exclude_unset=True)
        headers = {"content-type": "application/json"}
        if isinstance(metadata, ClientMessageMetadata):
            headers |= metadata.headers or {}
        response = await client.post(url, content=content, headers=headers, follow_redirects=False)
        if response.status_code < 300 or not isinstance(message, JSONRPCRequest):
            return
        reply = JSONRPCError(jsonrpc="2.0", id=message.id, error=_error_of(response))
        try:
            await sink.send(SessionMessage(reply))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # the session is over


def _demand_success(response: httpx2.Response) -> None:
    if response.status_code == 200:
        return
    status = f"HTTP {response.status_code} {response.reason_phrase}"
    if response.status_code in (401, 403):
        raise PermissionDenied(status, status=response.status_code)
    location = response.next_request.url.copy_with(userinfo=b"", query=None) if response.next_request else None
    moved = f": it redirects to {location}" if location else ""
    raise UpstreamUnavailable(status + moved, status=response.status_code, hint="correct `url`" if moved else "")


def _error_of(response: httpx2.Response) -> ErrorData:
    body = _json_rpc_error(response.content)
    if body is not None:
        return ErrorData.model_construct(code=body["code"], message=body["message"], data=body.get("data"))
    data = {"status": response.status_code}
    return ErrorData(code=HTTP_REFUSED, message=f"HTTP {response.status_code} {response.reason_phrase}", data=data)


def _failure(request: httpx2.Request, error: httpx2.TransportError) -> httpx2.Response:
    """The answer in place of one to a request that got none."""
    unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    origin = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace').rpartition('@')[2]}"
    reason = one_line(str(error), 200) or type(error).__name__
    if unsent:
        return _stand_in(request, 503, HTTP_UNREACHED, f"{origin} cannot be reached: {reason}", {})
    return _stand_in(request, 502, HTTP_BROKEN, f"the connection to {origin} broke: {reason}", {})


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _tokenless(request: httpx2.Request, error: UpstreamError) -> httpx2.Response:
    """The answer in place of one to a request that was not sent, as there is no access token for it."""
    data = {"hint": error.hint, "denied": isinstance(error, PermissionDenied)}
    return _stand_in(request, 401, NO_TOKEN, error.message, data)


async def _refusal(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """A refusal with the status in it, unless it is an error of the protocol that says more."""
    body = await _beginning(response)
    status, error = response.status_code, _json_rpc_error(body)
    message = error["message"] if error else ""
    if _SESSION_HEADER in request.headers and (
        (status == 404 and not error) or (status in (400, 404) and re.search(r"(?i)\bsession\b", message))
    ):
        return _stand_in(request, status, SESSION_ENDED, "the server has ended the session", {})
    if error and status not in (401, 403, 429):
        return _stand_in(request, status, error["code"], message, error.get("data"))
    retry_after = response.headers.get("retry-after", "")
    details = {
        "status": status,
        "retry_after": float(retry_after) if re.fullmatch(r"\d{1,6}", retry_after) else None,
        "body": body.decode("utf-8", "replace")[:2000],
        "scope": _scope_wanted(response),
    }
    title = f"HTTP {status} {response.reason_phrase}".strip()
    return _stand_in(request, status, HTTP_REFUSED, f"{title}: {message}" if message else title, details)


def _scope_wanted(response: httpx2.Response) -> str:
    """The scopes that an access token lacks, where that is why the request was refused (RFC 6750, 3.1)."""
    challenge = response.headers.get("www-authenticate", "") if response.status_code == 403 else ""
    found = re.search(r'scope="([\x21\x23-\x5b\x5d-\x7e ]{1,500})"', challenge)
    return found[1] if found and "insufficient_scope" in challenge else ""


async def _beginning(response: httpx2.Response) -> bytes:
    body = b""
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _REFUSAL_BYTES:
                break
    except (httpx2.TransportError, httpx2.StreamError):
        pass  # what there is of it will do
    finally:
        await response.aclose()
    return body[:_REFUSAL_BYTES]


def _json_rpc_error(body: bytes) -> dict[str, Any] | None:
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return None
    error = decoded.get("error") if isinstance(decoded, Mapping) else None
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        return None
    return {**error, "message": str(error.get("message") or "")}


def _stand_in(request: httpx2.Request, status: int, code: int, message: str, data: Any) -> httpx2.Response:
    error = {"code": code, "message": message, "data": data}
    return httpx2.Response(status, json={"jsonrpc": "2.0", "id": None, "error": error}, request=request)
