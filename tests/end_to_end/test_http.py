"""The real server over HTTP: who is let in, how it ends, and that any server on the same data serves any request."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.simulators.mcp_messages import call
from tests.simulators.served import SOON, serve_command, server_environment, simulator, witnessed
from tests.simulators.served_http import Listening, serving_http, token_of

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Listening]:
    folder = tmp_path_factory.mktemp("http")
    async with serving_http({}, folder, origins=["https://app.example"], body_bytes=10_000) as listening:
        yield listening


async def posted(server: Listening, token: str | None, **headers: str) -> tuple[int, Any, dict[str, str]]:
    """Status, content and headers of the answer to a trivial program."""
    async with server.http(token) as http:
        answer = await http.post(server.url, json=call("1+1", 1), headers={**JSON, **headers})
        return answer.status_code, answer.text, dict(answer.headers)


async def test_who_brings_a_token_is_served(server: Listening) -> None:
    status, text, _ = await posted(server, token_of("alice"))
    assert status == 200
    assert "result: 2" in text


@pytest.mark.parametrize("token", [None, "isthmus_token-of-mallory", "a.b.c"])
async def test_who_brings_none_that_is_known_is_told_to(server: Listening, token: str | None) -> None:
    status, text, headers = await posted(server, token)
    assert status == 401
    assert headers["www-authenticate"].startswith('Bearer realm="isthmus"')
    assert token is None or token not in text + headers["www-authenticate"] + server.log()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:1"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://app.example"}, 200),
        ({"host": "localhost"}, 200),
    ],
)
async def test_names_and_pages_of_others_stay_outside(server: Listening, headers: dict[str, str], status: int) -> None:
    assert (await posted(server, token_of("alice"), **headers))[0] == status


async def test_health_is_told_to_everybody_and_nothing_else_is(server: Listening) -> None:
    async with server.http() as http:
        base = server.url.removesuffix("/mcp")
        assert (await http.get(f"{base}/healthz")).json() == {"status": "alive"}
        assert (await http.get(f"{base}/readyz")).json() == {"status": "ready"}
        assert (await http.get(f"{base}/.well-known/oauth-protected-resource")).status_code == 404
        assert (await http.get(server.url)).status_code == 405
        assert (await http.delete(server.url, headers={"mcp-session-id": "x"})).status_code == 405


async def test_a_request_that_is_too_large_is_refused_before_it_is_read(server: Listening) -> None:
    async with server.http(token_of("alice")) as http:
        answer = await http.post(server.url, content=b"x" * 10_001, headers=JSON)
        assert answer.status_code == 413
        assert "http.body_bytes" in answer.json()["error"]

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 1000

        assert (await http.post(server.url, content=chunks(), headers=JSON)).status_code == 413


STRANGE = (
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b'{"jsonrpc": "2.0", "id": 1e400, "method": "tools/call"}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": [1]}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "execute", "arguments": {"code": NaN}}}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "execute", "arguments": {"code": "'
    b'\\ud800"}}}',
    b'{"jsonrpc": "2.0", "id": "\\ud800", "method": "tools/call", "params": {"name": "\\udfff"}}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": ' + b"9" * 5000 + b"}}",
    b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": ' + b'{"a":' * 1500 + b"1" + b"}" * 1500 + b"}",
    b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]',
    b'{"jsonrpc": "2.0", "id": 1, "result": {}}',
)


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28", "1999-01-01", ""])
async def test_whatever_is_sent_is_answered_and_the_next_request_too(server: Listening, revision: str) -> None:
    headers = {**JSON, **({"mcp-protocol-version": revision} if revision else {})}
    async with server.http(token_of("alice")) as http:
        for body in STRANGE:
            answer = await http.post(server.url, content=body, headers=headers)
            assert answer.status_code < 500, (body, answer.text)
    assert (await posted(server, token_of("alice")))[0] == 200
    assert "Traceback" not in server.log()


async def test_nobody_learns_a_token_from_a_program(server: Listening) -> None:
    async with server.client("alice") as alice:
        told = await alice.execute(
            "import os, gc\n[dict(os.environ), [each for each in gc.get_objects() if 'token-of' in str(each)[:200]]]"
        )
        assert "token-of-alice" not in told.text
    assert "token-of" not in server.log()


async def test_what_is_under_way_ends_before_the_server_does(tmp_path: Path) -> None:
    calls = tmp_path / "witness.jsonl"
    upstreams = {"witness": {**simulator("mcp_server_witness", str(calls)), "shared": True}}
    async with serving_http({"upstreams": upstreams}, tmp_path) as server, anyio.create_task_group() as tasks:
        texts: list[str] = []

        async def slow() -> None:
            async with server.http(token_of("alice")) as http:
                answer = await http.post(server.url, json=call("witness.wait(seconds=1)\n'whole'"), headers=JSON)
                texts.append(answer.text)

        tasks.start_soon(slow)
        await witnessed(calls, "called")
        server.tell(signal.SIGTERM)
        assert await server.ended() == 0
    assert "result: whole" in texts[0]


async def test_a_second_signal_ends_what_is_under_way(tmp_path: Path) -> None:
    calls = tmp_path / "witness.jsonl"
    upstreams = {"witness": {**simulator("mcp_server_witness", str(calls)), "shared": True}}
    async with serving_http({"upstreams": upstreams}, tmp_path) as server, anyio.create_task_group() as tasks:

        async def long() -> None:
            async with server.http(token_of("alice")) as http:
                with suppress(httpx2.HTTPError):
                    answer = await http.post(server.url, json=call("witness.wait(seconds=40)\n'whole'"), headers=JSON)
                    assert "whole" not in answer.text

        tasks.start_soon(long)
        await witnessed(calls, "called")
        server.tell(signal.SIGTERM)
        await server.logged("ending once")
        server.tell(signal.SIGTERM)
        await server.ended()


async def test_any_server_on_the_same_data_goes_on_with_a_session(tmp_path: Path) -> None:
    async with (
        serving_http({}, tmp_path, name="one") as one,
        serving_http({}, tmp_path, name="two") as two,
        one.client("alice") as here,
        two.client("alice") as there,
    ):
        handle = str((await here.execute("rows = [1]; open('/workspace/x', 'w').write('x')")).facts["session"])
        for number, client in enumerate((there, here, here, there, there, here), 2):
            told = await client.execute(f"rows.append({number}); rows", session=handle)
            assert told.value == list(range(1, number + 1)), told.text
        async with two.client("bob") as bob:
            assert "there is no session" in (await bob.execute("rows", session=handle)).text


async def test_two_servers_never_run_one_session_at_the_same_time(tmp_path: Path) -> None:
    async with (
        serving_http({}, tmp_path, name="one") as one,
        serving_http({}, tmp_path, name="two") as two,
        one.client("alice") as here,
        two.client("alice") as there,
    ):
        handle = str((await here.execute("order = []")).facts["session"])
        code = "order.append('in')\nimport asyncio\nawait asyncio.sleep(0.2)\norder.append('out')\norder"
        texts = []

        async def run(client: Any) -> None:
            texts.append((await client.execute(code, session=handle)).value)

        async with anyio.create_task_group() as tasks:
            for client in (here, there, here, there):
                tasks.start_soon(run, client)
        assert sorted(texts, key=len) == [["in", "out"] * count for count in range(1, 5)]


def test_a_public_address_without_authentication_is_refused_at_once(tmp_path: Path) -> None:
    command = [*serve_command({"http": {"host": "0.0.0.0", "port": 0}}, tmp_path), "--http"]
    environment = server_environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=SOON)
    assert done.returncode == 2
    assert "http.host: whoever reaches this address could run programs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_is_made_once_and_kept_as_its_hash(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "isthmus", "token", "alice@example.com"]
    done = subprocess.run(command, env=server_environment(), capture_output=True, text=True, check=True, timeout=SOON)
    token = done.stdout.strip()
    assert token.startswith("isthmus_")
    assert token not in done.stderr
    from isthmus.identity.tokens import digest_of

    assert json.dumps(digest_of(token)).strip('"') in done.stderr
