import json
import time
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isthmus_sandbox.frames import (
    MAX_MEMBERS,
    decode_event,
    decode_outcome,
    decode_step,
    encode_event,
    encode_events,
    encode_program,
)
from isthmus_sandbox.protocol import (
    MAX_DEPTH,
    Event,
    Failure,
    Outcome,
    Program,
    ProtocolViolation,
    Readings,
    Request,
    Step,
)
from isthmus_sandbox.values import check

STEP: dict[str, Any] = {"requests": [], "cancellations": [], "output": "", "wake_after_ms": None, "clock": [0, []]}
OUTCOME: dict[str, Any] = {
    "ok": True,
    "kind": "none",
    "value": None,
    "blobs": [],
    "output": "",
    "error": None,
    "notes": [],
    "names": [],
    "clock": [0, []],
}
ERROR = asdict(Failure("ValueError", "no"))

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
with_bytes = st.recursive(
    json_values | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)

HOSTILE = {
    "nothing": b"",
    "garbage": b"\x00\xff\xfe garbage",
    "not UTF-8": b'{"requests": "\xff"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "unclosed brackets": b"[" * 100_000,
    "unopened brackets": b"]" * 100_000,
    "an unclosed string": b'"' + b'\\"' * 100_000,
    "a string that ends in a backslash": b'"' + b'"\\' * 100_000,
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "a huge integer": b"9" * 100_000,
    "a huge exponent": b"1e999999999",
    "many digits": b"0." + b"1" * 100_000,
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "two texts": b"{} {}",
    "null": b"null",
    "a control character": b'"\x01"',
}


def step(**members: Any) -> bytes:
    return json.dumps(STEP | members).encode()


def outcome(**members: Any) -> bytes:
    return json.dumps(OUTCOME | members).encode()


def request(**members: Any) -> list[Any]:
    row = {"call": 1, "operation": "a.b", "arguments": {}, "positional": [], "awaited": True, "blobs": []} | members
    return list(row.values())


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


# ---------------------------------------------------------------- whatever comes


@given(st.binary())
@example(b"{}")
def test_any_bytes_are_decoded_or_refused_with_the_one_error(raw: bytes) -> None:
    for decode in (decode_step, decode_outcome):
        try:
            decode(raw)
        except ProtocolViolation:
            continue


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_json_of_ours_is_refused(raw: bytes) -> None:
    for decode in (decode_step, decode_outcome):
        with pytest.raises(ProtocolViolation):
            decode(raw)


@given(st.data())
@settings(max_examples=300)
def test_a_frame_with_one_byte_changed_is_plain_or_refused(data: st.DataObject) -> None:
    valid = step(requests=[request(arguments={"a": [1.5, None, "\u20ac"]}, blobs=[[["a", 1], "aGk="]])], output="x")
    at = data.draw(st.integers(0, len(valid) - 1))
    changed = valid[:at] + bytes([data.draw(st.integers(0, 255))]) + valid[at + 1 :]
    try:
        decoded = decode_step(changed)
    except ProtocolViolation:
        return
    for each in decoded.requests:
        check(dict(each.arguments))


@given(json_values)
def test_any_json_in_the_place_of_a_member_is_taken_or_refused(value: Any) -> None:
    for name in STEP:
        try:
            decode_step(step(**{name: value}))
        except ProtocolViolation:
            continue
    for name in OUTCOME:
        try:
            decode_outcome(outcome(**{name: value}))
        except ProtocolViolation:
            continue


@pytest.mark.parametrize(
    "raw",
    [
        b'"' + b'\\"' * 4_000_000 + b'"',
        b'"' + b"\\" * 8_000_001,
        b"[" + b"[]," * 4_000_000 + b"1]",
        b"[" * 8_000_000,
        b"1" * 8_000_000,
        b'{"a' + b"\\ud800" * 1_000_000,
    ],
    ids=["escapes", "backslashes", "lists", "depth", "digits", "surrogates"],
)
def test_eight_megabytes_of_malice_take_little_time(raw: bytes) -> None:
    began = time.process_time()
    with pytest.raises(ProtocolViolation):
        decode_outcome(raw)
    assert time.process_time() - began < 5


# ---------------------------------------------------------------- JSON to the letter


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b'{"requests":[],"requests":[]}', "duplicate key"),
        (b'{"output":"\\ud800","requests":[],"cancellations":[],"wake_after_ms":null}', "lone surrogate"),
        (b'{"\\udfff":1}', "lone surrogate"),
        (step(output=2**63), "more than 64 bits"),
        (step(output=10**400), "more than 64 bits"),
        (b'{"wake_after_ms":1e400}', "not finite"),
        (b'{"wake_after_ms":NaN}', "NaN is no JSON"),
    ],
)
def test_what_json_leaves_open_is_closed(raw: bytes, problem: str) -> None:
    with pytest.raises(ProtocolViolation, match=problem):
        decode_step(raw)


def test_a_whole_pair_of_escaped_surrogates_is_a_character() -> None:
    assert decode_step(step(output="\U0001f600")).output == "\U0001f600"


def test_brackets_and_commas_within_texts_count_for_nothing() -> None:
    text = '[{,\\"' * (MAX_MEMBERS // 2)
    assert decode_step(step(output=text)).output == text


def test_more_values_than_the_server_will_build_are_refused() -> None:
    with pytest.raises(ProtocolViolation, match="more than 1000000 values"):
        decode_outcome(b"[" + b"1," * (MAX_MEMBERS + 1) + b"1]")


def test_a_value_may_nest_as_deeply_in_a_request_as_in_an_outcome() -> None:
    deep = nested(MAX_DEPTH)
    assert decode_outcome(outcome(kind="json", value=deep)).value == deep
    assert decode_step(step(requests=[request(arguments={"a": deep})])).requests[0].arguments["a"] == deep
    assert decode_step(step(requests=[request(positional=[deep])])).requests[0].positional == (deep,)
    for raw, decode in (
        (outcome(kind="json", value=[deep]), decode_outcome),
        (step(requests=[request(arguments={"a": [deep]})]), decode_step),
        (step(requests=[request(positional=[[deep]])]), decode_step),
    ):
        with pytest.raises(ProtocolViolation, match="nested"):
            decode(raw)


# ---------------------------------------------------------------- steps


def test_a_step_comes_out_as_it_went_in() -> None:
    raw = step(
        requests=[[7, "github.issues.get", {"n": 1}, ["x", None], False, [[[1], "aGk="]]]],
        cancellations=[3, 4],
        output="hello",
        wake_after_ms=12.5,
    )
    assert decode_step(raw) == Step(
        requests=(Request(7, "github.issues.get", {"n": 1}, ("x", b"hi"), awaited=False),),
        cancellations=(3, 4),
        output="hello",
        wake_after_ms=12.5,
    )


@pytest.mark.parametrize(
    "members",
    [
        {"requests": {}},
        {"requests": [[1]]},
        {"requests": [request(call=0)]},
        {"requests": [request(call=True)]},
        {"requests": [request(call=1.0)]},
        {"requests": [request(operation="")]},
        {"requests": [request(operation="a" * 1001)]},
        {"requests": [request(operation=None)]},
        {"requests": [request(arguments=[])]},
        {"requests": [request(positional={})]},
        {"requests": [request(awaited=1)]},
        {"requests": [request(blobs={})]},
        {"requests": [request(blobs=[[[], "aGk="]])]},
        {"requests": [request(blobs=[[["a"], "aGk="]])]},
        {"requests": [request(arguments={"a": 1}, blobs=[[["a"], "aGk="]])]},
        {"requests": [request(arguments={"a": None}, blobs=[[["a"], "aGk=="]])]},
        {"requests": [request(arguments={"a": None}, blobs=[[["a"], "a\u20ac"]])]},
        {"requests": [request(arguments={"a": None}, blobs=[[["a"], "aGk="], [["a"], "aGk="]])]},
        {"requests": [request(arguments={"a": None}, blobs=[[[True], "aGk="]])]},
        {"requests": [request(arguments={"a": None}, blobs=[[["a", "b"], "aGk="]])]},
        {"requests": [request(positional=[None], blobs=[[[-1], "aGk="]])]},
        {"requests": [request(positional=[None], blobs=[[[1], "aGk="]])]},
        {"cancellations": [None]},
        {"cancellations": ["1"]},
        {"output": None},
        {"wake_after_ms": "1"},
        {"wake_after_ms": True},
        {"more": 1},
    ],
)
def test_a_step_of_another_shape_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ProtocolViolation):
        decode_step(step(**members))


def test_a_refusal_does_not_repeat_what_the_worker_wrote() -> None:
    with pytest.raises(ProtocolViolation) as caught:
        decode_step(step(requests=[request(operation=["canary"])]))
    assert "canary" not in str(caught.value)
    assert "requests[0]" in str(caught.value)


def test_a_wait_that_is_over_already_is_no_wait() -> None:
    assert decode_step(step(wake_after_ms=-3)).wake_after_ms == 0.0


# ---------------------------------------------------------------- outcomes


def test_an_outcome_comes_out_as_it_went_in() -> None:
    raw = outcome(kind="json", value={"a": None}, blobs=[[["a"], ""]], output="x", notes=["n"], names=["v"])
    assert decode_outcome(raw) == Outcome(True, "json", {"a": b""}, "x", None, ("n",), ("v",))
    assert decode_outcome(outcome(kind="json", value=None, blobs=[[[], "aGk="]])).value == b"hi"
    failed = decode_outcome(outcome(ok=False, error=ERROR | {"line": 3}))
    assert failed.error == Failure("ValueError", "no", line=3)


@pytest.mark.parametrize(
    "members",
    [
        {"ok": 1},
        {"ok": False},
        {"error": ERROR},
        {"kind": "other"},
        {"kind": None},
        {"kind": ["json"]},
        {"kind": "text", "value": 1},
        {"kind": "none", "value": 1},
        {"notes": [1]},
        {"names": "a"},
        {"ok": False, "error": ERROR | {"line": "3"}},
        {"ok": False, "error": ERROR | {"line": -1}},
        {"ok": False, "error": ERROR | {"more": 1}},
        {"ok": False, "error": {"type": "E"}},
    ],
)
def test_an_outcome_of_another_shape_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ProtocolViolation):
        decode_outcome(outcome(**members))


# ---------------------------------------------------------------- to the guest


@given(with_bytes)
def test_events_come_out_at_the_guest_as_they_went_in(payload: Any) -> None:
    [[call, kind, value, blobs]] = json.loads(encode_events([Event(3, "value", payload)]))
    assert (call, kind) == (3, "value")
    returned = decode_outcome(outcome(kind="json", value=value, blobs=blobs))
    assert returned.value == payload


def test_several_events_are_one_text() -> None:
    assert json.loads(encode_events([Event(1, "item", 1), Event(1, "end")])) == [
        [1, "item", 1, []],
        [1, "end", None, []],
    ]
    assert encode_events([]) == b"[]"


def test_a_payload_that_is_not_plain_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match=r'events\[1\]\.payload\["a"\]\[3\]: inf is not'):
        encode_events([Event(1, "value", 1), Event(2, "value", {"a": [0, 1, 2, float("inf")]})])


@given(st.text(st.characters(codec=None)))
def test_any_source_reaches_the_guest(source: str) -> None:
    text = encode_program(Program(source, "00", 1.5, ("github",), 99))
    assert json.loads(text) == {
        "source": source,
        "seed": "00",
        "now": 1.5,
        "upstreams": ["github"],
        "output_bytes": 99,
    }


# ---------------------------------------------------------------- clocks

readings = st.lists(st.tuples(st.integers(1, 100), st.integers(-(2**63), 2**63 - 1)), max_size=5).map(
    lambda moves: Readings(100, tuple(moves))
)


@given(readings, readings)
def test_readings_of_both_clocks_come_out_as_they_went_in(clock: Readings, wall: Readings) -> None:
    head = json.dumps([wall.made, wall.moves]).encode()
    got = decode_step(head + b"\n" + step(clock=[clock.made, clock.moves]))
    assert (got.clock, got.wall) == (clock, wall)
    ended = decode_outcome(head + b"\n" + outcome(clock=[clock.made, clock.moves]))
    assert (ended.clock, ended.wall) == (clock, wall)


@pytest.mark.parametrize(
    "clock", [None, [], [1], [-1, []], [True, []], [1, {}], [1, [[2, 0]]], [1, [[0, 0]]], [1, [[1]]], [1, [[1, 0.5]]]]
)
def test_readings_of_another_shape_are_refused(clock: Any) -> None:
    for raw in (step(clock=clock), json.dumps(clock).encode() + b"\n" + step()):
        with pytest.raises(ProtocolViolation):
            decode_step(raw)


@given(json_values)
def test_an_event_in_a_record_is_found_as_it_was(payload: Any) -> None:
    event = Event(3, "value", payload)
    assert decode_event(encode_event(event)) == event


@given(st.binary(max_size=60))
def test_what_is_no_event_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode_event(b"[" + raw)
