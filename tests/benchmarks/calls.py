"""Calls over HTTP: from a program, and by a direct client of the same library."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2

from isthmus.compose import application
from isthmus.config.model import Configuration
from isthmus.demo.shop import DOCUMENT
from isthmus.demo.shop_service import Service, served
from isthmus.render.results import Rendered
from tests.benchmarks.frame import Benchmark, Figure, figures_of, median, spread

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


BENCHMARKS = (
    Benchmark("http", "one HTTP call from a program against the same call by a direct client", figures_of(http)),
)
