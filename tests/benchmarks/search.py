"""Index and search: how long they take on thousands of operations, and how good the ranking is."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio

from isthmus.catalog.catalog import Catalog
from isthmus.catalog.index import Index
from isthmus.catalog.names import operation_ids, parameter_names, upstream_name
from isthmus.config.model import UpstreamConfig
from isthmus.model import Effect, Operation, Parameter, Route
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from isthmus.service.catalogs import Catalogs
from isthmus.stores.catalogs import CatalogFiles
from isthmus.upstreams.http import HttpUpstream, Settings
from tests.benchmarks.frame import ROOT, Benchmark, Figure, NotMeasured, data_file, median, percentile, spread

WANTED = 2500


def index() -> Iterator[Figure]:
    """The first 2,500 operations of Microsoft Graph: from the document's text to an index that answers."""
    text = _cut(json.loads(gzip.decompress(data_file("specs", "msgraph.json.gz").read_bytes())))
    took = []
    for _ in range(3):
        began = time.perf_counter()
        compiled = compile_operations(read_document(text, "msgraph.json"), "graph")
        catalog = Catalog.build(compiled.operations)
        built = Index.build(compiled.operations)
        took.append(time.perf_counter() - began)
        if not built.search("send a mail", 5).hits:
            raise RuntimeError("the index finds nothing")
    detail = f"{len(compiled.operations):,} operations, {len(text) / 1e6:.1f} MB, catalog {catalog.digest[:8]}"
    yield Figure("index of 2,500 operations, cold", median(took), "s", target=5, detail=detail)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "msgraph.json"
        path.write_bytes(text)
        yield from _kept("2,500 operations", {"graph": path}, Path(folder) / "kept", cold=None, warm=0.3)


def documents() -> Iterator[Figure]:
    """Real documents through the upstreams and the store, each in a new folder: made, and then opened."""
    specs = data_file("specs")
    with tempfile.TemporaryDirectory() as folder:
        for name, cold in (("cloudflare", 5.0), ("msgraph", 40.0)):
            path = specs / f"{name}.json.gz"
            yield from _kept(name, {name: path}, Path(folder) / name, cold, None)
        every = {upstream_name(path.name.partition(".")[0]): path for path in sorted(specs.glob("*.json.gz"))}
        yield from _kept("all documents", every, Path(folder) / "every", None, 2.0)


def _kept(what: str, paths: dict[str, Path], folder: Path, cold: float | None, warm: float | None) -> Iterator[Figure]:
    for when, target in (("made", cold), ("opened", warm)):
        took, size, late = anyio.run(_ready, paths, folder)
        detail = f"{size:,} operations, the event loop at most {late * 1000:.0f} ms late"
        yield Figure(f"{what}, {when} until all can be searched", took, "s", target=target, detail=detail)


async def _ready(paths: dict[str, Path], folder: Path) -> tuple[float, int, float]:
    """Seconds until the documents can be searched, how many operations they have, and how late the event loop was."""
    files = CatalogFiles(folder)
    upstreams = {
        name: HttpUpstream(
            name, UpstreamConfig(openapi=str(path), base_url="https://api.example.com"), Settings(read=files.read)
        )
        for name, path in paths.items()
    }
    catalogs = Catalogs(upstreams, lambda each: each, lambda _: True, share=files.share, relations=files.relations)
    late = [0.0]

    async def beat() -> None:
        while True:
            began = time.perf_counter()
            await anyio.sleep(0.005)
            late.append(time.perf_counter() - began - 0.005)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat)
        began = time.perf_counter()
        tasks.start_soon(catalogs.run)
        await catalogs.settled(300)
        took = time.perf_counter() - began
        tasks.cancel_scope.cancel()
    return took, len(catalogs.catalog), max(late)


def _cut(document: dict[str, Any]) -> bytes:
    paths: dict[str, Any] = {}
    left = WANTED
    for path, item in document["paths"].items():
        methods = sum(key in ("get", "put", "post", "delete", "patch") for key in item)
        if methods <= left:
            paths[path] = item
            left -= methods
    return json.dumps({**document, "paths": paths}).encode()


def latency() -> Iterator[Figure]:
    """Queries of the judged set over the corpus of 10,270 operations."""
    operations = corpus(data_file("corpora", "openapi-mega.jsonl.gz"))
    queries = [json.loads(line)["query"] for line in data_file("dev", "queries.jsonl").read_text().splitlines()]
    began = time.perf_counter()
    built = Index.build(operations)
    building = time.perf_counter() - began
    took = []
    for query in queries[::3]:
        began = time.perf_counter()
        built.search(query, 8)
        took.append((time.perf_counter() - began) * 1000)
    yield Figure(f"search over {len(operations):,} operations, p50", median(took), "ms", target=5, detail=spread(took))
    yield Figure(f"search over {len(operations):,} operations, p99", percentile(took, 99), "ms")
    yield Figure(f"index of {len(operations):,} operations", building, "s")


def corpus(path: Path) -> list[Operation]:
    """The operations of a search corpus: as much of them as an index reads."""
    by_server: dict[str, list[dict[str, Any]]] = {}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        entry = json.loads(line)
        by_server.setdefault(entry["server"], []).append(entry)
    return [
        _operation(operation_id, entry)
        for server, entries in by_server.items()
        for operation_id, entry in zip(
            operation_ids(upstream_name(server), [entry["name"] for entry in entries]), entries, strict=True
        )
    ]


def _operation(operation_id: str, entry: dict[str, Any]) -> Operation:
    properties = (entry.get("parameters") or {}).get("properties") or {}
    names = parameter_names([(wire, "argument") for wire in properties])
    return Operation(
        id=operation_id,
        upstream=operation_id.partition(".")[0],
        original=entry["name"],
        effect=Effect.READ,
        parameters=tuple(
            Parameter(
                name, wire, "argument", required=False, schema=schema, description=schema.get("description") or ""
            )
            for name, (wire, schema) in zip(names, properties.items(), strict=True)
        ),
        summary=entry.get("summary") or "",
        description=entry.get("description") or "",
        route=Route(entry["method"], entry["path"]) if entry.get("path") else None,
        tags=tuple(entry.get("tags") or ()),
    )


def quality() -> Iterator[Figure]:
    """The judged queries, ranked by the production index and scored by the data's own script."""
    queries = data_file("dev", "queries.jsonl")
    if not (ROOT / "tests" / "search_quality" / "run.py").exists():
        raise NotMeasured("tests/search_quality/run.py is not there")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run.jsonl"
        ranked = [sys.executable, "-m", "tests.search_quality.run", "--queries", str(queries)]
        ranked += ["--corpora", str(data_file("corpora")), "--out", str(run)]
        subprocess.run(ranked, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        scored = [sys.executable, str(data_file("scripts", "evaluate.py")), str(queries), str(run)]
        table = subprocess.run(scored, check=True, capture_output=True, text=True).stdout
    rows = {
        line.split()[0]: [float(word) for word in re.findall(r"\d\.\d{3}", line)] for line in table.splitlines()[1:]
    }
    recall, gain = rows["MACRO"][1], rows["MACRO"][3]
    large = [values for name, values in rows.items() if name.endswith("@mega")]
    yield Figure("recall@5, macro over sources", recall, "", target=0.82, at_least=True)
    yield Figure("nDCG@10, macro over sources", gain, "", target=0.76, at_least=True)
    if large:
        mean = [sum(column) / len(large) for column in zip(*large, strict=True)]
        yield Figure("recall@5 among 10,270 operations", mean[1], "", target=0.86, at_least=True)
        yield Figure("nDCG@10 among 10,270 operations", mean[3], "", target=0.80, at_least=True)


BENCHMARKS = (
    Benchmark("index", "an index from an OpenAPI document", index),
    Benchmark("documents", "catalogs of real documents, made and opened", documents),
    Benchmark("latency", "search over 10,000 operations", latency),
    Benchmark("quality", "the ranking against judged queries", quality),
)
