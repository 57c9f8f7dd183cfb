"""Where a browser is sent back to after a login: an address of this machine, for one answer."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import anyio
from anyio.abc import SocketAttribute, SocketStream

from isthmus.errors import ConfigurationError

PATH = "/callback"
_HEAD_BYTES = 65_536
_SECONDS = 10.0  # for one request
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Isthmus</title>
<body style="font: 1.1rem system-ui; margin: 20vh auto; max-width: 30rem; text-align: center"><p>{}</p></body></html>
"""


class Callback:
    """Takes the one answer that holds the expected `state`; whatever else comes is turned away, and changes nothing."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}{PATH}"
        self._state = ""
        self._answer = ""
        self._answered = anyio.Event()

    def expect(self, state: str) -> None:
        """From now on, an answer with this state is the one."""
        self._state = state

    def give(self, address: str) -> None:
        """Take an address that came otherwise, whatever it is."""
        self._answer = address
        self._answered.set()

    async def answer(self) -> str:
        """The address that the browser was sent back to."""
        await self._answered.wait()
        return self._answer

    async def serve(self, stream: SocketStream) -> None:
        """Answer one request."""
        async with stream:
            with anyio.move_on_after(_SECONDS):
                try:
                    status, words = self._take(await _target(stream))
                    await stream.send(_response(status, words))
                except (ValueError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return

    def _take(self, target: str) -> tuple[str, str]:
        parts = urlsplit(target)
        if parts.path != PATH:
            return "404 Not Found", "There is nothing here."
        given = parse_qs(parts.query)
        if not self._state or not secrets.compare_digest(given.get("state", [""])[-1].encode(), self._state.encode()):
            return "400 Bad Request", "This is not the answer to a login that was begun here."
        self._state = ""  # it counts once
        self.give(f"{self.address}?{parts.query}")
        if "error" in given:
            return "200 OK", "The login was refused. You can close this window."
        return "200 OK", "Isthmus has its answer. You can close this window."


@asynccontextmanager
async def callback(port: int | None) -> AsyncIterator[Callback]:
    """Listen on 127.0.0.1, on this port or else on any that is free.

    Raises:
        ConfigurationError: the port is taken.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port or 0)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} of this machine cannot be listened on: {error.strerror}", remedy="end what has it"
        ) from None
    waiting = Callback(listener.extra(SocketAttribute.local_port))  # noqa: S610 - no Django here
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, waiting.serve)
        yield waiting
        tasks.cancel_scope.cancel()


async def _target(stream: SocketStream) -> str:
    """What a request asks for; empty where it is no GET."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
        head += await stream.receive()
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    return words[1] if len(words) == 3 and words[0] == "GET" else ""


def _response(status: str, words: str) -> bytes:
    """The page: no cache keeps it, nothing else is loaded, and its address, which has a code in it, goes nowhere."""
    body = _PAGE.format(words).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\r\n"
    )
    return head.encode() + body
