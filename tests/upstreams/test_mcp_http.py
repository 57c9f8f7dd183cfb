"""An upstream against HTTP servers: the SDK's own, and simulated ones that misbehave."""

import base64
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import SecretStr
from tests.simulators.http_upstream import Asked, Told, http_server
from tests.simulators.mcp_server import SimulatedServer, invoke, running, text, tool
from tests.simulators.waiting import SOON

from isthmus.config.model import ApiKey, Auth, Basic, UpstreamConfig
from isthmus.errors import NotFound, PermissionDenied, RateLimited, UpstreamError, UpstreamUnavailable
from isthmus.model import Credential, UpstreamState
from isthmus.upstreams.backoff import Backoff
from isthmus.upstreams.mcp import McpUpstream, Patience
from isthmus.upstreams.mcp_http import credential_of

pytestmark = pytest.mark.anyio

REAL = Path(__file__).parent.parent / "simulators" / "mcp_server_real.py"
PATIENCE = Patience(connect=20, probe=5, settle=0, backoff=Backoff(first=3600, ceiling=3600))


def over_http(origin: str, *, answer_bytes: int = 1_000_000, timeout: float = SOON, **config: Any) -> McpUpstream:
    return McpUpstream(
        UpstreamConfig(url=f"{origin}/mcp", timeout=timeout, **config),
        "web",
        patience=PATIENCE,
        answer_bytes=answer_bytes,
        chance=lambda: 1.0,
    )


class Web:
    """A simulated MCP server behind HTTP; `special` may answer in its stead."""

    def __init__(self, server: SimulatedServer, session: str = "s1") -> None:
        self.server = server
        self.session = session
        self.asked: list[Asked] = []
        self.special: Callable[[Asked, dict[str, Any]], Told | None] = lambda asked, message: None

    async def __call__(self, asked: Asked) -> Told:
        self.asked.append(asked)
        if asked.method != "POST":
            return Told(405)
        message = json.loads(asked.body)
        if (told := self.special(asked, message)) is not None:
            return told
        answer = self.server.reply(message)
        if answer is None:
            return Told(202)
        return Told(200, json.dumps(answer).encode(), headers={"Mcp-Session-Id": self.session})

    def posts(self, method: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST" and json.loads(asked.body)["method"] == method]


def on_call(told: Callable[[Asked], Told]) -> Callable[[Asked, dict[str, Any]], Told | None]:
    return lambda asked, message: told(asked) if message["method"] == "tools/call" else None


def refusing(status: int, body: bytes = b"", **headers: str) -> Callable[[Asked], Told]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Told(status, body, "text/plain", named)


@asynccontextmanager
async def real_server(kind: str) -> AsyncIterator[str]:
    """The SDK's server in a process of its own; gives its URL."""
    process = await anyio.open_process([sys.executable, str(REAL), kind], stderr=None)
    async with process:
        try:
            assert process.stdout
            with anyio.fail_after(SOON):
                port = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 10)
            yield f"http://127.0.0.1:{int(port)}/{'sse' if kind == 'sse' else 'mcp'}"
        finally:
            process.kill()


@pytest.mark.parametrize("kind", ["http", "sse"])
async def test_the_official_server_lists_answers_changes_and_fails(kind: Any) -> None:
    async with real_server(kind) as url:
        config = UpstreamConfig(url=url, transport=kind, timeout=20)
        upstream = McpUpstream(config, "real", patience=PATIENCE)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            assert snapshot.purpose == "Echoes and adds."
            assert (await invoke(upstream, snapshot, "echo", text="hi")).value == "hi"
            assert (await invoke(upstream, snapshot, "add", a=40)).value == {"total": 42}
            assert len((await invoke(upstream, snapshot, "big", size=3_000_000)).value) == 3_000_000
            with pytest.raises(UpstreamError, match="Error executing tool fail"):
                await invoke(upstream, snapshot, "fail")
            log = await invoke(upstream, snapshot, "resources/read note://{day}/log", day="Zoë & co")
            assert log.value[0]["text"] == "quiet on Zoë & co"
            review = await invoke(upstream, snapshot, "prompts/get review", code="ä = 1")
            assert review.value["messages"][0]["content"] == "Review in a kind way: ä = 1"
            await invoke(upstream, snapshot, "grow")
            await watch.until(lambda snapshot: any(item.original == "grown" for item in snapshot.operations))


async def test_the_credential_of_the_configuration_goes_with_every_request() -> None:
    web = Web(SimulatedServer([tool("t")]))
    auth = {"bearer": "b-secret", "api_key": {"value": "k", "name": "key", "in": "query"}, "headers": {"X-Team": "red"}}
    async with http_server(web) as origin:
        upstream = over_http(origin, auth=auth)
        async with running(upstream) as watch:
            await invoke(upstream, await watch.ready(), "t")
    assert {asked.headers["authorization"] for asked in web.asked} == {"Bearer b-secret"}
    assert {asked.headers["x-team"] for asked in web.asked} == {"red"}
    assert {asked.path for asked in web.asked} == {"/mcp?key=k"}


async def test_a_callers_own_credential_goes_before_that_of_the_configuration() -> None:
    web = Web(SimulatedServer([tool("t")]))
    async with http_server(web) as origin:
        upstream = over_http(origin, auth={"bearer": "ours"})
        async with running(upstream) as watch:
            credential = Credential(headers={"authorization": "Bearer alice"}, cookies={"c": "1"})
            await invoke(upstream, await watch.ready(), "t", credential)
    (call,) = web.posts("tools/call")
    assert (call.headers["authorization"], call.headers["cookie"]) == ("Bearer alice", "c=1")
    assert web.posts("tools/list")[0].headers["authorization"] == "Bearer ours"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_to_connect_names_auth(status: int) -> None:
    web = Web(SimulatedServer())
    web.special = lambda *_: Told(status, b'{"error": "who are you"}')
    async with http_server(web) as origin, running(over_http(origin)) as watch:
        problem = (await watch.failed()).problem
    assert problem.startswith(f"HTTP {status}")
    assert "check `auth`" in problem


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, PermissionDenied),
        (404, UpstreamUnavailable),
        (410, NotFound),
        (500, UpstreamError),
        (503, UpstreamUnavailable),
    ],
)
async def test_a_status_has_its_kind_of_error(status: int, kind: type[UpstreamError]) -> None:
    web = Web(SimulatedServer([tool("t")]))
    async with http_server(web) as origin:
        upstream = over_http(origin)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            web.special = on_call(refusing(status, b"Traceback: secret"))
            with pytest.raises(kind) as caught:
                await invoke(upstream, snapshot, "t")
    assert type(caught.value) is kind
    assert "Traceback" not in caught.value.message


async def test_too_many_requests_say_when_to_come_back() -> None:
    web = Web(SimulatedServer([tool("t")]))
    async with http_server(web) as origin:
        upstream = over_http(origin)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            web.special = on_call(refusing(429, Retry_After="7"))
            with pytest.raises(RateLimited) as caught:
                await invoke(upstream, snapshot, "t")
            web.special = lambda *_: None
            assert (await invoke(upstream, snapshot, "t")).value == "t"
    assert (caught.value.status, caught.value.retry_after) == (429, 7)


async def test_a_session_that_the_server_has_forgotten_is_made_anew_and_the_call_sent_there() -> None:
    web = Web(SimulatedServer([tool("t")]))
    async with http_server(web) as origin:
        upstream = over_http(origin)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            web.session = "s2"
            web.special = lambda asked, _: Told(404) if asked.headers.get("mcp-session-id") == "s1" else None
            assert (await invoke(upstream, snapshot, "t")).value == "t"
    assert [asked.headers.get("mcp-session-id") for asked in web.posts("tools/call")] == ["s1", "s2"]


async def test_a_server_that_has_gone_is_a_failure_and_the_call_was_not_sent() -> None:
    web = Web(SimulatedServer([tool("t")]))
    async with AsyncExitStack() as open_server:
        origin = await open_server.enter_async_context(http_server(web))
        upstream = over_http(origin)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            await open_server.aclose()
            with pytest.raises(UpstreamUnavailable, match="cannot be reached") as caught:
                await invoke(upstream, snapshot, "t")
    assert "the call was not sent" in caught.value.hint
    assert web.posts("tools/call") == []


async def test_a_connection_that_breaks_during_a_call_fails_that_call_only() -> None:
    def hang_up(_: Asked) -> Told:
        raise ConnectionError

    web = Web(SimulatedServer([tool("t")]))
    async with http_server(web) as origin:
        upstream = over_http(origin)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            web.special = on_call(hang_up)
            with pytest.raises(UpstreamUnavailable, match=r"the connection to .* broke"):
                await invoke(upstream, snapshot, "t")
            web.special = lambda *_: None
            assert (await invoke(upstream, snapshot, "t")).value == "t"
    assert len(web.posts("tools/call")) == 2  # what may have been done was not sent again


async def test_nothing_listens_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        async with running(over_http(f"http://127.0.0.1:{port}")) as watch:
            assert f"http://127.0.0.1:{port} cannot be reached" in (await watch.failed()).problem


async def test_an_answer_over_the_limit_fails_its_call_only() -> None:
    web = Web(SimulatedServer([tool("t")], lambda *_: text("x" * 2_000_000)))
    async with http_server(web) as origin:
        upstream = over_http(origin)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            with pytest.raises(UpstreamUnavailable, match=r"limits\.answer_bytes"):
                await invoke(upstream, snapshot, "t")
            web.special = on_call(lambda asked: Told(200, _result(asked, text("ok"))))
            assert (await invoke(upstream, snapshot, "t")).value == "ok"


async def test_a_compressed_answer_is_refused() -> None:
    web = Web(SimulatedServer([tool("t")]))
    async with http_server(web) as origin:
        upstream = over_http(origin)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            web.special = on_call(lambda _: Told(200, b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))
            with pytest.raises(UpstreamUnavailable, match="compresses its answers"):
                await invoke(upstream, snapshot, "t")
    assert web.posts("tools/call")[0].headers["accept-encoding"] == "identity"


async def test_a_stream_without_end_ends_with_the_calls_time() -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b": ping\n\n"
            await anyio.sleep(0.01)

    web = Web(SimulatedServer([tool("t")]))
    async with http_server(web) as origin:
        upstream = over_http(origin, timeout=0.5)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            web.special = on_call(lambda _: Told(200, drip(), "text/event-stream"))
            with pytest.raises(UpstreamUnavailable, match=r"did not answer within 0\.5 s"):
                await invoke(upstream, snapshot, "t")
    assert UpstreamState.FAILED not in [state.state for state in watch.snapshots]


@pytest.mark.parametrize("body", [b"", b"{", b"<html>log in</html>", b"[" * 100_000, b'{"jsonrpc":"2.0","id":1}'])
async def test_an_answer_that_is_no_json_rpc_fails_its_call_only(body: bytes) -> None:
    web = Web(SimulatedServer([tool("t")]))
    async with http_server(web) as origin:
        upstream = over_http(origin)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            web.special = on_call(lambda _: Told(200, body))
            with pytest.raises(UpstreamUnavailable):
                await invoke(upstream, snapshot, "t")
            web.special = lambda *_: None
            assert (await invoke(upstream, snapshot, "t")).value == "t"


async def test_a_redirect_to_another_origin_is_not_followed_and_is_named() -> None:
    stolen: list[Asked] = []

    async def thief(asked: Asked) -> Told:
        stolen.append(asked)
        return Told(200, b"{}")

    web = Web(SimulatedServer())
    async with http_server(thief) as elsewhere, http_server(web) as origin:
        web.special = lambda *_: Told(307, headers={"Location": f"{elsewhere}/mcp"})
        async with running(over_http(origin, auth={"bearer": "b-secret"})) as watch:
            problem = (await watch.failed()).problem
    assert f"Redirect to {elsewhere}/mcp not followed" in problem
    assert stolen == []


async def test_an_sse_server_that_wants_its_messages_elsewhere_gets_none() -> None:
    async def endpoint(asked: Asked) -> Told:
        async def events() -> AsyncIterator[bytes]:
            yield b"event: endpoint\ndata: http://evil.example/post\n\n"

        assert asked.method == "GET"
        return Told(200, events(), "text/event-stream")

    async with http_server(endpoint) as origin, running(over_http(origin, transport="sse")) as watch:
        problem = (await watch.failed()).problem
    assert "another origin, http://evil.example/post" in problem


@pytest.mark.parametrize(("status", "words"), [(401, "check `auth`"), (404, "HTTP 404"), (500, "HTTP 500")])
async def test_an_sse_server_that_refuses_says_its_status(status: int, words: str) -> None:
    async def refuse(_: Asked) -> Told:
        return Told(status, b"no")

    async with http_server(refuse) as origin, running(over_http(origin, transport="sse")) as watch:
        assert words in (await watch.failed()).problem


def test_every_way_to_authenticate_fills_its_place() -> None:
    auth = Auth(
        basic=Basic(username="u", password=SecretStr("p")),
        api_key=ApiKey.model_validate({"value": "k", "name": "sid", "in": "cookie"}),
    )
    credential = credential_of(auth)
    assert credential.headers == {"Authorization": f"Basic {base64.b64encode(b'u:p').decode()}"}
    assert credential.cookies == {"sid": "k"}
    assert credential_of(None) == Credential()


def _result(asked: Asked, result: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": json.loads(asked.body)["id"], "result": result}).encode()
