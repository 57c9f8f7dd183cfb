"""An OpenAPI service as an upstream: its document read, its operations called over HTTP."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx2

from isthmus.config.model import UpstreamConfig
from isthmus.errors import ConfigurationError, LimitExceeded, UpstreamError, UpstreamUnavailable
from isthmus.model import Answer, Call, Credential, Effect, Operation, UpstreamSnapshot, UpstreamState
from isthmus.openapi.answers import Undecodable, decode, failure
from isthmus.openapi.document import OpenApiDocument, read_document
from isthmus.openapi.nodes import mapping_of, text_of
from isthmus.openapi.operations import Compiled, compile_operations
from isthmus.openapi.packed import ReadDocument
from isthmus.openapi.plan import Plan, read_plan
from isthmus.openapi.requests import WireRequest, build_request, with_credential
from isthmus.openapi.security import Reserved, Scheme, combined, expectation, security_schemes
from isthmus.openapi.servers import Server, address_problem, choose_server, is_loopback, local_server, origin
from isthmus.ports import Publish
from isthmus.upstreams.backoff import Backoff
from isthmus.upstreams.documents import MAX_HOPS, changed_document, digest_of, document_source, fetch_document
from isthmus.upstreams.reading import read_bounded
from isthmus.upstreams.transport import NEVER_SENT, TRANSPORT_ERRORS, AddressRefused, open_client
from isthmus.validation import Validation
from isthmus_sandbox.values import clean

MAX_PLANS = 2_000
"""Plans of operations that are kept once they have been called."""

_BACKOFF = Backoff(first=1.0)  # between two attempts to load a document
_SAFE = ("GET", "HEAD", "OPTIONS")
_MAX_PURPOSE = 200
_LARGE = 200_000  # bytes of a document, perhaps gzipped, whose reading takes long enough to be told of
_AT_ONCE = 65_536  # bytes of an answer that are checked at once; larger ones are checked in a thread


Read = Callable[[bytes, str, str, Reserved], Awaitable[ReadDocument]]
"""Reads a document: its bytes, where they are from, the upstream's name, places of its credentials. See `read_anew`."""


async def read_anew(content: bytes, source: str, upstream: str, reserved: Reserved) -> ReadDocument:
    """The document and its operations, read in a thread: a large one takes seconds.

    Raises:
        ConfigurationError: the bytes are no document that we know.
    """

    def read() -> ReadDocument:
        document = read_document(content, source)
        return ReadDocument(document, compile_operations(document, upstream, reserved=reserved))

    return await anyio.to_thread.run_sync(read)


_Response = tuple[int, Mapping[str, str], bytes]
"""Status, headers (in lower case) and decoded body."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an HttpUpstream is given beside its configuration."""

    folder: Path = field(default_factory=Path)  # relative paths of documents are relative to it
    answer_bytes: int = 33_554_432
    connections: int = 100
    transport: httpx2.AsyncBaseTransport | None = None  # in place of the network
    pause: Callable[[float], Awaitable[None]] = anyio.sleep  # between two attempts to load a document
    watch: Callable[[float], Awaitable[None]] = anyio.sleep  # before it is looked at again
    now: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
    read: Read = read_anew  # or from what was kept of it


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A document that has been read, and what calls need of it."""

    document: OpenApiDocument
    server: Server
    schemes: Mapping[str, Scheme]
    compiled: Compiled
    key: str  # what the operations were made of; empty where they are not kept
    digest: str  # of the document's bytes
    warnings: tuple[str, ...]
    unreachable: str  # why calls cannot be sent; empty where they can


class HttpUpstream:
    """One OpenAPI service; see `ports.Upstream`."""

    def __init__(self, name: str, config: UpstreamConfig, settings: Settings | None = None) -> None:
        self._name = name
        self._config = config
        self._settings = settings or Settings()
        self._validation = Validation()
        self._checking = anyio.Lock()
        self._plans: dict[str, tuple[Operation, Plan]] = {}
        self._loaded: _Loaded | None = None
        self._client: httpx2.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"HttpUpstream({self._name!r}, {self._config.openapi!r})"

    @property
    def name(self) -> str:
        """The Python name by which programs know it."""
        return self._name

    async def run(self, publish: Publish) -> None:
        """Load the document, again until that succeeds, and keep connections for calls until cancelled.

        Where the document changes it is read beside, and published once that is done. Calls under way go on.
        """
        publish(UpstreamSnapshot(self._name, UpstreamState.CONNECTING))
        loaded = await self._load_at_last(publish)
        server: Server | None = None
        async with AsyncExitStack() as clients:
            try:
                while True:
                    if loaded.server != server:
                        server = loaded.server
                        self._client = await clients.enter_async_context(self._opened(server))
                    self._loaded = loaded
                    publish(self._ready(loaded))
                    loaded = await self._changed(loaded, publish)
            finally:
                self._client = None

    def _opened(self, server: Server) -> httpx2.AsyncClient:
        return open_client(
            trusted=server.trusted,
            tls=server.url.startswith("https://"),
            timeout=self._config.timeout,
            connections=self._settings.connections,
            transport=self._settings.transport,
        )

    async def call(self, call: Call, credential: Credential | None) -> Answer:
        """Perform one call.

        Raises:
            UpstreamError: or one of its kinds.
        """
        loaded, client = self._loaded, self._client
        if loaded is None or client is None:
            raise UpstreamUnavailable(f"{self._name} is not connected", hint="try again in a moment", sent=False)
        if loaded.unreachable:
            raise UpstreamUnavailable(f"{self._name}: {loaded.unreachable}", sent=False)
        plan = self._plan(call.operation)
        response = await self._sent(call, plan, loaded, client, credential)
        status, headers, content = response
        if not 200 <= status < 300:
            raise self._failure(call, plan, loaded, credential, response)
        return await self._answer(call, plan, status, headers, content)

    async def _sent(
        self, call: Call, plan: Plan, loaded: _Loaded, client: httpx2.AsyncClient, credential: Credential | None
    ) -> _Response:
        """What was answered. Where an access token is refused, nothing was done: it is sent once more with another."""

        async def sent(credential: Credential | None) -> _Response:
            url, request = self._request(call, plan, loaded, credential)
            exchange = _Exchange(client, call, request, url, self._config.timeout, self._settings.answer_bytes)
            return await exchange.perform()

        if credential is None or (tokens := credential.tokens) is None:
            return await sent(credential)
        token = await tokens.token()
        response = await sent(credential.bearing(token))
        if response[0] == 401 and (other := await tokens.other(token)) is not None:
            response = await sent(credential.bearing(other))
        return response

    async def _load_at_last(self, publish: Publish) -> _Loaded:
        failures = 0
        while True:
            try:
                return await self._load(publish)
            except (ConfigurationError, UpstreamError) as error:
                publish(self._failed(_problem(error)))
            failures += 1
            await self._settings.pause(_BACKOFF.delay(failures, self._settings.random))

    def _failed(self, problem: str) -> UpstreamSnapshot:
        """The model is told of the document by its name; where it lies is the operator's affair."""
        openapi = self._config.openapi or ""
        if "://" in openapi:
            return UpstreamSnapshot(self._name, UpstreamState.FAILED, problem=problem)
        path = (self._settings.folder / Path(openapi).expanduser()).absolute()
        told = problem.replace(str(path), path.name)
        return UpstreamSnapshot(self._name, UpstreamState.FAILED, problem=told, detail=f"the document is {path}")

    async def _load(self, publish: Publish) -> _Loaded:
        source = document_source(self._config.openapi or "", self._settings.folder)
        content = await fetch_document(source, self._settings.transport)
        if len(content) >= _LARGE:
            reading = f"its document of {len(content) / 1e6:.1f} MB is being read"
            publish(UpstreamSnapshot(self._name, UpstreamState.CONNECTING, problem=reading))
        return await self._read(content, source)

    async def _changed(self, loaded: _Loaded, publish: Publish) -> _Loaded:
        """What the document says when it says something else; while that is nothing of use, the former is kept."""
        source = document_source(self._config.openapi or "", self._settings.folder)
        known = loaded.digest
        while True:
            content = await changed_document(source, known, self._settings.transport, self._settings.watch)
            known = digest_of(content)
            try:
                return await self._read(content, source)
            except (ConfigurationError, UpstreamError) as error:
                problem = self._failed(_problem(error)).problem
                warning = f"its document has changed, and the former one is used: {problem}"
                publish(replace(self._ready(loaded), warnings=(warning, *loaded.warnings)))

    async def _read(self, content: bytes, source: str) -> _Loaded:
        read = await self._settings.read(content, source, self._name, _places(self._config))
        return await anyio.to_thread.run_sync(self._checked, read, digest_of(content))

    def _checked(self, read: ReadDocument, digest: str) -> _Loaded:
        """What calls need of a document, which is held against the configuration."""
        document = read.document
        server = choose_server(document, self._config.base_url, self._config.server_variables)
        schemes = security_schemes(document.schemas)
        self._check_credentials(schemes, document, server)
        unreachable = self._unreachable(document, server)
        elsewhere = [read.compiled.operations[place] for place in read.compiled.elsewhere]
        foreign = _foreign_servers(elsewhere, document, server, self._config.server_variables)
        warnings = (*((unreachable,) if unreachable else ()), *foreign, *read.compiled.warnings)
        return _Loaded(document, server, schemes, read.compiled, read.key, digest, warnings, unreachable)

    def _check_credentials(self, schemes: Mapping[str, Scheme], document: OpenApiDocument, server: Server) -> None:
        """
        Raises:
            ConfigurationError: a credential is for a scheme that is not there, or would travel unprotected.
        """
        auth = self._config.auth
        if auth is None:
            return
        if unknown := [name for name in auth.schemes if name not in schemes]:
            raise ConfigurationError(
                f"auth.schemes names {', '.join(unknown)}, which the document does not have",
                file=document.source,
                remedy=f"it has {', '.join(schemes) or 'none'}; or use bearer, basic, api_key, headers or oauth2",
            )
        if server.url.startswith("http://") and not is_loopback(server.url):
            raise ConfigurationError(
                f"{server.url} is not encrypted, so the credential would travel in the open",
                file=document.source,
                remedy="set base_url to an https URL, or remove auth",
            )

    def _unreachable(self, document: OpenApiDocument, server: Server) -> str:
        """Why calls are not sent to a server that the document names, and the operator does not."""
        host = urlsplit(server.url).hostname or ""
        if problem := address_problem(host, trusted=server.trusted):
            return f"the document's server {server.url} is not called: {problem}. Set base_url to allow it"
        downloaded = document.source.startswith(("http://", "https://"))
        if self._config.auth and downloaded and not server.trusted and origin(server.url) != origin(document.source):
            return (
                f"the document was fetched from {origin(document.source)} and names {server.url} as its server: "
                "the credential is not sent there until base_url confirms it"
            )
        return ""

    def _ready(self, loaded: _Loaded) -> UpstreamSnapshot:
        info = mapping_of(loaded.document.root.get("info"))
        purpose = self._config.description or text_of(info.get("title")) or text_of(info.get("description"))
        return UpstreamSnapshot(
            self._name,
            UpstreamState.READY,
            loaded.compiled.operations,
            purpose=" ".join(purpose.split())[:_MAX_PURPOSE],
            warnings=loaded.warnings,
            digest=loaded.key,
        )

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
        self, call: Call, plan: Plan, loaded: _Loaded, credential: Credential | None
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
        loaded: _Loaded,
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


def _problem(error: ConfigurationError | UpstreamError) -> str:
    if isinstance(error, ConfigurationError) or not error.hint:
        return str(error)
    return f"{error} ({error.hint})"


def _raw_headers(request: WireRequest) -> list[tuple[bytes, bytes]]:
    headers = list(request.headers)
    if request.cookies:
        headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in request.cookies)))
    return [(name.encode(), value.encode("utf-8", "replace")) for name, value in headers]


def _with_accept(request: WireRequest, accept: str) -> WireRequest:
    if any(name.lower() == "accept" for name, _ in request.headers):
        return request
    return replace(request, headers=(("Accept", accept), *request.headers))


def _places(config: UpstreamConfig) -> Reserved:
    """The places that the configured credentials fill, beside those of the document's security schemes."""
    auth = config.auth
    if auth is None:
        return frozenset()
    places: set[tuple[Literal["header", "query", "cookie"], str]] = {("header", name.lower()) for name in auth.headers}
    if key := auth.api_key:
        places.add((key.location, key.name.lower() if key.location == "header" else key.name))
    return frozenset(places)


def _foreign_servers(
    operations: Sequence[Operation], document: OpenApiDocument, server: Server, variables: Mapping[str, str]
) -> tuple[str, ...]:
    """One warning on all of these operations that name a server of another origin, which is not followed."""
    paths = mapping_of(document.root.get("paths"))
    found: dict[str, str] = {}
    for operation in operations:
        if operation.route is None:
            continue
        item = mapping_of(paths.get(operation.route.path))
        node = mapping_of(item.get(operation.route.method.lower()))
        _, elsewhere = local_server(item, node, document, server, variables)
        if elsewhere:
            found[operation.original] = elsewhere
    if not found:
        return ()
    some = ", ".join(f"{name} ({url})" for name, url in list(found.items())[:3])
    return (
        f"{len(found)} operations name a server of another origin than {server.url}, such as {some:.300}: "
        "that is ignored, and their calls go to the configured one",
    )
