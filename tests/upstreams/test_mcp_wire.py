import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from isthmus.upstreams.lines import LineSplitter, Oversize
from isthmus.upstreams.mcp_wire import (
    ANSWER_MALFORMED,
    ANSWER_TOO_LARGE,
    PRUNABLE,
    Inbox,
    claimed_id,
    parsed,
    pruned,
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def read(line: bytes | Oversize | dict[str, Any]) -> list[JSONRPCMessage]:
    return list(Inbox(1000).read(json.dumps(line).encode() if isinstance(line, dict) else line))


@given(st.binary(max_size=200))
def test_no_line_can_raise(line: bytes) -> None:
    read(line)


@given(plain, plain, plain)
def test_no_json_can_raise_whatever_stands_where(identity: object, result: object, error: object) -> None:
    for item in (result, {"id": identity, "result": result}, {"id": identity, "error": error}, {"method": result}):
        message = {"jsonrpc": "2.0", **item} if isinstance(item, dict) else item
        read(json.dumps(message).encode())


@given(st.dictionaries(st.text(max_size=8), plain, max_size=4))
def test_an_answer_arrives_as_it_was_sent(result: dict[str, Any]) -> None:
    (message,) = read({"jsonrpc": "2.0", "id": 7, "result": result})
    assert isinstance(message, JSONRPCResponse)
    assert (message.id, message.result) == (7, result)


def test_an_answer_with_an_empty_error_beside_it_counts() -> None:
    (message,) = read({"jsonrpc": "2.0", "id": "7", "result": {}, "error": None})
    assert isinstance(message, JSONRPCResponse)


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    (message,) = read(b'{"jsonrpc":"2.0","id":1,"result":{"a":"\xff"}}')
    assert isinstance(message, JSONRPCResponse)
    assert message.result == {"a": "\ufffd"}


def test_a_batch_is_taken_apart() -> None:
    batch: list[dict[str, Any]] = [{"jsonrpc": "2.0", "id": number, "result": {}} for number in (1, 2)]
    assert [message.id for message in read(json.dumps(batch).encode()) if isinstance(message, JSONRPCResponse)] == [
        1,
        2,
    ]


def test_progress_and_logs_are_dropped_and_counted() -> None:
    inbox = Inbox(1000)
    for method in ("notifications/progress", "notifications/message", "notifications/../../x"):
        assert not list(inbox.read(json.dumps({"jsonrpc": "2.0", "method": method, "params": {}}).encode()))
    assert inbox.dropped == 3
    assert inbox.remarks() == ()


def test_changes_of_the_tools_and_requests_are_passed_on() -> None:
    (change,) = read({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    (request,) = read({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert isinstance(change, JSONRPCNotification)
    assert isinstance(request, JSONRPCRequest)


def test_a_banner_is_remarked_upon_with_its_first_words() -> None:
    inbox = Inbox(1000)
    for line in (b"Server \x1b[1mstarted\x1b[0m on stdio", b"", b"listening"):
        assert not list(inbox.read(line))
    assert inbox.remarks() == (
        "2 lines of its output are not JSON-RPC and were ignored; the first is 'Server [1mstarted[0m on stdio'",
    )


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"1.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0"}',
        b'{"jsonrpc":"2.0","id":null,"result":{}}',
        b'{"jsonrpc":"2.0","id":{"a":1},"result":{}}',
        b'{"jsonrpc":"2.0","id":true,"result":{}}',
        b'{"jsonrpc":"2.0","id":1}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"null",
        b"42",
    ],
)
def test_what_is_no_message_is_dropped(line: bytes) -> None:
    assert read(line) == []


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":8,"result":' + b"9" * 100_000 + b"}",
        b'{"jsonrpc":"2.0","id":8,"result":[1]}',
        b'{"result":{"a":nonsense},"jsonrpc":"2.0","id":8}',
        b'{"jsonrpc":"2.0","id":8,"result":' + b"[" * 5_000_000 + b"]" * 5_000_000 + b"}",
    ],
)
def test_an_answer_that_cannot_be_read_fails_its_own_request(line: bytes) -> None:
    (message,) = read(line)
    assert isinstance(message, JSONRPCError)
    assert (message.id, message.error.code) == (8, ANSWER_MALFORMED)


def test_an_answer_over_the_limit_fails_its_own_request_wherever_its_id_stands() -> None:
    for line in (
        b'{"jsonrpc":"2.0","id":"a-1","result":{"x":"%s"}}',
        b'{"result":{"x":"%s"},"jsonrpc":"2.0","id":"a-1"}',
    ):
        splitter = LineSplitter(1000)
        (oversize,) = splitter.feed(line % (b"x" * 100_000) + b"\n")
        (message,) = read(oversize)
        assert isinstance(message, JSONRPCError)
        assert (message.id, message.error.code) == ("a-1", ANSWER_TOO_LARGE)
        assert "limits.answer_bytes" in message.error.message


def test_text_within_an_answer_cannot_pass_for_its_id() -> None:
    body = json.dumps({"jsonrpc": "2.0", "result": {"x": 'y,"id":3}', "id": 4, "z": {"id": 5}}}).encode()
    assert claimed_id(body[:4096], body[-4096:]) is None


def test_a_request_of_the_servers_own_is_not_taken_for_an_answer() -> None:
    for line in (
        b'{"jsonrpc":"2.0","id":5,"method":"roots/list"',
        b'{"method":"x","params":{},"jsonrpc":"2.0","id":5}',
    ):
        assert claimed_id(line, line) is None


@given(plain)
def test_what_is_not_too_deep_is_not_pruned(value: object) -> None:
    text = json.dumps(value)
    assert pruned(text, 100) == text


@given(plain, st.integers(0, 4))
def test_pruned_json_is_json_of_no_more_than_that_depth(value: object, depth: int) -> None:
    def cut(item: Any, level: int) -> Any:
        if isinstance(item, dict | list) and level > depth:
            return None
        if isinstance(item, dict):
            return {key: cut(inner, level + 1) for key, inner in item.items()}
        return [cut(inner, level + 1) for inner in item] if isinstance(item, list) else item

    assert json.loads(pruned(json.dumps(value), depth)) == cut(value, 1)


def test_one_schema_that_is_too_deep_leaves_the_rest_of_the_line() -> None:
    line = b'{"a":' + b'{"b":' * 3000 + b"1" + b"}" * 3000 + b',"c":2}'
    assert parsed(line)["c"] == 2


def test_pruning_hostile_text_is_linear() -> None:
    assert pruned('"' + '\\"' * 1_000_000, 1)
    assert len('["' + '\\"' * 1_000_000) < PRUNABLE
