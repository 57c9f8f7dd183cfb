"""The second layer: what the operating system itself does not let a worker do.

`confine_family` is for a process and all its descendants, once, before it opens anything; `WorkerConfinement` for
one worker, when everything it needs is open. Both say of each layer `active`, or why it is not. Nothing is left out in
silence: whoever starts workers compares what a worker reports with what was promised (`Exit.LAYER`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from isthmus_sandbox.component import THREAD_STACK
from isthmus_sandbox.settings import MIB, Limits

if TYPE_CHECKING:
    from isthmus_sandbox.seccomp import Filter

if sys.platform != "win32":
    import resource

ACTIVE = "active"

Layers = dict[str, str]

_DESCRIPTORS = 64  # a guest's own open files among them


def confine_family(parent: int) -> Layers:
    """No new privileges, no capabilities, no network; to end with the parent. Linux only.

    The process must have one thread.
    """
    if sys.platform != "linux":
        return {"namespaces": f"there are none on {sys.platform}"}
    from isthmus_sandbox import linux

    linux.die_with_parent(parent)
    other = linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
    layers = {
        "namespaces": _attempt(lambda: linux.enter_user_namespace(other)),
        "no-new-privileges": _attempt(lambda: linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)),
        "capabilities": _attempt(linux.drop_capabilities),
    }
    linux.prctl(linux.PR_SET_PDEATHSIG, 9)  # which a change of credentials may have cleared
    return layers


class WorkerConfinement:
    """Limits of resources, only the workspace's files, only the system calls that are needed.

    Made before forking, so that a worker has nothing to load and little to do; applied once in each worker.
    """

    __slots__ = ("_landlock", "_limits", "_linux", "_most_private", "_seccomp")

    def __init__(self, limits: Limits, *, baseline_bytes: int) -> None:
        """`baseline_bytes` is what the process has of private memory; 0: unknown, and memory is not limited here."""
        self._limits = limits
        self._most_private = baseline_bytes and baseline_bytes + _worker_bytes(limits)
        if sys.platform == "linux":
            from isthmus_sandbox import landlock, linux, seccomp

            self._landlock, self._linux = landlock, linux
            self._seccomp = _made(seccomp.Filter)

    def apply(self, workspace: int | None) -> Layers:
        """Confine this process, for good. `workspace` is an open descriptor of its directory."""
        layers = {"resource-limits": _attempt(lambda: _limit_resources(self._limits, self._most_private))}
        if sys.platform != "linux" or workspace is None:
            missing = f"there is none on {sys.platform}"
            return layers | {"landlock": missing, "seccomp": missing}
        self._linux.prctl(self._linux.PR_SET_DUMPABLE, 0)
        layers["landlock"] = _attempt(lambda: self._landlock.confine(workspace))
        if isinstance(self._seccomp, str):
            return layers | {"seccomp": self._seccomp}
        return layers | {"seccomp": _attempt(self._seccomp.apply)}


def _made(make: Callable[[], Filter]) -> Filter | str:
    """A filter, or why there is none."""
    try:
        return make()
    except OSError as error:
        return f"not active: {error}"


def missing_layers(promised: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    """The layers that were promised as active and are not."""
    return [name for name, state in promised.items() if state == ACTIVE and actual.get(name, ACTIVE) != ACTIVE]


def raise_stack_limit() -> None:
    """Let this process's first thread have the stack that a guest may use. Before anything is run on it.

    Raises:
        OSError: the limit of the system is lower.
    """
    if sys.platform != "linux":
        return  # the guest is entered in a thread with a stack of its own
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft != resource.RLIM_INFINITY and soft < THREAD_STACK:
        if hard != resource.RLIM_INFINITY and hard < THREAD_STACK:
            raise OSError(f"the stack limit is {hard // 1024} KB; remedy: ulimit -Hs {THREAD_STACK // 1024}")
        resource.setrlimit(resource.RLIMIT_STACK, (THREAD_STACK, hard))


def private_bytes() -> int:
    """What this process has of private writable memory, as RLIMIT_DATA counts it. 0 where it cannot be known."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib is not needed in a zygote
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    except (OSError, StopIteration, ValueError):
        return 0


def _worker_bytes(limits: Limits) -> int:
    """The guest's memory, and the copies that a frame needs on its way out: the guest's, bytes, str, bytes."""
    return limits.memory_mb * MIB + 4 * max(limits.events_bytes, limits.outcome_bytes, limits.step_bytes)


def _limit_resources(limits: Limits, most_private: int) -> None:
    if sys.platform == "win32":
        raise OSError("there are none on Windows")
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _DESCRIPTORS,
        resource.RLIMIT_FSIZE: limits.workspace_mb * MIB,
    }
    if most_private:
        wanted[resource.RLIMIT_DATA] = most_private
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bounded, bounded))


def _attempt(apply: Callable[[], None]) -> str:
    try:
        apply()
    except (OSError, ImportError, KeyError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        return f"not active: {reason}"
    return ACTIVE
