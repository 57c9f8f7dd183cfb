"""The server's end of a worker's socket. Whatever comes is bounded before it is kept, and taken strictly in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from isthmus_sandbox.protocol import ProtocolViolation
from isthmus_sandbox.wire import HEADER, Kind, frame


class Disconnected(Exception):
    """The worker's end is closed."""


class Channel(asyncio.Protocol):
    """One frame out, one frame in. A frame out of turn, of a wrong kind or too long breaks the channel."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._allowed: Mapping[Kind, int] = {}  # the kinds that may come now, with the most bytes of each
        self._answer: asyncio.Future[tuple[Kind, bytes]] | None = None
        self._problem: Exception | None = None

    @property
    def open(self) -> bool:
        """Whether the worker's end is still there, as far as is known."""
        return self._problem is None

    def send(self, kind: Kind, text: bytes, answers: Mapping[Kind, int]) -> None:
        """Write a frame, and expect one of `answers`: the kinds, and the most bytes of text of each."""
        self.expect(answers)
        if self._transport is not None and self._problem is None:
            self._transport.write(frame(kind, text))

    def expect(self, answers: Mapping[Kind, int]) -> None:
        """Expect a frame."""
        self._allowed = answers
        self._answer = asyncio.get_running_loop().create_future()
        if self._problem is not None:
            self._settle_with_problem()

    async def receive(self) -> tuple[Kind, bytes]:
        """The frame that is expected. Waits without a limit: the caller has one.

        Raises:
            Disconnected: the worker has gone.
            ProtocolViolation: it sent something else; nothing more is read from it.
        """
        if self._answer is None:
            raise RuntimeError("nothing is expected")
        return await self._answer

    def close(self) -> None:
        """Hang up at once. Idempotent."""
        if self._transport is not None:
            self._transport.abort()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is attached."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes came: at most 256 KiB at once."""
        self._received += data
        try:
            self._take()
        except ProtocolViolation as violation:
            self._break(violation)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """The other end is closed, or this one was."""
        self._break(Disconnected())

    def _take(self) -> None:
        if self._answer is None or self._answer.done():
            raise ProtocolViolation("frame: it was not the worker's turn")
        if len(self._received) < HEADER.size:
            return
        length, kind = HEADER.unpack_from(self._received)
        if kind not in self._allowed:
            raise ProtocolViolation(f"frame: kind {kind} cannot come now")
        if length > self._allowed[kind]:
            raise ProtocolViolation(f"frame: {length} bytes, and {self._allowed[kind]} are allowed")
        whole = HEADER.size + length
        if len(self._received) > whole:
            raise ProtocolViolation("frame: more than one at once")
        if len(self._received) == whole:
            text = bytes(memoryview(self._received)[HEADER.size :])
            self._received = bytearray()
            self._answer.set_result((Kind(kind), text))

    def _break(self, problem: Exception) -> None:
        if self._problem is None:
            self._problem = problem
        self._received = bytearray()
        self._settle_with_problem()
        if not isinstance(problem, Disconnected):
            self.close()

    def _settle_with_problem(self) -> None:
        if self._answer is not None and not self._answer.done() and self._problem is not None:
            self._answer.set_exception(self._problem)
            self._answer.exception()  # it may be that nobody waits: no complaint then
