"""The system calls of Linux that Python has no names for. Each raises OSError where the kernel says no."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Sequence

CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x04000000, 0x08000000, 0x10000000, 0x40000000
CLONE_THREAD = 0x00010000

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 15, 22, 38

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_CAPSET = {"x86_64": 126, "aarch64": 91}


def prctl(option: int, argument: int | ctypes.Array[ctypes.c_char] | ctypes.Structure = 0, extra: object = 0) -> None:
    """`prctl(2)`."""
    first = argument if isinstance(argument, int) else ctypes.byref(argument)
    second = extra if isinstance(extra, int) else ctypes.byref(extra)  # type: ignore[arg-type]
    _checked(_libc.prctl(option, _word(first), _word(second), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def syscall(number: int, *arguments: int | ctypes.Structure) -> int:
    """Any system call, by number."""
    words = [_word(argument if isinstance(argument, int) else ctypes.byref(argument)) for argument in arguments]
    return _checked(int(_libc.syscall(ctypes.c_long(number), *words)))


def unshare(flags: int) -> None:
    """`unshare(2)`."""
    _checked(_libc.unshare(ctypes.c_int(flags)))


def enter_user_namespace(flags: int) -> None:
    """A user namespace in which this user stays who it is, and the other namespaces that `flags` name."""
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | flags)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def drop_capabilities() -> None:
    """Have none: no privilege of root is left but the ownership of its files."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    number = _CAPSET[platform.machine()]
    _checked(int(_libc.syscall(ctypes.c_long(number), ctypes.byref(header), ctypes.byref(data))))


def die_with_parent(parent: int) -> None:
    """Be killed when the process that made this one ends. `parent` is its id, as it was known before."""
    prctl(PR_SET_PDEATHSIG, 9)
    if os.getppid() != parent:
        raise ProcessLookupError("the parent is gone already")


def _word(value: object) -> object:
    return ctypes.c_ulong(value) if isinstance(value, int) else value


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def numbers(table: dict[str, tuple[int, int]], names: Sequence[str]) -> list[int]:
    """The numbers of system calls on this machine; those that it does not have (-1) are left out.

    Raises:
        OSError: there is no table for this kind of processor.
    """
    machine = platform.machine()
    if machine not in _CAPSET:
        raise OSError(f"system calls of {machine} are not known")
    column = 0 if machine == "x86_64" else 1
    return [number for name in names if (number := table[name][column]) >= 0]
