"""What is fuzzed: each target takes any bytes, and raises only where a promise is broken.

The suite feeds them a few hundred inputs (`test_targets.py`), `python -m tests.fuzz` millions.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2

from guest.values import decode_events, encode_arguments, encode_result
from isthmus.errors import LimitExceeded, UpstreamError
from isthmus.model import Effect, Operation, SchemaDocument
from isthmus.openapi.answers import Undecodable, decode
from isthmus.upstreams.lines import LineSplitter
from isthmus.upstreams.mcp_beside import Beside, operations_beside
from isthmus.upstreams.mcp_results import failure_of, value_of
from isthmus.upstreams.mcp_tools import operations_of
from isthmus.upstreams.mcp_wire import Inbox
from isthmus.upstreams.reading import read_bounded
from isthmus_sandbox.channel import Channel
from isthmus_sandbox.frames import decode_outcome, decode_step, encode_event
from isthmus_sandbox.protocol import Event, Outcome, ProtocolViolation, Step
from isthmus_sandbox.values import check, clean
from isthmus_sandbox.wire import HEADER, Kind, frame
from tests.fuzz import strange


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to fuzz. `modules` are those whose lines it should reach; `seeds` are inputs to begin with."""

    about: str
    modules: tuple[str, ...]
    seeds: tuple[bytes, ...]
    feed: Callable[[bytes], None]


# ---------------------------------------------------------------- guest to host

STEP = {
    "requests": [
        [7, "github.issues.get", {"n": 1, "b": None}, ["x", None, 1.5e3], False, [[[1], "aGk="], [["b"], ""]]]
    ],
    "cancellations": [3],
    "output": "h\u00e9\ud83d\ude00",
    "wake_after_ms": 12.5,
    "clock": [3, [[1, 0], [3, 12]]],
}
ERROR = {"type": "E", "message": "m", "line": 1, "column": None, "trace": "t", "hint": "h", "code": "program"}
OUTCOME = {
    "ok": True,
    "kind": "json",
    "value": {"a": [1, None, -0.5, True, "x"]},
    "blobs": [[["a", 1], "aGk="]],
    "output": "o",
    "error": None,
    "notes": ["n"],
    "names": ["v"],
    "clock": [0, []],
}
FAILED = {**OUTCOME, "ok": False, "kind": "none", "value": None, "blobs": [], "error": ERROR}


def frames(data: bytes) -> None:
    """Whatever a worker writes is decoded to plain data of the right shape, or is a ProtocolViolation."""
    for decoder in (decode_step, decode_outcome):
        with suppress(ProtocolViolation):
            decoded: Step | Outcome = decoder(data)
            _expect_plain(decoded)


def _expect_plain(decoded: Step | Outcome) -> None:
    if isinstance(decoded, Outcome):
        check(decoded.value)
        texts = [decoded.output, *decoded.notes, *decoded.names]
    else:
        for request in decoded.requests:
            check(dict(request.arguments), wrapping=1)
            check(list(request.positional), wrapping=1)
        texts = [decoded.output, *(request.operation for request in decoded.requests)]
    check(texts)


def channel(data: bytes) -> None:
    """Bytes in any pieces, at any time: one frame of a kind that is expected, or the channel is broken for good."""
    asyncio.run(_channel(data))


async def _channel(data: bytes) -> None:
    end, spring = Channel(), strange.Spring(data)
    allowed = {Kind.STEP: 1 + spring.byte(), Kind.OUTCOME: 40}
    if spring.byte() % 8:
        end.expect(allowed)
    while not spring.dry:
        end.data_received(spring.take(1 + spring.byte() % 16))
        assert len(end._received) <= HEADER.size + max(allowed.values()), "more is kept than may come"
        if end._answer is not None and end._answer.done():
            if end._answer.exception() is not None:
                assert not end.open
                break
            kind, text = end._answer.result()
            assert len(text) <= allowed[kind]
            end.expect(allowed)


# ---------------------------------------------------------------- values, both ways


def cleaner(data: bytes) -> None:
    """Any value is cleaned to plain data, which the guest gets as it is; what is plain already is left alone."""
    value = strange.value_of(data)
    plain = clean(value)
    check(plain)
    assert clean(plain) is plain, "cleaning twice changes something"
    try:
        check(value)
    except ValueError:
        pass
    else:
        assert plain is value, "what is plain was changed"
    [[call, kind, returned, *_]] = decode_events("[" + encode_event(Event(3, "value", plain)).decode() + "]")
    assert (call, kind) == (3, "value")
    assert _same(returned, plain)


def guest(data: bytes) -> None:
    """What a guest encodes, the host decodes: a program's strange value is an error of its own, or crosses whole."""
    value = strange.value_of(data)
    with suppress(TypeError, ValueError):
        result = encode_result(value)
        text = json.dumps({**OUTCOME, "value": 0, "blobs": 1, "notes": list(result.notes)})
        text = text.replace('"value": 0', f'"value": {result.text}').replace('"blobs": 1', f'"blobs": {result.blobs}')
        check(decode_outcome(text.encode()).value)
    with suppress(TypeError, ValueError):
        named, placed = encode_arguments({"a": value, strange.text_of(data): 1}, (value,))
        row = f'[1,"a.b",{named.text},{placed.text},true,{named.blobs}]'
        step = decode_step(
            f'{{"requests":[{row}],"cancellations":[],"output":"","wake_after_ms":null,"clock":[0,[]]}}'.encode()
        )
        check(step.requests[0].arguments["a"])


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


# ---------------------------------------------------------------- from upstreams

OPERATION = Operation("up.get", "up", "get", Effect.READ, (), document=SchemaDocument({}))


def wire(data: bytes) -> None:
    """What an MCP server writes becomes messages; a result becomes plain data, or an error with a bounded message."""
    splitter, inbox = LineSplitter(400), Inbox(400)
    half = len(data) // 2
    lines = [*splitter.feed(data[:half]), *splitter.feed(data[half:]), *splitter.end()]
    for line in lines:
        for message in inbox.read(line):
            result = getattr(message, "result", None)
            if isinstance(result, dict):
                _expect_answer(result)
    assert all(len(remark) < 300 and remark.isprintable() for remark in inbox.remarks())


def _expect_answer(result: dict[str, Any]) -> None:
    failure = failure_of(OPERATION, result)
    if failure is not None:
        check([failure.body, failure.message])
        assert len(failure.message) < 3000
    value, remarks = value_of(OPERATION, result)
    check([value, list(remarks)])


def tools(data: bytes) -> None:
    """Any list of tools, resources and prompts becomes operations with Python names of their own."""
    try:
        listed = json.loads(data)
    except (ValueError, RecursionError):
        return
    items = listed if isinstance(listed, list) else [listed]
    found = operations_of("up", items)
    beside = operations_beside("up", Beside(items, items, items), found.operations)
    every = [*found.operations, *beside.operations]
    assert len({operation.id for operation in every}) == len(every)
    for operation in every:
        assert operation.id.isascii() or operation.id.isprintable()
        assert all(part.isidentifier() for part in operation.id.split("."))


def bodies(data: bytes) -> None:
    """A body of HTTP is unpacked within its bound, and decoded to plain data, or refused."""
    spring = strange.Spring(data)
    encoding, content_type = ENCODINGS[spring.below(len(ENCODINGS))], TYPES[spring.below(len(TYPES))]
    response = httpx2.Response(200, headers={"content-encoding": encoding}, stream=_Pieces(spring))
    try:
        content = asyncio.run(read_bounded(response, BODY))
    except UpstreamError:
        return
    except LimitExceeded as error:
        if error.limit != "answer_bytes":
            raise
        return
    assert len(content) <= BODY
    with suppress(Undecodable):
        check(clean(decode(content, content_type)))


BODY = 5_000
ENCODINGS = ("", "gzip", "deflate", "br", "gzip, gzip", "identity")
TYPES = (
    *("application/json", "text/plain; charset=utf-16", "application/x-ndjson", "text/event-stream"),
    *("application/xml", "multipart/mixed; boundary=x", "", "text/csv; charset=nope", "text/plain; charset=idna"),
)


class _Pieces(httpx2.AsyncByteStream):
    """The rest of a spring, in pieces."""

    def __init__(self, spring: strange.Spring) -> None:
        self._spring = spring

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self._spring.dry:
            yield self._spring.take(1 + self._spring.byte())


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _rpc(value: Any) -> bytes:
    return _json({"jsonrpc": "2.0", "id": 1, "result": value}) + b"\n"


def _piece(data: bytes) -> bytes:
    return b"".join(bytes([len(part) - 1]) + part for part in (data[at : at + 200] for at in range(0, len(data), 200)))


TOOL = {
    "name": "get-it",
    "description": "Gets \u202e it.",
    "inputSchema": {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": ["string", "null"], "enum": ["x"], "default": "x"}, "b c": {"$ref": "#/$defs/d"}},
        "$defs": {"d": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#/$defs/d"}}]}},
    },
    "outputSchema": {"type": "object", "properties": {"result": {"type": "string"}}},
    "annotations": {"readOnlyHint": True, "destructiveHint": False},
}
BLOCKS = [
    {"type": "text", "text": '{"a": [1, 2]}'},
    {"type": "image", "data": "aGk=", "mimeType": "image/png"},
    {"type": "resource", "resource": {"uri": "a:b", "blob": "aGk="}},
]

TARGETS = {
    "frames": Target(
        "steps and outcomes that a worker writes",
        ("isthmus_sandbox.frames", "isthmus_sandbox.values"),
        (
            _json(STEP),
            b"[2, [[1, 1790000000000]]]\n" + _json(STEP),
            _json(OUTCOME),
            _json(FAILED),
            b'{"a":"\\ud83d\\ude00"}',
        ),
        frames,
    ),
    "channel": Target(
        "the bytes around frames",
        ("isthmus_sandbox.channel",),
        (b"\x28\x01\x01" + frame(Kind.STEP, b"{}"), b"\x28\x01\x05" + frame(Kind.OUTCOME, b"x" * 40)),
        channel,
    ),
    "cleaner": Target(
        "what an upstream's answer is made of, on its way to a guest",
        ("isthmus_sandbox.values", "isthmus_sandbox.frames"),
        tuple(bytes(range(start, start + 60)) for start in range(0, 180, 20)),
        cleaner,
    ),
    "guest": Target(
        "what a program gives, on its way to the host",
        ("guest.values", "isthmus_sandbox.frames"),
        tuple(bytes(range(start, start + 60)) for start in range(0, 180, 20)),
        guest,
    ),
    "wire": Target(
        "the lines of an MCP server, and the results in them",
        ("isthmus.upstreams.lines", "isthmus.upstreams.mcp_wire", "isthmus.upstreams.mcp_results"),
        (
            _rpc({"content": BLOCKS}),
            _rpc({"content": BLOCKS[:1], "structuredContent": {"result": 10**30}}),
            _rpc({"content": [{"type": "text", "text": "HTTP 404"}], "isError": True}),
            _json([{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}, 1]) + b"\n\xff\n",
            _json({"jsonrpc": "2.0", "id": "a", "error": {"code": 1, "message": "m", "data": [1]}}),
        ),
        wire,
    ),
    "tools": Target(
        "lists of tools, resources and prompts",
        ("isthmus.upstreams.mcp_tools", "isthmus.upstreams.mcp_beside"),
        (
            _json([TOOL]),
            _json([TOOL, TOOL]),
            _json([{"uri": "x:a", "uriTemplate": "x:{a}{?b*}", "name": "a", "arguments": [{"name": "a"}]}]),
        ),
        tools,
    ),
    "bodies": Target(
        "the bodies of HTTP answers",
        ("isthmus.upstreams.reading", "isthmus.openapi.answers"),
        (
            b"\0\0" + _piece(_json({"a": 1})),
            b"\1\0" + _piece(gzip.compress(_json({"a": 1}), mtime=0)),
            b"\1\0" + _piece(gzip.compress(b"0" * 100_000, mtime=0)),
            b"\2\1" + _piece(zlib.compress("a".encode("utf-16"))),
            b"\0\2" + _piece(b'{"a":1}\n{"b":2}\n'),
            b"\0\3" + _piece(b'event: a\ndata: {"a":1}\n\ndata: b\n\n'),
        ),
        bodies,
    ),
}
