"""Queries of one API asked of a catalog without it: the right answer is that nothing matches."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from isthmus.catalog.index import Index
from tests.search_quality.judged import Record, operations, read_lines

APIS = ("tmdb", "spotify", "cloudflare", "servicenow", "wapii", "toolalpaca")
"""Corpora of known APIs. The others are collections in which a query may well find what it was not made for."""

EACH = 4
"""Catalogs that each query is asked of."""

STRANGE = "openapi-mega"
"""The corpus of many APIs, for strange catalogs: to learn from more of them than those that are measured."""


def catalogs(corpora: Path) -> dict[str, Index]:
    """An index for each API; those of `toolalpaca` are small, and stand together."""
    records: dict[str, list[Record]] = {}
    for corpus in APIS:
        for record in read_lines(corpora / f"{corpus}.jsonl.gz"):
            name = corpus if corpus == "toolalpaca" else record["server"]
            records.setdefault(name, []).append(record)
    return {name: Index.build([each for _, each in operations(found)]) for name, found in records.items()}


def pairs(queries: Sequence[Record], names: Sequence[str]) -> Iterator[tuple[Record, str]]:
    """Each query of such an API with names of catalogs that have nothing for it: always the same, for each others."""
    for query in queries:
        own = "toolalpaca" if query["corpus"] == "toolalpaca" else query["relevant"][0].partition(":")[0]
        if query["corpus"] in APIS and own in names:
            others = sorted(set(names) - {own}, key=lambda name: zlib.crc32(f"{query['id']} {name}".encode()))
            yield from ((query, name) for name in others[:EACH])


def strangers(corpora: Path) -> dict[str, Index]:
    """An index for each API that no judged query is about."""
    asked = {each["server"] for corpus in APIS for each in read_lines(corpora / f"{corpus}.jsonl.gz")}
    records: dict[str, list[Record]] = {}
    for record in read_lines(corpora / f"{STRANGE}.jsonl.gz"):
        records.setdefault(record["server"], []).append(record)
    return {
        name: Index.build([each for _, each in operations(found)])
        for name, found in records.items()
        if name not in asked
    }


def strange_pairs(queries: Sequence[Record], names: Sequence[str]) -> Iterator[tuple[Record, str]]:
    """Each query, whatever it is about, with names of strange catalogs: few have anything for it."""
    for query in queries:
        order = sorted(names, key=lambda name: zlib.crc32(f"{query['id']} {name}".encode()))
        yield from ((query, name) for name in order[:EACH])
