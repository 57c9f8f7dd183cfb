"""A child process that speaks over its pipes, bounded in all that it can do to us.

Its output is read no faster than it is used, its stderr is drained at a bounded rate into a short tail, and at the
end its whole process group is gone, whether or not it went in peace.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio

from isthmus.errors import UpstreamUnavailable

BUFFERED = 262_144
"""Bytes of output that wait to be read before the process is made to wait."""

STDERR_BURST = 1_048_576
"""Bytes of stderr that are read at once; then it rests, so that a flood costs the process time, not us."""

STDERR_REST = 0.25
"""Seconds that a stderr which floods is left unread."""

LAST_WORDS = 4096
"""Bytes that are kept of stderr."""

EXIT_TO_EOF = 1.0
"""Seconds for the output to end after its process has; another process may hold the pipe for ever."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A command without a shell, its whole environment, and where it runs."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    directory: str | None = None


class ChildProcess(asyncio.SubprocessProtocol):
    """One running process; made by `start`."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._waiting = 0  # bytes in `_chunks`
        self._arrived = anyio.Event()
        self._ended = False  # no output will come
        self._left = False  # it ended its output, and then itself, before it was asked to
        self._exited = anyio.Event()
        self._disconnected = anyio.Event()
        self._writable = anyio.Event()
        self._writable.set()
        self._stderr = b""
        self._stderr_burst = 0
        self._transport: asyncio.SubprocessTransport | None = None

    @classmethod
    async def start(cls, launch: Launch) -> ChildProcess:
        """Start a command in a process group of its own.

        Raises:
            UpstreamUnavailable: it cannot be started; the message says why, the hint what to do.
        """
        command = _resolved(launch)
        loop = asyncio.get_running_loop()
        with anyio.CancelScope(shield=True):  # a cancellation between fork and return would lose the process
            try:
                _, protocol = await loop.subprocess_exec(
                    cls, *command, env=dict(launch.environment), cwd=launch.directory, start_new_session=True
                )
            except (OSError, ValueError) as error:
                raise _cannot_start(launch, error) from error
        return protocol

    @property
    def exit_code(self) -> int | None:
        """How it ended by itself; negative for the signal that killed it. None where it runs, or was made to end."""
        return self._transport.get_returncode() if self._transport and self._left else None

    def last_words(self) -> str:
        """The last lines that it wrote to stderr, as they came."""
        lines = [line.strip() for line in self._stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        return " / ".join(lines[-5:])

    async def output(self) -> AsyncIterator[bytes]:
        """Its standard output in chunks, until that ends or the process has."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._waiting -= len(chunk)
                self._reading(1, on=self._waiting < BUFFERED)
                yield chunk
            if self._ended:
                return
            self._arrived = anyio.Event()
            await self._arrived.wait()

    async def write(self, data: bytes) -> None:
        """Write to its standard input, and wait until it has taken most of it.

        Raises:
            BrokenPipeError: it no longer listens.
        """
        stdin = self._stdin()
        if stdin is None or stdin.is_closing():
            raise BrokenPipeError("the process has closed its input")
        stdin.write(data)
        await self._writable.wait()

    def hang_up(self) -> None:
        """Treat its output as ended."""
        self._ended = True
        self._arrived.set()

    async def end(self, grace: float) -> None:
        """Close its input; after `grace` s, terminate its group; after as long again, kill it. Never raises."""
        with anyio.CancelScope(shield=True):
            self._left = self._ended
            self.hang_up()
            if (stdin := self._stdin()) is not None:
                stdin.close()
            if not await self._within(grace, group=False):
                self._left = False
            self._signal("SIGTERM")
            if not await self._within(grace, group=True):
                self._signal("SIGKILL")
                await self._within(grace, group=False)
            if self._transport:
                self._transport.close()
            with anyio.move_on_after(grace):
                await self._disconnected.wait()

    # What asyncio tells us; all synchronous.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The pipes are connected."""
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep what came; pause the pipe where there is enough of it."""
        if fd == 1:
            self._chunks.append(data)
            self._waiting += len(data)
            self._reading(1, on=self._waiting < BUFFERED)
            self._arrived.set()
            return
        self._stderr = (self._stderr + data[-LAST_WORDS:])[-LAST_WORDS:]
        self._stderr_burst += len(data)
        if self._stderr_burst > STDERR_BURST:
            self._reading(2, on=False)
            asyncio.get_running_loop().call_later(STDERR_REST, self._rested)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """A pipe has ended."""
        if fd == 1:
            self.hang_up()
        self._writable.set()

    def process_exited(self) -> None:
        """The process has ended; its output may still be on its way, or held open by another."""
        self._exited.set()
        asyncio.get_running_loop().call_later(EXIT_TO_EOF, self.hang_up)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The process has ended, and so have its pipes."""
        self._disconnected.set()

    def pause_writing(self) -> None:
        """Its input is full."""
        self._writable = anyio.Event()

    def resume_writing(self) -> None:
        """Its input has room again."""
        self._writable.set()

    def _stdin(self) -> asyncio.WriteTransport | None:
        return cast("asyncio.WriteTransport | None", self._pipe(0))

    def _pipe(self, fd: int) -> Any:
        return self._transport.get_pipe_transport(fd) if self._transport else None

    def _reading(self, fd: int, *, on: bool) -> None:
        pipe = self._pipe(fd)
        if pipe is None or pipe.is_closing():
            return
        if on:
            pipe.resume_reading()
        else:
            pipe.pause_reading()

    def _rested(self) -> None:
        self._stderr_burst = 0
        self._reading(2, on=True)

    async def _within(self, seconds: float, *, group: bool) -> bool:
        """Whether the process, and with `group` all of its group, is gone within so many seconds."""
        with anyio.move_on_after(seconds):
            await self._exited.wait()
            while group and self._group_lives():  # noqa: ASYNC110 - not our children: no event tells when they end
                await anyio.sleep(0.01)
            return True
        return False

    def _group_lives(self) -> bool:
        return self._signal("0")

    def _signal(self, name: str) -> bool:
        """Signal the group; whether there was one to signal."""
        if self._transport is None:
            return False
        if not hasattr(os, "killpg"):  # Windows: the process alone, and hard
            if name != "0":
                with suppress(ProcessLookupError):
                    self._transport.kill()
            return False
        try:
            os.killpg(self._transport.get_pid(), 0 if name == "0" else signal.Signals[name])
        except (ProcessLookupError, PermissionError):
            return False
        return True


def _resolved(launch: Launch) -> tuple[str, ...]:
    """The command with its program found on the path of its own environment."""
    program = str(Path(launch.command[0]).expanduser())
    if os.path.dirname(program):  # noqa: PTH120 - a Path cannot tell `x` from `./x`
        return (program, *launch.command[1:])
    found = shutil.which(program, path=launch.environment.get("PATH"))
    if found is None:
        raise UpstreamUnavailable(
            f"the command {program!r} was not found",
            hint=f"install {program}, or write its full path in `command`; the path searched is that of isthmus itself",
        )
    return (found, *launch.command[1:])


def _cannot_start(launch: Launch, error: Exception) -> UpstreamUnavailable:
    program, directory = launch.command[0], launch.directory
    if directory is not None and not Path(directory).is_dir():
        return UpstreamUnavailable(f"its directory {directory!r} does not exist", hint="correct `cwd`")
    if isinstance(error, FileNotFoundError):
        return UpstreamUnavailable(f"the command {program!r} was not found", hint="correct `command`")
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UpstreamUnavailable(f"the command {program!r} cannot be started: {reason}", hint="correct `command`")
