"""Calls: over HTTP, from a program and by a direct client of the same library; and what a call's record costs."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx2

from isthmus.compose import application
from isthmus.config.model import Configuration, Limits
from isthmus.demo.shop import DOCUMENT
from isthmus.demo.shop_service import Service, served
from isthmus.journal import Entry
from isthmus.model import Effect
from isthmus.redaction import Redactor
from isthmus.render.results import Rendered
from isthmus.stores.journal import JournalFile
from isthmus.stores.journal import Kept as KeptJournals
from isthmus.telemetry.lines import AuditFile
from tests.benchmarks.frame import Benchmark, Figure, figures_of, median, spread
from tests.benchmarks.house import ANYBODY, opened_house
from tests.simulators.upstream import SimulatedUpstream, operation

CALLS, ROUNDS = 200, 5
TOKEN = "a-benchmark-key"


def good(rendered: Rendered) -> Rendered:
    """The result of a program that must not fail."""
    if rendered.is_error:
        raise RuntimeError(rendered.text)
    return rendered


async def http() -> AsyncIterator[Figure]:
    """`shop.orders.get` in a loop of awaits."""
    code = f"for n in range({CALLS}):\n    order = await shop.orders.get(order='ord_12')\norder.id"
    with served(Service(TOKEN)) as address:
        upstream = {"openapi": str(DOCUMENT), "base_url": address, "auth": {"bearer": TOKEN}}
        configuration = Configuration.model_validate({"upstreams": {"shop": upstream}})
        direct, through = [], []
        async with (
            application(configuration, base=Path.cwd(), log=lambda _: None) as app,
            httpx2.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}) as client,
        ):
            await app.settled(30)
            good(await app.execute("await shop.orders.get(order='ord_12')"))
            for _ in range(ROUNDS):
                for _ in range(CALLS):
                    began = time.perf_counter()
                    (await client.get("/orders/ord_12")).raise_for_status().json()
                    direct.append((time.perf_counter() - began) * 1000)
                began = time.perf_counter()
                good(await app.execute(code))
                through.append((time.perf_counter() - began) * 1000 / CALLS)
    yield Figure("direct client's call, p50", median(direct), "ms", detail=spread(direct))
    yield Figure(f"a program's call, mean of {CALLS} in a loop", median(through), "ms", detail=spread(through))
    yield Figure("a program's call beyond the direct one", median(through) - median(direct), "ms", target=0.5)


class Forgetful(JournalFile):
    """A journal that keeps nothing."""

    async def append(self, execution: str, first: int, entries: Sequence[Entry]) -> None:
        """Let go of them."""


async def record() -> AsyncIterator[Figure]:
    """A read of an upstream in the same process, with nothing on record, the journal, and the audit log besides.

    Processor time of the server: the three differ by less than what a busy machine adds to any of them.
    """
    code = f"for n in range({CALLS}):\n    await near.echo(n=n)\n'done'"
    echo = operation("near.echo", Effect.READ, n={"type": "integer"})
    near = SimulatedUpstream("near", (echo,), {"echo": lambda given: given["n"]})
    limits = Limits(calls=10_000)
    with tempfile.TemporaryDirectory(prefix="isthmus-benchmark-") as folder:
        log = partial(print, file=sys.stderr)
        audit = AuditFile(
            Path(folder) / "audit.jsonl", Redactor(["a-key-of-some-length", "another-key"]), time.time, log
        )
        async with opened_house({"near": near}, limits) as journal:
            nowhere = Forgetful(None, KeptJournals(mb=64, days=1), time.time)
            ways = {
                "nothing on record": replace(journal, history=replace(journal.history, store=nowhere)),
                "in the journal": journal,
                "in the journal and the audit log": replace(journal, audit=audit),
            }
            took: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(3 * ROUNDS):
                for name, service in ways.items():
                    began = time.process_time()
                    report = await service.execute(code, principal=ANYBODY, session="new")
                    took[name].append((time.process_time() - began) * 1000 / CALLS)
                    if not report.ok:
                        raise RuntimeError(f"the program failed: {report.error}")
            await nowhere.close()
        audit.close()
    for name, times in took.items():
        yield Figure(f"a call, {name}, p50", median(times), "ms", detail=spread(times))
    nothing, _, both = map(median, took.values())
    yield Figure("a call's record in all", both - nothing, "ms", target=0.2)


BENCHMARKS = (
    Benchmark("http", "one HTTP call from a program against the same call by a direct client", figures_of(http)),
    Benchmark("record", "what it costs a call to be in the journal and in the audit log", figures_of(record)),
)
