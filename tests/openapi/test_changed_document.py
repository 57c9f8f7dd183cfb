"""A document that changes while the server lives: read beside, published whole, and calls go on meanwhile."""

import json
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from tests.simulators.openapi_service import OpenApiService

from isthmus.config.model import UpstreamConfig
from isthmus.model import Call, Principal, UpstreamSnapshot, UpstreamState
from isthmus.upstreams.documents import FILE_LOOKED_AT, URL_LOOKED_AT
from isthmus.upstreams.http import HttpUpstream
from isthmus.upstreams.http_settings import Settings

pytestmark = pytest.mark.anyio


def document(*names: str, server: str = "https://api.test") -> dict[str, Any]:
    paths = {f"/{name}": {"get": {"operationId": name, "responses": {}}} for name in names}
    return {"openapi": "3.1.0", "info": {"title": "API"}, "servers": [{"url": server}], "paths": paths}


class Watched:
    """An upstream whose document is looked at again when `look` is called."""

    def __init__(self, config: UpstreamConfig, transport: httpx2.AsyncBaseTransport) -> None:
        self.published: list[UpstreamSnapshot] = []
        self.news = anyio.Event()
        self.turn = anyio.Event()
        self.waited: list[float] = []
        self.upstream = HttpUpstream("api", config, Settings(transport=transport, watch=self._watch))

    async def _watch(self, seconds: float) -> None:
        self.waited.append(seconds)
        await self.turn.wait()
        self.turn = anyio.Event()

    def publish(self, snapshot: UpstreamSnapshot) -> None:
        self.published.append(snapshot)
        self.news.set()

    async def until(self, met: Callable[[UpstreamSnapshot], bool]) -> UpstreamSnapshot:
        with anyio.fail_after(30):
            while not self.published or not met(self.published[-1]):
                self.news = anyio.Event()
                await self.news.wait()
        return self.published[-1]

    def look(self) -> None:
        self.turn.set()


@asynccontextmanager
async def watched(openapi: str, transport: httpx2.AsyncBaseTransport, **more: Any) -> Any:
    one = Watched(UpstreamConfig.model_validate({"openapi": openapi, **more}), transport)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.upstream.run, one.publish)
        await one.until(lambda snapshot: snapshot.state is UpstreamState.READY)
        yield one
        tasks.cancel_scope.cancel()


def named(*names: str) -> Callable[[UpstreamSnapshot], bool]:
    return lambda snapshot: [operation.original for operation in snapshot.operations] == list(names)


def write(path: Path, content: Mapping[str, Any] | str) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


async def test_a_file_that_changes_is_read_again_and_published_whole(tmp_path: Path) -> None:
    path, service = tmp_path / "api.json", OpenApiService(document("one", "two", "three"))
    async with watched(write(path, document("one")), service.transport()) as one:
        (old,) = one.published[-1].operations
        write(path, document("two", "three"))
        one.look()
        changed = await one.until(named("two", "three"))
        assert [snapshot.state for snapshot in one.published] == [UpstreamState.CONNECTING, *[UpstreamState.READY] * 2]
        for operation in (old, *changed.operations):
            await one.upstream.call(Call(operation, {}, Principal()), None)
        assert [request.path for request in service.requests] == ["/one", "/two", "/three"]
        assert set(one.waited) == {FILE_LOOKED_AT}


async def test_what_cannot_be_read_is_a_warning_and_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    async with watched(write(path, document("one")), OpenApiService(document("one")).transport()) as one:
        write(path, '{"openapi": "3.1.0", "paths"')
        one.look()
        told = await one.until(lambda snapshot: bool(snapshot.warnings))
        assert named("one")(told)
        assert told.state is UpstreamState.READY
        assert (
            "has changed, and the former one is used: api.json:1: the OpenAPI document is no valid" in told.warnings[0]
        )
        assert str(tmp_path) not in told.warnings[0]
        write(path, document("two"))
        one.look()
        assert (await one.until(named("two"))).warnings == ()


async def test_a_file_that_is_gone_for_a_while_has_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    async with watched(write(path, document("one")), OpenApiService(document("one")).transport()) as one:
        path.unlink()
        one.look()
        await anyio.wait_all_tasks_blocked()
        write(path, document("two", "one"))
        one.look()
        await one.until(named("two", "one"))
        assert len(one.published) == 3


async def test_what_a_url_gives_is_looked_at_again_and_another_server_is_called_from_then_on() -> None:
    given = {"document": document("one", server="https://docs.test/old")}
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(200, json=given["document"] if request.url.path.endswith("openapi.json") else {})

    async with watched("https://docs.test/openapi.json", httpx2.MockTransport(answer)) as one:
        await one.upstream.call(Call(one.published[-1].operations[0], {}, Principal()), None)
        given["document"] = document("two", server="https://docs.test/new")
        one.look()
        changed = await one.until(named("two"))
        await one.upstream.call(Call(changed.operations[0], {}, Principal()), None)
    assert [url for url in asked if "openapi" not in url] == ["https://docs.test/old/one", "https://docs.test/new/two"]
    assert set(one.waited) == {URL_LOOKED_AT}
