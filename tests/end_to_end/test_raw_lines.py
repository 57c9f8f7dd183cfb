"""What a client may send that no client should: the real server answers as JSON-RPC says, and serves on."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulators.mcp_messages import ENVELOPE, INFO, call, initialize, request
from tests.simulators.raw_client import RawClient, raw_client

IDS = count(1000)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    """A client that has shaken hands."""
    client = raw_client({}, tmp_path_factory.mktemp("raw"))
    client.say(initialize(), {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert client.hear()["id"] == "init"
    yield client
    client.kill()


def answers(client: RawClient) -> list[Any]:
    """All that was answered before a ping that is sent now."""
    last = next(IDS)
    client.say(request("ping", {}, last))
    heard = []
    while (message := client.hear()).get("id") != last:
        assert message["jsonrpc"] == "2.0"
        heard.append(message)
    assert message["result"] == {}
    return heard


@pytest.mark.parametrize(
    ("line", "identity", "code"),
    [
        (b"hello", None, -32700),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping"', 7, -32700),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"x": NaN}}', 7, -32700),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"x": "\xff\xfe"}}', 7, -32700),
        (json.dumps(call("'\ud800'", 7)).encode(), 7, -32600),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": ' + b'{"a":' * 50_000, 7, -32600),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"x": "' + b"x" * 17_000_000 + b'"}}', 7, -32600),
        (b'{"jsonrpc": "2.0", "id": ' + b"9" * 4000 + b', "method": "ping"}', None, -32600),
        (b'[{"jsonrpc": "2.0", "id": 7, "method": "ping"}]', None, -32600),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": []}', 7, -32602),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "no/such/method"}', 7, -32601),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "resources/list"}', 7, -32601),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call"}', 7, -32602),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": 5}}', 7, -32602),
        (json.dumps(request("tools/list", {"_meta": ENVELOPE}, 7)).encode(), 7, -32600),  # of the other era
    ],
)
def test_what_cannot_be_served_is_answered(client: RawClient, line: bytes, identity: Any, code: int) -> None:
    client.say(line)
    answer = client.hear()
    assert (answer["id"], answer["error"]["code"]) == (identity, code)
    assert answer["error"]["message"]
    assert answers(client) == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\r",
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 12345}}',
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": {}}}',
        b'{"jsonrpc": "2.0", "method": "notifications/no/such"}',
        b'{"jsonrpc": "2.0", "id": 5, "result": {}}',
        b'{"jsonrpc": "2.0", "id": 5, "result": "broken"}',
        b'{"jsonrpc": "2.0", "id": 5, "error": {"code": 1, "message": "x"}}',
    ],
)
def test_what_needs_no_answer_has_none(client: RawClient, line: bytes) -> None:
    client.say(line)
    assert answers(client) == []


def test_lines_may_end_as_windows_ends_them_and_ids_be_used_twice(client: RawClient) -> None:
    client.say(json.dumps(request("ping", {}, "a")).encode() + b"\r", request("ping", {}, "a"))
    assert [client.hear()["id"], client.hear()["id"]] == ["a", "a"]


def test_a_program_runs_after_all_that(client: RawClient) -> None:
    client.say(call("6 * 7", 8))
    answer = client.hear()
    assert (answer["id"], answer["result"]["content"][0]["text"]) == (8, "result: 42")


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
METHODS = ("ping", "tools/list", "tools/call", "initialize", "server/discover", "notifications/initialized", "x", "")
lines = (
    st.binary(max_size=60).map(lambda line: line.replace(b"\n", b""))
    | odd.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {"jsonrpc": st.sampled_from(["2.0", "2.0", "1.0"]), "method": st.sampled_from(METHODS) | odd},
        optional={
            "id": st.integers(0, 99) | st.text(max_size=3) | odd,
            "params": odd | st.fixed_dictionaries({"name": odd, "arguments": odd}) | st.just({"clientInfo": INFO}),
        },
    ).map(lambda message: json.dumps(message).encode())
)


@given(st.lists(lines, max_size=8))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_lines_come_every_answer_is_json_rpc_and_the_server_serves_on(
    client: RawClient, sent: list[bytes]
) -> None:
    client.say(*sent)
    for answer in answers(client):
        assert ("result" in answer) != ("error" in answer)
        assert set(answer) == {"jsonrpc", "id", "result" if "result" in answer else "error"}
