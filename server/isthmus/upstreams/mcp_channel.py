"""What carries an MCP session: a process's pipes, or HTTP. One channel serves one connection."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

import anyio
from mcp.client import Transport
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse

from isthmus.upstreams.mcp_wire import wanted

UNANSWERED = 100
"""Requests of a server's own that may wait for their answers; more are dropped.

Each is a task, and a server that asks without end and does not listen would have them by the million.
"""


class Channel(Protocol):
    """A way to one server, for one connection: opened once, and asked afterwards how it went."""

    def open(self) -> Transport:
        """The streams of messages, from and to the server, while the context lasts.

        Raises, on entering:
            UpstreamUnavailable: the server cannot be reached or started; says why, and what to do.
        """
        ...

    def remarks(self) -> tuple[str, ...]:
        """What an operator should know of how the server behaves, each a sentence."""
        ...

    def epitaph(self) -> str:
        """How the other end ended, in words fit for anybody."""
        ...

    def last_words(self) -> str:
        """What the other end last said outside the protocol: for the operator alone."""
        ...


class Source(Protocol):
    """The receiving half of a transport's streams."""

    async def receive(self) -> SessionMessage | Exception:
        """The next message; anyio.EndOfStream when there will be none."""
        ...

    async def aclose(self) -> None:
        """No more are wanted."""
        ...


class Sink(Protocol):
    """The sending half of a transport's streams."""

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message."""
        ...

    async def aclose(self) -> None:
        """There will be no more."""
        ...


class Tap:
    """A read stream without what nobody listens to, which tells when it has ended.

    Each message costs the session a task and a validation, so a flood is stopped here.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.ended = anyio.Event()
        self.unanswered = 0  # requests of the server's own that were passed on

    async def receive(self) -> SessionMessage | Exception:
        """The next message that the session has a use for."""
        while True:
            try:
                item = await self._source.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                self.ended.set()
                raise
            if isinstance(item, SessionMessage) and self._admits(item):
                return item
            await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close the source."""
        self.ended.set()
        await self._source.aclose()

    def _admits(self, item: SessionMessage) -> bool:
        if not isinstance(item.message, JSONRPCRequest):
            return wanted(item.message)
        if self.unanswered >= UNANSWERED:
            return False
        self.unanswered += 1
        return True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Spout:
    """A write stream that tells a tap which of the server's requests have been answered."""

    def __init__(self, sink: Sink, tap: Tap) -> None:
        self._sink = sink
        self._tap = tap

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message."""
        await self._sink.send(item)
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            self._tap.unanswered -= 1

    async def aclose(self) -> None:
        """Close the sink."""
        await self._sink.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
