"""The second layer: what native code in a worker could do, if the first one had fallen. Linux only.

Each case runs in a child that is confined as a worker is, by the same code, and reports by its exit status.
"""

import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus_sandbox.confine import (
    ACTIVE,
    WorkerConfinement,
    confine_family,
    missing_layers,
    private_bytes,
    raise_stack_limit,
)
from isthmus_sandbox.settings import Limits
from tests.sandbox.conftest import OpenPool

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these layers are Linux's")

ALLOWED, REFUSED, SURPRISE, NOT_CONFINED = 10, 11, 12, 13
_SMALL = Limits(memory_mb=64, events_bytes=1_000_000, step_bytes=1_000_000, outcome_bytes=1_000_000, workspace_mb=1)


def attempt(action: Callable[[Path], object], workspace: Path) -> int:
    """The exit status of a confined child that does this, or minus the signal that ended it."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os._exit(_confined(action, workspace))
    os.close(reading)
    os.close(writing)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _confined(action: Callable[[Path], object], workspace: Path) -> int:
    try:
        layers = confine_family(os.getppid())
        directory = os.open(workspace, os.O_RDONLY)
        layers |= WorkerConfinement(_SMALL, baseline_bytes=private_bytes()).apply(directory)
        if set(layers.values()) != {ACTIVE}:
            return NOT_CONFINED
        action(workspace)
    except (OSError, MemoryError, RuntimeError, ValueError):  # ValueError: setrlimit's way to say EPERM
        return REFUSED
    except BaseException:  # noqa: BLE001 - told by the status
        return SURPRISE
    return ALLOWED


def fork(_: Path) -> None:
    if os.fork() == 0:
        os._exit(0)


def clone_a_process(_: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(435, 0, 0)  # clone3
    if result < 0 and ctypes.get_errno() == errno.ENOSYS:
        fork(_)


def execute(_: Path) -> None:
    os.execv("/bin/true", ["true"])


def execute_its_own(workspace: Path) -> None:
    program = workspace / "program"
    program.write_bytes(b"#!/bin/true\n")
    os.execv(program, ["program"])


def read_a_file(_: Path) -> None:
    Path("/etc/passwd").read_bytes()


def list_the_root(_: Path) -> None:
    list(Path("/").iterdir())


def read_through_dots(workspace: Path) -> None:
    (workspace / ".." / ".." / ".." / ".." / ".." / "etc" / "passwd").read_bytes()


def read_an_environment(_: Path) -> None:
    Path(f"/proc/{os.getppid()}/environ").read_bytes()


def write_elsewhere(_: Path) -> None:
    Path("/tmp/isthmus-must-not-be").write_bytes(b"x")


def link_out(workspace: Path) -> None:
    (workspace / "link").symlink_to("/etc/passwd")


def make_a_pipe(workspace: Path) -> None:
    os.mkfifo(workspace / "pipe")


def connect(_: Path) -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=1)


def make_a_socket(_: Path) -> None:
    socket.socket(socket.AF_UNIX)


def kill_its_parent(_: Path) -> None:
    os.kill(os.getppid(), 0)


def trace_its_parent(_: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, os.getppid(), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def make_new_code(_: Path) -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def unshare_again(_: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000) < 0:
        raise OSError(ctypes.get_errno(), "unshare")


def raise_its_limits(_: Path) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def write_a_large_file(workspace: Path) -> None:
    (workspace / "large").write_bytes(b"x" * 2_000_000)


def open_many_files(workspace: Path) -> None:
    kept = [(workspace / "many").open("w") for _ in range(200)]
    del kept


def take_much_memory(_: Path) -> None:
    bytearray(500_000_000)


@pytest.mark.parametrize(
    "action",
    [
        fork,
        clone_a_process,
        execute,
        execute_its_own,
        read_a_file,
        list_the_root,
        read_through_dots,
        read_an_environment,
        write_elsewhere,
        link_out,
        make_a_pipe,
        connect,
        make_a_socket,
        kill_its_parent,
        trace_its_parent,
        make_new_code,
        unshare_again,
        raise_its_limits,
        write_a_large_file,
        open_many_files,
        take_much_memory,
    ],
)
def test_the_system_refuses(action: Callable[[Path], object], tmp_path: Path) -> None:
    assert attempt(action, tmp_path) == REFUSED


def keep_files(workspace: Path) -> None:
    """By the calls that take a directory's descriptor, as Wasmtime makes them."""
    top = os.open(workspace, os.O_RDONLY)
    os.mkdir("a", dir_fd=top)
    (workspace / "a" / "b").write_text("x")
    os.rename("a/b", "c", src_dir_fd=top, dst_dir_fd=top)
    assert (workspace / "c").read_text() == "x"
    assert list((workspace / "a").iterdir()) == []
    os.rmdir("a", dir_fd=top)
    os.unlink("c", dir_fd=top)


def start_a_thread(_: Path) -> None:
    done = threading.Event()
    threading.Thread(target=done.set).start()
    assert done.wait(5)


def draw_random_bytes(_: Path) -> None:
    assert os.urandom(8)


@pytest.mark.parametrize("action", [keep_files, start_a_thread, draw_random_bytes])
def test_what_a_worker_needs_is_allowed(action: Callable[[Path], object], tmp_path: Path) -> None:
    assert attempt(action, tmp_path) == ALLOWED


def test_a_call_of_another_architecture_ends_the_process(tmp_path: Path) -> None:
    def call_by_the_32_bit_gate(_: Path) -> None:
        ctypes.CDLL(None).syscall(0x40000000 | 39)

    if os.uname().machine != "x86_64":
        pytest.skip("the gate is x86-64's")
    assert attempt(call_by_the_32_bit_gate, tmp_path) == -signal.SIGSYS


def test_a_confined_process_ends_with_its_parent_and_has_no_capabilities() -> None:
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        confine_family(os.getppid())
        status = Path("/proc/self/status").read_text()
        os.write(writing, status.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        fields = dict(line.split(":\t", 1) for line in pipe.read().splitlines())
    os.waitpid(process, 0)
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


def test_a_child_of_another_process_than_it_was_told_does_not_start() -> None:
    with pytest.raises(ProcessLookupError):
        confine_family_in_a_child(parent=1 << 22)


def confine_family_in_a_child(parent: int) -> None:
    process = os.fork()
    if process == 0:
        try:
            confine_family(parent)
        except ProcessLookupError:
            os._exit(REFUSED)
        os._exit(ALLOWED)
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == REFUSED:
        raise ProcessLookupError


def test_a_promised_layer_that_is_not_there_is_missed() -> None:
    promised = {"landlock": ACTIVE, "seccomp": ACTIVE, "namespaces": "not active: no"}
    assert missing_layers(promised, {"landlock": "not active: no", "seccomp": ACTIVE}) == ["landlock"]
    assert missing_layers(promised, {"landlock": ACTIVE, "namespaces": "not active"}) == []


@pytest.mark.anyio
@pytest.mark.parametrize("start_method", ["fork", "spawn"])
async def test_a_pool_reports_every_layer(open_pool: OpenPool, start_method: str) -> None:
    async with open_pool(start_method) as pool:
        await pool.open()
        assert set(pool.layers()) == {
            *("webassembly", "process", "empty-environment", "namespaces", "no-new-privileges"),
            *("capabilities", "resource-limits", "landlock", "seccomp"),
        }
        assert all(state == ACTIVE or state.startswith("not active: ") for state in pool.layers().values())


def test_the_stack_that_a_guest_needs_is_there() -> None:
    process = os.fork()
    if process == 0:
        raise_stack_limit()
        soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
        os._exit(ALLOWED if soft == resource.RLIM_INFINITY or soft >= 64 * 1024 * 1024 else SURPRISE)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == ALLOWED
