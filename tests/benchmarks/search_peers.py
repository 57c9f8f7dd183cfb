"""Our search beside FastMCP's search transforms, on the same catalog, turn by turn in one run.

Times are of a processor, taken in the process that searches: what a transform ranks by itself, and what a client of its
server is answered, in memory. FastMCP needs an environment of its own: `python -m tests.benchmarks.peers install`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from isthmus.catalog.index import Index
from isthmus.model import UpstreamSnapshot, UpstreamState
from isthmus.service.search import search
from tests.benchmarks.cpu import driven
from tests.benchmarks.frame import Benchmark, Figure, data_file
from tests.benchmarks.peers import Engine, interpreter
from tests.benchmarks.rivals import OURS, Times, compared, deed
from tests.benchmarks.search import corpus, processor_ms, searchable

RANKED, ANSWERED = 60, 5
"""Queries that are ranked, and that are answered: FastMCP takes seconds for each of the latter."""

TRANSFORMS = ("bm25", "regex")


def peers() -> Iterator[Figure]:
    """Ranking alone, and whole answers, for judged queries over 10,270 operations."""
    path, asked = data_file("corpora", "openapi-mega.jsonl.gz"), data_file("dev", "queries.jsonl")
    driver = [interpreter("fastmcp"), "-m", "tests.benchmarks.drivers.fastmcp_search", str(path), str(asked)]
    queries = [json.loads(line)["query"] for line in asked.read_text().splitlines()]
    operations = corpus(path)
    catalog, index = searchable(operations), Index.build(operations)
    snapshots = {name: UpstreamSnapshot(name, UpstreamState.READY) for name in catalog.upstreams}

    def ranked(place: int) -> object:
        return index.search(queries[place], 5).hits

    def answered(place: int) -> object:
        return search(catalog, index, snapshots, queries[place], limit=5)

    with driven(Engine("FastMCP", driver)) as rival:
        for what, own, kind, count in (("ranking", ranked, "", RANKED), ("answer", answered, "_answer", ANSWERED)):
            times: Times = {OURS: [], **{f"FastMCP's {name}": [] for name in TRANSFORMS}}
            for turn, place in enumerate(range(0, len(queries), len(queries) // count)):
                mine = processor_ms(own, place)
                theirs = {f"FastMCP's {name}": deed(rival, f"{name}{kind}", place) for name in TRANSFORMS}
                if turn:  # the first query has FastMCP build its index
                    for name, took in {OURS: mine, **theirs}.items():
                        times[name].append(took)
            yield from compared(f"{what} over {len(operations):,} operations", times)


BENCHMARKS = (Benchmark("peers", "search beside FastMCP's search transforms", peers),)
