"""Queries of one API asked of a catalog without it: the right answer is that nothing matches."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from isthmus.catalog.index import Index
from isthmus.model import Operation
from tests.search_quality.everyday import TOGETHER, apis_of, operations_of, service
from tests.search_quality.judged import Record, operations, read_lines

APIS = ("tmdb", "spotify", "cloudflare", "servicenow", "wapii", "toolalpaca")
"""Corpora of known APIs. The others are collections in which a query may well find what it was not made for."""

EACH = 4
"""Catalogs that each query is asked of."""

MIXED = {
    "docusign": ("platforms", "tools"),
    "mailchimp": ("tools",),
    "openai": ("platforms", "tools"),
    "plaid": ("platforms", "tools"),
    "spotify": ("platforms", "tools"),
    "stripe": ("tools",),
    "tmdb": ("services", "tools"),
    "toolalpaca": ("platforms", "services", "tools"),
    "twilio": ("tools",),
    "zoom": ("tools",),
}
"""By an API, groups of others that are searched together and have nothing for what is asked of it."""

FEW = 5
"""APIs, and operations of each at most, in a small catalog."""

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


def mixed_pairs(queries: Sequence[Record]) -> Iterator[tuple[Record, str, bool]]:
    """Each query with groups of APIs that have nothing for it, and whether that is only likely."""
    for query in queries:
        own = query.get("api") or (
            "toolalpaca" if query["corpus"] == "toolalpaca" else query["relevant"][0].partition(":")[0]
        )
        if not query["source"].endswith(("@mega", "@mixed")):
            yield from ((query, group, False) for group in MIXED.get(own, ()))
            if own not in MIXED and "api" not in query and query["corpus"] not in APIS:
                yield query, sorted(TOGETHER)[zlib.crc32(query["id"].encode()) % len(TOGETHER)], True


def offers(data: Path) -> dict[str, list[Operation]]:
    """The operations of the everyday APIs, by API; of one that is in several groups, of the first."""
    found: dict[str, list[Operation]] = {}
    for group, apis in TOGETHER.items():
        for api in apis:
            if service(api) not in found:
                found[service(api)] = [each for each, _ in operations_of(data, group, api)]
    return found


def small(query: Record, right: Sequence[Operation], offered: Mapping[str, Sequence[Operation]]) -> Iterator[Index]:
    """A catalog of a few operations of others, that has nothing for a query; and the same with what is right for it.

    Few have so little to offer that everything else about them is the same.
    """
    random = Random(f"{query['source']} {query['query']}")
    names = random.sample(sorted(set(offered) - apis_of(query) - {each.upstream for each in right}), FEW)
    others = [each for name in names for each in random.sample(offered[name], min(FEW, len(offered[name])))]
    del others[random.randint(FEW, len(others)) :]
    yield Index.build(others)
    yield Index.build([*others, *right])
