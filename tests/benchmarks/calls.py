"""Calls over HTTP: from a program, and by a direct client of the same library."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from isthmus.compose import Application, application
from isthmus.config.model import Configuration
from isthmus.demo.shop import DOCUMENT
from isthmus.demo.shop_service import Service, served
from isthmus.render.results import Rendered
from tests.benchmarks.frame import Benchmark, Figure, figures_of, median, spread

CALLS, ROUNDS = 200, 5
SIZES = (10, 1_000, 20_000)
"""Operations of a catalog."""

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


async def sizes() -> AsyncIterator[Figure]:
    """The same call in catalogs of several sizes, turn by turn, in processor time of the server (and the service)."""
    code = f"for n in range({CALLS}):\n    order = await shop.orders.get(order='ord_12')\norder.id"
    took: dict[int, list[float]] = {}
    with served(Service(TOKEN)) as address, TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            apps: dict[int, Application] = {}
            for size in SIZES:
                document = Path(folder) / f"{size}.json"
                document.write_text(json.dumps(_among(size)))
                upstream = {"openapi": str(document), "base_url": address, "auth": {"bearer": TOKEN}}
                said = {"upstreams": {"shop": upstream}, "data": f"{folder}/data-{size}"}
                configuration = Configuration.model_validate(said)
                app = application(configuration, base=Path.cwd(), log=lambda _: None)
                apps[size] = await stack.enter_async_context(app)
                await apps[size].settled(300)
                good(await apps[size].execute("await shop.orders.get(order='ord_12')"))
            for _ in range(ROUNDS):
                for size, app in apps.items():
                    began = time.process_time()
                    good(await app.execute(code))
                    took.setdefault(size, []).append((time.process_time() - began) * 1000 / CALLS)
    for size, each in took.items():
        yield Figure(f"a program's call among {size:,} operations", median(each), "ms", detail=spread(each))
    yield Figure(
        f"a call among {SIZES[-1]:,} against {SIZES[0]}, least", min(took[SIZES[-1]]) / min(took[SIZES[0]]), "x"
    )


def _among(size: int) -> dict[str, Any]:
    """The shop's document with so many operations: what is called, and others that resemble it."""
    whole: dict[str, Any] = json.loads(DOCUMENT.read_bytes())
    path = "/orders/{order}"
    called = {path: {key: node for key, node in whole["paths"][path].items() if key in ("get", "parameters")}}
    others = {
        f"/orders-{number}/{{order}}": {
            **called[path],
            "get": {**called[path]["get"], "operationId": f"orders{number}.get"},
        }
        for number in range(size - 1)
    }
    return {**whole, "paths": called | others}


BENCHMARKS = (
    Benchmark("http", "one HTTP call from a program against the same call by a direct client", figures_of(http)),
    Benchmark("sizes", "the same call in catalogs of several sizes", figures_of(sizes)),
)
