"""A small HTTP server on loopback whose every answer is the test's own, down to the bytes where it wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Told:
    """One answer. `body` may be a stream, whose end is the end of the connection. To raise ConnectionError hangs up."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Answer = Callable[[Asked], Awaitable[Told]]


@asynccontextmanager
async def http_server(answer: Answer) -> AsyncIterator[str]:
    """Serves until the end of the context; gives the origin, such as `http://127.0.0.1:40123`."""

    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (connection := asyncio.current_task()) is not None:
            connections.add(connection)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await _respond(writer, await answer(await _request(reader))):
                    pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, body)


async def _respond(writer: asyncio.StreamWriter, told: Told) -> bool:
    """Write an answer; whether the connection can be used again."""
    streamed = not isinstance(told.body, bytes)
    length = "Connection: close" if streamed else f"Content-Length: {len(told.body)}"  # type: ignore[arg-type]
    headers = "".join(f"{name}: {value}\r\n" for name, value in told.headers.items())
    writer.write(f"HTTP/1.1 {told.status} X\r\nContent-Type: {told.type}\r\n{length}\r\n{headers}\r\n".encode())
    if isinstance(told.body, bytes):
        writer.write(told.body)
        await writer.drain()
        return True
    async for piece in told.body:
        writer.write(piece)
        await writer.drain()
    return False
