"""The demo's support desk, through the official client."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client

from isthmus.demo import data
from isthmus.demo.tickets import server

pytestmark = pytest.mark.anyio


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def test_its_tools_say_what_they_do_to_the_world() -> None:
    async with Client(server()) as client:
        tools = (await client.list_tools()).tools
    effects = {
        tool.name: (tool.annotations.read_only_hint, tool.annotations.destructive_hint)
        for tool in tools
        if tool.annotations
    }
    assert len(effects) == len(tools) == 8
    assert effects["get_ticket"] == (True, None)
    assert effects["add_comment"] == (False, False)
    assert effects["delete_ticket"] == (False, True)


async def test_pages_hold_every_ticket_once() -> None:
    async with Client(server()) as client:
        first = await call(client, "list_tickets")
        pages = [await call(client, "list_tickets", page=number) for number in range(1, first["pages"] + 1)]
    assert [ticket["id"] for page in pages for ticket in page["tickets"]] == list(range(1, data.TICKETS + 1))


async def test_a_comment_stays_and_a_deleted_ticket_is_gone() -> None:
    async with Client(server()) as client:
        await call(client, "add_comment", id=3, text="It is on its way")
        ticket = await call(client, "get_ticket", id=3)
        assert ticket["messages"][-1] == {"sender": "desk", "text": "It is on its way"}
        await call(client, "delete_ticket", id=3)
        gone = await client.call_tool("get_ticket", {"id": 3})
    assert gone.is_error


async def test_a_ticket_names_an_order_and_a_customer_of_the_shop() -> None:
    async with Client(server()) as client:
        ticket = await call(client, "get_ticket", id=8)
    order = data.order(int(ticket["order"].removeprefix("ord_")))
    assert order["customer"] == ticket["customer"]


async def test_search_finds_words_of_the_messages() -> None:
    async with Client(server()) as client:
        page = await call(client, "search_tickets", text="SCREWS", status="open")
    assert page["tickets"]
    assert {ticket["subject"].split(":")[0] for ticket in page["tickets"]} == {"Question"}
