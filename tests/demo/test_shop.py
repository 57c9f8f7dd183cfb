"""The demo's shop keeps what its document promises."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.simulators.waiting import SOON

from isthmus.demo.shop import HANDLERS, document
from isthmus.demo.shop_service import Service, routes, served

TOKEN = "a-test-key"


@pytest.fixture
def service() -> Service:
    return Service(TOKEN)


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    with served(service) as url:
        yield url


def ask(service: Service, method: str, target: str, body: Any = None, token: str = TOKEN) -> tuple[int, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    return service.answer(method, target, f"Bearer {token}", content)


def test_every_operation_of_the_document_has_a_handler_and_no_handler_is_left_over() -> None:
    assert {route.operation for route in routes(document())} == set(HANDLERS)


def test_there_are_more_than_forty_operations() -> None:
    assert len(HANDLERS) > 40


def test_without_its_token_nothing_is_answered(service: Service) -> None:
    assert ask(service, "GET", "/orders", token="wrong")[0] == 401
    assert service.served == {}


def test_a_list_is_walked_page_by_page_to_its_end(service: Service) -> None:
    ids: list[str] = []
    after: str | None = ""
    while after is not None:
        _, page = ask(service, "GET", f"/customers?limit=50{'&after=' + after if after else ''}")
        ids += [customer["id"] for customer in page["data"]]
        after = page["next"]
    assert ids == [f"cus_{number}" for number in range(1, 121)]


def test_a_filter_is_heeded(service: Service) -> None:
    _, page = ask(service, "GET", "/orders?status=paid&limit=100")
    assert {order["status"] for order in page["data"]} == {"paid"}
    _, products = ask(service, "GET", "/products?in_stock=false")
    assert all(product["stock"] == 0 for product in products["data"])


def test_an_unknown_id_is_not_found_and_told_how_ids_look(service: Service) -> None:
    status, body = ask(service, "GET", "/orders/12")
    assert (status, body["error"]["message"]) == (404, "no order '12'; ids look like ord_1")


def test_a_body_without_what_it_needs_is_refused(service: Service) -> None:
    status, body = ask(service, "POST", "/refunds", {"order": "ord_1"})
    assert (status, body["error"]["message"]) == (422, "amount, reason: missing")


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(service: Service, body: bytes) -> None:
    assert service.answer("POST", "/refunds", f"Bearer {TOKEN}", body)[0] == 400


def test_refunds_never_exceed_the_order(service: Service) -> None:
    _, order = ask(service, "GET", "/orders/ord_2")
    refund = {"order": "ord_2", "amount": order["total"], "reason": "broken"}
    assert ask(service, "POST", "/refunds", refund)[0] == 201
    status, body = ask(service, "POST", "/refunds", {**refund, "amount": 1})
    assert (status, body["error"]["code"]) == (422, "too_much")


def test_an_order_is_placed_shipped_and_can_then_not_be_cancelled(service: Service) -> None:
    wanted = {"customer": "cus_1", "lines": [{"product": "prd_1", "quantity": 2}], "coupon": "cou_1"}
    _, order = ask(service, "POST", "/orders", wanted)
    _, product = ask(service, "GET", "/products/prd_1")
    assert order["total"] == 2 * product["price"] * 90 // 100
    assert product["stock"] == 29
    assert ask(service, "POST", f"/orders/{order['id']}/ship", {"carrier": "Swift"})[0] == 201
    assert ask(service, "POST", f"/orders/{order['id']}/cancel", {"reason": "late"})[0] == 409
    _, shipments = ask(service, "GET", f"/shipments?order={order['id']}")
    assert len(shipments["data"]) == 1


def test_what_is_deleted_is_gone(service: Service) -> None:
    assert ask(service, "DELETE", "/coupons/cou_1") == (204, None)
    assert ask(service, "GET", "/coupons/cou_1")[0] == 404


def test_it_serves_http_on_loopback_and_keeps_connections_open(address: str, service: Service) -> None:
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=SOON)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for _ in range(3):
        connection.request("GET", "/orders/ord_1", headers=headers)
        answer = connection.getresponse()
        assert json.loads(answer.read())["id"] == "ord_1"
    connection.request("DELETE", "/coupons/cou_1", headers=headers)
    assert connection.getresponse().read() == b""
    connection.close()
    assert service.served == {"orders/get": 3, "coupons/delete": 1}


BODIES: dict[str, Any] = {
    "customers/create": {"name": "Ada", "email": "ada@example.com", "country": "DE"},
    "customers/update": {"tier": "gold"},
    "customers/add_note": {"text": "called"},
    "orders/create": {"customer": "cus_1", "lines": [{"product": "prd_1", "quantity": 1}]},
    "orders/update": {"note": "ring twice"},
    "orders/cancel": {"reason": "changed mind"},
    "orders/ship": {"carrier": "Swift"},
    "refunds/create": {"order": "ord_2", "amount": 1, "reason": "broken"},
    "products/create": {"name": "tin cup", "category": "cat_1", "price": 100},
    "products/update": {"price": 120},
    "products/adjust_stock": {"by": 1, "reason": "count"},
    "coupons/create": {"code": "SUMMER", "percent": 5},
    "webhooks/create": {"url": "https://example.com/hook", "events": ["order.placed"]},
    "settings/update": {"name": "Store"},
}


@pytest.mark.parametrize("operation", list(HANDLERS))
def test_answers_have_the_shape_that_the_document_promises(service: Service, operation: str) -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    loaded = document()
    service.answer("POST", "/refunds", f"Bearer {TOKEN}", json.dumps(BODIES["refunds/create"]).encode())
    service.answer("POST", "/webhooks", f"Bearer {TOKEN}", json.dumps(BODIES["webhooks/create"]).encode())
    method, path, node = next(
        (method.upper(), path, node)
        for path, item in loaded["paths"].items()
        for method, node in item.items()
        if node["operationId"] == operation
    )
    examples = {name: node.get("example") for name, node in loaded["components"]["parameters"].items()}
    examples["order"] = "ord_9" if operation in ("orders/update", "orders/cancel", "orders/ship") else "ord_2"
    examples["webhook"] = "hok_1"
    status, value = ask(service, method, path.format(**examples), BODIES.get(operation))
    assert str(status) in node["responses"], value
    if status == 204:
        return
    schema = {
        **node["responses"][str(status)]["content"]["application/json"]["schema"],
        "components": loaded["components"],
    }
    jsonschema_rs.validator_for(schema, offline=True).validate(value)
