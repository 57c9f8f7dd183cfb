import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isthmus.errors import ConfigurationError
from isthmus.model import Effect, Operation
from isthmus.openapi.document import OpenApiDocument, read_document
from isthmus.openapi.operations import Compiled, compile_operations
from isthmus.openapi.plan import read_plan
from isthmus.openapi.requests import build_request
from isthmus.validation import Validation

from .conftest import document_of

Attack = Callable[[str], Compiled]


def operation_of(node: dict[str, Any], path: str = "/a", method: str = "post", **parts: Any) -> Operation:
    item = {method: {"operationId": "a", "responses": {}, **node}}
    (operation,) = compile_operations(document_of(paths={path: item}, **parts), "api").operations
    return operation


def body_of(schema: Any, media_type: str = "application/json", **more: Any) -> dict[str, Any]:
    return {"requestBody": {"content": {media_type: {"schema": schema}}, **more}}


def shape(operation: Operation) -> list[tuple[str, str, bool]]:
    return [(parameter.wire, parameter.location, parameter.required) for parameter in operation.parameters]


def test_parameters_of_path_and_operation_are_merged_and_the_required_come_first() -> None:
    document = document_of(
        components={"parameters": {"Page": {"name": "page", "in": "query", "schema": {"type": "integer"}}}},
        paths={
            "/x/{a}/{b}": {
                "parameters": [
                    {"$ref": "#/components/parameters/Page"},
                    {"name": "b", "in": "path", "required": True, "schema": {}},
                    {"name": "q", "in": "query", "description": "old"},
                ],
                "get": {"parameters": [{"name": "q", "in": "query", "required": True, "description": "new"}]},
            }
        },
    )
    (operation,) = compile_operations(document, "api").operations
    assert shape(operation) == [
        ("a", "path", True),
        ("b", "path", True),
        ("q", "query", True),
        ("page", "query", False),
    ]
    assert operation.parameters[2].description == "new"
    assert operation.original == "GET /x/{a}/{b}"
    assert operation.effect is Effect.READ


def test_properties_of_an_object_body_stand_beside_the_other_parameters() -> None:
    schema = {
        "type": "object",
        "properties": {"id": {"readOnly": True}, "name": {}, "note": {}},
        "required": ["name", "id"],
    }
    operation = operation_of(body_of(schema), "/a/{name}")
    assert shape(operation) == [("name", "path", True), ("name", "body", True), ("note", "body", False)]
    assert [parameter.name for parameter in operation.parameters] == ["name", "name_body", "note"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {}},
        {"type": "string"},
        {},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"oneOf": [{"type": "string"}, {"properties": {"a": {}}}]},
    ],
)
def test_a_body_that_is_no_plain_object_is_one_parameter(schema: dict[str, Any]) -> None:
    assert shape(operation_of(body_of(schema, required=True))) == [("body", "body", True)]


def test_all_of_is_merged_and_of_alternatives_only_what_all_require_is_required() -> None:
    schema = {
        "allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"$ref": "#/components/schemas/B"}],
        "oneOf": [
            {"properties": {"x": {"type": "string"}, "k": {}}, "required": ["x", "k"]},
            {"properties": {"x": {"type": "integer"}}, "required": ["x"]},
            {"type": "null"},
        ],
    }
    operation = operation_of(body_of(schema), components={"schemas": {"B": {"properties": {"b": {}}}}})
    assert shape(operation) == [
        ("a", "body", True), ("x", "body", True), ("b", "body", False), ("k", "body", False),
    ]  # fmt: skip
    x = operation.parameters[1]
    assert x.schema == {"anyOf": [{"type": "string"}, {"type": "integer"}]}


def test_a_body_that_may_be_left_out_requires_nothing() -> None:
    schema = {"properties": {"a": {}}, "required": ["a"]}
    assert shape(operation_of(body_of(schema, required=False))) == [("a", "body", False)]
    assert shape(operation_of(body_of(schema))) == [("a", "body", True)]


def test_an_object_that_says_it_is_open_takes_more() -> None:
    assert operation_of(body_of({"properties": {"a": {}}, "additionalProperties": True})).accepts_more
    assert not operation_of(body_of({"properties": {"a": {}}})).accepts_more


def test_the_output_is_the_first_success_that_is_json() -> None:
    schema = {"$ref": "#/components/schemas/Pet"}
    responses = {
        "404": {"content": {"application/json": {"schema": {"type": "string"}}}},
        "202": {"content": {"application/vnd.api+json": {"schema": schema}}},
        "200": {"description": "nothing"},
    }
    assert operation_of({"responses": responses}).output == schema
    assert operation_of({"responses": {"204": {}}}).output is None


def test_effects_follow_the_method() -> None:
    paths = {"/a": {method: {"operationId": f"{method}A"} for method in ("get", "post", "delete", "patch")}}
    plain = {one.original: one.effect for one in compile_operations(document_of(paths=paths), "api").operations}
    assert plain == {"getA": "read", "postA": "write", "deleteA": "destructive", "patchA": "write"}


def test_headers_of_the_connection_and_places_of_credentials_are_no_parameters() -> None:
    names = ["Authorization", "host", "Content-Type", "X-HTTP-Method-Override", "X-Forwarded-For", "X-Key", "X-Ok"]
    node = {"parameters": [{"name": name, "in": "header"} for name in names]}
    schemes = {"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": "x-key"}}}
    assert [one.wire for one in operation_of(node, components=schemes).parameters] == ["X-Ok"]


def test_one_operation_that_cannot_be_read_costs_that_operation_only() -> None:
    document = document_of(
        paths={
            "/a": {"get": {"parameters": [{"$ref": "#/nowhere"}]}, "post": {}},
            "/b": {"$ref": "https://evil.example/b.json"},
            "/c": {"get": 5},
            "d": {"get": {}},
        }
    )
    compiled = compile_operations(document, "api")
    assert [operation.original for operation in compiled.operations] == ["POST /a"]
    assert [warning.partition(" is left out")[0] for warning in compiled.warnings] == [
        "path /b", "GET /c", "path 'd'", "GET /a",
    ]  # fmt: skip


def test_attack_reference_cycles_are_kept_as_references(attack: Attack) -> None:
    (operation,) = attack("01").operations
    assert [parameter.schema for parameter in operation.parameters] == [{"$ref": "#/components/schemas/B"}]
    assert Validation().arguments_problems(operation, {"next": {"back": {"next": {}}}}) == []


def test_attack_remote_references_cost_their_operations_and_name_them(attack: Attack) -> None:
    compiled = attack("03")
    assert [operation.original for operation in compiled.operations] == ["e"]
    assert [warning.split(" is left out")[0] for warning in compiled.warnings] == [
        "path /c",
        "POST /a",
        "POST /b",
        "POST /d",
    ]


def test_attack_duplicate_ids_leave_each_operation_under_a_name_of_its_own(attack: Attack) -> None:
    operations = attack("07").operations
    assert {(one.original, one.route.method) for one in operations if one.route and one.route.path == "/a"} == {
        ("GET /a", "GET"), ("DELETE /a", "DELETE"),
    }  # fmt: skip
    assert len({operation.id for operation in operations}) == 6


def test_attack_credential_parameters_are_not_shown(attack: Attack) -> None:
    (operation,) = attack("18").operations
    assert shape(operation) == [("x", "query", False), ("x", "header", False)]


def test_attack_all_of_bombs_end_at_once(attack: Attack) -> None:
    began = time.process_time()
    (operation,) = attack("21").operations
    assert Validation().arguments_problems(operation, {"body": {"x": 1}}) == []
    assert time.process_time() - began < 2


def test_attack_patterns_neither_hang_nor_fail(attack: Attack) -> None:
    (operation,) = attack("22").operations
    began = time.process_time()
    problems = Validation().arguments_problems(operation, {"x": "a" * 50_000 + "!", "y": "any", "z": 3})
    assert [problem.partition(":")[0] for problem in problems] == ["x"]
    assert time.process_time() - began < 2


@pytest.mark.parametrize("prefix", ["08", "25", "27", "28", "32"])
def test_attack_documents_that_are_none_are_refused(attack: Attack, prefix: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        attack(prefix)
    assert caught.value.remedy


SAMPLE = ["github", "stripe", "kubernetes", "openai", "discourse", "circleci", "twilio__api_v2010", "wapii-slack"]


@pytest.mark.parametrize("name", SAMPLE)
def test_a_real_document_compiles_and_its_operations_can_be_called(
    name: str, real: Callable[[str], OpenApiDocument]
) -> None:
    compiled = compile_operations(real(name), "api")
    assert compiled.operations
    assert compiled.warnings == ()
    validation = Validation()
    for operation in compiled.operations[:: max(1, len(compiled.operations) // 25)]:
        names = [parameter.name for parameter in operation.parameters]
        assert len(set(names)) == len(names)
        assert all(name.isidentifier() for name in [*names, *operation.id.split(".")])
        missing = [parameter.name for parameter in operation.parameters if parameter.required]
        problems = validation.arguments_problems(operation, {})
        assert [problem.partition(":")[0] for problem in problems[:20]] == missing[:20]
        in_path = {parameter.name: "v" for parameter in operation.parameters if parameter.location == "path"}
        assert "{" not in build_request(operation, read_plan(operation).inputs, in_path).path


def test_all_documents_of_the_folder_compile(test_data: Path) -> None:
    total = 0
    for path in sorted((test_data / "specs").glob("twilio__*.json.gz")):
        compiled = compile_operations(read_document(path.read_bytes(), path.name), "twilio")
        assert compiled.warnings == (), path.name
        total += len(compiled.operations)
    assert total > 1400
