"""What the server does when a worker is in an attacker's hands: it loses that guest, and nothing else."""

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from isthmus_sandbox.exits import Exit
from isthmus_sandbox.guest import WorkerGuest
from isthmus_sandbox.protocol import Event, GuestLost, Outcome, Step
from isthmus_sandbox.settings import Limits
from isthmus_sandbox.wire import Kind
from tests.sandbox.conftest import echo, program
from tests.simulators.waiting import SOON
from tests.simulators.worker import guest_of, read_frame, write_frame

pytestmark = pytest.mark.anyio

STEP = {"requests": [], "cancellations": [], "output": "", "wake_after_ms": 0, "clock": [0, []]}
EMPTY_STEP = json.dumps(STEP).encode()
OUTCOME = {
    "ok": True,
    "kind": "json",
    "value": 2,
    "blobs": [],
    "output": "",
    "error": None,
    "notes": [],
    "names": [],
    "clock": [0, []],
}
DONE = json.dumps(OUTCOME).encode()


def step_with(*calls: int) -> bytes:
    rows = [[call, "a.b", {"n": call}, [], True, []] for call in calls]
    return json.dumps(STEP | {"requests": rows, "wake_after_ms": None}).encode()


def garbage(sock: socket.socket) -> None:
    sock.sendall(b"\xde\xad\xbe\xef" * 100)


def garbage_in_a_frame(sock: socket.socket) -> None:
    write_frame(sock, Kind.STEP, os.urandom(1000))


def a_gigabyte(sock: socket.socket) -> None:
    sock.sendall(struct.pack("<IB", 2**30, Kind.OUTCOME) + b"x" * 1000)


def all_of_the_length(sock: socket.socket) -> None:
    sock.sendall(struct.pack("<IB", 2**32 - 1, Kind.STEP))


def a_longer_frame_than_it_said(sock: socket.socket) -> None:
    sock.sendall(struct.pack("<IB", 2, Kind.OUTCOME) + DONE)


def twice(sock: socket.socket) -> None:
    frame = struct.pack("<IB", len(EMPTY_STEP), Kind.STEP) + EMPTY_STEP
    sock.sendall(frame + frame)


def the_kind_of_the_server(sock: socket.socket) -> None:
    write_frame(sock, Kind.PROGRAM, b"{}")


def ready_again(sock: socket.socket) -> None:
    write_frame(sock, Kind.READY, b"")


def the_same_call_twice(sock: socket.socket) -> None:
    write_frame(sock, Kind.STEP, step_with(5))
    read_frame(sock)
    write_frame(sock, Kind.STEP, step_with(5))


@pytest.mark.parametrize(
    "evil",
    [
        garbage,
        garbage_in_a_frame,
        a_gigabyte,
        all_of_the_length,
        a_longer_frame_than_it_said,
        twice,
        the_kind_of_the_server,
        ready_again,
        the_same_call_twice,
    ],
)
async def test_a_worker_that_breaks_the_protocol_is_killed(
    evil: Callable[[socket.socket], None], tmp_path: Path
) -> None:
    def script(sock: socket.socket) -> None:
        read_frame(sock)
        evil(sock)
        sock.recv(1)  # until it is killed

    guest, process = await guest_of(script, tmp_path)
    with anyio.fail_after(SOON), pytest.raises(GuestLost, match="broke the protocol") as caught:
        await guest.run(program("1"), echo)
    assert caught.value.limit is None
    assert process.killed
    assert not guest.alive
    await guest.close()


async def test_what_is_sent_before_a_program_is_out_of_turn(tmp_path: Path) -> None:
    def script(sock: socket.socket) -> None:
        write_frame(sock, Kind.OUTCOME, DONE)
        sock.recv(1)

    guest, process = await guest_of(script, tmp_path)
    while guest.alive:
        await anyio.lowlevel.checkpoint()
    with pytest.raises(GuestLost, match="broke the protocol"):
        await guest.run(program("1"), echo)
    assert process.killed
    await guest.close()


async def test_what_is_sent_after_an_outcome_costs_the_guest(tmp_path: Path) -> None:
    over = threading.Event()

    def script(sock: socket.socket) -> None:
        read_frame(sock)
        write_frame(sock, Kind.OUTCOME, DONE)
        over.wait(SOON)
        write_frame(sock, Kind.OUTCOME, DONE)
        sock.recv(1)

    guest, _ = await guest_of(script, tmp_path)
    assert (await guest.run(program("1"), echo)).value == 2
    over.set()
    while guest.alive:
        await anyio.lowlevel.checkpoint()
    with pytest.raises(GuestLost):
        await guest.run(program("1"), echo)
    await guest.close()


async def cancelled_once(reached: threading.Event, guest: WorkerGuest) -> None:
    """Run a program, and cancel it when its worker has come that far."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(guest.run, program("1"), echo)
        assert await anyio.to_thread.run_sync(reached.wait, SOON)
        tasks.cancel_scope.cancel()


async def test_a_worker_that_never_answers_is_killed_when_its_run_is_cancelled(tmp_path: Path) -> None:
    running = threading.Event()

    def script(sock: socket.socket) -> None:
        read_frame(sock)
        running.set()
        sock.recv(1)

    guest, process = await guest_of(script, tmp_path)
    await cancelled_once(running, guest)
    assert process.killed
    assert not guest.alive
    await guest.close()


async def test_a_worker_that_drips_its_frame_is_killed_when_its_run_is_cancelled(tmp_path: Path) -> None:
    dripping = threading.Event()

    def script(sock: socket.socket) -> None:
        read_frame(sock)
        sock.sendall(struct.pack("<IB", 10_000, Kind.OUTCOME))
        sock.sendall(b"[")
        dripping.set()
        sock.recv(1)

    guest, process = await guest_of(script, tmp_path)
    await cancelled_once(dripping, guest)
    assert process.killed
    await guest.close()


@pytest.mark.parametrize(
    ("status", "reason", "limit"),
    [
        (Exit.CLOSED, "ended", None),
        (Exit.TRAP, "crashed its interpreter", None),
        (Exit.STACK, "recursed", None),
        (Exit.MEMORY, "memory", "memory_mb"),
        (Exit.TOO_LONG, "one step", "step_bytes"),
        (-27, "processor time", "cpu"),
        (-24, "processor time", "cpu"),
        (-9, "killed", None),
        (-62, "signal 62", None),
        (200, "status 200", None),
    ],
)
async def test_a_worker_that_dies_says_why_by_its_status(
    status: int, reason: str, limit: str | None, tmp_path: Path
) -> None:
    def script(sock: socket.socket) -> int:
        read_frame(sock)
        sock.sendall(b"\x01")  # and dies within a frame
        return status

    guest, _ = await guest_of(script, tmp_path)
    with anyio.fail_after(SOON), pytest.raises(GuestLost, match=reason) as caught:
        await guest.run(program("1"), echo)
    assert caught.value.limit == limit
    with pytest.raises(GuestLost, match=reason):
        await guest.run(program("1"), echo)
    await guest.close()


async def test_a_worker_that_says_too_much_in_all_is_killed(tmp_path: Path) -> None:
    def script(sock: socket.socket) -> None:
        read_frame(sock)
        while True:
            write_frame(sock, Kind.STEP, EMPTY_STEP)
            read_frame(sock)

    guest, process = await guest_of(script, tmp_path, Limits(received_bytes=10 * len(EMPTY_STEP)))
    steps: list[Step] = []

    async def count(step: Step) -> Sequence[Event]:
        steps.append(step)
        return []

    with anyio.fail_after(SOON), pytest.raises(GuestLost) as caught:
        await guest.run(program("1"), count)
    assert caught.value.limit == "received_bytes"
    assert len(steps) == 10
    assert process.killed
    await guest.close()


async def test_fifty_evil_workers_do_not_slow_an_honest_one(tmp_path: Path) -> None:
    def evil(sock: socket.socket) -> None:
        read_frame(sock)
        garbage_in_a_frame(sock)
        sock.recv(1)

    def honest(sock: socket.socket) -> None:
        read_frame(sock)
        write_frame(sock, Kind.STEP, step_with(1))
        read_frame(sock)
        write_frame(sock, Kind.OUTCOME, DONE)

    lost = []

    async def run_evil() -> None:
        guest, _ = await guest_of(evil, tmp_path)
        try:
            await guest.run(program("1"), echo)
        except GuestLost as error:
            lost.append(error)
        await guest.close()

    outcomes: list[Outcome] = []

    async def run_honest() -> None:
        guest, _ = await guest_of(honest, tmp_path)
        outcomes.append(await guest.run(program("1"), echo))
        await guest.close()

    with anyio.fail_after(SOON):
        async with anyio.create_task_group() as tasks:
            for _ in range(25):
                tasks.start_soon(run_evil)
            tasks.start_soon(run_honest)
            for _ in range(25):
                tasks.start_soon(run_evil)
    assert len(lost) == 50
    assert [outcome.value for outcome in outcomes] == [2]


# ---------------------------------------------------------------- what the server sends


async def test_events_that_do_not_fit_together_are_sent_in_turn(tmp_path: Path) -> None:
    sizes: list[int] = []
    answered: list[int] = []

    def script(sock: socket.socket) -> None:
        read_frame(sock)
        write_frame(sock, Kind.STEP, step_with(1, 2, 3))
        while len(answered) < 3:
            _, text = read_frame(sock)
            sizes.append(len(text))
            answered.extend(call for call, *_ in json.loads(text))
            if len(answered) < 3:
                write_frame(sock, Kind.STEP, step_with())
        write_frame(sock, Kind.OUTCOME, DONE)

    guest, _ = await guest_of(script, tmp_path, Limits(events_bytes=250))
    waits: list[float | None] = []

    async def answer(step: Step) -> Sequence[Event]:
        waits.append(step.wake_after_ms)
        return [Event(request.call, "value", "x" * 100) for request in step.requests]

    with anyio.fail_after(SOON):
        await guest.run(program("1"), answer)
    assert answered == [1, 2, 3]
    assert max(sizes) <= 250
    assert waits == [None, 0.0]  # nothing is waited for while there are events to hand over
    await guest.close()


async def test_an_answer_that_fits_into_no_frame_becomes_an_error(tmp_path: Path) -> None:
    events: list[list[object]] = []

    def script(sock: socket.socket) -> None:
        read_frame(sock)
        write_frame(sock, Kind.STEP, step_with(1))
        events.extend(json.loads(read_frame(sock)[1]))
        write_frame(sock, Kind.OUTCOME, DONE)

    async def answer(_: Step) -> Sequence[Event]:
        return [Event(1, "value", "x" * 5_000)]

    guest, _ = await guest_of(script, tmp_path, Limits(events_bytes=1_000))
    await guest.run(program("1"), answer)
    [[call, kind, payload, _]] = events
    assert (call, kind) == (1, "error")
    assert isinstance(payload, dict)
    assert "5,0" in payload["message"]
    assert payload["hint"]
    await guest.close()


async def test_an_answer_that_is_not_plain_is_mended(tmp_path: Path) -> None:
    events: list[list[object]] = []

    def script(sock: socket.socket) -> None:
        read_frame(sock)
        write_frame(sock, Kind.STEP, step_with(1))
        events.extend(json.loads(read_frame(sock)[1]))
        write_frame(sock, Kind.OUTCOME, DONE)

    async def answer(_: Step) -> Sequence[Event]:
        return [Event(1, "value", {"a": "\ud800", "b": float("nan")})]

    guest, _ = await guest_of(script, tmp_path)
    await guest.run(program("1"), answer)
    assert events == [[1, "value", {"a": "\\ud800", "b": "nan"}, []]]
    await guest.close()


async def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path) -> None:
    def script(sock: socket.socket) -> None:
        read_frame(sock)
        sock.recv(1)

    guest, _ = await guest_of(script, tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(guest.run, program("1"), echo)
        await anyio.lowlevel.checkpoint()
        with pytest.raises(RuntimeError, match="already"):
            await guest.run(program("1"), echo)
        tasks.cancel_scope.cancel()
    await guest.close()


# ---------------------------------------------------------------- the quota of the workspace


async def test_a_program_that_fills_its_workspace_is_ended(tmp_path: Path) -> None:
    def script(sock: socket.socket) -> None:
        read_frame(sock)
        for number in range(10_000):
            (tmp_path / f"f{number}").write_bytes(b"x" * 200_000)
            sock.setblocking(False)
            try:
                if not sock.recv(1):
                    return
            except BlockingIOError:
                time.sleep(0.01)

    guest, _ = await guest_of(script, tmp_path, Limits(workspace_mb=1))
    with anyio.fail_after(SOON), pytest.raises(GuestLost) as caught:
        await guest.run(program("1"), echo)
    assert caught.value.limit == "workspace_mb"
    await guest.close()


async def test_a_program_that_ends_with_too_many_files_is_told(tmp_path: Path) -> None:
    def script(sock: socket.socket) -> None:
        while True:
            read_frame(sock)
            write_frame(sock, Kind.OUTCOME, DONE)

    guest, _ = await guest_of(script, tmp_path, Limits(workspace_mb=1))
    assert (await guest.run(program("1"), echo)).notes == ()
    (tmp_path / "large").write_bytes(b"x" * 2_000_000)
    [note] = (await guest.run(program("1"), echo)).notes
    assert "1 MB" in note
    assert guest.alive
    await guest.close()
