"""The corpora of the judged queries as catalogs, with real documents in place of their records where there are any."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from isthmus.catalog.catalog import Catalog
from isthmus.catalog.index import Index
from isthmus.catalog.names import operation_ids, upstream_name
from isthmus.model import Effect, Operation, Route, SchemaDocument, UpstreamSnapshot, UpstreamState
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from tests.simulators.operations import parameters_of

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Corpus:
    """A catalog, and the ids by which judgements know its operations."""

    catalog: Catalog
    judged: Mapping[str, str]  # operation ids to those of the judgements

    @cached_property
    def index(self) -> Index:
        return Index.build(self.catalog.operations)

    @cached_property
    def snapshots(self) -> dict[str, UpstreamSnapshot]:
        return {name: UpstreamSnapshot(name, UpstreamState.READY) for name in self.catalog.upstreams}


def read_corpus(path: Path, specs: Path) -> Corpus:
    """One corpus. Operations come from the document of their server where `specs` has it, else from their record."""
    servers: dict[str, list[Record]] = defaultdict(list)
    for line in gzip.decompress(path.read_bytes()).splitlines():
        record = json.loads(line)
        servers[record.get("server") or "tools"].append(record)
    made = [pair for server, records in servers.items() for pair in _operations(server, records, specs)]
    return Corpus(Catalog.build(operation for operation, _ in made), {one.id: judged for one, judged in made})


def _operations(server: str, records: list[Record], specs: Path) -> Iterable[tuple[Operation, str]]:
    upstream = upstream_name(server)
    ids = operation_ids(upstream, [one["name"] or f"{one['method']} {one['path']}" for one in records])
    documented = _documented(upstream, specs / f"{server}.json.gz")
    for full, record in zip(ids, records, strict=True):
        found = documented.get((record.get("method"), record.get("path")))
        yield (replace(found, id=full) if found else _recorded(upstream, full, record)), record["id"]


def _documented(upstream: str, path: Path) -> dict[tuple[Any, Any], Operation]:
    if not path.exists():
        return {}
    compiled = compile_operations(read_document(path.read_bytes(), path.name), upstream)
    return {(one.route.method, one.route.path): one for one in compiled.operations if one.route}


def _recorded(upstream: str, full: str, record: Record) -> Operation:
    schema = record.get("parameters") or {}
    properties = {name: one for name, one in (schema.get("properties") or {}).items() if isinstance(one, dict)}
    method = record.get("method")
    return Operation(
        id=full,
        upstream=upstream,
        original=record["name"],
        effect=Effect.WRITE if method not in (None, "GET") else Effect.READ,
        parameters=parameters_of({**schema, "properties": properties}, "query" if method else "argument"),
        summary=record.get("summary") or "",
        description=record.get("description") or "",
        document=SchemaDocument(schema),
        route=Route(method or "GET", record["path"]) if record.get("path") else None,
        tags=tuple(str(tag) for tag in [*(record.get("tags") or []), record.get("category") or ""] if tag),
    )
