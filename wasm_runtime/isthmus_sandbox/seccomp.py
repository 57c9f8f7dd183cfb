"""Seccomp: from now on, this process makes no system calls but those that a worker needs.

What is not on the list fails with EPERM: no sockets, no processes, no programs, no tracing, no signals to others,
no symbolic links, no new executable memory. The list is what CPython, Wasmtime and its thread pool use once they run.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from isthmus_sandbox.linux import CLONE_THREAD, PR_SET_NAME, PR_SET_SECCOMP, numbers, prctl

_CALLS: dict[str, tuple[int, int]] = {  # on x86_64 and on aarch64; -1: it has none
    # memory
    "brk": (12, 214),
    "munmap": (11, 215),
    "madvise": (28, 233),
    "mremap": (25, 216),
    # its socket, and open files
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "preadv": (295, 69),
    "pwritev": (296, 70),
    "recvfrom": (45, 207),
    "sendto": (44, 206),
    "close": (3, 57),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "fcntl": (72, 25),
    "poll": (7, -1),
    "ppoll": (271, 73),
    # files, of which Landlock leaves the workspace
    "openat": (257, 56),
    "openat2": (437, 437),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "readlinkat": (267, 78),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "getdents64": (217, 61),
    "mkdirat": (258, 34),
    "unlinkat": (263, 35),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "fadvise64": (221, 223),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "utimensat": (280, 88),
    "fchmod": (91, 52),
    # the thread pool
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "gettid": (186, 178),
    "getpid": (39, 172),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, -1),
    "epoll_pwait": (281, 22),
    "eventfd2": (290, 19),
    "membarrier": (324, 283),
    # time, chance, signals to itself
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "getrandom": (318, 278),
    "setitimer": (38, 103),
    "getrusage": (98, 165),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    # the end
    "exit": (60, 93),
    "exit_group": (231, 94),
}
_LOOKED_AT: dict[str, tuple[int, int]] = {
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "clone": (56, 220),
    "clone3": (435, 435),
    "prctl": (157, 167),
}

_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_PROT_EXEC = 4

_LOAD, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06  # classes of BPF instructions
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16  # in `struct seccomp_data`; arguments have 8 bytes each
_X32 = 0x40000000
_FILTER_MODE = 2

_Instruction = tuple[int, int, int, int]  # class, how far to jump if so, how far if not, operand


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


class Filter:
    """The list, as the kernel takes it. Made once, before forking."""

    __slots__ = ("_code", "_program")

    def __init__(self) -> None:
        """Raises OSError on a machine whose system calls are not known."""
        code = b"".join(struct.pack("<HBBI", *instruction) for instruction in _instructions())
        self._code = ctypes.create_string_buffer(code, len(code))
        self._program = _Program(len(code) // 8, ctypes.addressof(self._code))

    def apply(self) -> None:
        """Put this process under the filter, for good. Needs no-new-privileges.

        Raises:
            OSError: the kernel cannot.
        """
        prctl(PR_SET_SECCOMP, _FILTER_MODE, self._program)


def _instructions() -> list[_Instruction]:
    plain = numbers(_CALLS, list(_CALLS))
    memory = numbers(_LOOKED_AT, ["mmap", "mprotect"])
    [clone], [clone3], [prctl_] = (numbers(_LOOKED_AT, [name]) for name in ("clone", "clone3", "prctl"))
    code: list[_Instruction] = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURE[platform.machine()]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for number in plain:
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    # The C library makes threads by clone3, whose flags cannot be seen here; told that there is none, it uses clone.
    code += [(_EQUAL, 0, 1, clone3), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    for number in memory:
        code += _by_argument(
            number, argument=2, jump=_ANY_BIT, operand=_PROT_EXEC, then=_ERRNO | errno.EPERM, other=_ALLOW
        )
    code += _by_argument(
        clone, argument=0, jump=_ANY_BIT, operand=CLONE_THREAD, then=_ALLOW, other=_ERRNO | errno.EPERM
    )
    code += _by_argument(prctl_, argument=0, jump=_EQUAL, operand=PR_SET_NAME, then=_ALLOW, other=_ERRNO | errno.EPERM)
    return [*code, (_RETURN, 0, 0, _ERRNO | errno.EPERM)]


def _by_argument(number: int, *, argument: int, jump: int, operand: int, then: int, other: int) -> list[_Instruction]:
    """For one system call: look at the lower half of an argument, and return one of two verdicts."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _AT_ARGUMENTS + 8 * argument),
        (jump, 0, 1, operand),
        (_RETURN, 0, 0, then),
        (_RETURN, 0, 0, other),
    ]
