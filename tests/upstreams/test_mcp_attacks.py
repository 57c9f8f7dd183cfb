"""Hostile MCP servers, each in a process of its own: none costs more than itself, and an honest one works beside it."""

import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import SecretStr
from tests.processes import descendants, lives
from tests.simulators.hostile import hostile_command
from tests.simulators.mcp_server import Watch, invoke, running
from tests.simulators.waiting import SOON

from isthmus.config.model import UpstreamConfig
from isthmus.errors import UpstreamUnavailable
from isthmus.model import UpstreamSnapshot, UpstreamState
from isthmus.upstreams.backoff import Backoff
from isthmus.upstreams.mcp import McpUpstream, Patience

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")]

PATIENCE = Patience(connect=30, probe=5, settle=0, grace=0.5, backoff=Backoff(first=0.05, ceiling=0.05))
LIMIT = 33_554_432


class Scene:
    """A hostile upstream and an honest one, both running."""

    def __init__(self, hostile: McpUpstream, watch: Watch, honest: McpUpstream, record: Path) -> None:
        self.hostile = hostile
        self.watch = watch
        self.honest = honest
        self._record = record
        self.longest_pause = 0.0  # of the event loop, in seconds
        self.honest_snapshot: UpstreamSnapshot | None = None

    async def call(self, name: str, **arguments: Any) -> Any:
        """A call to the hostile one."""
        return (await invoke(self.hostile, await self.watch.ready(), name, **arguments)).value

    async def honest_works(self) -> None:
        assert self.honest_snapshot
        assert (await invoke(self.honest, self.honest_snapshot, "echo", text="hi")).value == "hi"

    def recorded(self) -> str:
        return self._record.read_text() if self._record.exists() else ""


@asynccontextmanager
async def scene(test_data: Path, script: str, tmp_path: Path, **options: Any) -> AsyncIterator[Scene]:
    record = tmp_path / "calls"

    def upstream(name: str, **more: Any) -> McpUpstream:
        command = hostile_command(test_data, name)
        config = UpstreamConfig(
            command=command, env={"RECORD_FILE": SecretStr(str(record))}, timeout=more.pop("timeout", 30)
        )
        return McpUpstream(config, name, patience=more.pop("patience", PATIENCE), chance=lambda: 1.0)

    hostile, honest = upstream(script, **options), upstream("recorder")
    async with running(honest) as honest_watch, running(hostile) as watch, anyio.create_task_group() as tasks:
        stage = Scene(hostile, watch, honest, record)
        stage.honest_snapshot = await honest_watch.ready()

        async def beat() -> None:
            last = time.thread_time()  # of this thread's own work: what others keep the processors with is no pause
            while True:
                await anyio.sleep(0.005)
                now = time.thread_time()
                stage.longest_pause, last = max(stage.longest_pause, now - last), now

        tasks.start_soon(beat)
        yield stage
        await stage.honest_works()
        tasks.cancel_scope.cancel()


def memory() -> int:
    """What this process holds, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_server_that_never_answers_costs_its_call_only(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "never_answer", tmp_path, timeout=0.5) as stage:
        await stage.watch.ready()
        for _ in range(3):
            async with anyio.create_task_group() as tasks:

                async def call() -> None:
                    with pytest.raises(UpstreamUnavailable, match="did not answer within"):
                        await stage.call("hang")

                for _ in range(100):
                    tasks.start_soon(call)


async def test_a_server_that_never_greets_fails_in_time(test_data: Path, tmp_path: Path) -> None:
    patience = Patience(connect=0.5, probe=0.1, grace=0.5, backoff=PATIENCE.backoff)
    async with scene(test_data, "never_initialize", tmp_path, patience=patience) as stage:
        assert "it did not connect within 0.5 s" in (await stage.watch.failed()).problem


async def test_an_answer_of_100_mb_is_refused_while_it_is_read(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "huge_answer", tmp_path) as stage:
        await stage.call("big", n=10)
        before = memory()
        with pytest.raises(UpstreamUnavailable, match=r"100,000,0\d\d bytes are over the limit of 33,554,432"):
            await stage.call("big")
        assert memory() - before < 2 * LIMIT
        assert await stage.call("big", n=5) == "xxxxx"


async def test_broken_json_rpc_completes_no_call_but_its_own(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "invalid_jsonrpc", tmp_path) as stage:
        assert await stage.call("noise") == "late but valid"
        assert UpstreamState.FAILED not in [snapshot.state for snapshot in stage.watch.snapshots]


async def test_twenty_thousand_tools_are_listed_while_others_work(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "many_tools", tmp_path) as stage:
        assert len((await stage.watch.ready()).operations) == 20_000
        assert stage.longest_pause < 1.5
        assert await stage.call("tool_00007") == "tool_00007"


async def test_each_bad_schema_costs_its_own_tool_only(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "bad_schemas", tmp_path) as stage:
        snapshot = await stage.watch.ready()
        names = {operation.original: operation for operation in snapshot.operations}
        assert len(names) == 15
        for name in ("not_object", "bad_type", "self_ref", "wide", "deep", "no_schema", "null_schema"):
            assert names[name].accepts_more, name
            assert any(f"'{name}'" in warning for warning in snapshot.warnings), name
        assert [parameter.wire for parameter in names["cycle"].parameters] == ["x"]
        assert await stage.call("deep", a=1) == "ok"


async def test_a_server_that_exits_at_once_says_how_without_its_secrets(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "exit_on_start", tmp_path) as stage:
        failed = await stage.watch.failed()
        assert "exited with code 3" in failed.problem
        assert "fatal: cannot read" not in failed.problem, "its own words are for the operator alone"
        assert "fatal: cannot read" in failed.detail
        assert "canary-7f3a9c1e" not in failed.problem + failed.detail


async def test_a_flood_of_stderr_does_not_stop_its_answers(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "stderr_flood", tmp_path) as stage:
        await stage.watch.ready()
        before = memory()
        for _ in range(20):
            assert await stage.call("fine") == "fine"
        assert memory() - before < 20_000_000
        assert stage.longest_pause < 1


async def test_a_flood_of_progress_is_dropped(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "progress_flood", tmp_path) as stage:
        await stage.watch.ready()
        before = memory()
        assert await stage.call("chatty") == "done"
        assert memory() - before < 20_000_000
        assert stage.longest_pause < 0.5


async def test_children_of_a_server_do_not_outlive_it(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "orphan_children", tmp_path) as stage:
        assert await stage.call("fine") == "fine"
        children = descendants(os.getpid())
        assert children
    with anyio.fail_after(SOON):
        while any(lives(child) for child in children):  # noqa: ASYNC110 - not our children: no event tells
            await anyio.sleep(0.01)


async def test_an_unknown_version_is_a_clear_problem(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "wrong_version", tmp_path) as stage:
        problem = (await stage.watch.failed()).problem
        assert "'9999-99-99'" in problem
        assert len(problem) < 1000
        assert problem.isprintable()


async def test_tools_that_change_are_not_trusted_more_than_before(test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, "rug_pull", tmp_path) as stage:
        assert await stage.call("get_weather", city="x") == "sunny; call number 1"
        connection = stage.hostile._connection
        assert connection
        connection.changed.set()
        snapshot = await stage.watch.until(lambda snapshot: len(snapshot.warnings) > 0)
        weather = next(operation for operation in snapshot.operations if operation.original == "get_weather")
        assert weather.effect == "write"
        assert "first counted as a write" in snapshot.warnings[0]


@pytest.mark.parametrize("script", ["poisoned_descriptions", "poisoned_results"])
async def test_poison_is_data_and_nothing_is_called_for_it(script: str, test_data: Path, tmp_path: Path) -> None:
    async with scene(test_data, script, tmp_path) as stage:
        snapshot = await stage.watch.ready()
        for operation in snapshot.operations:
            assert re.fullmatch(r"\w+\.\w+", operation.id)
            assert len(operation.description) <= 20_000
            assert isinstance(await stage.call(operation.original), str)
        assert snapshot.purpose == script
        assert stage.recorded() == ""
