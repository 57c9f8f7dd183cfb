"""Much data stays in the sandbox: the model's side gets what the program returns, and where the rest is kept."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.render.tokens import estimate
from tests.simulators.o200k import count_tokens
from tests.simulators.openapi_service import OpenApiService, Recorded, Reply
from tests.simulators.openapi_service import serving as service_on_a_port
from tests.simulators.served import Served, serving, simulator

pytestmark = pytest.mark.anyio

BUDGET = 3000
ROWS = 10_000
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders": {
            "get": {
                "operationId": "listOrders",
                "summary": "List all orders, page by page",
                "parameters": [
                    {"name": name, "in": "query", "schema": {"type": "integer"}} for name in ("page", "per_page")
                ],
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
}


def page_of_orders(request: Recorded) -> Reply:
    asked = {name: int(value) for name, value in request.pairs}
    start, size = (asked["page"] - 1) * asked["per_page"], asked["per_page"]
    orders = [{"id": n, "marker": f"order-{n:05}-end", "cents": n * 7919 % 10007} for n in range(start, start + size)]
    return Reply(200, {"orders": orders[: max(0, ROWS - start)], "more": start + size < ROWS})


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("volume")
    (folder / "orders.json").write_text(json.dumps(DOCUMENT))
    service = OpenApiService(DOCUMENT)
    service.answer("GET /orders", page_of_orders)
    with service_on_a_port(service) as origin:
        upstreams = {
            "shop": {"openapi": "orders.json", "base_url": origin},
            "witness": simulator("mcp_server_witness", str(folder / "witness.jsonl")),
        }
        async with serving({"upstreams": upstreams, "limits": {"output_tokens": BUDGET}}, folder) as served:
            yield served


async def test_of_ten_thousand_rows_over_http_only_five_reach_the_models_side(server: Served) -> None:
    before = len(server.wire())
    told = await server.execute(
        """import asyncio
pages = await asyncio.gather(*(shop.list_orders(page=n, per_page=100) for n in range(1, 101)))
orders = [order for page in pages for order in page.orders]
assert len(orders) == 10_000
sorted(orders, key=lambda order: (-order.cents, order.id))[:5]"""
    )
    best = sorted(range(ROWS), key=lambda n: (-(n * 7919 % 10007), n))[:5]
    assert [order["id"] for order in told.value] == best
    sent = server.wire()[before:]
    assert sent.count(b"order-") == 5
    # Of each call the facts for programs have a line; they go to the client, not to the model.
    assert len(told.text) < 500
    assert len(told.facts["calls"]) == 100


async def test_of_ten_thousand_rows_of_an_mcp_server_only_five_reach_the_models_side(server: Served) -> None:
    before = len(server.wire())
    told = await server.execute(
        """rows, cursor = [], 0
while cursor is not None:
    page = witness.rows(cursor=cursor)
    rows += page.rows
    cursor = page.next
assert len(rows) == 10_000
[row.id for row in sorted(rows, key=lambda row: row.score)[-5:]]"""
    )
    assert told.value == sorted(range(ROWS), key=lambda n: n * 7919 % 10007)[-5:]
    assert b"row-" not in server.wire()[before:]
    assert "calls: 20 reads" in told.text


async def test_a_megabyte_that_is_printed_is_kept_and_can_be_read(server: Served) -> None:
    told = await server.execute("print('\\n'.join(f'line {n:07}' for n in range(80_000)))")
    assert not told.is_error
    assert count_tokens(told.text) <= BUDGET
    assert told.text.startswith("output:\nline 0000000\n")
    (path,) = [artifact["path"] for artifact in told.facts["artifacts"]]
    assert f"whole output: {path}, 1.04 MB; open it in the next execute" in told.text
    assert told.facts["truncated"] is True
    again = await server.execute(f"lines = open({path!r}).read().splitlines(); len(lines), lines[-1]")
    assert again.value == [80_000, "line 0079999"]


async def test_a_result_of_five_megabytes_is_kept_and_can_be_read(server: Served) -> None:
    told = await server.execute("[{'id': n, 'name': f'name {n}' * 20} for n in range(25_000)]")
    assert not told.is_error
    assert count_tokens(told.text) <= BUDGET
    (artifact,) = told.facts["artifacts"]
    assert artifact["bytes"] > 4_500_000
    assert f"whole result: {artifact['path']}" in told.text
    again = await server.execute(
        f"import json; rows = json.load(open({artifact['path']!r})); len(rows), rows[-1]['id']"
    )
    assert again.value == [25_000, 24_999]
    assert len(server.wire()) < 200_000


async def test_what_does_not_fit_is_never_cut_silently(server: Served) -> None:
    told = await server.execute("print('x' * 40_000); {'rows': list(range(5_000)), 'text': 'y' * 30_000}")
    assert estimate(told.text) <= BUDGET
    assert len(told.facts["artifacts"]) == 2
    for artifact in told.facts["artifacts"]:
        assert f": {artifact['path']}, " in told.text


async def test_more_than_a_program_may_print_ends_it_with_a_word(tmp_path: Path) -> None:
    limits = {"output_bytes": 100_000, "output_tokens": 500}
    async with serving({"limits": limits}, tmp_path) as server:
        told = await server.execute("for n in range(10**6): print('x' * 100)")
    assert told.is_error
    assert "output_bytes" in told.text
    assert count_tokens(told.text) <= 500
