"""What stays from one program to the next, and what is told when it could not stay."""

from collections.abc import AsyncIterator

import anyio
import pytest

from tests.simulators.served import SOON, Served, serving
from tests.simulators.together import run_together

pytestmark = pytest.mark.anyio

LIMITS = {"wall": 30, "cpu": 1, "memory_mb": 128, "sessions": 3}


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serving({"limits": LIMITS}, tmp_path_factory.mktemp("sessions")) as served:
        yield served


async def new_session(server: Served, code: str = "1") -> str:
    """The handle of a session in which a program has run; the text of its result tells it."""
    told = await server.execute(code, session="new")
    assert not told.is_error, told.text
    handle = str(told.facts["session"])
    assert told.text.startswith(f"session: {handle}\n")
    return handle


async def test_variables_functions_and_imports_live_on(server: Served) -> None:
    await server.execute("import math\nrows = [1, 2, 3]\ndef area(r): return math.pi * r * r")
    told = await server.execute("rows.append(4); round(area(sum(rows)))")
    assert told.value == 314


async def test_a_failed_program_leaves_the_session_alive(server: Served) -> None:
    await server.execute("kept = 7")
    failed = await server.execute("before = 8\n1 / 0")
    assert failed.is_error
    assert "error: ZeroDivisionError at line 2" in failed.text
    assert (await server.execute("kept + before")).value == 15


async def test_two_sessions_do_not_see_each_others_variables_or_files(server: Served) -> None:
    first = await new_session(server, "secret = 1; open('/workspace/mine', 'w').write('1')")
    second = await new_session(server)
    assert first != second
    told = await server.execute("secret", session=second)
    assert told.is_error
    assert "NameError" in told.text
    assert (await server.execute("import os; 'mine' in os.listdir('/workspace')", session=second)).value is False
    assert (await server.execute("secret", session=first)).value == 1
    assert (await server.execute("'secret' in globals()")).value is False


async def test_sessions_run_at_the_same_time(server: Served) -> None:
    await run_together(*[(server, {"session": await new_session(server)}) for _ in range(2)])


async def test_programs_of_one_session_run_one_after_the_other(server: Served) -> None:
    handle = await new_session(server, "order = []")

    async def run(name: str) -> None:
        await server.execute(
            f"import asyncio\norder.append('+{name}')\nawait asyncio.sleep(0.05)\norder.append('-{name}')",
            session=handle,
        )

    async with anyio.create_task_group() as tasks:
        for name in "ab":
            tasks.start_soon(run, name)
    order = (await server.execute("order", session=handle)).value
    assert order in (["+a", "-a", "+b", "-b"], ["+b", "-b", "+a", "-a"])


async def test_an_unknown_handle_is_told_with_what_to_do(server: Served) -> None:
    told = await server.execute("1", session="s-0123456789abcdef")
    assert told.is_error
    assert "there is no session 's-0123456789abcdef'" in told.text
    assert 'hint: leave `session` out for your own session, or pass "new"' in told.text


@pytest.mark.parametrize(
    ("code", "timeout", "limit"),
    [("import asyncio\nawait asyncio.sleep(60)", 2, "wall"), ("while True: pass", 30, "cpu")],
)
async def test_after_a_limit_the_next_result_says_what_is_gone(
    server: Served, code: str, timeout: float, limit: str
) -> None:
    handle = await new_session(server, "x = 1; open('/workspace/left', 'w').write('here')")
    stopped = await server.execute(f"print('so far')\n{code}", session=handle, timeout=timeout)
    assert stopped.is_error
    assert "so far" in stopped.text
    assert f"(limit `{limit}`)" in stopped.text
    told = await server.execute("open('/workspace/left').read(), 'x' in globals()", session=handle)
    assert told.value == ["here", False]
    assert "note: the variables of this session are gone: the program before" in told.text
    assert "/workspace is still there" in told.text
    assert "note:" not in (await server.execute("1", session=handle)).text


async def test_memory_that_is_not_there_is_an_exception_which_the_session_survives(server: Served) -> None:
    handle = await new_session(server, "x = 1")
    told = await server.execute("'x' * 10**9", session=handle)
    assert told.is_error
    assert "MemoryError" in told.text
    assert (await server.execute("x", session=handle)).value == 1


async def test_a_session_whose_worker_was_evicted_is_rebuilt_from_its_journal(server: Served) -> None:
    """Fewer workers rest than there are sessions, and none of these has lost its variables."""
    handles = [await new_session(server, f"x = {number}") for number in range(LIMITS["sessions"] + 2)]
    assert [(await server.execute("x", session=handle)).value for handle in handles] == [0, 1, 2, 3, 4]


async def test_a_timeout_of_the_call_is_kept(server: Served) -> None:
    told = await server.execute("import asyncio\nawait asyncio.sleep(60)", session="new", timeout=0.2)
    assert told.is_error
    assert "stopped after 0.2 s" in told.text
    assert "pass timeout=" in told.text


async def test_progress_arrives_while_a_program_runs(server: Served) -> None:
    await server.execute("None")  # from here on nothing is told of a sandbox that starts
    heard: list[tuple[float, str | None]] = []
    first = anyio.Event()

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))
        first.set()

    async def run() -> None:
        code = """import os, time
open('/workspace/waiting', 'w').close()
print('one')
while os.path.exists('/workspace/waiting'): time.sleep(0.01)
print('two', 'three', sep='\\n')"""
        result = await server.client.call_tool("execute", {"code": code}, progress_callback=progressed)
        assert not result.is_error

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        with anyio.fail_after(SOON):
            await first.wait()
        [waiting] = (server.config.parent / "data").rglob("waiting")
        waiting.unlink()
    assert heard[:1] == [(4, "one")]
    counts = [done for done, _ in heard]
    assert counts == sorted(set(counts))
