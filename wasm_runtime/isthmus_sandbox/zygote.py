"""The process from which workers are forked. It holds one warm guest that has never seen a program, and no secret.

A worker is a copy of this process, guest included, so it is ready within a millisecond or two and shares all memory
that it does not write. Three things must not be shared, and are not: the generator of random numbers (`engine` asks
the system each time), the workspace (its descriptor is put in the place of the empty one's), and the sockets.

It must have one thread: forking copies only the one that forks.

Its control socket (its standard input) keeps the bounds of messages, each one JSON object:

    from the server   {"fork": id, "warm": bool, "behind": bool}
                      with two descriptors: the worker's socket and its workspace
                      {"kill": id}
    to the server     {"ready": layers} | {"failed": why}, once
                      {"gone": id, "status": status, as of `os.waitstatus_to_exitcode`, or null if there was no fork}
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from isthmus_sandbox.child import give_way
from isthmus_sandbox.confine import (
    Layers,
    WorkerConfinement,
    confine_family,
    missing_layers,
    private_bytes,
    raise_stack_limit,
)
from isthmus_sandbox.engine import Guest
from isthmus_sandbox.exits import Exit
from isthmus_sandbox.linux import die_with_parent
from isthmus_sandbox.orders import Orders
from isthmus_sandbox.settings import MIB
from isthmus_sandbox.wire import BlockingChannel, end
from isthmus_sandbox.worker import REHEARSAL, WARM_UP, no_exchange, serve

MESSAGE_BYTES = 65_536
_MOST_DESCRIPTORS = 4_096  # a zygote has a dozen, and the system gives the lowest that is free


def main(arguments: list[str]) -> None:
    """Serve the control socket until the server hangs up."""
    orders = Orders.from_text(arguments[0])
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        zygote = Zygote(orders, control, nothing)
    except Exception as error:  # noqa: BLE001 - told to the server
        control.send(json.dumps({"failed": f"{type(error).__name__}: {error}"[:2_000]}).encode())
        end(Exit.START)
    control.send(json.dumps({"ready": zygote.layers}).encode())
    zygote.live()


class Zygote:
    """The warm guest, and the workers that were forked with copies of it."""

    def __init__(self, orders: Orders, control: socket.socket, nothing: int) -> None:
        """Confine this process, open the component, warm the guest, and see which layers a worker can have."""
        os.umask(0o077)
        os.chdir("/")
        raise_stack_limit()
        self.layers = confine_family(orders.parent)
        self._limits = orders.limits
        self._control = control
        self._nothing = nothing
        self._workers: dict[int, int] = {}  # process ids, by the server's id
        self._numbers: dict[int, int] = {}  # the same, the other way round
        self._me = os.getpid()
        self._guest = Guest(
            Path(orders.compiled),
            memory_bytes=orders.limits.memory_mb * MIB,
            workspace=Path(orders.workspace),
            exchange=no_exchange,
        )
        self._guest.run(WARM_UP)
        self._guest.run(WARM_UP)
        self._mounted = _descriptor_of(orders.workspace)
        self._confinement = WorkerConfinement(orders.limits, baseline_bytes=private_bytes())
        self._require_one_thread()
        self.layers |= self._layers_of_a_worker()
        gc.collect()
        gc.freeze()

    def live(self) -> None:
        """Fork, kill and reap, until the server hangs up. An order waits for the end of one worker at most."""
        woken, waker = socket.socketpair()
        woken.setblocking(False)
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        owing = False  # whether a worker may have ended that is not reaped
        while True:
            ready, _, _ = select.select([self._control, woken], [], [], 0 if owing else None)
            if woken in ready:
                woken.recv(MESSAGE_BYTES)
                owing = True
            if self._control in ready:
                self._obey()
            owing = owing and self._reap()

    def _obey(self) -> None:
        text, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 2)
        if not text:
            end(Exit.CLOSED)  # and the workers with it
        message = json.loads(text)
        if "fork" in message:
            self._fork(message["fork"], descriptors, warm=message["warm"], behind=message["behind"])
        elif (process := self._workers.get(message["kill"])) is not None:
            os.kill(process, signal.SIGKILL)  # not reaped yet, so the id is still its own

    def _fork(self, worker: int, descriptors: list[int], *, warm: bool, behind: bool) -> None:
        try:
            process = os.fork()
        except OSError:
            self._tell({"gone": worker, "status": None})
        else:
            if process == 0:
                self._become_worker(*descriptors, warm=warm, behind=behind)
            self._workers[worker], self._numbers[process] = process, worker
        for descriptor in descriptors:
            os.close(descriptor)

    def _reap(self) -> bool:
        """Reap one worker, if one has ended: that takes the kernel up to milliseconds. Gives whether one had."""
        if not self._numbers:
            return False
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            return False
        worker = self._numbers.pop(process)
        del self._workers[worker]
        self._tell({"gone": worker, "status": os.waitstatus_to_exitcode(status)})
        return True

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            end(Exit.CLOSED)

    def _become_worker(self, connection: int, workspace: int, *, warm: bool, behind: bool) -> None:
        """Never returns."""
        try:
            if behind:
                give_way(0)
            sock = self._leave(connection, workspace)
            report = str(os.getpid()).encode()
            layers = self._confinement.apply(self._mounted)
            if missing_layers(self.layers, layers):
                end(Exit.LAYER)
            if warm:
                self._guest.run(REHEARSAL)
            serve(self._guest, BlockingChannel(sock, self._limits.events_bytes), self._limits, report)
        except MemoryError:
            end(Exit.MEMORY)
        except BaseException:  # noqa: BLE001 - there is nobody to tell but the server, which reads the status
            end(Exit.FAULT)

    def _leave(self, connection: int, workspace: int) -> socket.socket:
        """Keep nothing of the zygote's but its guest."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(self._me)
        os.dup2(workspace, self._mounted, inheritable=False)
        for standard in (0, 1, 2):
            os.dup2(self._nothing, standard)
        _close_all_but({0, 1, 2, connection, self._mounted})
        return socket.socket(fileno=connection)

    def _layers_of_a_worker(self) -> Layers:
        """Try them on a child, since they cannot be taken off."""
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            layers = self._confinement.apply(self._mounted)
            os.write(writing, json.dumps(layers).encode())
            end(Exit.CLOSED)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            text = pipe.read()
        os.waitpid(process, 0)
        if not text:
            raise RuntimeError("a confined process could not even report; is another sandbox in the way?")
        return dict(json.loads(text))

    def _require_one_thread(self) -> None:
        threads = len(list(Path("/proc/self/task").iterdir()))
        if threads != 1:
            raise RuntimeError(f"{threads} threads where one is allowed: this build of wasmtime cannot be forked")


def _descriptor_of(directory: str) -> int:
    """The descriptor by which the guest's WASI holds its one directory."""
    wanted = Path(directory).resolve()
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that lists
            if path.readlink() == wanted:
                return int(path.name)
    raise RuntimeError("the guest's directory is not open")


def _close_all_but(kept: set[int]) -> None:
    for before, after in itertools.pairwise([-1, *sorted(kept), _MOST_DESCRIPTORS]):
        if before + 1 < after:  # an empty range would be taken for all
            os.closerange(before + 1, after)


if __name__ == "__main__":
    main(sys.argv[1:])
