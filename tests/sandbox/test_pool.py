"""The pool, its workers and real WebAssembly: one suite for every way of starting a worker."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from isthmus_sandbox.pool import Pool
from isthmus_sandbox.protocol import Event, GuestLost, Outcome, SandboxUnavailable, Step
from isthmus_sandbox.runtime import claim
from isthmus_sandbox.settings import Settings, StartMethod
from tests.processes import children, descendants, lives
from tests.sandbox.conftest import OpenPool, echo, program

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform == "win32", reason="looks into /proc or /dev/fd")]


async def test_a_fresh_guest_answers(open_pool: OpenPool, start_method: StartMethod) -> None:
    async with open_pool(start_method) as pool:
        guest = await pool.open()
        outcome = await guest.run(program("1 + 1"), echo)
        assert (outcome.ok, outcome.kind, outcome.value) == (True, "json", 2)
        assert guest.alive


async def test_variables_live_on_in_a_guest_and_not_in_another(open_pool: OpenPool, start_method: StartMethod) -> None:
    async with open_pool(start_method) as pool:
        first, second = await pool.open(), await pool.open()
        assert "x" in (await first.run(program("x = 41"), echo)).names
        assert (await first.run(program("x + 1"), echo)).value == 42
        other = await second.run(program("x"), echo)
        assert other.error is not None
        assert other.error.type == "NameError"


async def test_calls_are_answered_at_the_same_time(open_pool: OpenPool, start_method: StartMethod) -> None:
    under_way: list[int] = []

    async def answer(step: Step) -> Sequence[Event]:
        under_way.extend(request.call for request in step.requests)
        if len(under_way) < 50:
            return []
        return [Event(call, "value", call) for call in under_way]

    source = "import asyncio\nawait asyncio.gather(*[github.get(n=i) for i in range(50)])"
    async with open_pool(start_method) as pool:
        outcome = await (await pool.open()).run(program(source, upstreams=("github",)), answer)
        assert outcome.value == under_way


async def test_bytes_cross_both_ways(open_pool: OpenPool, start_method: StartMethod) -> None:
    received: list[object] = []

    async def answer(step: Step) -> Sequence[Event]:
        received.extend(request.arguments["data"] for request in step.requests)
        return [Event(request.call, "value", {"raw": b"\x00\xff"}) for request in step.requests]

    async with open_pool(start_method) as pool:
        guest = await pool.open()
        outcome = await guest.run(program("(await up.put(data=b'abc'))['raw']", upstreams=("up",)), answer)
        assert received == [b"abc"]
        assert outcome.value == b"\x00\xff"


async def test_a_guest_keeps_its_files_in_the_directory_that_it_was_given(
    open_pool: OpenPool, start_method: StartMethod, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "in").write_text("from outside")
    async with open_pool(start_method) as pool:
        guest = await pool.open(mine)
        assert guest.workspace == mine
        source = "open('/workspace/out', 'w').write(open('in').read().upper())"
        assert (await guest.run(program(source), echo)).ok
        await guest.close()
    assert (mine / "out").read_text() == "FROM OUTSIDE"


async def test_each_guest_has_a_workspace_of_its_own(open_pool: OpenPool, start_method: StartMethod) -> None:
    async with open_pool(start_method) as pool:
        first, second = await pool.open(), await pool.open()
        await first.run(program("open('/workspace/secret', 'w').write('x')"), echo)
        listed = await second.run(program("import os\nos.listdir('/workspace')"), echo)
        assert "secret" not in listed.value
        assert (first.workspace / "secret").exists()
        assert first.workspace != second.workspace


async def test_no_two_guests_draw_the_same_random_bytes_from_the_system(
    open_pool: OpenPool, start_method: StartMethod
) -> None:
    """A fork must not share the state of a generator. The guest seeds Python's own; this is what is below it."""
    source = "import posix\nposix.urandom(16)"  # what os.urandom was before it was seeded
    drawn = []
    async with open_pool(start_method) as pool:
        for _ in range(3):
            guest = await pool.open()
            drawn.append((await guest.run(program(source), echo)).value)
    assert len(set(drawn)) == 3


async def test_memory_that_is_not_there_is_an_error_of_the_program(
    open_pool: OpenPool, start_method: StartMethod
) -> None:
    async with open_pool(start_method, memory_mb=128) as pool:
        guest = await pool.open()
        outcome = await guest.run(program("x = bytearray(200 << 20)"), echo)
        assert outcome.error is not None
        assert (outcome.error.type, outcome.error.code) == ("MemoryError", "memory")
        assert (await guest.run(program("1 + 1"), echo)).value == 2


async def test_a_program_without_an_end_is_ended_by_its_processor_time(
    open_pool: OpenPool, start_method: StartMethod
) -> None:
    async with open_pool(start_method, cpu=0.2) as pool:
        guest = await pool.open()
        with anyio.fail_after(20), pytest.raises(GuestLost) as caught:
            await guest.run(program("while True:\n    try: pow(3, 10**8)\n    except BaseException: pass"), echo)
        assert caught.value.limit == "cpu"
        assert not guest.alive
        assert (await (await pool.open()).run(program("1 + 1"), echo)).value == 2


async def test_processor_time_is_counted_for_each_program(open_pool: OpenPool, start_method: StartMethod) -> None:
    source = "import time\nbegan = time.monotonic()\nwhile time.monotonic() - began < 0.4: pass"
    async with open_pool(start_method, cpu=1.0) as pool:
        guest = await pool.open()
        for _ in range(4):  # 1.6 s in all, where there is a processor to be had
            assert (await guest.run(program(source), echo)).ok


async def test_waiting_costs_no_processor_time(open_pool: OpenPool, start_method: StartMethod) -> None:
    async def wait(step: Step) -> Sequence[Event]:
        await anyio.sleep(0.4)
        return await echo(step)

    async with open_pool(start_method, cpu=0.3) as pool:
        guest = await pool.open()
        assert (await guest.run(program("await up.get()", upstreams=("up",)), wait)).ok


async def test_a_cancelled_run_kills_its_worker_though_it_listens_to_nothing(
    open_pool: OpenPool, start_method: StartMethod
) -> None:
    async with open_pool(start_method) as pool:
        guest = await pool.open()
        with anyio.move_on_after(0.2) as scope:
            await guest.run(program("while True: pass"), echo)
        assert scope.cancelled_caught
        assert not guest.alive
        with anyio.fail_after(5):
            await guest.close()


async def test_a_broken_stack_costs_the_guest_and_nothing_else(open_pool: OpenPool, start_method: StartMethod) -> None:
    source = "x = []\nfor i in range(1_000_000): x = [x]\ndel x\nimport json\njson.loads('[' * 500_000)"
    async with open_pool(start_method) as pool:
        guest, other = await pool.open(), await pool.open()
        with anyio.fail_after(30), pytest.raises(GuestLost, match="crashed its interpreter"):
            await guest.run(program(source), echo)
        assert (await other.run(program("1 + 1"), echo)).value == 2


async def test_recursion_with_the_limit_raised_ends_at_worst_the_guest(
    open_pool: OpenPool, start_method: StartMethod
) -> None:
    source = "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nf()"
    async with open_pool(start_method) as pool:
        outcome: Outcome | None = None
        try:
            with anyio.fail_after(30):
                outcome = await (await pool.open()).run(program(source), echo)
        except GuestLost:
            pass
        assert outcome is None or not outcome.ok
        assert (await (await pool.open()).run(program("1 + 1"), echo)).value == 2


async def test_a_result_too_long_to_carry_fails_the_program_and_keeps_the_variables(
    open_pool: OpenPool, start_method: StartMethod
) -> None:
    async with open_pool(start_method, outcome_bytes=100_000) as pool:
        guest = await pool.open()
        outcome = await guest.run(program("x = 'a' * 200_000\nx"), echo)
        assert outcome.error is not None
        assert outcome.error.type == "LimitExceeded"
        assert "100,000" in outcome.error.message
        assert (await guest.run(program("len(x)"), echo)).value == 200_000


async def test_a_guest_can_be_closed_twice_and_then_runs_nothing(
    open_pool: OpenPool, start_method: StartMethod
) -> None:
    async with open_pool(start_method) as pool:
        guest = await pool.open()
        await guest.close()
        await guest.close()
        assert not guest.alive
        with pytest.raises(GuestLost, match="closed"):
            await guest.run(program("1"), echo)


async def test_spares_are_made_in_advance_and_again(open_pool: OpenPool, start_method: StartMethod) -> None:
    async with open_pool(start_method, spares=2) as pool:
        with anyio.fail_after(30):
            for _ in range(3):
                while len(pool._spares) < 2:  # noqa: ASYNC110 - nothing of the public surface tells
                    await anyio.sleep(0.005)
                waiting = pool._spares[0]
                assert await pool.open() is waiting


async def test_a_burst_of_openings_waits_for_the_zygote_and_loses_nobody(open_pool: OpenPool) -> None:
    if sys.platform != "linux":
        pytest.skip("workers are forked on Linux only")
    values: list[object] = []

    async def one(pool: Pool, number: int) -> None:
        guest = await pool.open()
        values.append((await guest.run(program(f"{number}"), echo)).value)
        await guest.close()

    async with open_pool("fork") as pool:
        first = await pool.open()
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for number in range(150):  # more than the control socket holds
                    tasks.start_soon(one, pool, number)
        assert sorted(map(str, values)) == sorted(map(str, range(150)))
        assert first.alive


async def test_a_spare_that_has_rehearsed_shows_nothing_of_it(open_pool: OpenPool) -> None:
    async with open_pool("fork", spares=1) as pool:
        guest = await pool.open()
        seen = await guest.run(
            program("[sorted(n for n in globals() if n[0] != '_'), __import__('os').getcwd()]"), echo
        )
        assert seen.value == [[], "/workspace"]
        failed = await guest.run(program("1/0"), echo)
        assert failed.error is not None
        assert failed.error.line == 1


async def test_nothing_is_left_behind(open_pool: OpenPool, start_method: StartMethod, tmp_path: Path) -> None:
    async with open_pool(start_method, spares=1) as pool:  # what is loaded once, and the threads that stay
        await (await pool.open()).run(program("open('/workspace/x', 'w')"), echo)
    descriptors, before = _descriptors(), set(children(os.getpid()))
    async with open_pool(start_method, spares=2) as pool:
        guests = [await pool.open() for _ in range(4)]
        for guest in guests[:2]:
            await guest.run(program("open('/workspace/x', 'w')"), echo)
        await guests[0].close()
    assert _descriptors() == descriptors
    assert set(children(os.getpid())) == before
    assert list(tmp_path.iterdir()) == []


async def test_a_pool_can_be_closed_before_it_is_ready_and_twice(
    open_pool: OpenPool, start_method: StartMethod
) -> None:
    descriptors, before = _descriptors(), set(children(os.getpid()))
    async with open_pool(start_method, spares=3) as pool:
        await anyio.sleep(0.02)
        await pool.close()
        await pool.close()
    assert set(children(os.getpid())) == before
    assert _descriptors() <= descriptors + 1  # the loop's own, made on first use


async def test_a_component_that_is_missing_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings(component=tmp_path / "none.wasm", cache_directory=tmp_path / "cache", spares=0)
    async with Pool(settings, progress=lambda _: None) as pool:
        with pytest.raises(SandboxUnavailable, match=r"none\.wasm"):
            await pool.open()
        assert "not active" in pool.layers()["process"]


async def test_a_workspace_that_is_missing_is_an_error(open_pool: OpenPool, tmp_path: Path) -> None:
    async with open_pool() as pool:
        with pytest.raises(SandboxUnavailable, match="nowhere"):
            await pool.open(tmp_path / "nowhere")
        assert (await (await pool.open()).run(program("1 + 1"), echo)).value == 2


async def test_a_worker_that_does_not_come_to_be_leaves_no_directory(
    open_pool: OpenPool, start_method: StartMethod, tmp_path: Path
) -> None:
    async with open_pool(start_method) as pool:
        await pool.open()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await pool.open()
        assert scope.cancelled_caught
        assert len(list(tmp_path.glob("isthmus-*/workspace-*"))) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="there is a zygote on Linux only")
async def test_a_dead_zygote_costs_its_guests_and_is_replaced(open_pool: OpenPool) -> None:
    async with open_pool("fork") as pool:
        guest = await pool.open()
        [zygote] = children(os.getpid())
        os.kill(zygote, 9)
        with anyio.fail_after(10), pytest.raises(GuestLost):
            await guest.run(program("import time\ntime.sleep(5)"), _sleep)
        assert (await (await pool.open()).run(program("1 + 1"), echo)).value == 2
        assert zygote not in children(os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="there is a zygote on Linux only")
async def test_a_server_that_is_killed_leaves_no_process_and_its_directory_goes_with_the_next_one(
    component: Path, cache_directory: Path, tmp_path: Path
) -> None:
    """Each process ends when its parent does; what lies on the disk is found by its lock."""
    script = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from isthmus_sandbox.pool import Pool\nfrom isthmus_sandbox.settings import Settings\n"
        "async def main():\n"
        "    pool = Pool(Settings(component=Path(sys.argv[1]), cache_directory=Path(sys.argv[2]), spares=2,\n"
        "                         runtime_directory=Path(sys.argv[3])))\n"
        "    await pool.open()\n    print('ready', flush=True)\n    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with anyio.fail_after(60):
        async with await anyio.open_process(
            [sys.executable, "-c", script, str(component), str(cache_directory), str(tmp_path)],
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": ""},
        ) as server:
            assert server.stdout is not None
            assert b"ready" in await server.stdout.receive()
            family = descendants(server.pid)
            assert len(family) >= 2
            server.kill()
            await server.wait()
        while any(lives(process) for process in family):  # noqa: ASYNC110 - of other processes
            await anyio.sleep(0.01)
    [left] = tmp_path.iterdir()
    next_one = claim(tmp_path)
    assert list(tmp_path.iterdir()) == [next_one.path]
    assert next_one.path != left
    next_one.remove()


async def test_a_spare_takes_the_place_of_an_empty_workspace(
    open_pool: OpenPool, start_method: StartMethod, tmp_path: Path
) -> None:
    """A session's own directory costs no new worker: the files of the spare are moved there."""
    mine = tmp_path / "mine"
    mine.mkdir()
    async with open_pool(start_method) as pool:
        spare = await pool.open()
        made = spare.workspace
        assert spare.move(mine)
        assert (spare.workspace, made.exists()) == (mine, False)
        assert (await spare.run(program("open('/workspace/out', 'w').write('x')"), echo)).ok
    assert (mine / "out").read_text() == "x"


async def test_a_workspace_with_files_is_not_replaced(
    open_pool: OpenPool, start_method: StartMethod, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("x")
    async with open_pool(start_method) as pool:
        guest = await pool.open()
        assert not guest.move(tmp_path)
        assert (await guest.run(program("1 + 1"), echo)).value == 2
        other = await pool.open(tmp_path)
        assert (await other.run(program("open('/workspace/kept').read()"), echo)).value == "x"


@pytest.mark.skipif(sys.platform != "linux", reason="what a worker takes is known on Linux only")
async def test_what_a_worker_takes_is_known(open_pool: OpenPool, start_method: StartMethod) -> None:
    async with open_pool(start_method) as pool:
        guest = await pool.open()
        before = guest.memory_bytes
        await guest.run(program("kept = bytearray(b'x' * (50 << 20))"), echo)
        assert 49 << 20 < guest.memory_bytes - before < 130 << 20
        await guest.close()
        assert guest.memory_bytes == 0


async def _sleep(step: Step) -> Sequence[Event]:
    await asyncio.sleep((step.wake_after_ms or 0) / 1000)
    return []


def _descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))
