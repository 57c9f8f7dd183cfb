"""A process that opens the catalogs of documents, or makes them first, and says what that took and how it searches.

    python -m tests.benchmarks.opening FOLDER QUERIES NAME=DOCUMENT ...

Whoever measures it turns the garbage collector off first, as `isthmus serve` and `isthmus search` begin.
QUERIES is a file of judged queries, or `-`; the answer is a line of JSON once all can be searched, and one afterwards.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import anyio

from isthmus.config.model import UpstreamConfig
from isthmus.service.catalogs import Catalogs
from isthmus.service.search import search
from isthmus.stores.catalogs import CatalogFiles
from isthmus.upstreams.http import HttpUpstream
from isthmus.upstreams.http_settings import Settings

EVERY = 4
"""One of so many judged queries is searched for."""

_WAITED = 600.0


async def opened(paths: dict[str, str], folder: Path, queries: list[str]) -> None:
    """Print what it took until all documents can be searched; then how long searches took, and the memory."""
    files = CatalogFiles(folder)
    upstreams = {
        name: HttpUpstream(
            name, UpstreamConfig(openapi=path, base_url="https://api.example.com"), Settings(read=files.read)
        )
        for name, path in paths.items()
    }
    catalogs = Catalogs(upstreams, lambda each: each, lambda _: True, share=files.share, relations=files.relations)
    late = [0.0]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_beat, late)
        tasks.start_soon(catalogs.run)
        await catalogs.settled(_WAITED)
        _tell(operations=len(catalogs.catalog), late_ms=max(late) * 1000, processor_s=time.process_time())
        tasks.cancel_scope.cancel()
    took = []
    now = catalogs.current
    now.catalog.meant("a/name", now.catalog.upstreams)  # a server has names looked up in a moment, in a thread
    for query in queries:
        began = time.process_time()
        search(now.catalog, now.index, now.snapshots, query)
        took.append((time.process_time() - began) * 1000)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    _tell(
        search_ms=took,
        own_mb=_most_memory(),
        child_mb=children.ru_maxrss / 1024,
        children_s=children.ru_utime + children.ru_stime,
    )


def _most_memory() -> float:
    """Megabytes that this process had at most; `ru_maxrss` counts also what its parent had before."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def _beat(late: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await anyio.sleep(0.005)
        late.append(time.perf_counter() - began - 0.005)


def _tell(**said: Any) -> None:
    print(json.dumps(said), flush=True)


def main() -> None:
    """Read the arguments."""
    folder, queries, *documents = sys.argv[1:]
    lines = [] if queries == "-" else Path(queries).read_text().splitlines()[::EVERY]
    paths = dict(each.split("=", 1) for each in documents)
    anyio.run(opened, paths, Path(folder), [json.loads(line)["query"] for line in lines])


if __name__ == "__main__":
    main()
