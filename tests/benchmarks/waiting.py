"""Programs that wait: fifty calls at once in one, and a thousand of them side by side."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import anyio

from isthmus.config.model import Limits
from isthmus.model import Effect, Report
from tests.benchmarks.frame import Benchmark, Figure, figures_of, median, spread
from tests.benchmarks.house import ANYBODY, opened_house
from tests.benchmarks.processes import memory_mb
from tests.simulators.upstream import SimulatedUpstream, operation

FAN, RUNS, WAITING = 50, 15, 1000


def good(report: Report) -> Report:
    """The report of a program that must not fail."""
    if not report.ok:
        raise RuntimeError(f"the program failed: {report.error}")
    return report


async def fan_out() -> AsyncIterator[Figure]:
    """Fifty calls of 100 ms, gathered, through policy, validation and gateway."""

    async def wait(_: object) -> str:
        await anyio.sleep(0.1)
        return "done"

    slow = SimulatedUpstream("slow", (operation("slow.wait", Effect.READ),), {"wait": wait})
    awaited = f"import asyncio\nlen(await asyncio.gather(*[slow.wait() for _ in range({FAN})]))"
    touched = f"answers = [slow.wait() for _ in range({FAN})]\nlen([str(answer) for answer in answers])"
    limits = Limits(parallel=FAN, calls=10_000)
    async with opened_house({"slow": slow}, limits) as service:
        for name, code in (("gathered", awaited), ("without await", touched)):
            took = []
            for _ in range(RUNS):
                began = time.perf_counter()
                report = good(await service.execute(code, principal=ANYBODY))
                took.append((time.perf_counter() - began) * 1000)
                assert report.value == FAN
            yield Figure(f"{FAN} calls of 100 ms, {name}, p50", median(took), "ms", target=110, detail=spread(took))


async def thousand() -> AsyncIterator[Figure]:
    """A thousand sessions, each with a program that waits for a call."""
    release, arrived = anyio.Event(), [0]
    everyone = anyio.Event()

    async def wait(_: object) -> int:
        arrived[0] += 1
        if arrived[0] == WAITING:
            everyone.set()
        await release.wait()
        return 7

    gate = SimulatedUpstream("gate", (operation("gate.wait", Effect.READ),), {"wait": wait})
    limits = Limits(wall=900, cpu=60, sessions=WAITING + 10, parallel=4)
    reports: list[Report] = []
    async with opened_house({"gate": gate}, limits) as service:
        before, began = memory_mb(), time.perf_counter()

        async def one() -> None:
            reports.append(good(await service.execute("await gate.wait()", principal=ANYBODY, session="new")))

        with anyio.fail_after(900):
            async with anyio.create_task_group() as tasks:
                for _ in range(WAITING):
                    tasks.start_soon(one)
                await everyone.wait()
                opened, total = time.perf_counter() - began, memory_mb()
                release.set()
        assert len(reports) == WAITING
        assert all(report.value == 7 for report in reports)
    yield Figure(f"{WAITING} executions waiting at once, memory in all", total, "MB", target=4000)
    yield Figure("each of them", (total - before) / WAITING, "MB", detail=f"{before:.0f} MB before")
    yield Figure("until all of them waited", opened, "s", detail=f"{opened / WAITING * 1000:.1f} ms each")


BENCHMARKS = (
    Benchmark("fan_out", "fifty concurrent calls of 100 ms from one program", figures_of(fan_out)),
    Benchmark("thousand", "a thousand executions that wait at once", figures_of(thousand)),
)
