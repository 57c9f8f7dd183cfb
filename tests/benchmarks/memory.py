"""The memory of an idle server with all its workers, by proportional share."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator

import anyio

from tests.benchmarks.frame import Benchmark, Figure, figures_of
from tests.benchmarks.processes import memory_mb, tree
from tests.benchmarks.servers import client_of, configured, ours
from tests.benchmarks.wire import checked
from tests.processes import children

SETTLED = 3.0


async def idle() -> AsyncIterator[Figure]:
    """A server over stdio, after one search and one execute, left alone."""
    with configured({}) as path:
        async with client_of(ours(path)) as client:
            await checked(client, "search", {"query": ""})
            await checked(client, "execute", {"code": "1+1"})
            await anyio.sleep(SETTLED)
            servers = children(os.getpid())
            began = time.perf_counter()
            total = sum(memory_mb(pid) for pid in servers)
            processes = sum(len(tree(pid)) for pid in servers)
    yield Figure(
        "idle server and its workers",
        total,
        "MB",
        target=150,
        detail=f"{processes} processes, read in {time.perf_counter() - began:.2f} s",
    )


BENCHMARKS = (Benchmark("idle", "memory for an idle server", figures_of(idle)),)
