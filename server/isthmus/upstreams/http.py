"""An OpenAPI service as an upstream: its document read, its operations called over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from isthmus.config.model import UpstreamConfig
from isthmus.errors import ConfigurationError, UpstreamError, UpstreamUnavailable
from isthmus.model import Answer, Call, Credential, Operation, UpstreamSnapshot, UpstreamState
from isthmus.openapi.document import OpenApiDocument
from isthmus.openapi.nodes import mapping_of, text_of
from isthmus.openapi.packed import ReadDocument
from isthmus.openapi.security import Reserved, Scheme, security_schemes
from isthmus.openapi.servers import Server, address_problem, choose_server, is_loopback, local_server, origin
from isthmus.ports import Publish
from isthmus.upstreams.backoff import Backoff
from isthmus.upstreams.documents import changed_document, digest_of, document_source, fetch_document
from isthmus.upstreams.http_settings import Loaded, Settings

if TYPE_CHECKING:
    from isthmus.upstreams.http_calls import HttpCalls

CALLS = "isthmus.upstreams.http_calls"
"""What performs calls. With the HTTP client it takes long to import, and many a process only searches."""

_BACKOFF = Backoff(first=1.0)  # between two attempts to load a document
_MAX_PURPOSE = 200
_LARGE = 200_000  # bytes of a document, perhaps gzipped, whose reading takes long enough to be told of


class HttpUpstream:
    """One OpenAPI service; see `ports.Upstream`."""

    def __init__(self, name: str, config: UpstreamConfig, settings: Settings | None = None) -> None:
        self._name = name
        self._config = config
        self._settings = settings or Settings()
        self._loaded: Loaded | None = None
        self._opened = AsyncExitStack()  # all that calls were performed by
        self._calls: HttpCalls | None = None  # there are none before the first call

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
        async with self._opened:
            try:
                while True:
                    self._loaded = loaded
                    publish(self._ready(loaded))
                    loaded = await self._changed(loaded, publish)
            finally:
                self._loaded = self._calls = None

    async def call(self, call: Call, credential: Credential | None) -> Answer:
        """Perform one call.

        Raises:
            UpstreamError: or one of its kinds.
        """
        if self._calls is None:
            await anyio.to_thread.run_sync(import_module, CALLS)
        loaded = self._loaded
        if loaded is None:
            raise UpstreamUnavailable(f"{self._name} is not connected", hint="try again in a moment", sent=False)
        if loaded.unreachable:
            raise UpstreamUnavailable(f"{self._name}: {loaded.unreachable}", sent=False)
        return await self._performing(loaded.server).perform(call, loaded, credential)

    def _performing(self, server: Server) -> HttpCalls:
        """What performs calls to a server. Where the document comes to name another, calls under way go on."""
        if self._calls is None or self._calls.server != server:
            from isthmus.upstreams.http_calls import HttpCalls

            self._calls = HttpCalls(self._config, self._settings, server)
            self._opened.push_async_callback(self._calls.aclose)
        return self._calls

    async def _load_at_last(self, publish: Publish) -> Loaded:
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

    async def _load(self, publish: Publish) -> Loaded:
        source = document_source(self._config.openapi or "", self._settings.folder)
        content = await fetch_document(source, self._settings.transport)
        if len(content) >= _LARGE:
            reading = f"its document of {len(content) / 1e6:.1f} MB is being read"
            publish(UpstreamSnapshot(self._name, UpstreamState.CONNECTING, problem=reading))
        return await self._read(content, source)

    async def _changed(self, loaded: Loaded, publish: Publish) -> Loaded:
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

    async def _read(self, content: bytes, source: str) -> Loaded:
        digest = await anyio.to_thread.run_sync(digest_of, content)
        read = await self._settings.read(content, digest, source, self._name, _places(self._config))
        return await anyio.to_thread.run_sync(self._checked, read, digest)

    def _checked(self, read: ReadDocument, digest: str) -> Loaded:
        """What calls need of a document, which is held against the configuration."""
        document = read.document
        server = choose_server(document, self._config.base_url, self._config.server_variables)
        schemes = security_schemes(document.schemas)
        self._check_credentials(schemes, document, server)
        unreachable = self._unreachable(document, server)
        elsewhere = [read.compiled.operations[place] for place in read.compiled.elsewhere]
        foreign = _foreign_servers(elsewhere, document, server, self._config.server_variables)
        warnings = (*((unreachable,) if unreachable else ()), *foreign, *read.compiled.warnings)
        return Loaded(document, server, schemes, read.compiled, read.key, digest, warnings, unreachable)

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

    def _ready(self, loaded: Loaded) -> UpstreamSnapshot:
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


def _problem(error: ConfigurationError | UpstreamError) -> str:
    if isinstance(error, ConfigurationError) or not error.hint:
        return str(error)
    return f"{error} ({error.hint})"


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
