import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import InvalidArguments, NotFound, PermissionDenied, RateLimited, UpstreamError
from isthmus.model import Operation
from isthmus.upstreams.mcp_results import MAX_MESSAGE, failure_of, kind_of, value_of
from isthmus.upstreams.mcp_tools import operations_of
from isthmus_sandbox.values import check

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just("text"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "data", "resource", "content", "structuredContent", "blob", "isError"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def operation(output: Any = None) -> Operation:
    tool = {"name": "t", "inputSchema": {"type": "object", "properties": {}}, "outputSchema": output}
    return operations_of("up", [tool]).operations[0]


def value(*blocks: Any, **more: Any) -> Any:
    return value_of(operation(), {"content": list(blocks), **more})[0]


def failure(text: str) -> UpstreamError:
    found = failure_of(operation(), {"isError": True, "content": [{"type": "text", "text": text}]})
    assert found is not None
    return found


@given(st.dictionaries(st.sampled_from(["content", "structuredContent", "isError", "resultType"]), anything))
def test_every_result_is_plain_data_or_an_error(result: dict[str, Any]) -> None:
    check(value_of(operation(), result)[0])
    failure_of(operation(), result)


def test_structured_content_goes_before_text() -> None:
    assert value({"type": "text", "text": "x"}, structuredContent={"a": 1}) == {"a": 1}


def test_structured_content_that_is_no_object_is_taken_as_it_is() -> None:
    assert value(structuredContent=[1, 2]) == [1, 2]


def test_a_wrapped_result_is_unwrapped_where_its_schema_says_that_it_is_one() -> None:
    wrapper = {"type": "object", "properties": {"result": {"type": "array"}}, "required": ["result"]}
    assert value_of(operation(wrapper), {"structuredContent": {"result": [1]}})[0] == [1]
    assert value_of(operation(), {"structuredContent": {"result": [1]}})[0] == {"result": [1]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"a": 1}', {"a": 1}), (" [1]", [1]), ("plain", "plain"), ("7", "7"), ("{broken", "{broken"), ("", "")],
)
def test_a_text_is_data_where_it_is_a_json_object_or_array(text: str, expected: Any) -> None:
    assert value({"type": "text", "text": text}) == expected


def test_several_blocks_are_a_list() -> None:
    assert value({"type": "text", "text": "a"}, {"type": "text", "text": "[1]"}) == ["a", [1]]


def test_no_blocks_are_none() -> None:
    assert value() is None
    assert value_of(operation(), {})[0] is None


def test_an_image_has_bytes() -> None:
    image = {"type": "image", "mimeType": "image/png", "data": base64.b64encode(b"\x89PNG").decode()}
    assert value(image) == {"type": "image", "mime_type": "image/png", "data": b"\x89PNG"}


def test_an_embedded_resource_is_a_dict_and_its_blob_is_bytes() -> None:
    blob = {"uri": "a://b", "mimeType": "x/y", "blob": base64.b64encode(b"1").decode()}
    assert value({"type": "resource", "resource": blob}) == {
        "type": "resource",
        "uri": "a://b",
        "mime_type": "x/y",
        "data": b"1",
    }


def test_a_link_is_data_and_is_not_followed() -> None:
    link = {"type": "resource_link", "uri": "http://169.254.169.254/", "name": "n", "mimeType": "x/y"}
    assert value(link) == {"type": "resource_link", "uri": "http://169.254.169.254/", "name": "n", "mime_type": "x/y"}


def test_an_unknown_block_is_kept_and_remarked_upon() -> None:
    data, remarks = value_of(operation(), {"content": [{"type": "hologram", "x": 1}]})
    assert data == {"type": "hologram", "x": 1}
    assert "'hologram'" in remarks[0]


def test_base64_that_is_none_is_kept_and_remarked_upon() -> None:
    data, remarks = value_of(operation(), {"content": [{"type": "image", "data": "!!"}]})
    assert data["data"] == "!!"
    assert remarks == ("data that is no base64 was kept as it came",)


def test_an_image_beside_structured_content_is_not_lost_in_silence() -> None:
    result = {"structuredContent": {}, "content": [{"type": "image"}, {"type": "text", "text": "x"}]}
    assert "1 blocks beside" in value_of(operation(), result)[1][0]


def test_content_that_is_a_text_is_the_text() -> None:
    assert value_of(operation(), {"content": "hello", "isError": None})[0] == "hello"


def test_what_is_no_plain_data_is_replaced_and_remarked_upon() -> None:
    data, remarks = value_of(operation(), {"structuredContent": {"a": 2**70, "b": "\ud800", "c": float("nan")}})
    assert data == {"a": str(2**70), "b": "\\ud800", "c": "nan"}
    assert "no plain data" in remarks[0]


def test_a_failed_tool_is_an_error_with_its_text_and_its_data() -> None:
    error = failure("it broke")
    assert (type(error), error.message, error.body) == (UpstreamError, "it broke", "it broke")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ENOENT: no such file or directory, open '/x'", NotFound),
        ("Unknown tool: nope", NotFound),
        ("Issue 7 not found", NotFound),
        ("GitHub API error: 404 Not Found", NotFound),
        ("Access denied - path outside allowed directories", PermissionDenied),
        ("Request failed with status code 403", PermissionDenied),
        ("API rate limit exceeded for user", RateLimited),
        ("HTTP 429: slow down", RateLimited),
        ("MCP error -32602: Input validation error", InvalidArguments),
        ("the page says 'not found', which is odd, so I looked elsewhere", UpstreamError),
        ("error 4040 in line 403", UpstreamError),
        ("", UpstreamError),
    ],
)
def test_an_error_has_a_kind_only_where_its_text_is_beyond_doubt(text: str, kind: type[UpstreamError]) -> None:
    assert kind_of(text) is kind


def test_a_long_error_is_cut_and_says_so_and_is_whole_in_its_body() -> None:
    error = failure("x" * 5000)
    assert len(error.message) < MAX_MESSAGE + 100
    assert "3,000 more characters" in error.message
    assert error.body == "x" * 5000


def test_an_error_without_a_word_says_that() -> None:
    error = failure_of(operation(), {"isError": True, "content": []})
    assert error is not None
    assert "does not say why" in error.message


def test_a_request_for_more_input_is_an_error() -> None:
    error = failure_of(operation(), {"resultType": "input_required", "inputRequests": {"a": {}}})
    assert error is not None
    assert "asks its user" in error.message
