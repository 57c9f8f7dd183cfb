import contextlib
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import (
    InvalidArguments,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    RateLimited,
    UpstreamError,
    UpstreamUnavailable,
)
from isthmus.openapi.answers import MAX_ERROR_BODY, Undecodable, decode, failure
from isthmus.upstreams.reading import read_bounded

NOW = 1_800_000_000.0


def error_for(
    status: int, body: Any = None, configured: bool = True, expected: str = "a token", **headers: str
) -> UpstreamError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    if not isinstance(body, bytes):
        names.setdefault("content-type", "application/json")
    return failure(status, names, content, what="api.op", expected=expected, configured=configured, now=NOW)


@pytest.mark.parametrize(
    ("content", "content_type", "value"),
    [
        (b'{"a": 1}', "application/json", {"a": 1}),
        (b'{"a": 1}', "application/problem+json; charset=utf-8", {"a": 1}),
        (b'{"a": 1}', "text/plain", {"a": 1}),
        (b'{"a": 1}', "", {"a": 1}),
        (b"{not json}", "text/plain", "{not json}"),
        (b"7", "text/plain", "7"),
        (b"", "application/json", None),
        (b" \n", "application/json", None),
        ("é".encode("latin-1"), "text/plain; charset=latin-1", "é"),
        (b"\xff", "text/plain; charset=nonsense", "\ufffd"),
        (b'{"a":1}\n\n{"a":2}\n', "application/x-ndjson", [{"a": 1}, {"a": 2}]),
        (b'data: {"a":1}\n\ndata: x\ndata: y\n\n: note\n\ndata: [DONE]\n\n', "text/event-stream", [{"a": 1}, "x\ny"]),
        (b"<a/>", "application/xml", "<a/>"),
        (b"\0\1", "image/png", b"\0\1"),
        (b"\xff\0", "", b"\xff\0"),
        (b"a,b\n", "text/csv", "a,b\n"),
    ],
)
def test_an_answer_is_read_as_its_content_type_says(content: bytes, content_type: str, value: Any) -> None:
    assert decode(content, content_type) == value


@pytest.mark.parametrize("content", [b'{"a": 1,,}', b"[" * 200_000, b"<html>", b"\xff\xfe", b"1" * 5000])
def test_json_that_is_none_is_told(content: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(content, "application/json")


@given(
    st.binary(max_size=60),
    st.sampled_from(["application/json", "text/plain", "", "text/event-stream", "application/jsonl"]),
)
def test_any_bytes_are_read_or_told(content: bytes, content_type: str) -> None:
    with contextlib.suppress(Undecodable):
        decode(content, content_type)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidArguments), (401, PermissionDenied), (403, PermissionDenied), (404, NotFound), (410, NotFound),
        (409, UpstreamError), (422, InvalidArguments), (429, RateLimited), (500, UpstreamError), (501, UpstreamError),
        (502, UpstreamUnavailable), (503, UpstreamUnavailable), (504, UpstreamUnavailable), (302, UpstreamError),
    ],
)  # fmt: skip
def test_a_status_is_an_error_of_its_kind(status: int, kind: type[UpstreamError]) -> None:
    error = error_for(status, {"message": "no"})
    assert type(error) is kind
    assert error.status == status


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "m"}, "m"),
        ({"error": {"message": "deep", "code": 3}}, "deep"),
        ({"error": "invalid", "error_description": "long"}, "long"),
        ({"errors": [{"message": "a", "field": "title"}, {"message": "b"}]}, "title: a; b"),
        (
            {"message": "Validation Failed", "errors": [{"field": "title", "code": "missing"}]},
            "Validation Failed (title: missing)",
        ),
        ({"title": "Bad", "status": 400, "detail": "why"}, "why"),
        ({"detail": [{"loc": ["a"], "msg": "field required"}]}, "field required"),
        ({"success": False, "errors": [{"code": 7003, "message": "no route"}]}, "no route"),
        ("plain", "plain"),
        (b"<html>long</html>", "(a web page)"),
        (b"line\x1b[31m red", "line [31m red"),
        ({"other": 1}, ""),
        (None, ""),
    ],
)
def test_the_upstreams_own_words_are_found(body: Any, words: str) -> None:
    headers = {"content_type": "text/plain"} if isinstance(body, bytes) else {}
    assert str(error_for(400, body, True, "a token", **headers)) == (
        "api.op: HTTP 400" + (f": {words}" if words else "")
    )


def test_a_refusal_says_which_credential_is_expected_and_whether_there_is_one() -> None:
    assert "none is configured" in error_for(401, configured=False).hint
    assert "expired" in error_for(401).hint
    assert "scope" in error_for(403).hint
    assert all("expects a token" in error_for(status).hint for status in (401, 403))


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"retry_after": "7"}, 7.0),
        (429, {"retry_after": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30.0),
        (429, {"retry_after": "soon"}, None),
        (403, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1800000060"}, 60.0),
        (429, {}, None),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(status: int, headers: dict[str, str], wait: float | None) -> None:
    error = error_for(status, {"message": "slow down"}, True, "a token", **headers)
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


def test_a_large_error_body_is_cut_and_says_so() -> None:
    error = error_for(500, b"x" * 100_000, content_type="text/plain")
    assert len(error.body) < MAX_ERROR_BODY + 100
    assert "100000 characters in all" in error.body
    assert len(str(error)) < 600


class Parts(httpx2.AsyncByteStream):
    def __init__(self, *parts: bytes) -> None:
        self.parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part


def response(content: bytes, encoding: str = "") -> httpx2.Response:
    parts = [content[place : place + 7] for place in range(0, len(content), 7)]
    return httpx2.Response(200, headers={"content-encoding": encoding} if encoding else {}, stream=Parts(*parts))


@pytest.mark.anyio
async def test_compressed_answers_are_unpacked() -> None:
    text = b"hello " * 50
    raw = zlib.compressobj(wbits=-15)
    for content, encoding in (
        (text, ""),
        (text, "identity"),
        (gzip.compress(text), "gzip"),
        (zlib.compress(text), "deflate"),
        (raw.compress(text) + raw.flush(), "deflate"),
    ):
        assert await read_bounded(response(content, encoding), 1000) == text


@pytest.mark.anyio
async def test_the_limit_counts_unpacked_bytes() -> None:
    for content, encoding in ((b"x" * 1001, ""), (gzip.compress(b"\0" * 50_000_000), "gzip")):
        with pytest.raises(LimitExceeded) as caught:
            await read_bounded(response(content, encoding), 1000)
        assert caught.value.limit == "answer_bytes"


@pytest.mark.anyio
async def test_unknown_and_broken_encodings_are_told() -> None:
    for content, encoding in ((b"x", "br"), (b"not gzip", "gzip"), (b"x", "gzip, gzip")):
        with pytest.raises(UpstreamError):
            await read_bounded(response(content, encoding), 1000)
