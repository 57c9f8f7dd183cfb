"""A stand-in for a worker process: a thread that says whatever it is told on the worker's end of a real socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from isthmus_sandbox.channel import Channel
from isthmus_sandbox.guest import WorkerGuest
from isthmus_sandbox.settings import Limits
from isthmus_sandbox.wire import HEADER, Kind, frame

Script = Callable[[socket.socket], int | None]
"""What the stand-in does. Returns its exit status; None: 0. The socket fails once the worker is killed."""


class StandIn:
    """Implements `isthmus_sandbox.launcher.Process`."""

    def __init__(self, script: Script, sock: socket.socket) -> None:
        self._script = script
        self._socket = sock
        self._status = 0
        self.killed = False
        self._thread = threading.Thread(target=self._act, daemon=True)
        self._thread.start()

    def _act(self) -> None:
        with suppress(OSError):
            self._status = self._script(self._socket) or 0
        self._socket.close()

    @property
    def memory_bytes(self) -> int:
        """It is a thread of ours: nothing that could be told apart."""
        return 0

    def give_way(self) -> None:
        """Nothing: it does not compute."""

    def kill(self) -> None:
        """What a real one does not survive either: its socket is dead."""
        self.killed = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    async def wait(self) -> int | None:
        """Its status."""
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        return self._status


async def guest_of(script: Script, workspace: Path, limits: Limits | None = None) -> tuple[WorkerGuest, StandIn]:
    """A guest whose worker follows the script."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    channel = Channel()
    await asyncio.get_running_loop().create_connection(lambda: channel, sock=ours)
    process = StandIn(script, theirs)
    return WorkerGuest(process, channel, workspace, limits or Limits()), process


def read_frame(sock: socket.socket) -> tuple[Kind, bytes]:
    """One frame of the server."""
    header = _exactly(sock, HEADER.size)
    length, kind = HEADER.unpack(header)
    return Kind(kind), _exactly(sock, length)


def write_frame(sock: socket.socket, kind: Kind, text: bytes) -> None:
    """One frame to the server."""
    sock.sendall(frame(kind, text))


def _exactly(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        if not more:
            raise ConnectionError("the server hung up")
        data += more
    return data
