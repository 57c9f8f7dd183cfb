"""What a hostile upstream costs those beside it: calls of another session to a good upstream, before and during."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import anyio

from isthmus.compose import application
from isthmus.config.model import Configuration
from isthmus.render.results import Rendered
from tests.benchmarks.calls import good
from tests.benchmarks.frame import ROOT, Benchmark, Figure, figures_of, percentile
from tests.benchmarks.servers import bare_upstream

KINDS = ("hang", "flood", "line", "garbage", "drip", "ids", "requests", "die", "changed", "stderr", "huge", "text")
LARGE = ("values", "objects")
QUIET = ("drip", "hang", "die")
"""Those that take no processor time of their own worth mentioning."""

CALLS = 150
GAP = 0.005  # seconds between two calls
WARMED = 1.5  # seconds for an attack to be well under way
CALL = "await good.echo(text='x')"
ATTACK = "try:\n    bad.storm()[0:1]\nexcept Exception as error:\n    print(error)"


class Application(Protocol):
    """What is measured."""

    async def execute(self, code: str, *, session: str) -> Rendered:
        """Run a program."""
        ...


async def neighbours(kinds: tuple[str, ...], most: float | None) -> AsyncIterator[Figure]:
    """One server for each kind; the quiet time before the attack is the measure of the time during it."""
    script = str(ROOT / "tests" / "simulators" / "mcp_server_storm.py")
    for kind in kinds:
        bad = {"command": [sys.executable, script, kind], "timeout": 3}
        upstreams = {"good": bare_upstream(), "bad": bad}
        configuration = Configuration.model_validate({"upstreams": upstreams, "limits": {"wall": 10}})
        with tempfile.TemporaryDirectory() as folder:
            async with application(configuration, base=Path(folder), log=lambda _: None) as app:
                await app.settled(30)
                await _calls(app, ours := await _session(app))
                before = await _calls(app, ours)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_attack, app, await _session(app))
                    await anyio.sleep(WARMED)
                    during = await _calls(app, ours)
                    tasks.cancel_scope.cancel()
        for percent in (50, 95):
            idle, busy = percentile(before, percent), percentile(during, percent)
            detail = f"{idle:.2f} ms before, {busy:.2f} ms during, worst {max(during):.0f} ms"
            yield Figure(f"{kind}: p{percent} during / before", busy / idle, "times", target=most, detail=detail)


async def _session(app: Application) -> str:
    """A session of its own."""
    return str(good(await app.execute("1", session="new")).facts["session"])


async def _calls(app: Application, session: str) -> list[float]:
    took = []
    for _ in range(CALLS):
        began = time.perf_counter()
        good(await app.execute(CALL, session=session))
        took.append((time.perf_counter() - began) * 1000)
        await anyio.sleep(GAP)
    return took


async def _attack(app: Application, session: str) -> None:
    """Call the hostile one again and again."""
    while True:
        with suppress(OSError):
            await app.execute(ATTACK, session=session)
        await anyio.sleep(0.01)


async def hostile() -> AsyncIterator[Figure]:
    """Those that send without end, die, hang, or answer with what is refused."""
    async for figure in neighbours(KINDS, 2.0):
        yield figure


async def large() -> AsyncIterator[Figure]:
    """Answers just within `answer_bytes`: they are wanted, and their reading takes what it takes."""
    async for figure in neighbours(LARGE, None):
        yield figure


BENCHMARKS = (
    Benchmark("hostile", "calls to a good upstream while another one is hostile", figures_of(hostile)),
    Benchmark("large", "calls to a good upstream while another answers with 30 MB each time", figures_of(large)),
)
