"""The judged queries, the operations that they are asked of, and how an answer to them is scored."""

import gzip
import json
import math
import re
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in ("server", "wasm_runtime")]

from isthmus.catalog.index import Index  # noqa: E402
from isthmus.catalog.names import operation_ids, parameter_names  # noqa: E402
from isthmus.model import Effect, Operation, Parameter, Route  # noqa: E402

Record = dict[str, Any]


def read_lines(path: Path) -> list[Record]:
    """The records of a file of JSON lines, gzipped or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


def operations(corpus: Iterable[Record]) -> Iterator[tuple[str, Operation]]:
    """The operations of a corpus with the ids that judgements use."""
    servers: dict[str, list[Record]] = defaultdict(list)
    for record in corpus:
        servers[record.get("server") or "tools"].append(record)
    for server, records in servers.items():
        ids = operation_ids(server, [record["name"] or f"{record['method']} {record['path']}" for record in records])
        for full, record in zip(ids, records, strict=True):
            yield record["id"], operation(server, full, record)


def asked(queries: Sequence[Record], corpora: Path) -> Iterator[tuple[Record, Index, Mapping[str, str]]]:
    """Every query, with the index of its corpus, and the ids that judgements use by those of its operations."""
    for corpus in sorted({query["corpus"] for query in queries}):
        pairs = list(operations(read_lines(corpora / f"{corpus}.jsonl.gz")))
        index, judged = Index.build([each for _, each in pairs]), {each.id: own for own, each in pairs}
        for query in queries:
            if query["corpus"] == corpus:
                yield query, index, judged


def operation(server: str, full: str, record: Record) -> Operation:
    """One record as an upstream would give it."""
    properties = flattened(record.get("parameters") or {})
    names = parameter_names([(wire, "argument") for wire in properties])
    return Operation(
        id=full,
        upstream=server,
        original=record["name"],
        effect=Effect.READ,
        parameters=tuple(
            Parameter(name, wire, "argument", required, each, str(each.get("description") or ""))
            for name, (wire, (each, required)) in zip(names, properties.items(), strict=True)
        ),
        summary=record.get("summary") or "",
        description=record.get("description") or "",
        route=Route(record["method"], record["path"]) if record.get("path") else None,
        tags=tuple(str(tag) for tag in [*(record.get("tags") or []), record.get("category") or ""] if tag),
    )


def flattened(schema: Record) -> dict[str, tuple[Record, bool]]:
    """The properties of an input, those of a body among the others, each with whether it is required."""
    required = schema.get("required") or []
    properties: dict[str, tuple[Record, bool]] = {}
    for wire, each in (schema.get("properties") or {}).items():
        if wire == "body" and isinstance(each, dict) and isinstance(each.get("properties"), dict):
            properties |= flattened(each)
        elif isinstance(each, dict):
            properties[wire] = (each, wire in required)
    return properties


def family(source: str) -> str:
    """The sources that were made alike, or ask of one corpus: they are left out together.

    >>> family("wapii-asana@mega"), family("livemcp-llmquery-silver")
    ('wapii', 'livemcp')
    """
    return re.split(r"[-@]", source, maxsplit=1)[0]


def fifth(query: Record) -> str:
    """One of five folds by the words of a query: the twins of `@mega` fall into the same."""
    return str(zlib.crc32(query["query"].partition(" (using the ")[0].encode()) % 5)


def recall(ranked: Sequence[str], relevant: set[str], at: int = 5) -> float:
    """The part of the relevant ids among the first."""
    return len(relevant & set(ranked[:at])) / len(relevant)


def ndcg(ranked: Sequence[str], relevant: set[str], at: int = 10) -> float:
    """How early the relevant ids stand among the first, against as early as could be."""
    gain = sum(1 / math.log2(place + 2) for place, each in enumerate(ranked[:at]) if each in relevant)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(at, len(relevant))))


def by_source(queries: Iterable[Record], ranked: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, float, float]]:
    """For each source the number of its queries, and their mean recall at 5 and nDCG at 10."""
    measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for query in queries:
        answer, relevant = ranked[query["id"]], set(query["relevant"])
        measured[query["source"]].append((recall(answer, relevant), ndcg(answer, relevant)))
    return {source: (len(each), *_means(each)) for source, each in sorted(measured.items())}


def headline(sources: Mapping[str, tuple[int, float, float]], mega: bool = False) -> tuple[float, float]:
    """The means over sources: of all, or of those that ask of the corpus of 10,270 operations."""
    return _means([each[1:] for source, each in sources.items() if not mega or source.endswith("@mega")])


def _means(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    one, other = (sum(column) / max(len(pairs), 1) for column in zip(*pairs, strict=True)) if pairs else (0.0, 0.0)
    return one, other
