"""What a client's line is taken for: a message, a fault that is answered, or nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.front.messages import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    LINE_BYTES,
    PARSE_ERROR,
    Fault,
    read,
    result_line,
)
from isthmus.upstreams.lines import LineSplitter
from isthmus_sandbox import values

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", 2]),
        "id": json_values,
        "method": st.sampled_from(["ping", "initialize", "tools/call", "notifications/cancelled", 5, None]),
        "params": json_values,
        "result": json_values,
        "error": json_values | st.fixed_dictionaries({"code": st.integers(), "message": st.text()}),
    },
)


def fault(line: bytes) -> Fault:
    found = read(line)
    assert isinstance(found, Fault), found
    return found


@pytest.mark.parametrize("line", [b"", b"\r", b" \t ", b"\xef\xbb\xbf"])
def test_a_blank_line_is_nothing(line: bytes) -> None:
    assert read(line) is None


@pytest.mark.parametrize("ending", [b"", b"\r", b"  "])
def test_a_message_may_end_as_windows_ends_lines_and_begin_with_a_byte_order_mark(ending: bytes) -> None:
    assert read(b"\xef\xbb\xbf" + json.dumps(PING).encode() + ending) == PING


@pytest.mark.parametrize(
    ("line", "code", "identity"),
    [
        (b"hello", PARSE_ERROR, None),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping"', PARSE_ERROR, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"x": NaN}}', PARSE_ERROR, 7),
        (b'{"method": "ping", "params": {"x": -Infinity}, "jsonrpc": "2.0", "id": "a"}', PARSE_ERROR, "a"),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"x": 1e999}}', INVALID_REQUEST, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"x": "\\ud800"}}', INVALID_REQUEST, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"x": "\xff"}}', PARSE_ERROR, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "p", "params": {"x": 123456789012345678901}}', INVALID_REQUEST, 7),
        (
            b'{"jsonrpc": "2.0", "id": 7, "method": "p", "params": ' + b'{"a":' * 99 + b"1" + b"}" * 100,
            INVALID_REQUEST,
            7,
        ),
        (
            b'{"jsonrpc": "2.0", "id": 7, "method": "p", "params": ' + b"[" * 100_000 + b"]" * 100_000,
            INVALID_REQUEST,
            7,
        ),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "p", "params": ' + b"1" * 5_000 + b"}", PARSE_ERROR, 7),
        (b'{"jsonrpc": "2.0", "id": 123456789012345678901, "method": "ping"}', INVALID_REQUEST, None),
        (b'{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping"}', INVALID_REQUEST, None),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', INVALID_REQUEST, None),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', INVALID_REQUEST, None),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', INVALID_REQUEST, None),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', INVALID_REQUEST, None),
        (b'{"jsonrpc": "1.0", "id": 7, "method": "ping"}', INVALID_REQUEST, 7),
        (b'{"id": 7, "method": "ping"}', INVALID_REQUEST, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": ["ping"]}', INVALID_REQUEST, 7),
        (b'{"jsonrpc": "2.0", "id": 7}', INVALID_REQUEST, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": [1]}', INVALID_PARAMS, 7),
        (b'[{"jsonrpc": "2.0", "id": 7, "method": "ping"}]', INVALID_REQUEST, None),
        (b"5", INVALID_REQUEST, None),
        (b"{}", INVALID_REQUEST, None),
    ],
)
def test_what_is_no_message_is_answered_with_the_id_that_can_be_told(line: bytes, code: int, identity: Any) -> None:
    found = fault(line)
    assert (found.code, found.id) == (code, identity)
    answer = json.loads(found.answer())
    assert answer == {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": found.reason}}


def test_the_reason_says_where_and_what() -> None:
    line = b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"arguments": {"code": "\\udc80"}}}'
    assert fault(line).reason == 'message["params"]["arguments"]["code"]: the text holds a lone surrogate'


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc": "2.0", "id": 7, "result": 5}',
        b'{"jsonrpc": "2.0", "id": null, "result": {}}',
        b'{"jsonrpc": "2.0", "id": 7, "error": "no"}',
        b'{"jsonrpc": "2.0", "id": 7, "error": {"code": "x", "message": 5}}',
    ],
)
def test_a_broken_answer_is_nothing_for_answers_are_not_answered(line: bytes) -> None:
    assert read(line) is None


def test_of_a_notification_and_of_an_answer_the_rest_is_kept() -> None:
    assert read(b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"reason": "\\ud800"}}') == {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"reason": "\\ud800"},
    }
    assert read(b'{"jsonrpc": "2.0", "id": 1, "result": {"x": 1e999}}') == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"x": "inf"},
    }


@pytest.mark.parametrize("identity", [5, "a"])
@pytest.mark.parametrize(
    "shape", ['{{"jsonrpc":"2.0","id":{0},"params":"{1}"}}', '{{"p":"{1}","jsonrpc":"2.0","id":{0}}}']
)
def test_a_line_that_is_too_long_is_answered_where_its_ends_tell_the_id(identity: int | str, shape: str) -> None:
    splitter = LineSplitter(LINE_BYTES)
    line = shape.format(json.dumps(identity), "x" * LINE_BYTES).encode()
    (oversize,) = splitter.feed(line + b"\n")
    found = read(oversize)
    assert isinstance(found, Fault)
    assert (found.id, found.code) == (identity, INVALID_REQUEST)
    assert f"more than {LINE_BYTES:,}" in found.reason


@given(messages)
def test_whatever_comes_is_plain_and_well_shaped_or_a_fault(item: dict[str, Any]) -> None:
    found = read(json.dumps(item).encode())
    if isinstance(found, Fault):
        assert json.loads(found.answer())["error"]["code"] in (PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS)
        assert found.id is None or found.id == item["id"]
        return
    if found is None:
        assert "result" in item or "error" in item
        return
    values.check(found)
    assert found["jsonrpc"] == "2.0"
    if "method" in found:
        assert isinstance(found["method"], str)
        assert isinstance(found.get("params"), dict | None)
    assert "id" not in found or type(found["id"]) in (int, str)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_make_it_raise(line: bytes) -> None:
    found = read(line)
    assert found is None or isinstance(found, Fault | dict)


@given(st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1), st.dictionaries(st.text(), st.text()))
def test_an_answer_is_one_line_of_json(identity: int | str, result: dict[str, str]) -> None:
    line = result_line(identity, result)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"jsonrpc": "2.0", "id": identity, "result": result}
