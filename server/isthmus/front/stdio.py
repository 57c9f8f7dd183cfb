"""MCP over a wire: the official SDK behind lines of our own.

The SDK takes over a conversation that has begun (`opening`): it hears every message, from the first on, and what it
answers to those that have been answered is dropped. So its state is what it would have been had it been there at once.
"""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from isthmus.front.messages import INTERNAL_ERROR, Message, RequestId, error_line
from isthmus.front.opened import Opened
from isthmus.front.server import build
from isthmus.front.wire import Arrived, Wire


async def serve(wire: Wire, opened: Opened, before: Iterable[Arrived] = ()) -> None:
    """Serve the client of a wire until it goes away. `before` is what was taken from the wire already."""
    server = build(opened.application)
    incoming = Incoming(wire, before)
    await server.run(incoming, Outgoing(wire, incoming), server.create_initialization_options())


class _Closing:
    """What the SDK asks of a stream beside its own verb: to be closed, and to be a context that closes it."""

    async def aclose(self) -> None:
        """The wire lives as long as its process; there is nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Incoming(_Closing):
    """What arrives on a wire, as the SDK reads it."""

    def __init__(self, wire: Wire, before: Iterable[Arrived]) -> None:
        self._wire = wire
        self._before = deque(before)
        self._news = anyio.Event()
        self._gone = False
        self.answered = set[RequestId]()  # requests whose answer has been sent, and which the SDK will answer again
        loop = asyncio.get_running_loop()
        wire.hand_over(lambda: loop.call_soon_threadsafe(self._wake))

    def hang_up(self) -> None:
        """The client does not listen: whatever it still says is in vain."""
        self._gone = True
        self._wake()

    async def receive(self) -> SessionMessage | Exception:
        """The next message; anyio.EndOfStream once the client has gone."""
        while not self._gone:
            news = self._news = anyio.Event()
            try:
                arrived = self._before.popleft() if self._before else self._wire.take()
            except queue.Empty:
                await news.wait()
                continue
            if arrived is None:
                break
            if arrived.answered:
                self.answered.add(arrived.message["id"])
            return SessionMessage(_as_sdk(arrived.message))
        raise anyio.EndOfStream

    def _wake(self) -> None:
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


class Outgoing(_Closing):
    """What the SDK writes, as it leaves on a wire."""

    def __init__(self, wire: Wire, incoming: Incoming) -> None:
        self._wire = wire
        self._incoming = incoming

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message, if it has not been sent before.

        Raises:
            anyio.BrokenResourceError: the client does not listen any more.
            ValueError: it is a request of ours that cannot be written.
        """
        message = item.message
        if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id in self._incoming.answered:
            self._incoming.answered.discard(message.id)
        elif line := _line(message):
            await self._write(line)

    async def _write(self, line: bytes) -> None:
        try:
            if not self._wire.try_write(line):
                await anyio.to_thread.run_sync(self._wire.write, line, abandon_on_cancel=True)
        except OSError:
            self._incoming.hang_up()
            raise anyio.BrokenResourceError from None


def _as_sdk(message: Message) -> JSONRPCMessage:
    kind: type[JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError]
    if "method" in message:
        kind = JSONRPCRequest if "id" in message else JSONRPCNotification
    else:
        kind = JSONRPCResponse if "result" in message else JSONRPCError
    return kind.model_validate(message)


def _line(message: JSONRPCMessage) -> bytes:
    """The message as a line. One that cannot be written costs its own request, not the session."""
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
    except ValueError as error:
        if isinstance(message, JSONRPCRequest):
            raise
        if isinstance(message, JSONRPCNotification):
            return b""
        return error_line(message.id, INTERNAL_ERROR, f"the answer cannot be written: {error}")
