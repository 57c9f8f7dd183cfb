"""openapi-core as a judge: what is right passes, also where openapi-core itself would refuse it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from isthmus.mock.http import message_of
from isthmus.mock.judge import Judge, Message
from isthmus.model import Operation
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations

pytest.importorskip("openapi_core", reason="openapi-core is not installed: pip install 'isthmus[contracts]'")

RANGE = {"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"gte": {"type": "integer"}}}]}
ORDER = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "at": {"type": "string", "format": "shop-time"},
        "kind": {"oneOf": [{"enum": ["a"]}, {"type": "string"}]},
    },
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "security": [{"key": []}],
    "paths": {
        "/orders": {
            "parameters": [{"$ref": "#/components/parameters/created"}],
            "get": {
                "operationId": "list",
                "servers": [{"url": "https://elsewhere.example.com"}],
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "readOnly": True}}],
                "responses": {
                    "200": {
                        "description": "ok",
                        "content": {
                            "application/vnd.shop+json": {"schema": ORDER},
                            "application/json": {"schema": ORDER},
                        },
                    }
                },
            },
            "post": {
                "operationId": "search",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/x-www-form-urlencoded": {
                            "schema": {"type": "object", "properties": {"created": RANGE}},
                            "encoding": {"created": {"style": "deepObject", "explode": True}},
                        }
                    },
                },
                "responses": {"200": {"description": "ok"}},
            },
        }
    },
    "components": {
        "parameters": {
            "created": {"name": "created", "in": "query", "style": "deepObject", "explode": True, "schema": RANGE}
        },
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
    },
}


def judged(**options: Any) -> tuple[Judge, dict[str, Operation]]:
    document = read_document(json.dumps(DOCUMENT).encode(), "shop.json")
    operations = compile_operations(document, "shop").operations
    return Judge(document.schemas.root, **options), {one.original: one for one in operations}


def sent(operation: Operation, arguments: dict[str, Any]) -> Message:
    message = message_of(operation, arguments)
    assert message is not None
    return message


@pytest.mark.parametrize("arguments", [{}, {"limit": 3}, {"created": {"gte": 5}}, {"created": 5, "limit": 3}])
def test_requests_beside_deep_parameters_are_judged_and_not_refused(arguments: dict[str, Any]) -> None:
    judge, operations = judged()
    assert judge.request_problems(operations["list"], sent(operations["list"], arguments)) == []
    wrong = Message("GET", "/orders", "limit=many&created[gte]=5")
    [problem] = judge.request_problems(operations["list"], wrong)
    assert "limit" in problem


def test_bodies_with_deep_fields_are_left_to_others() -> None:
    judge, operations = judged()
    assert judge.request_problems(operations["search"], sent(operations["search"], {"created": {"gte": 5}})) == []


def test_answers_are_judged_with_formats_and_media_types_of_their_own() -> None:
    judge, operations = judged()
    asked = sent(operations["list"], {})
    assert judge.answer_problems(operations["list"], asked, 200, {"id": "1", "at": "noon", "kind": "a"}) == []
    [problem] = judge.answer_problems(operations["list"], asked, 200, {"at": "noon"})
    assert "'id' is a required property" in problem


def test_nothing_is_said_of_what_is_opaque_and_all_of_the_rest() -> None:
    judge, operations = judged(opaque=lambda value: value == "[redacted]")
    asked = sent(operations["list"], {})
    assert judge.answer_problems(operations["list"], asked, 200, {"id": "1", "kind": "[redacted]"}) == []
    [problem] = judge.answer_problems(operations["list"], asked, 200, {"id": 1, "kind": "[redacted]"})
    assert "1 is not of type 'string'" in problem
    assert "[redacted]" not in problem
