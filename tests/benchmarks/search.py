"""Index and search: how long they take on thousands of operations, and how good the ranking is."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

from isthmus.catalog.catalog import Catalog
from isthmus.catalog.index import Index
from isthmus.catalog.names import operation_ids, parameter_names, upstream_name
from isthmus.model import Effect, Operation, Parameter, Route, UpstreamSnapshot, UpstreamState
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from isthmus.service.search import search
from tests.benchmarks.frame import ROOT, Benchmark, Figure, NotMeasured, data_file, median, percentile, spread
from tests.benchmarks.servers import ENVIRONMENT

WANTED = 2500
OPENED = 5
"""Times that catalogs are opened: the least counts, since other work on the machine only adds."""


def index() -> Iterator[Figure]:
    """The first 2,500 operations of Microsoft Graph: from the document's text to an index that answers."""
    text = first_of_graph()
    took = []
    for _ in range(3):
        began = time.perf_counter()
        compiled = compile_operations(read_document(text, "msgraph.json"), "graph")
        catalog = Catalog.build(compiled.operations)
        built = Index.build(compiled.operations)
        took.append(time.perf_counter() - began)
        if not built.search("create a chat", 5).hits:
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
        for name, cold, most in (("cloudflare", 5.0, None), ("msgraph", 40.0, 1500.0)):
            yield from _kept(name, {name: specs / f"{name}.json.gz"}, Path(folder) / name, cold, None, most)
        every = {upstream_name(path.name.partition(".")[0]): path for path in sorted(specs.glob("*.json.gz"))}
        yield from _kept("all documents", every, Path(folder) / "every", None, 2.0)


def _kept(
    what: str,
    paths: Mapping[str, Path],
    folder: Path,
    cold: float | None,
    warm: float | None,
    most: float | None = None,
) -> Iterator[Figure]:
    """From the start of a process that makes the catalogs until all can be searched; and of some that open them.

    `cold` and `warm` are how many seconds that may take, `most` how many megabytes the making.
    """
    took, made = _opening(paths, folder)
    detail = (
        f"{made['operations']:,} operations, the event loop at most {made['late_ms']:.0f} ms late; "
        f"{made['processor_s'] + made['children_s']:.1f} s of a processor, its children's included"
    )
    yield Figure(f"{what}, made until all can be searched", took, "s", target=cold, detail=detail)
    yield Figure(f"{what}, made: the largest process", max(made["own_mb"], made["child_mb"]), "MB", target=most)
    took, opened = min((_opening(paths, folder) for _ in range(OPENED)), key=itemgetter(0))
    detail = f"the least of {OPENED}; {opened['processor_s']:.2f} s of a processor"
    yield Figure(f"{what}, opened until all can be searched", took, "s", target=warm, detail=detail)
    yield from _searched(opened)


def _searched(opened: Mapping[str, Any]) -> Iterator[Figure]:
    """Memory and latency of a process that opened catalogs, where they are of a size that has targets."""
    many, searches = opened["operations"], opened["search_ms"]
    of_10_000 = 10_000 <= many < 15_000
    yield Figure(f"{many:,} operations, searched: memory", opened["own_mb"], "MB", target=200 if of_10_000 else None)
    if many >= 10_000:
        p50, p99 = median(searches), percentile(searches, 99)
        yield Figure(f"{many:,} operations, p50", p50, "ms", target=5 if of_10_000 else 10, detail=spread(searches))
        yield Figure(f"{many:,} operations, p99", p99, "ms", target=20 if of_10_000 else None)


def _opening(paths: Mapping[str, Path], folder: Path) -> tuple[float, dict[str, Any]]:
    """Seconds from a process's start until all documents can be searched, and all that it says; see `opening`."""
    code = "import gc; gc.disable(); from tests.benchmarks import opening; opening.main()"
    command = [sys.executable, "-c", code, str(folder), str(data_file("dev", "queries.jsonl"))]
    began = time.perf_counter()
    documents = [f"{name}={path}" for name, path in paths.items()]
    with subprocess.Popen([*command, *documents], cwd=ROOT, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout
        ready = process.stdout.readline()
        took = time.perf_counter() - began
        searched = process.stdout.readline()
    if process.returncode or not searched:
        raise RuntimeError(f"the process that opens catalogs ended with {process.returncode}")
    return took, json.loads(ready) | json.loads(searched)


def first_of_graph() -> bytes:
    """The document of the first 2,500 operations of Microsoft Graph."""
    document = json.loads(gzip.decompress(data_file("specs", "msgraph.json.gz").read_bytes()))
    paths: dict[str, Any] = {}
    left = WANTED
    for path, item in document["paths"].items():
        methods = sum(key in ("get", "put", "post", "delete", "patch") for key in item)
        if methods <= left:
            paths[path] = item
            left -= methods
    return json.dumps({**document, "paths": paths}).encode()


def latency() -> Iterator[Figure]:
    """Queries of the judged set over the corpus of 10,270 operations, each once, in milliseconds of a processor."""
    operations = corpus(data_file("corpora", "openapi-mega.jsonl.gz"))
    queries = [json.loads(line)["query"] for line in data_file("dev", "queries.jsonl").read_text().splitlines()][::3]
    began = time.perf_counter()
    index = Index.build(operations)
    building = time.perf_counter() - began
    catalog = searchable(operations)
    snapshots = {name: UpstreamSnapshot(name, UpstreamState.READY) for name in catalog.upstreams}
    over = f"search over {len(operations):,} operations"
    answered = [processor_ms(search, catalog, index, snapshots, query) for query in queries]
    yield Figure(f"{over}, p50", median(answered), "ms", target=5, detail=spread(answered))
    yield Figure(f"{over}, p99", percentile(answered, 99), "ms", target=20)
    ranked = [processor_ms(index.search, query) for query in queries]
    yield Figure(f"{over}, ranking alone, p50", median(ranked), "ms", detail=spread(ranked))
    odd = {"the map": "", "a glob": "*list*", "nothing": "zzqqxy plorfgh", "18 KB": "what is this " + "aB3/" * 4500}
    for what, query in odd.items():
        took = [processor_ms(search, catalog, index, snapshots, query) for _ in range(OPENED)]
        yield Figure(f"{over}, {what}", median(took), "ms", target=20, detail=spread(took))
    yield Figure(f"index of {len(operations):,} operations", building, "s")


def searchable(operations: list[Operation]) -> Catalog:
    """Their catalog, with what a server has ready before it is asked."""
    catalog = Catalog.build(operations)
    for name in catalog.upstreams:
        catalog.common(name)
    catalog.meant("a/name", catalog.upstreams)
    return catalog


def processor_ms(work: Callable[..., object], *given: object) -> float:
    """Milliseconds of a processor that some work takes."""
    began = time.process_time()
    work(*given)
    return (time.process_time() - began) * 1000


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
