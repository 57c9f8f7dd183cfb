"""An OpenAPI document as a service: what fits is answered, what does not is told why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from isthmus.contracts.examples import example
from isthmus.contracts.recorded import RecordedCall, RecordedError
from isthmus.mock.answers import Answers
from isthmus.mock.http import MockService, serving
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from tests.simulators.waiting import SOON

pytest.importorskip("openapi_core", reason="openapi-core is not installed: pip install 'isthmus[contracts]'")

ORDER = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {
        "id": {"type": "string", "minLength": 8},
        "status": {"type": "string", "enum": ["open", "paid"]},
        "total": {"type": "integer", "minimum": 5, "maximum": 9},
        "next": {"$ref": "#/components/schemas/Order"},
    },
}


def answers(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}


DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "get_order", "responses": answers({"$ref": "#/components/schemas/Order"})},
            "delete": {"operationId": "delete_order", "responses": {"204": {"description": "gone"}}},
        },
        "/orders": {
            "get": {
                "operationId": "list_orders",
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 10}}],
                "responses": answers({"type": "array", "items": {"$ref": "#/components/schemas/Order"}}),
            },
            "post": {
                "operationId": "create_order",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["item"],
                                "properties": {"item": {"type": "string"}, "count": {"type": "integer"}},
                            }
                        }
                    },
                },
                "responses": {
                    "201": {
                        "description": "made",
                        "content": {"application/json": {"example": {"id": "ord_1"}, "schema": {"type": "object"}}},
                    }
                },
            },
        },
    },
    "components": {"schemas": {"Order": ORDER}},
}


def service(recorded: Sequence[RecordedCall] = (), **options: Any) -> MockService:
    document = read_document(json.dumps(DOCUMENT).encode(), "shop.json")
    operations = compile_operations(document, "shop").operations
    return MockService(document.schemas, operations, Answers(**options), recorded)


def asked(mock: MockService, method: str, target: str, body: Any = None) -> tuple[int, Any]:
    headers = {"content-type": "application/json"} if body is not None else {}
    reply = mock.respond(method, target, headers, json.dumps(body).encode() if body is not None else b"")
    return reply.status, reply.body


def test_an_answer_fits_its_schema_and_is_the_same_each_time() -> None:
    status, order = asked(service(), "GET", "/orders/7")
    assert status == 200
    assert len(order["id"]) >= 8
    assert order["status"] in ("open", "paid")
    assert 5 <= order["total"] <= 9
    assert asked(service(), "GET", "/orders/7") == (200, order)


def test_another_seed_gives_other_answers() -> None:
    given = {json.dumps(asked(service(seed=str(seed)), "GET", "/orders/7")[1]) for seed in range(8)}
    assert len(given) > 1


def test_the_documents_own_example_comes_first() -> None:
    assert asked(service(), "POST", "/orders", {"item": "tea"}) == (201, {"id": "ord_1"})


def told(operation: str, arguments: Any, answer: Any = None, error: RecordedError | None = None) -> RecordedCall:
    status: Any = "failed" if error else "done"
    return RecordedCall(f"shop.{operation}", arguments, status=status, answered=1, answer=answer, error=error)


def test_a_recorded_answer_comes_before_the_example_however_the_request_is_written() -> None:
    recorded = [told("list_orders", {"limit": "2"}, ["old"]), told("list_orders", {"limit": 2}, [{"id": "recorded"}])]
    mock = service([*recorded, told("create_order", {"item": "é", "count": 2}, {"id": "ord_9"})])
    assert asked(mock, "GET", "/orders?limit=2") == (200, [{"id": "recorded"}])
    assert asked(mock, "GET", "/orders?limit=3")[1] != [{"id": "recorded"}]
    assert asked(mock, "POST", "/orders", {"count": 2, "item": "é"}) == (201, {"id": "ord_9"})


def test_a_recorded_failure_is_one_again() -> None:
    gone = RecordedError("NotFound", "shop.get_order: no such order", status=404, body={"error": "no such order"})
    refused = RecordedError("Refused", "policy does not allow it")
    mock = service([told("get_order", {"id": "7"}, error=gone), told("get_order", {"id": "8"}, error=refused)])
    assert asked(mock, "GET", "/orders/7") == (404, {"error": "no such order"})
    assert asked(mock, "GET", "/orders/8")[0] == 200


@pytest.mark.parametrize(
    ("method", "target", "body", "words"),
    [
        ("GET", "/orders?limit=99", None, "99 is greater than the maximum of 10"),
        ("GET", "/orders?limit=many", None, "limit"),
        ("POST", "/orders", {"count": 1}, "'item' is a required property"),
        ("POST", "/orders", {"item": 7}, "7 is not of type 'string'"),
        ("POST", "/orders", None, "body"),
    ],
)
def test_a_request_that_does_not_fit_is_told_why(method: str, target: str, body: Any, words: str) -> None:
    status, said = asked(service(), method, target, body)
    assert status == 422
    assert any(words in problem for problem in said["errors"]), said


def test_what_is_nowhere_in_the_document_is_not_found_and_a_wrong_method_names_the_right_ones() -> None:
    assert asked(service(), "GET", "/nothing")[0] == 404
    status, said = asked(service(), "PUT", "/orders/7")
    assert (status, said["message"]) == (405, "PUT is not allowed at /orders/7; DELETE, GET is")


def test_it_answers_over_http() -> None:
    with serving(service()) as url:
        with urlopen(f"{url}/orders/7", timeout=SOON) as got:
            assert got.headers["content-type"] == "application/json"
            assert json.load(got)["status"] in ("open", "paid")
        with urlopen(Request(f"{url}/orders/7", method="DELETE"), timeout=SOON) as got:
            assert (got.status, got.read()) == (204, b"")
        with pytest.raises(HTTPError) as failed:
            urlopen(f"{url}/orders?limit=99", timeout=SOON)
        assert failed.value.code == 422
        failed.value.close()


def test_an_endless_schema_ends() -> None:
    schemas = {"#/A": {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/A"}}}}
    assert example({"$ref": "#/A"}, schemas.__getitem__, "seed") == {"a": None}
