"""A thousand executions at once, and what another principal feels of them, and of a flood."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from isthmus.config.model import Limits
from isthmus.model import Principal
from isthmus.service.execute import ExecuteService
from tests.benchmarks.frame import Benchmark, Figure, figures_of, median, percentile, spread
from tests.benchmarks.house import opened_house
from tests.benchmarks.processes import memory_of, tree
from tests.benchmarks.waiting import Gate, good

CROWD, QUIET = Principal("crowd"), Principal("quiet")
WAITING, OUTSTANDING, ASKED = 1000, 200, 150
PAUSE = 0.02
"""Seconds between two questions of the quiet principal."""

LIMITS = Limits(wall=900, cpu=60, executions=1100, executions_each=1000, queue_each=1000, queue=2000)


async def scale() -> AsyncIterator[Figure]:
    """One principal alone, then beside a thousand waiting executions of another, then beside that one's floods."""
    gate = Gate()
    async with opened_house({"gate": gate.upstream}, LIMITS) as service, anyio.create_task_group() as tasks:
        await answered(service)  # the first program waits for the compiler
        idle = await asked(service)
        for figure in compared("idle", idle, idle):
            yield figure
        before, began = memory_of(os.getpid()), time.perf_counter()
        for _ in range(WAITING):
            tasks.start_soon(wait, service)
        with anyio.fail_after(300):
            await gate.arrived(WAITING)
        took = time.perf_counter() - began
        yield Figure(f"until {WAITING} executions wait", took, "s", detail=f"{took / WAITING * 1000:.1f} ms each")
        for figure in memory(before):
            yield figure
        for figure in compared(f"{WAITING} waiting", await asked(service), idle):
            yield figure
        gate.opened.set()
        for name, code in (("flood of 1+1", "1+1"), ("flood of loops", "while True: pass")):
            for figure in compared(name, await flooded(tasks, service, code), idle):
                yield figure


async def wait(service: ExecuteService) -> None:
    """One of the thousand."""
    assert good(await service.execute("await gate.wait()", principal=CROWD, session="new")).value == 7


async def flooded(tasks: TaskGroup, service: ExecuteService, code: str) -> dict[str, list[float]]:
    """What the quiet principal measures while the crowd keeps so many executions of `code` outstanding."""
    ended = anyio.Event()

    async def flood() -> None:
        while not ended.is_set():
            await service.execute(code, principal=CROWD, session="new", timeout=2)

    for _ in range(OUTSTANDING):
        tasks.start_soon(flood)
    await anyio.sleep(3)
    try:
        return await asked(service)
    finally:
        ended.set()
        await until(lambda: service.admission.running(CROWD) == 0)


async def until(met: Callable[[], bool]) -> None:
    """Return once something is so."""
    while not met():  # noqa: ASYNC110 - counters tell nobody that they have changed
        await anyio.sleep(0.05)


async def asked(service: ExecuteService) -> dict[str, list[float]]:
    """Milliseconds of trivial executions: in the principal's own session, and in new ones."""

    async def own() -> None:
        await answered(service)

    async def new() -> None:
        assert good(await service.execute("1+1", principal=QUIET, session="new")).value == 2

    return {"own session": await timings(own), "new session": await timings(new)}


async def answered(service: ExecuteService) -> None:
    """A trivial execution in the quiet principal's own session."""
    assert good(await service.execute("1+1", principal=QUIET)).value == 2


async def timings(action: Callable[[], Awaitable[None]]) -> list[float]:
    """Milliseconds, one after the other, with a pause between them."""
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        await action()
        took.append((time.perf_counter() - began) * 1000)
        await anyio.sleep(PAUSE)
    return took


def compared(when: str, now: dict[str, list[float]], idle: dict[str, list[float]]) -> list[Figure]:
    """The middle and the 95th percentile; the latter may be twice what it is when nothing else runs."""
    figures = []
    for kind, took in now.items():
        figures.append(Figure(f"1+1, {kind}, {when}, p50", median(took), "ms", detail=spread(took)))
        target = None if now is idle else 2 * percentile(idle[kind], 95)
        figures.append(Figure(f"1+1, {kind}, {when}, p95", percentile(took, 95), "ms", target=target))
    return figures


def memory(before: float) -> list[Figure]:
    """By proportional share: what the server takes, its zygote and its workers."""
    server, zygote, *workers = (memory_of(pid) for pid in tree(os.getpid()))
    total = server + zygote + sum(workers)
    each = sum(workers) / len(workers)
    return [
        Figure("memory in all", total, "MB", target=4000, detail=f"server {server:.0f}, zygote {zygote:.0f}"),
        Figure("of each worker", each, "MB", detail=f"{len(workers)} workers"),
        Figure("of the server, for each execution", (server - before) / WAITING * 1000, "KB"),
    ]


BENCHMARKS = (Benchmark("scale", "a thousand executions at once, and floods, beside another", figures_of(scale)),)
