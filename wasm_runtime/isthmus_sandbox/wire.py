"""The bytes around a frame, the same on both sides: a length, a kind, and a JSON text.

The worker's side is here too: blocking, a few lines, and it ends its process rather than raise.
"""

from __future__ import annotations

import os
import struct
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

from isthmus_sandbox.exits import Exit

if TYPE_CHECKING:
    import socket

HEADER = struct.Struct("<IB")
"""The length of the text in bytes, and the kind."""

_CHUNK = 256 * 1024


class Kind(IntEnum):
    """What a frame is."""

    READY = ord("R")  # worker: it can take a program; the text is its layers, where it was started whole
    PROGRAM = ord("P")  # server
    STEP = ord("S")  # worker
    EVENTS = ord("E")  # server: the answer to a step
    OUTCOME = ord("O")  # worker: the answer to a program


def frame(kind: Kind, text: bytes) -> bytes:
    """One frame as it travels."""
    return HEADER.pack(len(text), kind) + text


class BlockingChannel:
    """A worker's end."""

    __slots__ = ("_limit", "_socket")

    def __init__(self, sock: socket.socket, limit: int) -> None:
        self._socket = sock
        self._limit = limit

    def send(self, kind: Kind, text: bytes) -> None:
        """Write one frame."""
        self._socket.sendall(frame(kind, text))

    def receive(self, kind: Kind) -> str:
        """Read one frame, which must be of this kind. Ends the process where there is none."""
        first = self._socket.recv(_CHUNK)
        while len(first) < HEADER.size:
            more = self._socket.recv(_CHUNK)
            if not more:
                end(Exit.CLOSED)
            first += more
        length, actual = HEADER.unpack_from(first)
        if length > self._limit or actual != kind or len(first) > HEADER.size + length:
            end(Exit.FRAME)
        if len(first) == HEADER.size + length:
            return first[HEADER.size :].decode("utf-8")
        return self._rest(first[HEADER.size :], length)

    def _rest(self, begun: bytes, length: int) -> str:
        text = bytearray(length)
        text[: len(begun)] = begun
        view, at = memoryview(text), len(begun)
        while at < length:
            count = self._socket.recv_into(view[at:])
            if not count:
                end(Exit.CLOSED)
            at += count
        return text.decode("utf-8")


def end(status: Exit) -> NoReturn:
    """End this process at once: nothing is flushed, nothing is run."""
    os._exit(status)
