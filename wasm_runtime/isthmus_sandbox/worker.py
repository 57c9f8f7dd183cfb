"""A worker: read a program, enter the guest, write the outcome. Forked from a zygote, or run whole as a process.

One thread, one guest, one session; nothing here is worth stealing. The server is waited for without a limit, since
it is the server that ends a worker which takes too long.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from isthmus_sandbox.component import THREAD_STACK
from isthmus_sandbox.confine import WorkerConfinement, confine_family, private_bytes, raise_stack_limit
from isthmus_sandbox.engine import Guest
from isthmus_sandbox.exits import Exit
from isthmus_sandbox.orders import Orders
from isthmus_sandbox.settings import MIB, Limits
from isthmus_sandbox.wall import WallClock
from isthmus_sandbox.wire import BlockingChannel, Kind, end


def _rehearsal(source: str, *, files: bool) -> str:
    program = {"source": source, "rehearsal": True, "files": files, "seed": "00", "now": 0.0, "upstreams": []}
    return json.dumps(program)


WARM_UP = _rehearsal("(await __import__('asyncio').sleep(0), print('', end=''), 1 + 1)[2]", files=False)
"""The program that brings a guest's memory in, and leaves nothing behind. It touches no file, so starts no thread."""

REHEARSAL = _rehearsal("1 + 1", files=True)
"""What a spare does beside: it enters the workspace, and writes where its first program will write."""


def serve(guest: Guest, channel: BlockingChannel, limits: Limits, report: bytes = b"") -> None:
    """Run programs until the server hangs up. Never returns: it ends the process."""
    guest.exchange = lambda step: _exchange(channel, step, guest.wall, limits)
    channel.send(Kind.READY, report)
    while True:
        program = channel.receive(Kind.PROGRAM)
        script = ""
        if program.startswith("["):  # readings for the wall clock, on a line before the guest's own text
            script, _, program = program.partition("\n")
        guest.wall.start(script)
        _arm(limits.cpu)
        outcome = guest.run(program)
        _arm(0.0)
        channel.send(Kind.OUTCOME, _headed(_bounded(outcome, limits.outcome_bytes), guest.wall))


def _exchange(channel: BlockingChannel, step: str, wall: WallClock, limits: Limits) -> str:
    text = step.encode("utf-8")
    if len(text) > limits.step_bytes:
        end(Exit.TOO_LONG)
    channel.send(Kind.STEP, _headed(text, wall))
    return channel.receive(Kind.EVENTS)


def _headed(text: bytes, wall: WallClock) -> bytes:
    """The guest's text, and on a line before it what the wall clock showed, if it was asked."""
    readings = wall.take()
    return f"{readings}\n".encode() + text if readings else text


def _arm(seconds: float) -> None:
    """Be ended by SIGPROF after so much processor time; never, if 0. Windows has no such thing."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _bounded(outcome: str, most: int) -> bytes:
    """The outcome, or where it is too long a failure that says so: the guest and its variables live on."""
    text = outcome.encode("utf-8")
    if len(text) <= most:
        return text
    value = json.loads(text)
    failure = {
        "type": "LimitExceeded",
        "message": f"the result and the output are {len(text):,} bytes long, and {most:,} are allowed",
        "line": None,
        "column": None,
        "trace": "",
        "hint": "return a part or a summary, or write it to a file in /workspace",
        "code": "limit",
    }
    value |= {"ok": False, "kind": "none", "value": None, "blobs": [], "error": failure}
    value["output"], value["notes"] = value["output"][: most // 8], value["notes"][:100]
    return json.dumps(value).encode("ascii")


def main(arguments: list[str]) -> None:
    """A worker as a whole process: its socket is its standard input. Never returns."""
    orders = Orders.from_text(arguments[0])
    if sys.platform == "linux":
        _live(orders, _own_socket())
    else:  # the first thread's stack is small there, and cannot be made larger
        threading.stack_size(THREAD_STACK)
        thread = threading.Thread(target=_live, args=(orders, _own_socket()))
        thread.start()
        thread.join()
    end(Exit.FAULT)


def _own_socket() -> socket.socket:
    if sys.platform == "win32":
        return socket.fromshare(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())))
    return socket.socket(fileno=os.dup(0))


def _live(orders: Orders, sock: socket.socket) -> None:
    try:
        report = _start(orders, sock)
    except BaseException as error:  # noqa: BLE001 - told to whoever started this process
        sys.stderr.write(f"{type(error).__name__}: {error}\n"[:2_000])
        sys.stderr.flush()
        end(Exit.START)
    guest, channel, layers = report
    try:
        serve(guest, channel, orders.limits, json.dumps(layers).encode())
    except MemoryError:
        end(Exit.MEMORY)
    except BaseException:  # noqa: BLE001 - there is nobody to tell but the server, which reads the status
        end(Exit.FAULT)


def _start(orders: Orders, sock: socket.socket) -> tuple[Guest, BlockingChannel, dict[str, str]]:
    os.umask(0o077)
    raise_stack_limit()
    layers = confine_family(orders.parent)
    memory = orders.limits.memory_mb * MIB
    guest = Guest(Path(orders.compiled), memory_bytes=memory, workspace=Path(orders.workspace), exchange=no_exchange)
    guest.run(WARM_UP)
    directory = os.open(orders.workspace, os.O_RDONLY) if sys.platform != "win32" else None
    layers |= WorkerConfinement(orders.limits, baseline_bytes=private_bytes()).apply(directory)
    if directory is not None:
        os.close(directory)
    guest.run(REHEARSAL)
    return guest, BlockingChannel(sock, orders.limits.events_bytes), layers


def no_exchange(_step: str) -> str:
    """In place of the server, while a guest is warmed: the empty program has nothing to ask."""
    end(Exit.START)


if __name__ == "__main__":
    main(sys.argv[1:])
