"""However an execution ends, the server holds afterwards what it held before: processes, descriptors, files, memory."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.processes import children, command
from tests.simulators.served import SOON, Served, serving, simulator, witnessed

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

RESTING, SPARES = 1, 1
LIMITS = {
    "wall": 20, "cpu": 1, "memory_mb": 96, "output_bytes": 100_000, "spare_workers": SPARES, "sessions": RESTING,
}  # fmt: skip

ENDINGS = {
    "success": ("1+1", ""),
    "an error": ("1/0", "ZeroDivisionError"),
    "a syntax error": ("1 +", "SyntaxError"),
    "a time limit": ("import asyncio\nawait asyncio.sleep(60)", "TimeLimitExceeded"),
    "a time limit while it computes": ("while True: pass", "TimeLimitExceeded"),
    "a time limit while a call is under way": ("await witness.wait(seconds=60)", "TimeLimitExceeded"),
    "a limit of processor time": ("while True: pass", "LimitExceeded"),
    "memory": ("x = [bytearray(1 << 20) for _ in range(1000)]", "MemoryError"),
    "an output without end": ("while True: print('x' * 10_000)", "LimitExceeded"),
    "a recursion without end": ("def f(): f()\nf()", "RecursionError"),
    "files left open": ("kept = [open(f'/workspace/{n}', 'w') for n in range(5)]\nlen(kept)", ""),
}


Held = dict[str, int]
"""What a server and its processes hold, by name."""

GROWN_MB = 10
"""What the memory of the server's own may differ by: its allocator gives back when it likes."""


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("endings")
    witness = simulator("mcp_server_witness", str(folder / "calls.jsonl"))
    (folder / "tmp").mkdir()
    configuration = {"limits": LIMITS, "upstreams": {"witness": witness}}
    async with serving(configuration, folder, TMPDIR=str(folder / "tmp")) as served:
        for code in ("1/0", "await witness.wait(seconds=0)"):  # what is loaded once is there after this
            await served.execute(code, session="new")
        yield served


@pytest.mark.parametrize("ending", ENDINGS)
async def test_nothing_is_left_of_an_execution_that_ends_with(server: Served, ending: str) -> None:
    code, error = ENDINGS[ending]
    timeout = {"timeout": 0.3} if "time limit" in ending else {}
    async with as_before(server):
        for _ in range(2):
            told = await server.execute(code, session="new", **timeout)
            assert error in told.text, told.text
            assert told.is_error == bool(error)


async def test_nothing_is_left_of_an_execution_that_its_client_cancels(server: Served) -> None:
    async with as_before(server):
        for _ in range(2):
            with anyio.move_on_after(0.3):
                await server.execute("import asyncio\nawait asyncio.sleep(60)", session="new")


async def test_nothing_is_left_of_workers_that_are_killed(server: Served) -> None:
    calls = server.config.parent / "calls.jsonl"
    earlier = await witnessed(calls, "called")
    async with as_before(server), anyio.create_task_group() as tasks:
        tasks.start_soon(answered_by_another_worker, server)
        await witnessed(calls, "called", len(earlier) + 1)
        for worker in workers(server):
            os.kill(worker, 9)


async def answered_by_another_worker(server: Served) -> None:
    """What was killed from outside goes on from its journal."""
    told = await server.execute("await witness.wait(seconds=1)", session="new")
    assert "waited 1" in told.text, told.text


@asynccontextmanager
async def as_before(server: Served) -> AsyncIterator[None]:
    """What is done in here leaves nothing behind; what ends by itself may take its moment."""
    before = await at_rest(server)
    yield
    with anyio.move_on_after(SOON):
        while difference(before, await at_rest(server)):  # noqa: ASYNC110 - other processes end, and tell nobody
            await anyio.sleep(0.05)
    assert difference(before, await at_rest(server)) == {}


def difference(before: Held, after: Held) -> dict[str, tuple[int, int]]:
    """What is not as it was."""
    most = {"memory": GROWN_MB}
    return {key: (before[key], after[key]) for key in before if after[key] - before[key] > most.get(key, 0)}


async def at_rest(server: Served) -> Held:
    """What is held when one session rests and the spare is there."""
    assert "result: 2" in (await server.execute("1+1", session="new")).text
    data = server.config.parent / "data"
    with anyio.fail_after(SOON):
        # As many workers may also be two that rest: a spare is told by its directory.
        while (len(workers(server)), spares(data)) != (RESTING + SPARES, SPARES):  # noqa: ASYNC110 - the same
            await anyio.sleep(0.02)
    root, zygote = server.processes()[0], zygote_of(server)
    return {
        "processes": len(server.processes()),
        "descriptors of the server": len(list(Path(f"/proc/{root}/fd").iterdir())),
        "descriptors of the zygote": len(list(Path(f"/proc/{zygote}/fd").iterdir())),
        "entries of the directory of the moment": sum(1 for _ in (data / "run").rglob("*")),
        "temporary files": sum(1 for _ in (data.parent / "tmp").rglob("*")),
        "memory": private_mb(root),
    }


def spares(data: Path) -> int:
    """The directories of workers that have no session yet."""
    return sum(1 for _ in (data / "run").glob("*/workspace-*"))


def private_mb(process: int) -> int:
    """What a process has of its own, in MB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) // 1000


def zygote_of(server: Served) -> int:
    """The one below the server itself from which the workers were forked."""
    root = server.processes()[0]
    [found] = [pid for pid in children(root) if "isthmus_sandbox.zygote" in command(pid)]
    return found


def workers(server: Served) -> list[int]:
    """The processes that were forked from the zygote."""
    return children(zygote_of(server))
