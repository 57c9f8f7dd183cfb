"""FastMCP's search transforms over the tools of a search corpus; a deed's count is the place of a judged query.

`bm25` and `regex` rank, as the transforms' search tools do; `bm25_answer` and `regex_answer` are those tools, called
by a client in memory. A regular expression is what a model would make of a query: its words, any of them.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastmcp import Client, FastMCP  # type: ignore[import-not-found]  # installed in a venv of its own
from fastmcp.server.transforms.search import (  # type: ignore[import-not-found]
    BM25SearchTransform,
    RegexSearchTransform,
)
from fastmcp.tools.base import Tool, ToolResult  # type: ignore[import-not-found]
from tests.benchmarks.drivers.turns import Deed, serve


class Listed(Tool):  # type: ignore[misc]
    """A tool that is found, and never called."""

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Nothing."""
        raise NotImplementedError


def tools(path: Path) -> list[Tool]:
    """The operations of a corpus, as FastMCP makes tools of a document: their name and their description or summary."""
    records = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    return [
        Listed(
            name=re.sub(r"[^\w.-]", "_", f"{record['server']}_{number}_{record['name']}")[:128],
            description=record.get("description") or record.get("summary") or "",
            parameters=record.get("parameters") or {"type": "object"},
        )
        for number, record in enumerate(records)
    ]


def words(query: str) -> str:
    """Any of the words of a query, as a regular expression."""
    return "|".join(map(re.escape, re.findall(r"\w{3,}", query))) or re.escape(query)


def timed(work: Callable[[str], Awaitable[object]], queries: list[str]) -> Deed:
    """A deed that does some work for one of the queries, in milliseconds of a processor."""

    async def done(place: int) -> float:
        began = time.process_time()
        await work(queries[place])
        return (time.process_time() - began) * 1000

    return done


async def main() -> None:
    """Make the servers, and take turns."""
    every, lines = tools(Path(sys.argv[1])), Path(sys.argv[2]).read_text().splitlines()
    queries = [json.loads(line)["query"] for line in lines]
    deeds: dict[str, Deed] = {}
    for name, transform, asked in (
        ("bm25", BM25SearchTransform, str),
        ("regex", RegexSearchTransform, words),
    ):
        ranking, server = transform(), FastMCP("rival")
        for tool in every:
            server.add_tool(tool)
        server.add_transform(transform())

        async def rank(query: str, ranking: Any = ranking, asked: Any = asked) -> object:
            return await ranking._search(every, asked(query))

        async def answer(query: str, server: Any = server, asked: Any = asked, name: str = name) -> object:
            argument = "query" if name == "bm25" else "pattern"
            async with Client(server) as client:
                return await client.call_tool("search_tools", {argument: asked(query)})

        deeds |= {name: timed(rank, queries), f"{name}_answer": timed(answer, queries)}
    await serve(deeds)


if __name__ == "__main__":
    asyncio.run(main())
