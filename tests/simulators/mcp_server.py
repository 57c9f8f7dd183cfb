"""An MCP server within the test's own process, whose answers may be wrong in any way, and what drives an upstream.

The server is a channel's other end: the upstream's own session runs against it, nothing is patched.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
from mcp.client import Transport
from mcp.shared.message import SessionMessage

from isthmus.config.model import UpstreamConfig
from isthmus.errors import UpstreamUnavailable
from isthmus.model import Answer, Call, Credential, Principal, UpstreamSnapshot
from isthmus.upstreams.backoff import Backoff
from isthmus.upstreams.mcp import McpUpstream, Patience
from isthmus.upstreams.mcp_wire import Inbox
from tests.simulators.waiting import SOON
from tests.simulators.watch import Watch

EAGER = Patience(connect=SOON, probe=SOON, settle=0, grace=1, backoff=Backoff(first=0, ceiling=0))
"""Waits for nothing that is only politeness."""
HASTY = replace(EAGER, probe=0.5)
"""For a server that does not answer what it does not know."""


@dataclass(frozen=True)
class Error:
    """A JSON-RPC error as a reply."""

    code: int
    message: str
    data: Any = None


@dataclass(frozen=True)
class Silence:
    """No reply."""


Reply = dict[str, Any] | Error | Silence
SILENCE = Silence()
UNKNOWN = Error(-32601, "Method not found")


def text(value: str, **more: Any) -> dict[str, Any]:
    """A result of one text."""
    return {"content": [{"type": "text", "text": value}], **more}


def tool(name: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A tool with a sound schema."""
    return {"name": name, "inputSchema": {"type": "object", "properties": properties or {}}, **more}


class SimulatedServer:
    """Speaks 2025-06-18 unless told otherwise. `received` is all that it was sent, on all connections."""

    def __init__(
        self, tools: Sequence[Any] = (), answer: Callable[[str, Any], Reply] = lambda name, _: text(name)
    ) -> None:
        self.replies: dict[str, Callable[[dict[str, Any]], Reply]] = {
            "server/discover": lambda _: UNKNOWN,
            "initialize": lambda _: self.greeting(),
            "tools/list": lambda _: {"tools": list(tools)},
            "tools/call": lambda params: answer(params["name"], params.get("arguments")),
        }
        self.received: list[dict[str, Any]] = []
        self.connections = 0
        self.refuses_connections = False
        self._came = anyio.Event()
        self._channel: _Channel | None = None

    @staticmethod
    def greeting(**changes: Any) -> dict[str, Any]:
        """The result of `initialize`."""
        return {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "simulated", "version": "1"},
        } | changes

    def open_channel(self) -> _Channel:
        """A way to this server."""
        self.connections += 1
        self._channel = _Channel(self)
        return self._channel

    async def say(self, message: dict[str, Any]) -> None:
        """Send a message of its own accord."""
        assert self._channel
        await self._channel.say(message)

    def hang_up(self) -> None:
        """End the connection."""
        assert self._channel
        self._channel.sink.close()

    async def until(self, wanted: str | Callable[[dict[str, Any]], bool], count: int = 1) -> dict[str, Any]:
        """The latest message of a method, or that passes a test, once so many have been received."""

        def test(item: dict[str, Any]) -> bool:
            return item.get("method") == wanted if isinstance(wanted, str) else wanted(item)

        with anyio.fail_after(SOON):
            while len(found := [item for item in self.received if test(item)]) < count:
                await self._came.wait()
        return found[-1]

    def reply(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Take note of a message, and the answer to it."""
        self.received.append(message)
        self._came.set()
        self._came = anyio.Event()
        if "id" not in message or "method" not in message:
            return None
        known = self.replies.get(message["method"])
        result = known(message.get("params", {})) if known else UNKNOWN
        if isinstance(result, Silence):
            return None
        if isinstance(result, Error):
            error = {"code": result.code, "message": result.message, "data": result.data}
            return {"jsonrpc": "2.0", "id": message["id"], "error": error}
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}


class _Channel:
    def __init__(self, server: SimulatedServer) -> None:
        self._server = server
        self._inbox = Inbox(1_000_000)

    def open(self) -> Transport:
        return self._open()

    def remarks(self) -> tuple[str, ...]:
        return self._inbox.remarks()

    def epitaph(self) -> str:
        return ""

    def last_words(self) -> str:
        return ""

    async def say(self, message: dict[str, Any]) -> None:
        for item in self._inbox.read(json.dumps(message).encode()):
            await self.sink.send(SessionMessage(item))

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Any]:
        if self._server.refuses_connections:
            raise UpstreamUnavailable("it refuses", hint="ask nicely")
        self.sink, arrived = anyio.create_memory_object_stream[SessionMessage | Exception](100)
        leaving, left = anyio.create_memory_object_stream[SessionMessage](100)

        async def serve() -> None:
            async for item in left:
                dumped = item.message.model_dump(by_alias=True, exclude_unset=True, mode="json")
                if (answer := self._server.reply(dumped)) is not None:
                    try:
                        await self.say(answer)
                    except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                        return

        async with self.sink, arrived, leaving, left, anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            yield arrived, leaving
            tasks.cancel_scope.cancel()


def upstream_of(
    server: SimulatedServer, *, patience: Patience = EAGER, timeout: float = SOON, **options: Any
) -> McpUpstream:
    """An upstream that is connected to a simulated server once it runs."""
    config = UpstreamConfig(command=["simulated"], timeout=timeout, **options.pop("config", {}))
    return McpUpstream(config, "up", patience=patience, open_channel=server.open_channel, chance=lambda: 1.0, **options)


@asynccontextmanager
async def running(upstream: McpUpstream) -> AsyncIterator[Watch]:
    """The upstream at work; stopped at the end."""
    watch = Watch()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(upstream.run, watch)
        try:
            yield watch
        finally:
            tasks.cancel_scope.cancel()


async def invoke(
    upstream: McpUpstream,
    snapshot: UpstreamSnapshot,
    original: str,
    credential: Credential | None = None,
    **arguments: Any,
) -> Answer:
    """Call a tool by its own name."""
    operation = next(item for item in snapshot.operations if item.original == original)
    return await upstream.call(Call(operation, arguments, Principal()), credential)
