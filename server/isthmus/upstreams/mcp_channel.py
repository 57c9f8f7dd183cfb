"""What carries an MCP session: a process's pipes, or HTTP. One channel serves one connection."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

import anyio
from mcp.client import Transport
from mcp.shared.message import SessionMessage

from isthmus.upstreams.mcp_wire import wanted


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
        """What is known of why the connection ended or never began; empty where nothing is."""
        ...


class Source(Protocol):
    """The receiving half of a transport's streams."""

    async def receive(self) -> SessionMessage | Exception:
        """The next message; anyio.EndOfStream when there will be none."""
        ...

    async def aclose(self) -> None:
        """No more are wanted."""
        ...


class Tap:
    """A read stream without what nobody listens to, which tells when it has ended.

    Each message costs the session a task and a validation, so a flood is stopped here.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.ended = anyio.Event()

    async def receive(self) -> SessionMessage | Exception:
        """The next message that the session has a use for."""
        while True:
            try:
                item = await self._source.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                self.ended.set()
                raise
            if isinstance(item, SessionMessage) and wanted(item.message):
                return item
            await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close the source."""
        self.ended.set()
        await self._source.aclose()

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
