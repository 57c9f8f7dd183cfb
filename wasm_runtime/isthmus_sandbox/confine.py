"""The second layer: what the operating system itself does not let a worker do.

`confine_family` is for a process and all its descendants, once, before it opens anything; `confine_worker` for one
worker, when everything it needs is open. Both say of each layer `active`, or why it is not. Nothing is left out in
silence: whoever starts workers compares what a worker reports with what was promised (`Exit.LAYER`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from isthmus_sandbox.component import THREAD_STACK
from isthmus_sandbox.settings import MIB, Limits

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


def confine_worker(workspace: int | None, limits: Limits, *, baseline_bytes: int) -> Layers:
    """Limits of resources, only the workspace's files, only the system calls that are needed.

    `workspace` is an open descriptor of its directory; `baseline_bytes` is what the process has of private memory.
    """
    layers = {"resource-limits": _attempt(lambda: _limit_resources(limits, baseline_bytes))}
    if sys.platform != "linux":
        missing = f"there is none on {sys.platform}"
        return layers | {"landlock": missing, "seccomp": missing}
    from isthmus_sandbox import landlock, linux, seccomp

    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    if workspace is not None:
        layers["landlock"] = _attempt(lambda: landlock.confine(workspace))
    return layers | {"seccomp": _attempt(lambda: seccomp.Filter().apply())}


def missing_layers(promised: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    """The layers that were promised as active and are not."""
    return [name for name, state in promised.items() if state == ACTIVE and actual.get(name, ACTIVE) != ACTIVE]


def raise_stack_limit() -> None:
    """Let this process's first thread have the stack that a guest may use. Before anything is run on it.

    Raises:
        OSError: the limit of the system is lower.
    """
    try:
        import resource
    except ImportError:  # Windows: the guest is entered in a thread with a stack of its own
        return
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


def _limit_resources(limits: Limits, baseline_bytes: int) -> None:
    import resource

    # The guest's memory, and the copies that a frame needs on its way out: the WebAssembly string, bytes, str, bytes.
    copies = 4 * max(limits.events_bytes, limits.outcome_bytes, limits.step_bytes)
    most = baseline_bytes + limits.memory_mb * MIB + copies
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _DESCRIPTORS,
        resource.RLIMIT_FSIZE: limits.workspace_mb * MIB,
    }
    if baseline_bytes:
        wanted[resource.RLIMIT_DATA] = most
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
