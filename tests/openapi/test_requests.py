import email
import email.policy
import json
from typing import Any

import pytest

from isthmus.errors import InvalidArguments
from isthmus.model import Credential, Operation
from isthmus.openapi.multipart import Part, encode_multipart
from isthmus.openapi.operations import compile_operations
from isthmus.openapi.plan import read_plan
from isthmus.openapi.requests import WireRequest, build_request, with_credential

from .conftest import document_of


def request_for(
    arguments: dict[str, Any], node: dict[str, Any], path: str = "/a", method: str = "post", **parts: Any
) -> WireRequest:
    document = document_of(paths={path: {method: {"operationId": "a", **node}}}, **parts)
    (operation,) = compile_operations(document, "api").operations
    return build(operation, arguments)


def build(operation: Operation, arguments: dict[str, Any]) -> WireRequest:
    return build_request(operation, read_plan(operation).inputs, arguments)


def body(media_type: str, schema: Any, **more: Any) -> dict[str, Any]:
    return {"requestBody": {"content": {media_type: {"schema": schema, **more}}}}


def props(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {} for name in names}}


def content_type(request: WireRequest) -> str:
    return dict(request.headers)["Content-Type"]


def test_each_parameter_goes_where_the_document_says() -> None:
    node = {
        "parameters": [
            {"name": "id", "in": "path", "schema": {}},
            {"name": "ids[]", "in": "query", "style": "form", "schema": {}},
            {"name": "filter", "in": "query", "content": {"application/json": {"schema": {}}}},
            {"name": "X-Trace", "in": "header", "schema": {}},
            {"name": "mode", "in": "cookie", "schema": {}},
        ]
    }
    arguments = {"id": "a/b", "ids": [1, 2], "filter": {"a": 1}, "x_trace": "t", "mode": "dark one"}
    request = request_for(arguments, node, "/v/{id}:run", "get")
    assert request.target == "/v/a%2Fb:run?ids%5B%5D=1&ids%5B%5D=2&filter=%7B%22a%22%3A1%7D"
    assert request.headers == (("X-Trace", "t"),)
    assert request.cookies == (("mode", "dark%20one"),)
    assert request.content is None


def test_placeholders_within_a_step_are_filled() -> None:
    node = {"parameters": [{"name": "token", "in": "path", "required": True, "schema": {}}]}
    request = request_for({"token": "a'b"}, node, "/x/delta(token='{token}')", "get")
    assert request.path == "/x/delta(token='a%27b')"


def test_a_missing_part_of_the_path_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="id: required"):
        request_for({}, {}, "/v/{id}", "get")


def test_a_json_body_holds_what_was_given_and_nothing_else() -> None:
    request = request_for({"a": 1, "c": None}, body("application/json", props("a", "b", "c")))
    assert request.content == b'{"a":1,"c":null}'
    assert content_type(request) == "application/json"


def test_no_argument_for_an_optional_body_is_no_body_and_for_a_required_one_an_empty_object() -> None:
    node = body("application/json", props("a"))
    assert request_for({}, node).content is None
    node["requestBody"]["required"] = True
    assert request_for({}, node).content == b"{}"


def test_further_properties_of_an_open_body_are_passed_on() -> None:
    node = body("application/json", {**props("a"), "additionalProperties": {}})
    assert json.loads(request_for({"a": 1, "Other": 2}, node).content or b"") == {"Other": 2, "a": 1}


def test_whole_bodies_are_sent_as_they_are() -> None:
    assert request_for({"body": [1]}, body("application/json", {"type": "array"})).content == b"[1]"
    assert request_for({"body": "héé"}, body("text/plain", {"type": "string"})).content == "héé".encode()
    request = request_for({"body": b"\0\1"}, body("application/octet-stream", {"type": "string", "format": "binary"}))
    assert (request.content, content_type(request)) == (b"\0\1", "application/octet-stream")
    assert content_type(request_for({"body": b"x"}, body("*/*", {"format": "binary"}))) == "application/octet-stream"
    assert content_type(request_for({"raw": "x"}, body("message/rfc822", props("raw")))) == "application/json"


def test_json_is_preferred_to_forms_and_forms_to_the_rest() -> None:
    content = {kind: {"schema": props("a")} for kind in ("text/xml", "multipart/form-data", "application/x+json")}
    assert content_type(request_for({"a": 1}, {"requestBody": {"content": content}})) == "application/x+json"
    del content["application/x+json"]
    assert content_type(request_for({"a": 1}, {"requestBody": {"content": content}})).startswith("multipart/form-data;")


def test_forms_follow_the_encoding_of_each_property() -> None:
    encoding = {"deep": {"style": "deepObject"}, "joined": {"style": "pipeDelimited", "explode": False}}
    node = body("application/x-www-form-urlencoded", props("deep", "joined", "many", "object"), encoding=encoding)
    arguments = {"deep": {"a": [{"b": True}]}, "joined": [1, 2], "many": ["x", "y z"]}
    assert (
        request_for(arguments, node).content
        == b"deep%5Ba%5D%5B0%5D%5Bb%5D=true&joined=1%7C2&many%5B%5D=x&many%5B%5D=y%20z"
    )
    plain = body("application/x-www-form-urlencoded", props("many", "object"))
    assert (
        request_for({"many": ["x", "y"], "object": {"a": 1}}, plain).content
        == b"many=x&many=y&object=%7B%22a%22%3A1%7D"
    )


def test_multipart_carries_files_fields_and_json() -> None:
    schema = {
        "type": "object",
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "photo": {"contentMediaType": "image/png"},
            "note": {"type": "string"},
            "meta": {"type": "object"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    }
    node = body("multipart/form-data", schema, encoding={"photo": {"contentType": "image/png, image/jpeg"}})
    arguments = {
        "file": ['a"b\r\n.txt', b"--data--", "text/plain"],
        "photo": b"\x89PNG",
        "note": "né",
        "meta": {"a": 1},
        "tags": ["x", "y"],
    }
    request = request_for(arguments, node)
    raw = f"Content-Type: {content_type(request)}\r\n\r\n".encode() + (request.content or b"")
    parts = list(email.message_from_bytes(raw, policy=email.policy.HTTP).iter_parts())
    seen = [
        (part.get_param("name", header="content-disposition"), part.get_content_type(), part.get_payload(decode=True))
        for part in parts
    ]
    assert seen == [
        ("file", "text/plain", b"--data--"),
        ("photo", "image/png", b"\x89PNG"),
        ("note", "text/plain", "né".encode()),
        ("meta", "application/json", b'{"a":1}'),
        ("tags", "text/plain", b"x"),
        ("tags", "text/plain", b"y"),
    ]
    assert b'filename="a%22b%0D%0A.txt"' in (request.content or b"")
    assert b'name="photo"; filename="photo"' in (request.content or b"")


def test_the_boundary_depends_on_the_contents_alone() -> None:
    parts = [Part("a", b"1"), Part("b", b"2", filename="f")]
    assert encode_multipart(parts) == encode_multipart(list(parts))
    assert encode_multipart(parts)[1] != encode_multipart(parts[:1])[1]


def test_a_file_with_a_bad_media_type_is_refused() -> None:
    node = body("multipart/form-data", {"properties": {"f": {"format": "binary"}}})
    with pytest.raises(InvalidArguments, match="media type"):
        request_for({"f": ["a", b"x", "text/plain\r\nX: y"]}, node)


def test_bytes_and_lone_surrogates_are_no_json() -> None:
    node = body("application/json", props("a"))
    with pytest.raises(InvalidArguments, match="cannot be sent as JSON"):
        request_for({"a": b"x"}, node)
    with pytest.raises(InvalidArguments, match="lone surrogate"):
        request_for({"q": "\ud800"}, {"parameters": [{"name": "q", "in": "query"}]}, method="get")


def test_a_credential_replaces_whatever_stands_in_its_places() -> None:
    request = WireRequest(
        "GET",
        "/a",
        query=(("api%5Fkey", "mine"), ("q", "1")),
        headers=(("x-key", "mine"),),
        cookies=(("sid", "mine"), ("b", "2")),
    )
    credential = Credential(headers={"X-Key": "K"}, query={"api_key": "s&t"}, cookies={"sid": "C"})
    done = with_credential(request, credential)
    assert done.target == "/a?q=1&api_key=s%26t"
    assert done.headers == (("X-Key", "K"),)
    assert done.cookies == (("b", "2"), ("sid", "C"))


def test_attack_values_stay_in_their_step_of_the_path(attack: Any) -> None:
    operations = {operation.original: operation for operation in attack("05").operations}
    for value in ("..", ".", "", "../../admin", "..%2f..%2fadmin", "..\\admin", "%2e%2e/admin"):
        with pytest.raises(InvalidArguments):
            build(operations["getFile"], {"name": value})
    for value in ("a/b", "a%2Fb", "?x=1#y", "a b", "\u2028", "a;b=c", "http://evil.example/"):
        path = build(operations["getFile"], {"name": value}).target
        assert path.startswith("/files/")
        assert path.count("/") == 2
        assert not set(path[7:]) & set("?#; ")
    assert build(operations["matrix"], {"a": ["x", "y"], "ext": ["z"]}).path == "/m/;a=x;a=y.;ext=z"
