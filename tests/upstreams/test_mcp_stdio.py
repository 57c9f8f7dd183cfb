"""An upstream against real processes that misbehave."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import SecretStr
from tests.processes import lives
from tests.simulators.mcp_server import invoke, running
from tests.simulators.waiting import SOON

from isthmus.config.model import UpstreamConfig
from isthmus.errors import UpstreamUnavailable
from isthmus.model import UpstreamState
from isthmus.upstreams.backoff import Backoff
from isthmus.upstreams.mcp import McpUpstream, Patience, launch_of
from isthmus.upstreams.mcp_process import LAST_WORDS, ChildProcess, Launch

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")]

SIMULATORS = Path(__file__).parent.parent / "simulators"
PATIENCE = Patience(connect=20, probe=5, settle=0, grace=0.2, backoff=Backoff(first=0.01))


def sloppy(*habits: str, answer_bytes: int = 33_554_432, **config: Any) -> McpUpstream:
    command = [sys.executable, str(SIMULATORS / "mcp_server_sloppy.py"), *habits]
    return McpUpstream(
        UpstreamConfig(command=command, timeout=20, **config),
        "sloppy",
        patience=PATIENCE,
        answer_bytes=answer_bytes,
        chance=lambda: 1.0,
    )


async def child(code: str) -> ChildProcess:
    return await ChildProcess.start(Launch((sys.executable, "-c", code), dict(os.environ)))


async def write_for_ever(process: ChildProcess) -> None:
    with anyio.fail_after(SOON):
        while True:
            await process.write(b"x")
            await anyio.sleep(0.01)


async def test_a_banner_is_ignored_and_remarked_upon() -> None:
    upstream = sloppy("banner")
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        assert (await invoke(upstream, snapshot, "say", text="hi")).value == "hi"
    assert any("'Welcome to sloppy 0.1'" in warning for warning in snapshot.warnings)


async def test_a_process_gets_the_few_variables_that_any_needs_and_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_CANARY", "canary-7f3a9c1e")
    upstream = sloppy(env={"MINE": "yes"})
    async with running(upstream) as watch:
        environment = (await invoke(upstream, await watch.ready(), "environment")).value
    assert environment["MINE"] == "yes"
    assert "PATH" in environment
    assert "ISTHMUS_CANARY" not in environment


async def test_a_process_runs_where_it_is_told(tmp_path: Path) -> None:
    upstream = sloppy(cwd=str(tmp_path))
    async with running(upstream) as watch:
        assert (await invoke(upstream, await watch.ready(), "where")).value == str(tmp_path)


async def test_an_answer_of_20_mb_takes_well_under_a_second() -> None:
    upstream = sloppy()
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        began = time.process_time()
        answer = await invoke(upstream, snapshot, "big", size=20_000_000)
    assert len(answer.value) == 20_000_000
    assert time.process_time() - began < 3  # it takes 0.15 s; quadratic, it was 9.5 s


async def test_an_answer_over_the_limit_fails_its_call_only() -> None:
    upstream = sloppy(answer_bytes=100_000)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        with pytest.raises(UpstreamUnavailable, match="over the limit of 100,000") as caught:
            await invoke(upstream, snapshot, "big", size=1_000_000)
        assert "ask for less" in caught.value.hint
        assert (await invoke(upstream, snapshot, "big", size=10)).value == "x" * 10
    assert UpstreamState.FAILED not in [state.state for state in watch.snapshots]


@pytest.mark.parametrize("noise", [b"\xff\xfe", b"\x00", b"{", b"[" * 5000, b'{"jsonrpc":"2.0","id":99,"result":{}}'])
async def test_garbage_before_an_answer_does_not_end_the_session(noise: bytes) -> None:
    upstream = sloppy()
    async with running(upstream) as watch:
        assert (await invoke(upstream, await watch.ready(), "raw", hex=noise.hex())).value == "ok"


async def test_a_flood_of_progress_neither_stops_the_answer_nor_the_others() -> None:
    upstream = sloppy("logs")
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        last = time.thread_time()
        longest = 0.0
        async with anyio.create_task_group() as tasks:

            async def beat() -> None:
                nonlocal longest, last
                while True:
                    await anyio.lowlevel.checkpoint()
                    now = time.thread_time()
                    longest, last = max(longest, now - last), now

            tasks.start_soon(beat)
            assert (await invoke(upstream, snapshot, "say", text="hi")).value == "hi"
            tasks.cancel_scope.cancel()
    assert longest < 0.5


async def test_a_process_that_dies_tells_its_exit_code_and_last_words_without_secrets() -> None:
    upstream = sloppy("dies")
    async with running(upstream) as watch:
        with pytest.raises(UpstreamUnavailable, match="ended before the answer came"):
            await invoke(upstream, await watch.ready(), "say")
        failed = await watch.failed()
        await watch.ready(2)
    assert "exited with code 7" in failed.problem
    assert "out of memory" not in failed.problem
    assert "out of memory, password=***" in failed.detail


async def test_a_process_that_exits_on_what_it_does_not_know_is_asked_the_old_way() -> None:
    async with running(sloppy("deaf")) as watch:
        assert len((await watch.ready()).operations) == 6
    assert UpstreamState.FAILED not in [state.state for state in watch.snapshots]


async def test_nothing_of_the_process_is_left_behind() -> None:
    async with running(sloppy("stubborn", "family")) as watch:
        snapshot = await watch.ready()
        relative = next(int(item.original[6:]) for item in snapshot.operations if item.original.startswith("child_"))
        assert lives(relative)
    with anyio.fail_after(SOON):
        while lives(relative):  # noqa: ASYNC110 - it has been killed; its new parent has yet to reap it
            await anyio.sleep(0.01)


async def test_a_command_that_does_not_exist_is_a_problem_with_a_remedy() -> None:
    config = UpstreamConfig(command=["no-such-command-anywhere"])
    async with running(McpUpstream(config, "x", patience=PATIENCE)) as watch:
        problem = (await watch.failed()).problem
    assert "'no-such-command-anywhere' was not found" in problem
    assert "install no-such-command-anywhere" in problem


async def test_a_directory_that_does_not_exist_is_named() -> None:
    async with running(sloppy(cwd="/no/such/place")) as watch:
        assert (await watch.failed()).problem == "its directory '/no/such/place' does not exist (correct `cwd`)"


async def test_a_command_is_not_given_to_a_shell(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    config = UpstreamConfig(command=[sys.executable, "-c", "pass", f"; touch {mark}", f"$(touch {mark})"])
    async with running(McpUpstream(config, "x", patience=PATIENCE)) as watch:
        await watch.failed()
    assert not mark.exists()


async def test_output_is_read_no_faster_than_it_is_used() -> None:
    process = await child("import sys\nwhile True: sys.stdout.buffer.write(b'x' * 65536)")
    try:
        output = aiter(process.output())
        await anext(output)
        await anyio.sleep(0.2)
        assert process._waiting < 2_000_000
    finally:
        await process.end(0.1)


async def test_a_flood_of_stderr_is_drained_and_only_its_end_is_kept() -> None:
    process = await child("import sys\nsys.stderr.write('E' * 5_000_000 + '\\nthe end\\n'); print('done')")
    try:
        assert b"".join([chunk async for chunk in process.output()]) == b"done\n"
        assert process.last_words().endswith("the end")
        assert len(process.last_words()) < 2 * LAST_WORDS
    finally:
        await process.end(1)


async def test_a_process_that_goes_in_peace_is_not_hurried() -> None:
    process = await child("import sys; sys.stdin.read(); print('bye', flush=True)")
    began = time.perf_counter()
    await process.end(grace=30)
    assert time.perf_counter() - began < SOON


async def test_a_process_that_closes_its_input_cannot_be_written_to() -> None:
    process = await child("import os, time; os.close(0); print('closed', flush=True); time.sleep(60)")
    try:
        assert (await anext(aiter(process.output()))).startswith(b"closed")
        with pytest.raises(BrokenPipeError):
            await write_for_ever(process)
    finally:
        await process.end(0.1)


async def test_an_output_held_open_by_another_ends_with_its_process() -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    process = await child(code)
    with anyio.fail_after(SOON):
        assert [chunk async for chunk in process.output()] == []
    await process.end(0.5)
    with anyio.fail_after(SOON):
        while process._group_lives():  # noqa: ASYNC110 - as above
            await anyio.sleep(0.01)


def test_the_path_of_a_command_is_that_of_its_environment() -> None:
    config = UpstreamConfig(command=["x"], env={"PATH": SecretStr("/mine")})
    launch = launch_of(config, {"PATH": "/theirs", "SECRET": "s"})
    assert launch.environment == {"PATH": "/mine"}
    assert "/mine" not in repr(launch)  # it may hold secrets


async def test_the_official_server_of_the_newest_protocol_tells_of_its_changes() -> None:
    config = UpstreamConfig(command=[sys.executable, str(SIMULATORS / "mcp_server_real.py"), "stdio"], timeout=20)
    upstream = McpUpstream(config, "real", patience=PATIENCE)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        assert (await invoke(upstream, snapshot, "add", a=40)).value == {"total": 42}
        await invoke(upstream, snapshot, "grow")
        await watch.until(lambda snapshot: any(item.original == "grown" for item in snapshot.operations))
