"""What comes before the SDK is there: searches are answered, all else is kept for it."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest

from isthmus.front.beginning import FirstMessages
from isthmus.front.wire import QUEUED, Arrived, Wire
from tests.simulators.mcp_messages import call, initialize, request

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name == "nt", reason="pipes that can be polled")]

SOON = 10.0
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def search(query: str, identity: int) -> dict[str, Any]:
    return request("tools/call", {"name": "search", "arguments": {"query": query}}, identity)


class House:
    """An application whose upstreams connect, and whose slow searches end, when the test says so."""

    def __init__(self) -> None:
        self.connected = anyio.Event()
        self.slow = anyio.Event()

    async def search(self, query: str, **_: Any) -> str:
        if query == "slow":
            await self.slow.wait()
        return f"found {query}"

    async def settled(self, timeout: float) -> None:
        await self.connected.wait()


class Client:
    def __init__(self, first: FirstMessages, house: House, to_wire: int, answers: Any) -> None:
        self.first, self.house = first, house
        self._to_wire, self._answers = to_wire, answers

    def say(self, *messages: Any) -> None:
        os.write(self._to_wire, b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    async def hear(self) -> Any:
        with anyio.fail_after(SOON):
            return json.loads(await anyio.to_thread.run_sync(self._answers.readline))

    def leave(self) -> None:
        if self._to_wire >= 0:
            os.close(self._to_wire)
        self._to_wire = -1

    async def wants_the_sdk(self) -> None:
        with anyio.fail_after(SOON):
            await self.first.until_the_sdk_is_wanted(2 * SOON)


@asynccontextmanager
async def conversation() -> AsyncIterator[Client]:
    """A client whose messages are taken; nobody has imported the SDK for it."""
    incoming, to_wire = os.pipe()
    from_wire, outgoing = os.pipe()
    wire, house = Wire(incoming, outgoing), House()
    reader = wire.start()
    with os.fdopen(from_wire, "rb") as answers:
        async with anyio.create_task_group() as tasks:
            first = FirstMessages(wire, house, tasks)  # type: ignore[arg-type]
            tasks.start_soon(first.take)
            client = Client(first, house, to_wire, answers)
            yield client
            client.leave()
            tasks.cancel_scope.cancel()
        reader.join(SOON)
    os.close(incoming)
    os.close(outgoing)


async def test_searches_are_answered_and_the_rest_is_kept_in_order() -> None:
    async with conversation() as client:
        client.say(initialize(), INITIALIZED, search("slow", 2), call("x", 4), search("pets", 3))
        assert (await client.hear())["id"] == "init"
        answer = await client.hear()
        assert (answer["id"], answer["result"]["content"][0]["text"]) == (3, "found pets")
        assert list(client.first.kept) == [
            Arrived(initialize(), answered=True),
            Arrived(INITIALIZED, answered=False),
            Arrived(call("x", 4), answered=False),
        ]
        client.house.slow.set()
        assert (await client.hear())["id"] == 2


async def test_whoever_needs_the_sdk_waits_neither_for_upstreams_nor_for_searches() -> None:
    async with conversation() as client:
        client.say(initialize(), search("slow", 2), call("x", 4))
        await client.wants_the_sdk()


async def test_that_a_client_has_gone_is_for_the_sdk() -> None:
    async with conversation() as client:
        client.say(initialize())
        client.leave()
        await client.wants_the_sdk()


async def test_it_is_wanted_once_upstreams_have_connected_and_searches_have_ended() -> None:
    async with conversation() as client, anyio.create_task_group() as tasks:
        client.say(initialize(), search("slow", 2), search("pets", 3))
        assert [(await client.hear())["id"], (await client.hear())["id"]] == ["init", 3]
        wanted = anyio.Event()

        async def wait() -> None:
            await client.wants_the_sdk()
            wanted.set()

        tasks.start_soon(wait)
        client.house.connected.set()
        await anyio.wait_all_tasks_blocked()
        assert not wanted.is_set()
        client.house.slow.set()
        with anyio.fail_after(SOON):
            await wanted.wait()


async def test_no_more_is_kept_than_a_wire_keeps() -> None:
    async with conversation() as client:
        client.say(initialize(), *([INITIALIZED] * QUEUED))
        await client.wants_the_sdk()
        assert len(client.first.kept) == QUEUED
