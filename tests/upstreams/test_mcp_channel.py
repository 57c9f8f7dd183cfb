from typing import Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from tests.simulators.mcp_server import SimulatedServer, invoke, running, tool, upstream_of

from isthmus.upstreams.mcp_channel import UNANSWERED, Spout, Tap
from isthmus.upstreams.mcp_wire import as_message

pytestmark = pytest.mark.anyio


def message(**parts: Any) -> SessionMessage:
    item = as_message({"jsonrpc": "2.0", **parts})
    assert item is not None
    return SessionMessage(item)


async def test_a_tap_lets_through_what_the_session_has_a_use_for_and_tells_its_end() -> None:
    send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](10)
    tap = Tap(receive)
    answer = message(id=1, result={})
    for item in (message(method="notifications/progress"), ValueError("no message"), answer):
        await send.send(item)
    send.close()
    assert [item async for item in tap] == [answer]
    assert tap.ended.is_set()
    await tap.aclose()


async def test_a_server_that_asks_without_end_has_only_so_many_requests_waiting() -> None:
    send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](1000)
    sink, sent = anyio.create_memory_object_stream[SessionMessage](10)
    async with send, receive, sink, sent:
        tap = Tap(receive)
        spout = Spout(sink, tap)
        for number in range(UNANSWERED + 50):
            await send.send(message(id=number, method="roots/list"))
        for number in range(UNANSWERED):
            assert await tap.receive() == message(id=number, method="roots/list")
        await spout.send(message(id=0, error={"code": 1, "message": "no"}))  # which makes room for one
        await send.send(message(id="last", result={}))
        assert await tap.receive() == message(id=UNANSWERED, method="roots/list")
        assert await tap.receive() == message(id="last", result={})


async def test_a_flood_of_requests_leaves_the_calls_working() -> None:
    server = SimulatedServer([tool("t")])
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        for number in range(1000):
            await server.say({"jsonrpc": "2.0", "id": number, "method": "roots/list"})
        assert (await invoke(upstream, snapshot, "t")).value == "t"
