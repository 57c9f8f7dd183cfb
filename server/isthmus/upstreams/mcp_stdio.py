"""MCP over the pipes of a child process: our own transport, linear and bounded, in place of the SDK's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client import Transport
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, JSONRPCRequest

from isthmus.turns import aside
from isthmus.upstreams.lines import LineSplitter
from isthmus.upstreams.mcp_process import ChildProcess, Launch
from isthmus.upstreams.mcp_wire import LONG, Inbox
from isthmus.upstreams.words import one_line

QUEUED = 256
"""Messages that may wait for the process to take them, before a caller waits. Cancellations pass a full pipe so."""

DEAF = 30.0
"""Seconds for a process to take one message, before it counts as dead."""

QUIET = 1000
"""Messages that nobody wanted, after which a process that sends nothing else gets at most half of our time."""

Sink = MemoryObjectSendStream[SessionMessage | Exception]


class StdioChannel:
    """A command to be started, and its pipes. `limit` is in bytes, of a line; `grace` is that of `ChildProcess.end`."""

    def __init__(self, launch: Launch, *, limit: int, grace: float = 2.0) -> None:
        self._launch = launch
        self._grace = grace
        self._inbox = Inbox(limit)
        self._splitter = LineSplitter(limit)
        self._process: ChildProcess | None = None

    def open(self) -> Transport:
        """Start the process; leaving the context ends it, with all of its group."""
        return self._open()

    def remarks(self) -> tuple[str, ...]:
        """What it wrote to its output that is no message."""
        return self._inbox.remarks()

    def epitaph(self) -> str:
        """How the process ended."""
        code = None if self._process is None else self._process.exit_code
        if code is None:
            return ""
        return f"its process exited with code {code}" if code >= 0 else f"its process was ended by signal {-code}"

    def last_words(self) -> str:
        """What the process last wrote to stderr."""
        words = "" if self._process is None else one_line(self._process.last_words(), 400)
        return f"it last wrote: {words}" if words else ""

    @asynccontextmanager
    async def _open(
        self,
    ) -> AsyncIterator[
        tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
    ]:
        process = self._process = await ChildProcess.start(self._launch)
        arriving, arrived = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        leaving, left = anyio.create_memory_object_stream[SessionMessage](QUEUED)
        try:
            async with arriving, arrived, leaving, left, anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, process, arriving)
                tasks.start_soon(self._write, process, left, arriving)
                yield arrived, leaving
                tasks.cancel_scope.cancel()
        finally:
            await process.end(self._grace)

    async def _read(self, process: ChildProcess, sink: Sink) -> None:
        async with sink:  # closing it is how the session learns that the process is gone
            try:
                async for chunk in process.output():
                    await self._deliver(chunk, sink)
                for line in self._splitter.end():
                    for message in self._inbox.read(line):
                        await sink.send(SessionMessage(message))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return  # the session is over

    async def _deliver(self, chunk: bytes, sink: Sink) -> None:
        """Read a chunk's lines, giving others their turn, and a flood of what nobody wants a rest."""
        began, dropped, delivered = anyio.current_time(), self._inbox.dropped, 0
        for number, line in enumerate(self._splitter.feed(chunk)):
            long = isinstance(line, bytes) and len(line) >= LONG
            messages: list[JSONRPCMessage] = await aside(long, list, self._inbox.read(line))
            for message in messages:
                await sink.send(SessionMessage(message))
                delivered += 1
            if number % 32 == 31:
                await anyio.lowlevel.checkpoint()
        flooding = not delivered and self._inbox.dropped > max(dropped, QUIET)
        await anyio.sleep(anyio.current_time() - began if flooding else 0)

    async def _write(
        self, process: ChildProcess, source: MemoryObjectReceiveStream[SessionMessage], sink: Sink
    ) -> None:
        try:
            async for item in source:
                await self._send(process, item, sink)
        except (OSError, TimeoutError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            process.hang_up()

    async def _send(self, process: ChildProcess, item: SessionMessage, sink: Sink) -> None:
        message = item.message
        try:
            line = message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        except ValueError as error:
            # What cannot be written costs its own call, not the session.
            if isinstance(message, JSONRPCRequest):
                reason = ErrorData(code=INTERNAL_ERROR, message=f"the request cannot be written: {error}")
                await sink.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=message.id, error=reason)))
            return
        with anyio.fail_after(DEAF):
            await process.write(line)
