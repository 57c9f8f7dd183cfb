"""Landlock: from now on, this process reaches no file but those under one directory, and no network.

See `Documentation/userspace-api/landlock.rst` of Linux. What a kernel does not know yet is not asked of it.
"""

from __future__ import annotations

import ctypes
import os

from isthmus_sandbox.linux import syscall

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all machines
_VERSION = 1  # flag of create_ruleset: tell the version instead
_PATH_BENEATH = 1

_WRITE, _READ, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _REFER, _TRUNCATE = 1 << 7, 1 << 8, 1 << 13, 1 << 14
_WORKSPACE = _WRITE | _READ | _READ_DIR | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
"""Files and directories, and nothing else: no execution, no devices, sockets, pipes or symbolic links."""

_KNOWN_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # by version: how many bits of rights there are
_CONNECT_AND_BIND_TCP, _SCOPE_SOCKETS_AND_SIGNALS = 0b11, 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The kernel's version of Landlock.

    Raises:
        OSError: it has none, or it is switched off.
    """
    return syscall(_CREATE_RULESET, 0, 0, _VERSION)


def confine(directory: int) -> None:
    """Reach nothing but what is under `directory`, an open descriptor. Needs no-new-privileges.

    Raises:
        OSError: the kernel cannot.
    """
    known = version()
    rights = (1 << _KNOWN_RIGHTS.get(known, 16)) - 1
    ruleset = _Ruleset(
        fs=rights,
        net=_CONNECT_AND_BIND_TCP if known >= 4 else 0,
        scoped=_SCOPE_SOCKETS_AND_SIGNALS if known >= 6 else 0,
    )
    rules = syscall(_CREATE_RULESET, ruleset, 8 if known < 4 else 16 if known < 6 else 24, 0)
    try:
        syscall(_ADD_RULE, rules, _PATH_BENEATH, _PathBeneath(allowed=_WORKSPACE & rights, parent=directory), 0)
        syscall(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
