"""Swagger 2.0, from the document to the request: what its words mean is seen on the wire."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulators.openapi_service import Reply

from isthmus.errors import ConfigurationError
from isthmus.model import Operation
from isthmus.openapi.document import OpenApiDocument, read_document
from isthmus.openapi.operations import compile_operations
from isthmus.openapi.security import security_schemes
from isthmus.openapi.servers import choose_server
from isthmus.render.stubs import NORMAL, stub
from isthmus.validation import Validation

pytestmark = pytest.mark.anyio

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def swagger(**parts: Any) -> dict[str, Any]:
    return {"swagger": "2.0", "info": {"title": "Pets"}, "host": "api.test", "paths": {}, **parts}


def taking(*parameters: dict[str, Any], method: str = "post", path: str = "/pets", **more: Any) -> dict[str, Any]:
    operation = {"operationId": "op", "parameters": list(parameters), "responses": {"200": {"description": ""}}, **more}
    return swagger(paths={path: {method: operation}})


def field(name: str, place: str = "formData", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "type": "string", **more}


def read(root: dict[str, Any], source: str = "pets.json") -> OpenApiDocument:
    return read_document(json.dumps(root).encode(), source)


def only(root: dict[str, Any]) -> Operation:
    compiled = compile_operations(read(root), "pets")
    assert compiled.warnings == ()
    (operation,) = compiled.operations
    return operation


@pytest.mark.parametrize(
    ("parts", "source", "url"),
    [
        ({"schemes": ["http", "https"], "basePath": "/v1/"}, "pets.json", "https://api.test/v1"),
        ({"schemes": ["ws", "http"]}, "pets.json", "http://api.test"),
        ({}, "pets.json", "https://api.test"),
        ({}, "http://docs.test/pets.json", "http://api.test"),
        ({"host": None, "basePath": "/v2"}, "https://docs.test/a/pets.json", "https://docs.test/v2"),
    ],
)
def test_the_server_is_made_of_scheme_host_and_base_path(parts: dict[str, Any], source: str, url: str) -> None:
    assert choose_server(read(swagger(**parts), source), None, {}).url == url


def test_without_host_and_url_the_operator_has_to_name_the_server() -> None:
    with pytest.raises(ConfigurationError, match="names no server") as caught:
        choose_server(read(swagger(host=None)), None, {})
    assert "base_url" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("place", "form", "sent"),
    [
        ("query", None, "tag=a,b%20c"),
        ("query", "csv", "tag=a,b%20c"),
        ("query", "ssv", "tag=a%20b%20c"),
        ("query", "tsv", "tag=a%09b%20c"),
        ("query", "pipes", "tag=a%7Cb%20c"),
        ("query", "multi", "tag=a&tag=b%20c"),
        ("path", None, "/pets/a,b%20c"),
        ("path", "pipes", "/pets/a%7Cb%20c"),
        ("header", None, "a,b c"),
        ("header", "pipes", "a|b c"),
        ("formData", None, b"tag=a,b%20c"),
        ("formData", "multi", b"tag=a&tag=b%20c"),
        ("formData", "ssv", b"tag=a%20b%20c"),
    ],
)
async def test_a_collection_format_says_how_a_list_is_written(up: Any, place: str, form: str | None, sent: Any) -> None:
    listed = field("tag", place, type="array", items={"type": "string"}, **({"collectionFormat": form} if form else {}))
    root = taking(listed, path="/pets/{tag}" if place == "path" else "/pets")
    async with up(root) as pets:
        await pets.call("op", tag=["a", "b c"])
        request = pets.service.requests[-1]
    found = {
        "query": request.query,
        "path": request.path.removeprefix("/v1"),
        "header": request.headers.get("tag"),
        "formData": request.body,
    }
    assert found[place] == sent


async def test_a_body_travels_as_what_the_operation_consumes(up: Any) -> None:
    pet = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    body = {"in": "body", "name": "pet", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
    root = taking(body, consumes=["application/xml", "application/vnd.pets+json"]) | {"definitions": {"Pet": pet}}
    async with up(root) as pets:
        assert [(one.name, one.required) for one in pets.operations["op"].parameters] == [("name", True)]
        await pets.call("op", name="Rex")
        request = pets.service.requests[-1]
    assert (request.json, request.headers["content-type"]) == ({"name": "Rex"}, "application/vnd.pets+json")


async def test_the_fields_of_a_form_are_parameters(up: Any) -> None:
    root = taking(
        field("name", required=True, description="Its name."),
        field("age", type="integer", maximum=30, exclusiveMaximum=True),
        consumes=["application/json", FORM],
    )
    async with up(root) as pets:
        operation = pets.operations["op"]
        told = [(one.name, one.required, one.description) for one in operation.parameters]
        assert told == [("name", True, "Its name."), ("age", False, "")]
        assert Validation().arguments_problems(operation, {"name": "Rex", "age": 29}) == []
        assert Validation().arguments_problems(operation, {"name": "Rex", "age": 30}) != []
        await pets.call("op", name="R&x", age=3)
        request = pets.service.requests[-1]
    assert (request.body, request.headers["content-type"]) == (b"name=R%26x&age=3", FORM)


async def test_a_file_travels_in_parts(up: Any) -> None:
    listed = field("tags", type="array", items={"type": "string"})
    root = taking(field("photo", type="file", required=True), listed, consumes=[FORM])
    async with up(root) as pets:
        assert "photo: bytes" in stub(pets.operations["op"], NORMAL).text
        await pets.call("op", photo=b"\x89PNG", tags=["a", "b"])
        request = pets.service.requests[-1]
    assert request.headers["content-type"].startswith(MULTIPART)
    assert (
        b'name="photo"; filename="photo"\r\nContent-Type: application/octet-stream\r\n\r\n\x89PNG\r\n' in request.body
    )
    assert b'name="tags"\r\n\r\na,b\r\n' in request.body


def test_parameters_of_a_path_and_of_the_document_hold_for_its_operations() -> None:
    item = {
        "parameters": [field("dry", "query", type="boolean"), {"$ref": "#/parameters/Pet"}, field("name")],
        "post": {"operationId": "op", "parameters": [field("name", required=True)], "responses": {}},
    }
    body = swagger(paths={"/pets": item}, parameters={"Pet": field("kind", enum=["cat", "dog"])})
    shown = [(one.name, one.location, one.required) for one in only(body).parameters]
    assert shown == [("name", "body", True), ("dry", "query", False), ("kind", "body", False)]


def test_a_parameter_that_leads_nowhere_leaves_its_operation_out_and_says_so() -> None:
    compiled = compile_operations(read(taking({"$ref": "#/parameters/Missing"})), "pets")
    assert compiled.operations == ()
    assert "#/parameters/Missing" in compiled.warnings[0]


def test_an_answer_has_the_type_of_its_response() -> None:
    pet = {"type": "object", "discriminator": "kind", "properties": {"kind": {"type": "string", "x-nullable": True}}}
    root = taking(responses={"200": {"$ref": "#/responses/Pet"}}) | {
        "definitions": {"Pet": pet},
        "responses": {"Pet": {"description": "", "schema": {"$ref": "#/definitions/Pet"}}},
    }
    operation = only(root)
    assert operation.output == {"$ref": "#/definitions/Pet"}
    assert operation.document.resolve("#/definitions/Pet")["discriminator"] == {"propertyName": "kind"}
    assert "kind: str | None" in stub(operation, NORMAL).text
    assert Validation().answer_problems(operation, {"kind": None}) == []


async def test_an_answer_that_is_a_file_is_bytes(up: Any) -> None:
    root = taking(
        method="get", responses={"200": {"description": "", "schema": {"type": "file"}}}, produces=["image/png"]
    )
    async with up(root) as pets:
        pets.service.answer("GET /pets", Reply(200, b"\x89PNG", {"content-type": "image/png"}))
        assert await pets.call("op") == b"\x89PNG"
        assert pets.service.requests[-1].headers["accept"] == "image/png, */*;q=0.5"


def test_security_definitions_are_schemes() -> None:
    definitions = {
        "basic": {"type": "basic"},
        "key": {"type": "apiKey", "in": "query", "name": "k"},
        "oauth": {"type": "oauth2", "flow": "accessCode", "authorizationUrl": "https://a.test", "scopes": {}},
    }
    document = read(swagger(securityDefinitions=definitions))
    places = {name: (one.location, one.field, one.prefix) for name, one in security_schemes(document.schemas).items()}
    assert places == {
        "basic": ("header", "Authorization", "Basic "),
        "key": ("query", "k", ""),
        "oauth": ("header", "Authorization", "Bearer "),
    }
    assert "authorizationCode" in document.root["components"]["securitySchemes"]["oauth"]["flows"]


@pytest.mark.parametrize(("version", "read_as"), [("2.0", "2.0"), (2.0, "2.0")])
def test_the_version_may_be_a_number(version: Any, read_as: str) -> None:
    assert read(swagger(swagger=version)).version == read_as


def test_an_older_version_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'1\.2', which is not known"):
        read(swagger(swagger="1.2"))


KEYS = (
    "$ref get post parameters in name type items schema consumes produces responses 200 required examples "
    "collectionFormat schemes properties allOf exclusiveMinimum minimum discriminator headers flow"
)
TOPS = "host basePath schemes parameters definitions responses securityDefinitions consumes produces security"
WORDS = st.text(max_size=6) | st.sampled_from(["file", "array", "multi", "body", "formData", "#/definitions/a"])
PART = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS.split()) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=30,
)
PATHS = st.dictionaries(st.just("/a") | st.text(max_size=3).map("/".__add__), PART, max_size=3)


@given(parts=st.dictionaries(st.sampled_from(TOPS.split()), PART, max_size=4), paths=PATHS)
def test_any_document_is_read_to_operations_or_warnings(parts: dict[str, Any], paths: dict[str, Any]) -> None:
    document = read(swagger(**parts, paths=paths))
    operations = compile_operations(document, "api").operations
    for operation in operations:
        stub(operation, NORMAL)
    with contextlib.suppress(ConfigurationError):
        choose_server(document, None, {})


def test_schemas_that_are_nested_without_end_are_refused_not_crashed_on() -> None:
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        read_document(
            b'{"swagger": "2.0", "paths": {}, "definitions": {"a": %s1%s}}' % (b'{"items":' * 9_000, b"}" * 9_000), "x"
        )


RealRoot = Callable[[str], dict[str, Any]]


async def test_slack_is_called_with_its_token_in_the_header_alone(up: Any, real_root: RealRoot) -> None:
    async with up(real_root("slack"), base_url="https://api.test/api", auth={"bearer": "xoxb-1"}) as slack:
        assert len(slack.operations) == 174
        assert not [one.id for one in slack.operations.values() for each in one.parameters if each.wire == "token"]
        await slack.call("chat_postMessage", channel="C1", text="hello & bye")
        await slack.call("conversations_list", limit=2)
        await slack.call("files_upload", content="x", channels="C1")
        posted, listed, uploaded = slack.service.requests
    assert (posted.method, posted.path) == ("POST", "/api/chat.postMessage")
    assert (posted.body, posted.headers["content-type"]) == (b"channel=C1&text=hello%20%26%20bye", FORM)
    assert (listed.path, listed.query) == ("/api/conversations.list", "limit=2")
    assert uploaded.body == b"content=x&channels=C1"
    for request in (posted, listed, uploaded):
        assert request.headers["authorization"] == "Bearer xoxb-1"
        assert "token" not in request.headers
        assert b"xoxb" not in request.body
        assert "xoxb" not in request.query


TOKEN = {"name": "token", "in": "query", "type": "string", "description": "Authentication token. Requires scope: `a`"}
OAUTH = {"securityDefinitions": {"oauth": {"type": "oauth2", "flow": "implicit"}}, "security": [{"oauth": []}]}


@pytest.mark.parametrize(
    ("parameter", "parts", "shown"),
    [
        (TOKEN, OAUTH, False),
        (TOKEN | {"in": "formData"}, OAUTH, False),
        (TOKEN | {"in": "header"}, OAUTH, False),
        (TOKEN | {"name": "access_token", "description": "OAuth access token."}, OAUTH, False),
        (TOKEN | {"description": "The token of the trigger."}, OAUTH, True),
        (TOKEN | {"name": "page"}, OAUTH, True),
        (TOKEN, {}, True),  # nothing else would authenticate the call
        (TOKEN, OAUTH | {"securityDefinitions": {"oauth": {"type": "apiKey", "in": "header", "name": "k"}}}, True),
    ],
)
def test_a_token_that_the_header_carries_is_no_parameter(
    parameter: dict[str, Any], parts: dict[str, Any], shown: bool
) -> None:
    assert [one.wire for one in only(taking(parameter) | parts).parameters] == [parameter["name"]] * shown
