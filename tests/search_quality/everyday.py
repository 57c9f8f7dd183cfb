"""Queries as people and models say them, of services that many use: written and judged for this project.

The judged queries of the test data are sentences of data sets; these are what an agent types and what its user wishes.
A line of `everyday.jsonl` has an API, a query, and the operations that would be right: `METHOD /path` of an OpenAPI
document, or the name of a tool. Another API's that are as right stand there as `api: METHOD /path`. Each is asked of
its own API alone, and of that and others together. From those of `unseen.jsonl`, by another author, nothing is ever
learned: they are there to measure.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from isthmus.catalog.index import Index
from isthmus.catalog.names import upstream_name
from isthmus.model import Operation
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from tests.search_quality.judged import Record, operations, read_lines
from tests.simulators.operations import operations_of_tools

Named = tuple[Operation, str]
"""An operation, and its name in judgements."""

QUERIES = Path(__file__).with_name("everyday.jsonl")
UNSEEN = Path(__file__).with_name("unseen.jsonl")
TOGETHER = {
    "services": (
        "digitalocean", "gcalendar", "gdrive", "github", "gmail", "kubernetes", "mailchimp", "notion", "openai",
        "slack", "spotify", "stripe", "trello", "twilio__api_v2010",
    ),
    "platforms": (
        "asana", "circleci", "clickup", "cloudflare", "discourse", "gitlab", "linode", "msgraph", "netlify",
        "sendgrid", "tmdb",
    ),
    "tools": (
        "arxiv", "atlassian", "aws-api", "brave-search", "chrome-devtools", "circleci", "context7", "excel", "fetch",
        "filesystem", "firecrawl", "git", "github", "gitlab", "google-maps", "kubernetes", "memory", "mongodb",
        "notion", "office-word", "playwright", "sequential-thinking", "slack", "tavily", "time",
    ),
    "catalogs": (
        "asana", "box", "circleci", "cloudflare", "digitalocean", "docusign", "gcalendar", "gcompute", "gdrive",
        "github", "gitlab", "gmail", "gsheets", "jira", "kubernetes", "linode", "netlify", "notion", "openai", "plaid",
        "sendgrid", "slack", "spotify", "stripe", "tmdb", "trello", "twilio", "vercel", "zoom",
    ),
}  # fmt: skip
"""The APIs that are searched together: MCP servers (`tools`), those of a corpus (`catalogs`), OpenAPI documents."""


def asked_everyday(data: Path, file: Path = QUERIES) -> Iterator[tuple[Record, Index, Mapping[str, str]]]:
    """Every query of a file twice, with an index, and the names in judgements of its operations by their ids.

    Its source is `everyday-GROUP` where it is asked of its own API, `everyday-GROUP@mixed` where of the whole group.
    """
    queries = read_lines(file)
    for group in sorted({query["group"] for query in queries}):
        apis = TOGETHER[group]
        named = {api: operations_of(data, group, api) for api in apis}
        own = [query for query in queries if query["group"] == group]
        yield from _asked(own, named, f"everyday-{group}@mixed")
        for api in sorted({query["api"] for query in own}):
            alone = [query for query in own if query["api"] == api]
            yield from _asked(alone, {api: named[api]}, f"everyday-{group}")


def everyday_queries() -> list[Record]:
    """The queries as they stand in the file, each with its group as its source."""
    return [{**each, "id": each["query"], "source": f"everyday-{each['group']}"} for each in read_lines(QUERIES)]


def together(data: Path) -> dict[str, Index]:
    """An index of each group."""
    return {
        group: Index.build([operation for api in apis for operation, _ in operations_of(data, group, api)])
        for group, apis in TOGETHER.items()
    }


def service(api: str) -> str:
    """The service of an API, of which there may be several documents: `twilio` of `twilio__api_v2010`."""
    return api.partition("__")[0]


def apart(query: Record) -> str:
    """One of five folds by the API that an everyday query is about: what is learned of one does not help its own."""
    return str(zlib.crc32(service(query["api"]).encode()) % 5)


def apis_of(query: Record) -> set[str]:
    """The names, as those of upstreams, of the APIs that have something for a query."""
    return {service(each.partition(":")[0]) for each in query["relevant"]}


def _asked(
    queries: Sequence[Record], named: Mapping[str, Sequence[Named]], source: str
) -> Iterator[tuple[Record, Index, Mapping[str, str]]]:
    index = Index.build([operation for each in named.values() for operation, _ in each])
    judged = {operation.id: f"{api}: {name}" for api, each in named.items() for operation, name in each}
    known = set(judged.values())
    for place, query in enumerate(queries):
        relevant = [each if ": " in each else f"{query['api']}: {each}" for each in query["relevant"]]
        there = [each for each in relevant if each in known]
        yield {**query, "id": f"{source} {query['api']} {place}", "source": source, "relevant": there}, index, judged


@cache
def operations_of(data: Path, group: str, api: str) -> list[Named]:
    """The operations of an API, each with its name in judgements."""
    if group == "tools":
        tools = json.loads((data / "mcp" / f"{api}.json").read_text())["tools"]
        return [(each, each.original) for each in operations_of_tools(api, tools)]
    if group == "catalogs":
        records = [each for each in _mega(data) if each["server"] == api]
        return [
            (each, f"{record['method'].upper()} {record['path']}")
            for record, (_, each) in zip(records, operations(records), strict=True)
        ]
    text = gzip.decompress((data / "specs" / f"{api}.json.gz").read_bytes())
    compiled = compile_operations(read_document(text, api), upstream_name(service(api)))
    return [(each, f"{each.route.method.upper()} {each.route.path}") for each in compiled.operations if each.route]


@cache
def _mega(data: Path) -> list[Record]:
    return read_lines(data / "corpora" / "openapi-mega.jsonl.gz")
