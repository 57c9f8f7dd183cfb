"""What the tests of this folder share: documents, and upstreams that are up."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.simulators.openapi_service import OpenApiService
from tests.simulators.watch import Watch

from isthmus.config.model import UpstreamConfig
from isthmus.credentials.static import credential_from
from isthmus.model import Answer, Call, Operation, Principal, UpstreamSnapshot
from isthmus.openapi.document import OpenApiDocument, read_document
from isthmus.openapi.operations import Compiled, compile_operations
from isthmus.upstreams.http import HttpUpstream
from isthmus.upstreams.http_settings import Settings


def document_of(**parts: Any) -> OpenApiDocument:
    """A 3.1 document of the given parts."""
    return read_document(json.dumps({"openapi": "3.1.0", "info": {}, "paths": {}, **parts}).encode(), "test.json")


class Running:
    """An upstream that is up, and the service behind it."""

    def __init__(self, upstream: HttpUpstream, service: OpenApiService, snapshot: UpstreamSnapshot, auth: Any) -> None:
        self.upstream = upstream
        self.service = service
        self.snapshot = snapshot
        self._auth = auth

    @property
    def operations(self) -> dict[str, Operation]:
        return {operation.original: operation for operation in self.snapshot.operations}

    async def call(self, original: str, /, **arguments: Any) -> Any:
        return (await self.answer(original, **arguments)).value

    async def answer(self, original: str, /, **arguments: Any) -> Answer:
        call = Call(self.operations[original], arguments, Principal())
        credential = credential_from(self._auth) if self._auth else None
        return await self.upstream.call(call, credential)


Up = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def up(tmp_path: Path) -> Up:
    """`async with up(document, **configuration) as running`: an upstream over a simulated service."""

    @asynccontextmanager
    async def start(root: Mapping[str, Any], **configuration: Any) -> AsyncIterator[Running]:
        path = tmp_path / "document.json"
        path.write_text(json.dumps(root))
        settings = configuration.pop("settings", {})
        config = UpstreamConfig.model_validate(
            {"openapi": str(path), "base_url": "https://api.test/v1", **configuration}
        )
        service = OpenApiService(root)
        settings = {"transport": service.transport(), **settings}
        async with running(config, service, **settings) as one:
            yield one

    return start


@asynccontextmanager
async def running(config: UpstreamConfig, service: OpenApiService, **settings: Any) -> AsyncIterator[Running]:
    """An upstream that has published that it is ready."""
    upstream = HttpUpstream("api", config, Settings(**settings))
    watch = Watch()
    async with anyio.create_task_group() as group:
        group.start_soon(upstream.run, watch)
        snapshot = await watch.settled()
        yield Running(upstream, service, snapshot, config.auth)
        group.cancel_scope.cancel()


@pytest.fixture(scope="session")
def real(test_data: Path) -> Callable[[str], OpenApiDocument]:
    """A real document by name."""
    return lambda name: read_document((test_data / "specs" / f"{name}.json.gz").read_bytes(), f"{name}.json.gz")


@pytest.fixture(scope="session")
def real_root(test_data: Path) -> Callable[[str], dict[str, Any]]:
    """The plain data of a real document by name."""
    return lambda name: json.loads(gzip.decompress((test_data / "specs" / f"{name}.json.gz").read_bytes()))


@pytest.fixture
def attack(test_data: Path) -> Callable[[str], Compiled]:
    """The operations of an adversarial document, by the beginning of its file's name."""

    def compile_it(prefix: str) -> Compiled:
        path = next((test_data / "attacks" / "specs").glob(f"{prefix}*"))
        return compile_operations(read_document(path.read_bytes(), path.name), "api")

    return compile_it
