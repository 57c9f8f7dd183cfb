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

FAN, RUNS = 50, 15
WAITING, GROUP, BURST = 1000, 20, 300


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


class Gate:
    """An upstream whose one operation waits until it is opened."""

    def __init__(self) -> None:
        self.opened = anyio.Event()
        self.waiting = 0
        self._expected, self._arrived = 0, anyio.Event()
        self.upstream = SimulatedUpstream("gate", (operation("gate.wait", Effect.READ),), {"wait": self._wait})

    async def _wait(self, _: object) -> int:
        self.waiting += 1
        if self.waiting >= self._expected:
            self._arrived.set()
        await self.opened.wait()
        return 7

    async def arrived(self, number: int) -> None:
        """Return once so many calls wait."""
        self._expected, self._arrived = number, anyio.Event()
        if self.waiting < number:
            await self._arrived.wait()


async def thousand() -> AsyncIterator[Figure]:
    """A thousand sessions, each with a program that waits for a call. They come in groups, and stay."""
    gate, reports = Gate(), list[Report]()
    limits = Limits(wall=900, cpu=60, executions_each=WAITING, parallel=4)
    async with opened_house({"gate": gate.upstream}, limits) as service:
        before, began = memory_mb(), time.perf_counter()

        async def one() -> None:
            reports.append(good(await service.execute("await gate.wait()", principal=ANYBODY, session="new")))

        with anyio.fail_after(900):
            async with anyio.create_task_group() as tasks:
                for number in range(1, WAITING + 1):
                    tasks.start_soon(one)
                    if number % GROUP == 0:
                        await gate.arrived(number)
                opened, total = time.perf_counter() - began, memory_mb()
                gate.opened.set()
        assert [report.value for report in reports] == [7] * WAITING
    yield Figure(f"{WAITING} executions waiting at once, memory in all", total, "MB", target=4000)
    yield Figure("each of them", (total - before) / WAITING, "MB", detail=f"{before:.0f} MB before")
    yield Figure("until all of them waited", opened, "s", detail=f"{opened / WAITING * 1000:.1f} ms each")


async def burst() -> AsyncIterator[Figure]:
    """Three hundred new sessions in the same moment: late is fine, failed is not."""
    limits = Limits(wall=300)
    reports: list[Report] = []
    async with opened_house({}, limits) as service:
        began = time.perf_counter()

        async def one() -> None:
            reports.append(await service.execute("1+1", principal=ANYBODY, session="new"))

        async with anyio.create_task_group() as tasks:
            for _ in range(BURST):
                tasks.start_soon(one)
        took = time.perf_counter() - began
    failed = [report for report in reports if report.value != 2]
    detail = f"{failed[0].error.message if failed[0].error else failed[0]}" if failed else ""
    yield Figure(f"failed of {BURST} that arrive at once", len(failed), "", target=0, detail=detail)
    yield Figure("until the last was answered", took, "s", detail=f"{took / BURST * 1000:.1f} ms each")


BENCHMARKS = (
    Benchmark("fan_out", "fifty concurrent calls of 100 ms from one program", figures_of(fan_out)),
    Benchmark("thousand", "a thousand executions that wait at once", figures_of(thousand)),
    Benchmark("burst", "three hundred executions that arrive at once", figures_of(burst)),
)
