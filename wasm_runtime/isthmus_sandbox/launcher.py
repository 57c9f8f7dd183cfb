"""Where worker processes come from: forked from a zygote, or started whole.

Both know a worker by its `Process`: to be killed, and waited for. Nothing here waits for a worker to agree.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.to_thread

from isthmus_sandbox import child
from isthmus_sandbox.channel import Channel, Disconnected
from isthmus_sandbox.confine import missing_layers
from isthmus_sandbox.orders import Orders
from isthmus_sandbox.protocol import ProtocolViolation, SandboxUnavailable
from isthmus_sandbox.settings import Limits
from isthmus_sandbox.wire import Kind

_READY_BYTES = 65_536
_CONTROL_BYTES = 65_536
_STDERR_KEPT = 2_000
_PAGE = 4096 if sys.platform == "win32" else os.sysconf("SC_PAGE_SIZE")
_FORKS_AT_ONCE = 16


class Process(Protocol):
    """A worker's process."""

    @property
    def memory_bytes(self) -> int:
        """What it takes beside what all workers share; 0 where that cannot be known."""
        ...

    def give_way(self) -> None:
        """From now on, let others have the processor first, where the system can do that. Idempotent."""
        ...

    def kill(self) -> None:
        """End it by force. Returns at once; idempotent."""
        ...

    async def wait(self) -> int | None:
        """Wait until it is gone: its exit status, minus the signal that ended it, or None if that is unknown."""
        ...


class Launcher(Protocol):
    """Starts workers."""

    @property
    def alive(self) -> bool:
        """Whether workers can be started."""
        ...

    @property
    def layers(self) -> Mapping[str, str]:
        """The layers of protection that every worker has, or why not."""
        ...

    async def launch(self, workspace: Path, *, warm: bool, behind: bool) -> tuple[Process, Channel]:
        """A worker that can take a program. `warm`: entered once, for it is not needed at once; `behind` others.

        Raises:
            SandboxUnavailable: it did not start; the message says why.
        """
        ...

    async def close(self) -> None:
        """End it, and all workers with it."""
        ...


# ---------------------------------------------------------------- forked


class ForkedProcess:
    """A child of the zygote, which kills and reaps it for us."""

    def __init__(self, zygote: ForkLauncher, number: int) -> None:
        self._zygote = zygote
        self._number = number
        self.gone: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.pid = 0  # until it has told

    @property
    def memory_bytes(self) -> int:
        """See `Process`."""
        return max(0, own_bytes(self.pid) - own_bytes(self._zygote.pid))

    def give_way(self) -> None:
        """See `Process`."""
        if self.pid and not self.gone.done():
            child.give_way(self.pid)

    def kill(self) -> None:
        """See `Process`."""
        if not self.gone.done():
            self._zygote.tell({"kill": self._number})

    async def wait(self) -> int | None:
        """See `Process`."""
        return await asyncio.shield(self.gone)


class ForkLauncher:
    """The server's side of a zygote."""

    def __init__(self, orders: Orders, timeout: float) -> None:
        self._orders = orders
        self._timeout = timeout
        self._numbers = count(1)
        self._workers: dict[int, ForkedProcess] = {}
        self._layers: dict[str, str] = {}
        self._started: asyncio.Future[dict[str, Any]] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._outbox: deque[tuple[bytes, Sequence[int]]] = deque()
        self._places = asyncio.Semaphore(_FORKS_AT_ONCE)

    async def start(self) -> None:
        """Start the zygote and wait until it is warm.

        Raises:
            SandboxUnavailable: it did not become so; the message says why.
        """
        loop = asyncio.get_running_loop()
        self._started = loop.create_future()
        with tempfile.TemporaryFile() as errors:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                ours.setblocking(False)
                self._control = ours
                self._process = _popen("isthmus_sandbox.zygote", self._orders, theirs, errors.fileno())
            loop.add_reader(ours.fileno(), self._listen)
            try:
                with anyio.fail_after(self._timeout):
                    answer = await self._started
            except (TimeoutError, Disconnected) as error:
                why = "it was not ready in time" if isinstance(error, TimeoutError) else _last_words(errors.fileno())
                await self.close()
                raise SandboxUnavailable(f"the zygote did not start: {why}") from None
            except BaseException:
                self._hang_up()
                raise
        if "failed" in answer:
            await self.close()
            raise SandboxUnavailable(f"the zygote did not start: {answer['failed']}")
        self._layers = answer["ready"]

    @property
    def pid(self) -> int:
        """The zygote's process id; 0 if there is none."""
        return self._process.pid if self._process is not None else 0

    @property
    def alive(self) -> bool:
        """See `Launcher`."""
        return self._control is not None

    @property
    def layers(self) -> Mapping[str, str]:
        """See `Launcher`."""
        return self._layers

    async def launch(self, workspace: Path, *, warm: bool, behind: bool) -> tuple[Process, Channel]:
        """See `Launcher`."""
        # Many at once take each other's processor, and their time to be ready with it.
        async with self._places:
            process, channel = await self._fork(workspace, warm=warm, behind=behind)
            process.pid = int(await _ready(process, channel, self._timeout))
        return process, channel

    async def _fork(self, workspace: Path, *, warm: bool, behind: bool) -> tuple[ForkedProcess, Channel]:
        number = next(self._numbers)
        directory = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        ours, theirs = socket.socketpair()
        process = self._workers[number] = ForkedProcess(self, number)
        self.tell({"fork": number, "warm": warm, "behind": behind}, [theirs.detach(), directory])
        return process, await _attach(ours)

    def tell(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send the zygote a message, and with it descriptors, which are closed here.

        What it cannot take at once waits. A zygote that does not listen is ended, and its workers with it.
        """
        self._outbox.append((json.dumps(message).encode(), descriptors))
        self._send()

    def _send(self) -> None:
        while self._outbox and self._control is not None:
            text, descriptors = self._outbox[0]
            try:
                socket.send_fds(self._control, [text], descriptors)
            except BlockingIOError:
                asyncio.get_running_loop().add_writer(self._control.fileno(), self._send)
                return
            except OSError:
                self._hang_up()
                return
            self._drop()
        if self._control is not None:
            asyncio.get_running_loop().remove_writer(self._control.fileno())
        else:
            while self._outbox:
                self._drop()

    def _drop(self) -> None:
        """Forget the first message of the outbox."""
        _, descriptors = self._outbox.popleft()
        for descriptor in descriptors:
            os.close(descriptor)

    def _listen(self) -> None:
        assert self._control is not None  # noqa: S101 - the reader is removed with it
        try:
            text = self._control.recv(_CONTROL_BYTES)
        except BlockingIOError:
            return
        except OSError:
            text = b""
        if text:
            self._hear(json.loads(text))
        else:
            self._hang_up()

    def _hear(self, message: dict[str, Any]) -> None:
        if "gone" in message:
            worker = self._workers.pop(message["gone"], None)
            if worker is not None and not worker.gone.done():
                worker.gone.set_result(message["status"])
        elif self._started is not None and not self._started.done():
            self._started.set_result(message)

    def _hang_up(self) -> None:
        """The zygote ends when its control socket does, and its workers when it does."""
        if self._control is None:
            return
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        asyncio.get_running_loop().remove_writer(self._control.fileno())
        self._control.close()
        self._control = None
        while self._outbox:
            self._drop()
        if self._process is not None:
            self._process.kill()
        for worker in self._workers.values():
            if not worker.gone.done():
                worker.gone.set_result(None)
        self._workers.clear()
        if self._started is not None and not self._started.done():
            self._started.set_exception(Disconnected())

    async def close(self) -> None:
        """See `Launcher`."""
        self._hang_up()
        if self._process is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._process.wait)


# ---------------------------------------------------------------- started whole


class WholeProcess:
    """A worker that was started whole."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def running(self) -> bool:
        """Whether it is there; reaps it if it is not."""
        return self._process.poll() is None

    @property
    def memory_bytes(self) -> int:
        """See `Process`. All that is its own: there is no other worker that it shares with."""
        return own_bytes(self._process.pid)

    def give_way(self) -> None:
        """See `Process`."""
        if self.running:
            child.give_way(self._process.pid)

    def kill(self) -> None:
        """See `Process`."""
        self._process.kill()

    async def wait(self) -> int | None:
        """See `Process`."""
        return await anyio.to_thread.run_sync(self._process.wait, abandon_on_cancel=True)


class SpawnLauncher:
    """Starts each worker as a process of its own: for systems on which a zygote cannot be."""

    def __init__(self, compiled: Path, limits: Limits, timeout: float) -> None:
        self._compiled = compiled
        self._limits = limits
        self._timeout = timeout
        self._processes: list[WholeProcess] = []
        self._layers: dict[str, str] | None = None
        self.alive = True

    @property
    def layers(self) -> Mapping[str, str]:
        """See `Launcher`. Empty until the first worker has told."""
        return self._layers or {}

    async def launch(
        self,
        workspace: Path,
        *,
        warm: bool,  # noqa: ARG002 - it always is
        behind: bool,
    ) -> tuple[Process, Channel]:
        """See `Launcher`."""
        orders = Orders(str(self._compiled), str(workspace), os.getpid(), self._limits)
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as errors:
            with theirs:
                process = WholeProcess(_popen("isthmus_sandbox.worker", orders, theirs, errors.fileno()))
            self._processes = [each for each in self._processes if each.running]
            self._processes.append(process)
            if behind:
                process.give_way()
            channel = await _attach(ours)
            report = await _ready(process, channel, self._timeout, errors.fileno())
        self._compare(json.loads(report), process)
        return process, channel

    def _compare(self, layers: dict[str, str], process: WholeProcess) -> None:
        if self._layers is None:
            self._layers = layers
        elif missing := missing_layers(self._layers, layers):
            process.kill()
            raise SandboxUnavailable(f"a worker lacks layers of protection that others have: {', '.join(missing)}")

    async def close(self) -> None:
        """See `Launcher`."""
        self.alive = False
        with anyio.CancelScope(shield=True):
            for process in self._processes:
                process.kill()
                await process.wait()
        self._processes.clear()


# ---------------------------------------------------------------- both


def own_bytes(pid: int) -> int:
    """What a process has in memory that is no file's, by Linux's /proc; 0 where that cannot be read.

    It is all that can be seen of a process which does not let itself be looked at. Pages that it was forked with, and
    has not written to, count as well.
    """
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:  # noqa: PTH123 - asked for often
            _, resident, shared, *_ = map(int, statm.read().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * _PAGE


def _popen(module: str, orders: Orders, sock: socket.socket, errors: int) -> subprocess.Popen[bytes]:
    """Start a process of this package whose standard input is the socket. It inherits nothing else."""
    windows = sys.platform == "win32"
    process = subprocess.Popen(  # noqa: S603 - our own module
        child.command(module, orders.to_text()),
        stdin=subprocess.PIPE if windows else sock.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env=child.environment(),
        cwd=None if windows else "/",
        start_new_session=not windows,  # the terminal's Ctrl-C is the server's business
    )
    if sys.platform == "win32" and process.stdin is not None:
        shared = sock.share(process.pid)
        process.stdin.write(b"%d\n%b" % (len(shared), shared))
        process.stdin.close()
    return process


async def _attach(sock: socket.socket) -> Channel:
    sock.setblocking(False)
    channel = Channel()
    channel.expect({Kind.READY: _READY_BYTES})
    await asyncio.get_running_loop().create_connection(lambda: channel, sock=sock)
    return channel


async def _ready(process: Process, channel: Channel, timeout: float, errors: int | None = None) -> bytes:
    """Wait for a worker's first frame: its text. One that does not come is killed, and its last words are told."""
    try:
        with anyio.fail_after(timeout):
            _, report = await channel.receive()
    except (TimeoutError, Disconnected, ProtocolViolation) as error:
        process.kill()
        channel.close()
        status = await process.wait()
        why = "it was not ready in time" if isinstance(error, TimeoutError) else f"status {status}"
        said = _last_words(errors) if errors is not None else ""
        raise SandboxUnavailable(f"a worker did not start: {said or why}") from None
    except BaseException:
        process.kill()
        channel.close()
        raise
    return report


def _last_words(errors: int) -> str:
    os.lseek(errors, max(0, os.lseek(errors, 0, os.SEEK_END) - _STDERR_KEPT), os.SEEK_SET)
    return os.read(errors, _STDERR_KEPT).decode("utf-8", "replace").strip() or "it ended without a word"
