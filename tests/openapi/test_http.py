import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import httpcore2
import httpx2
import pytest
from tests.simulators.openapi_service import OpenApiService, Recorded, Reply, serving
from tests.simulators.waiting import SOON

from isthmus.config.model import UpstreamConfig
from isthmus.errors import (
    InvalidArguments,
    NotFound,
    PermissionDenied,
    RateLimited,
    UpstreamError,
    UpstreamUnavailable,
)
from isthmus.model import UpstreamSnapshot, UpstreamState
from isthmus.upstreams.documents import fetch_document
from isthmus.upstreams.http import HttpUpstream
from isthmus.upstreams.http_settings import Settings
from isthmus.upstreams.transport import AddressRefused, CheckedBackend

from .conftest import running

pytestmark = pytest.mark.anyio

PET = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}, "required": ["id"]}
PETS: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {
        "/pets": {
            "get": {
                "operationId": "list",
                "parameters": [{"name": "page", "in": "query", "schema": {"type": "integer"}}],
                "responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": PET}}}}},
            },
            "post": {
                "operationId": "create",
                "security": [{"oauth": []}],
                "requestBody": {"content": {"application/json": {"schema": PET}}, "required": True},
                "responses": {"201": {"content": {"application/json": {"schema": PET}}}},
            },
        },
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "get", "responses": {"200": {"description": "ok"}}},
            "head": {"operationId": "exists", "responses": {"200": {"description": "ok"}}},
            "delete": {"operationId": "remove", "responses": {"204": {"description": "gone"}}},
        },
    },
    "components": {
        "securitySchemes": {
            "oauth": {"type": "oauth2", "flows": {}},
            "key": {"type": "apiKey", "in": "query", "name": "api_key"},
        }
    },
    "security": [{"key": []}],
}


async def test_an_upstream_publishes_that_it_connects_and_then_what_it_has(up: Any) -> None:
    async with up(PETS) as pets:
        snapshot = pets.snapshot
        assert (snapshot.state, snapshot.purpose, snapshot.warnings) == (UpstreamState.READY, "Pets", ())
        assert [operation.id for operation in snapshot.operations] == [
            "api.list", "api.create", "api.get", "api.remove", "api.exists",
        ]  # fmt: skip


async def test_answers_of_every_kind_become_data(up: Any) -> None:
    async with up(PETS) as pets:
        assert await pets.call("list") == [{"id": 1, "name": "text"}]
        assert await pets.call("remove", id="1") is None
        pets.service.answer("GET /pets/{id}", Reply(200, b"\x89PNG", {"content-type": "image/png"}))
        assert await pets.call("get", id="1") == b"\x89PNG"
        pets.service.answer("GET /pets/{id}", Reply(200, b"hi", {"content-type": "text/plain"}))
        assert await pets.call("get", id="1") == "hi"
        pets.service.answer("HEAD /pets/{id}", Reply(200, None, {"etag": "x", "set-cookie": "a=b"}))
        assert (await pets.call("exists", id="1"))["etag"] == "x"
        assert "set-cookie" not in await pets.call("exists", id="1")


async def test_an_answer_that_departs_from_the_document_is_a_warning_and_not_an_error(up: Any) -> None:
    async with up(PETS) as pets:
        pets.service.answer("GET /pets", Reply(200, [{"id": "x"}]))
        for _ in range(2):  # compiled the first time, at hand the second
            answer = await pets.answer("list")
            assert answer.value == [{"id": "x"}]
            assert answer.warnings == ("[0].id: expected an integer, got 'x'",)


async def test_what_an_upstream_says_no_with_is_an_error_of_its_kind(up: Any) -> None:
    async with up(PETS, auth={"schemes": {"key": "K"}}) as pets:

        async def error_of(reply: Reply, kind: type[UpstreamError]) -> UpstreamError:
            pets.service.answer("GET /pets/{id}", reply)
            with pytest.raises(kind) as caught:
                await pets.call("get", id="1")
            return caught.value

        missing = await error_of(Reply(404, {"message": "no pet"}), NotFound)
        assert (str(missing), missing.body) == ("api.get: HTTP 404: no pet", {"message": "no pet"})
        denied = await error_of(Reply(403, {}), PermissionDenied)
        assert "API key in the query 'api_key' (scheme 'key')" in denied.hint
        limited = await error_of(Reply(429, {}, {"retry-after": "3"}), RateLimited)
        assert isinstance(limited, RateLimited)
        assert limited.retry_after == 3
        assert (
            "api.get"
            in (await error_of(Reply(422, {"errors": [{"field": "id", "code": "bad"}]}), InvalidArguments)).hint
        )
        await error_of(Reply(503, None), UpstreamUnavailable)
        bad = await error_of(Reply(200, b'{"a": 1,,}', {"content-type": "application/json"}), UpstreamError)
        assert "should be JSON" in str(bad)


async def test_credentials_follow_the_security_of_each_operation(up: Any) -> None:
    auth = {"schemes": {"key": "K", "oauth": "T"}, "headers": {"X-Tenant": "acme"}}
    async with up(PETS, auth=auth) as pets:
        await pets.call("list")
        await pets.call("create", id=1)
    listed, created = pets.service.requests
    assert listed.query == "api_key=K"
    assert "authorization" not in listed.headers
    assert (created.query, created.headers["authorization"]) == ("", "Bearer T")
    assert listed.headers["x-tenant"] == created.headers["x-tenant"] == "acme"


async def test_none_for_an_optional_parameter_is_not_sent(up: Any) -> None:
    async with up(PETS) as pets:
        await pets.call("list", page=None)
    assert pets.service.requests[0].query == ""


async def test_no_cookie_outlives_its_call(up: Any) -> None:
    async with up(PETS) as pets:
        pets.service.answer("GET /pets", Reply(200, [], {"set-cookie": "user=alice; Path=/"}))
        await pets.call("list")
        await pets.call("list")
    assert "cookie" not in pets.service.requests[1].headers


async def test_a_read_follows_redirects_within_its_origin_and_a_write_none(up: Any) -> None:
    async with up(PETS) as pets:
        pets.service.answer("GET /pets", Reply(301, None, {"location": "/v1/pets/7"}))
        pets.service.answer("GET /pets/{id}", Reply(200, {"id": 7}))
        assert await pets.call("list") == {"id": 7}
        pets.service.answer("POST /pets", Reply(307, None, {"location": "/v1/pets/7"}))
        with pytest.raises(UpstreamError) as caught:
            await pets.call("create", id=1)
        assert caught.value.body == {"location": "/v1/pets/7"}
        assert [request.method for request in pets.service.requests] == ["GET", "GET", "POST"]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/",
        "https://evil.example/",
        "http://api.test/v1/pets/7",
        "file:///etc/passwd",
        "//evil.example/x",
    ],
)
async def test_no_redirect_leaves_the_origin(up: Any, location: str) -> None:
    async with up(PETS, auth={"bearer": "t"}) as pets:
        pets.service.answer("GET /pets", Reply(302, None, {"location": location}))
        with pytest.raises(UpstreamError, match="not followed"):
            await pets.call("list")
        assert len(pets.service.requests) == 1


async def test_redirects_end_after_a_few_hops(up: Any) -> None:
    async with up(PETS) as pets:
        pets.service.answer("GET /pets", Reply(302, None, {"location": "/v1/pets"}))
        with pytest.raises(UpstreamError, match="more than 5 times"):
            await pets.call("list")
        assert len(pets.service.requests) == 6


async def test_an_answer_is_bounded_and_names_the_limit(up: Any) -> None:
    async with up(PETS, settings={"answer_bytes": 1000}) as pets:
        pets.service.answer("GET /pets", Reply(200, ["x" * 2000]))
        with pytest.raises(UpstreamError, match=r"more than 1,000 bytes \(limits\.answer_bytes\)"):
            await pets.call("list")


async def test_a_call_ends_at_the_upstreams_timeout_and_says_what_is_unknown(up: Any) -> None:
    async def never(_: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with up(PETS, timeout=0.05, settings={"transport": httpx2.MockTransport(never)}) as pets:
        with pytest.raises(UpstreamUnavailable, match=r"within 0\.05 s") as caught:
            await pets.call("create", id=1)
        assert "may have happened" in caught.value.hint
        with pytest.raises(UpstreamUnavailable) as caught:
            await pets.call("list")
        assert "only a read" in caught.value.hint


async def test_a_read_whose_idle_connection_was_closed_is_sent_once_more_and_a_write_never(up: Any) -> None:
    seen: list[str] = []

    def closed(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.method)
        if len(seen) % 2:
            raise httpcore2.RemoteProtocolError("Server disconnected without sending a response.")
        return httpx2.Response(200, json=[])

    async with up(PETS, settings={"transport": httpx2.MockTransport(closed)}) as pets:
        assert await pets.call("list") == []
        with pytest.raises(UpstreamUnavailable, match="connection failed"):
            await pets.call("create", id=1)
    assert seen == ["GET", "GET", "POST"]


async def test_values_that_are_no_plain_data_are_cleaned(up: Any) -> None:
    async with up(PETS) as pets:
        body = b'{"a": NaN, "s": "\\ud800", "n": 100000000000000000000}'
        pets.service.answer("GET /pets/{id}", Reply(200, body, {"content-type": "application/json"}))
        value = await pets.call("get", id="1")
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    assert set(value) == {"a", "s", "n"}


async def test_a_call_before_the_document_is_there_says_so() -> None:
    upstream = HttpUpstream("api", UpstreamConfig(openapi="a.json"))
    with pytest.raises(UpstreamUnavailable, match="not connected"):
        await upstream.call(None, None)  # type: ignore[arg-type]


async def test_a_document_that_fails_is_tried_again_with_growing_pauses(tmp_path: Path) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            (tmp_path / "api.json").write_text(json.dumps(PETS))

    config = UpstreamConfig(openapi="api.json", base_url="https://api.test")
    upstream = HttpUpstream("api", config, Settings(folder=tmp_path, pause=pause, random=lambda: 1.0))
    published: list[UpstreamSnapshot] = []
    with anyio.move_on_after(SOON) as scope:
        async with anyio.create_task_group() as group:

            def publish(snapshot: UpstreamSnapshot) -> None:
                published.append(snapshot)
                if snapshot.state is UpstreamState.READY:
                    group.cancel_scope.cancel()

            group.start_soon(upstream.run, publish)
    assert not scope.cancelled_caught
    assert pauses == [1.0, 2.0, 4.0]
    assert [snapshot.state.value for snapshot in published] == ["connecting", "failed", "failed", "failed", "ready"]
    assert "cannot be read: No such file" in published[1].problem
    assert str(tmp_path) not in published[1].problem, "where files of this machine lie is the operator's affair"
    assert str(tmp_path) in published[1].detail


@pytest.mark.parametrize(
    ("configuration", "document", "said"),
    [
        ({"auth": {"schemes": {"nope": "x"}}}, {}, "names nope, which the document does not have"),
        ({"auth": {"bearer": "t"}, "base_url": "http://api.test"}, {}, "not encrypted"),
        ({"base_url": None}, {"servers": [{"url": "https://{x}/"}]}, "variable 'x' without a value"),
        ({}, {"openapi": "2.0"}, "not known"),
    ],
)
async def test_what_the_operator_must_mend_is_published_with_its_remedy(
    up: Any, configuration: dict[str, Any], document: dict[str, Any], said: str
) -> None:
    async with up({**PETS, **document}, **configuration) as pets:
        assert pets.snapshot.state is UpstreamState.FAILED
        assert said in pets.snapshot.problem
        assert "remedy:" in pets.snapshot.problem


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://10.0.0.1", "http://localhost:9", "http://169.254.169.254/latest"]
)
async def test_a_private_server_that_only_the_document_names_is_not_called(up: Any, url: str) -> None:
    async with up({**PETS, "servers": [{"url": url}]}, base_url=None) as pets:
        assert pets.snapshot.state is UpstreamState.READY
        assert "Set base_url to allow it" in pets.snapshot.warnings[0]
        with pytest.raises(UpstreamUnavailable, match="is not called"):
            await pets.call("list")
        assert pets.service.requests == []


async def test_a_credential_is_not_sent_where_a_downloaded_document_points_elsewhere() -> None:
    root = {**PETS, "servers": [{"url": "https://other.test"}]}
    service = OpenApiService(root)

    def serve(request: httpx2.Request) -> httpx2.Response:
        assert request.url.host == "docs.test"
        return httpx2.Response(200, json=root)

    config = UpstreamConfig.model_validate({"openapi": "https://docs.test/api.json", "auth": {"bearer": "t"}})
    async with running(config, service, transport=httpx2.MockTransport(serve)) as pets:
        with pytest.raises(UpstreamUnavailable, match="until base_url confirms it"):
            await pets.call("list")


async def test_attack_servers_of_single_operations_get_no_request(test_data: Path) -> None:
    path = test_data / "attacks" / "specs" / "13-operation-servers.json"
    service = OpenApiService(json.loads(path.read_text()))
    config = UpstreamConfig(openapi=str(path), base_url="https://api.test")
    async with running(config, service, transport=service.transport()) as api:
        await api.call("ping")
        assert service.requests[0].headers["host"] == "api.test"
        assert "1 operations name a server of another origin" in api.snapshot.warnings[0]


async def test_a_document_is_downloaded_within_its_origin_only() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/old":
            return httpx2.Response(302, headers={"location": "/new"})
        if request.url.path == "/away":
            return httpx2.Response(302, headers={"location": "http://169.254.169.254/"})
        return httpx2.Response(200 if request.url.path == "/new" else 404, content=b"{}")

    transport = httpx2.MockTransport(answer)
    assert await fetch_document("https://docs.test/old", transport) == b"{}"
    with pytest.raises(UpstreamError, match="another origin"):
        await fetch_document("https://docs.test/away", transport)
    with pytest.raises(UpstreamError, match="HTTP 404"):
        await fetch_document("https://docs.test/nothing", transport)


@pytest.mark.parametrize("source", ["/dev/zero", "/tmp", "/nowhere/api.json", "a\0b"])
async def test_what_is_no_regular_file_is_not_read(source: str) -> None:
    upstream = HttpUpstream("api", UpstreamConfig(openapi=source), Settings(pause=_stop))
    published: list[UpstreamSnapshot] = []
    with pytest.raises(_Stopped):
        await upstream.run(published.append)
    assert published[-1].state is UpstreamState.FAILED


class _Stopped(Exception):
    pass


async def _stop(_: float) -> None:
    raise _Stopped


async def test_addresses_are_checked_when_connecting() -> None:
    with pytest.raises(AddressRefused, match="loopback"):
        await CheckedBackend(trusted=False).connect_tcp("127.0.0.1", 9)
    with pytest.raises(AddressRefused, match="link-local"):
        await CheckedBackend(trusted=True).connect_tcp("169.254.169.254", 80)
    with pytest.raises(httpcore2.ConnectError):
        await CheckedBackend(trusted=True).connect_tcp("name.invalid", 80)


async def test_calls_travel_over_a_real_connection_many_at_once(tmp_path: Path) -> None:
    service = OpenApiService(PETS)
    service.answer("GET /pets/{id}", lambda request: Reply(200, {"path": request.path}))
    (tmp_path / "api.json").write_text(json.dumps(PETS))
    with serving(service) as url:
        config = UpstreamConfig.model_validate(
            {"openapi": "api.json", "base_url": f"{url}/v2", "auth": {"schemes": {"key": "K"}}}
        )
        async with running(config, service, folder=tmp_path) as pets:
            found: dict[int, Any] = {}

            async def call(number: int) -> None:
                found[number] = await pets.call("get", id=f"a/{number}")

            async with anyio.create_task_group() as group:
                for number in range(40):
                    group.start_soon(call, number)
    assert found == {number: {"path": f"/v2/pets/a%2F{number}"} for number in range(40)}
    assert {request.query for request in service.requests} == {"api_key=K"}


async def test_a_port_where_nobody_listens_is_no_connection(up: Any) -> None:
    async with up(PETS, base_url="http://127.0.0.1:1", settings={"transport": None}) as pets:
        with pytest.raises(UpstreamUnavailable, match="no connection") as caught:
            await pets.call("create", id=1)
        assert caught.value.hint == "nothing was sent"


HOSTILE = [
    "redirect-metadata", "redirect-loopback", "redirect-file", "redirect-cross-origin", "redirect-loop", "endless",
    "sse-endless", "slow", "gzip-bomb", "huge-header", "wrong-length", "chunk-garbage", "bad-json",
    "deep-json", "status-500-secret",
    "nan-json", "many-headers", "html-login", "no-content-type", "echo-headers", "set-cookie", "ok",
]  # fmt: skip
ENDLESS = ["sse-endless", "slow"]  # until the time is up
ANSWERED = HOSTILE[HOSTILE.index("nan-json") :]


@pytest.fixture
def hostile(test_data: Path) -> Iterator[str]:
    """The hostile service on a port of its own."""
    path = test_data / "attacks" / "upstreams" / "http_hostile.py"
    spec = importlib.util.spec_from_file_location("http_hostile", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Quiet(module.H):  # type: ignore[name-defined,misc]
        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_attack_a_hostile_service_gets_clear_errors_and_nothing_else(hostile: str, tmp_path: Path) -> None:
    paths = {f"/{name}": {"get": {"operationId": name, "responses": {}}} for name in HOSTILE}
    root = {"openapi": "3.1.0", "info": {}, "paths": paths}
    (tmp_path / "api.json").write_text(json.dumps(root))
    outcomes: dict[str, Any] = {}
    for seconds, names in ((SOON, [name for name in HOSTILE if name not in ENDLESS]), (0.5, ENDLESS)):
        config = UpstreamConfig.model_validate(
            {"openapi": "api.json", "base_url": hostile, "auth": {"bearer": "canary"}, "timeout": seconds}
        )
        async with running(config, OpenApiService(root), folder=tmp_path, answer_bytes=1_000_000) as api:
            for name in names:
                try:
                    outcomes[name] = await api.call(name)
                except UpstreamError as error:
                    outcomes[name] = error
    failed = [name for name, outcome in outcomes.items() if isinstance(outcome, UpstreamError)]
    assert sorted(set(HOSTILE) - set(failed)) == sorted(ANSWERED)
    assert all(len(str(outcomes[name])) < 700 for name in failed)
    assert "answer_bytes" in str(outcomes["gzip-bomb"])
    assert isinstance(outcomes["slow"], UpstreamUnavailable)
    assert outcomes["set-cookie"] == {"cookie": None}
    assert outcomes["html-login"] == "<html>log in</html>"
    assert outcomes["ok"] == {"ok": True}


def test_the_simulated_service_matches_the_most_literal_path_first() -> None:
    root = {"paths": {"/a/{x}": {"get": {"responses": {}}}, "/a/b": {"get": {"responses": {"204": {}}}}}}
    service = OpenApiService(root)
    assert service.respond("GET", "/v1/a/b?q=1", {}, b"").status == 204
    assert service.respond("GET", "/nothing", {}, b"").status == 404
    assert [(request.operation, request.query) for request in service.requests] == [("GET /a/b", "q=1"), ("", "")]
    assert isinstance(service.requests[0], Recorded)
    _: Callable[..., Any] = service.answer
