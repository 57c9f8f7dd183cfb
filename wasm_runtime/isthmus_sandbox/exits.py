"""How workers end, and what to say of it.

A worker says why it ends by its exit status. It may lie: the status chooses a text, and nothing else.
"""

from __future__ import annotations

import signal
from enum import IntEnum

from isthmus_sandbox.protocol import GuestLost


class Exit(IntEnum):
    """The exit statuses of a worker."""

    CLOSED = 0  # the server hung up
    TRAP = 70  # the guest trapped
    STACK = 71  # the guest used up its stack
    EXITED = 72  # the program ended the interpreter itself
    MEMORY = 73  # the worker, or the guest for good, ran out of memory
    TOO_LONG = 74  # a step longer than a frame may be
    FRAME = 75  # the server sent what is no frame
    LAYER = 76  # a layer of protection could not be put in place
    START = 77  # no guest could be made
    FAULT = 78  # a fault of the worker's own


_REASONS: dict[int, tuple[str, str | None]] = {
    Exit.CLOSED: ("the worker was ended", None),
    Exit.TRAP: ("the program crashed its interpreter", None),
    Exit.STACK: ("the program crashed its interpreter: it recursed too deeply inside C code", None),
    Exit.EXITED: ("the program ended its interpreter (os._exit, or an abort)", None),
    Exit.MEMORY: ("the program used up its memory, and its interpreter could not go on", "memory_mb"),
    Exit.TOO_LONG: ("the program asked for more data in one step than can be carried", "step_bytes"),
    Exit.FRAME: ("the worker was sent a frame that it could not read", None),
    Exit.LAYER: ("a layer of protection could not be put in place in a worker", None),
    Exit.START: ("no guest could be started in a worker", None),
    Exit.FAULT: ("the worker failed", None),
}

_SIGNALS: dict[int, tuple[str, str | None]] = {
    getattr(signal, "SIGPROF", -1): ("the program used up its processor time", "cpu"),
    getattr(signal, "SIGXCPU", -2): ("the program used up its processor time", "cpu"),
    getattr(signal, "SIGKILL", -3): ("the worker was killed (perhaps by the system, for want of memory)", None),
    getattr(signal, "SIGABRT", -4): ("the worker aborted, perhaps for want of memory", None),
    getattr(signal, "SIGSEGV", -5): ("the worker crashed", None),
}


def lost(status: int | None) -> GuestLost:
    """What became of a worker. `status` is its exit status, or minus the signal that ended it; None: unknown."""
    if status is None:
        return GuestLost("the worker is gone", external=True)
    reason, limit = _REASONS.get(status, (f"the worker ended with status {status}", None))
    if status < 0:
        reason, limit = _SIGNALS.get(-status, (f"the worker was ended by signal {-status}", None))
    return GuestLost(reason, limit=limit, external=-status == getattr(signal, "SIGKILL", None))
