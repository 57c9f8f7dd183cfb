"""What one search answers on the judged queries: its tokens, and whether all that a task needs is in it.

    python -m tests.search_answers                      all queries, quantiles by source
    python -m tests.search_answers restbench livemcp    sources whose names begin so
    python -m tests.search_answers tmdb --show 5        and the first answers themselves

Tokens are o200k's. Of the queries that need several operations, `found` is the share of those all of whose operations
are hits of one answer; `+ from` counts also what a line under a hit names as the source of an identifier.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.service.search import search
from tests.search_answers.corpora import Corpus, read_corpus
from tests.simulators.o200k import count_tokens

ROOT = Path(__file__).resolve().parents[2]
_HIT = re.compile(r"^# ([a-z0-9_.]+)(?: \[|\()", re.MULTILINE)
_SOURCE = re.compile(r"^# \S+: from ([a-z0-9_.]+)\(", re.MULTILINE)


@dataclass
class Tally:
    """One source of queries."""

    tokens: list[int] = field(default_factory=list)
    several: int = 0  # queries that need more than one operation
    found: int = 0
    chained: int = 0

    def add(self, other: Tally) -> None:
        self.tokens += other.tokens
        self.several += other.several
        self.found += other.found
        self.chained += other.chained

    def line(self, name: str) -> str:
        shares = f"{self.found / self.several:7.3f} {self.chained / self.several:7.3f}" if self.several else ""
        quantiles = "".join(f"{quantile(self.tokens, part):7,}" for part in (0.5, 0.9, 0.99, 1.0))
        return f"{name:32}{len(self.tokens):7,}{quantiles}{self.several:8,} {shares}"


def quantile(values: list[int], part: float) -> int:
    """The value below which a part of all lie; 1.0 is the greatest."""
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]


def main() -> None:
    """Read the arguments, search, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*")
    parser.add_argument("--show", type=int, default=0, help="answers of each source that are printed")
    parser.add_argument("--budget", type=int, default=1200, help="tokens of one answer at most")
    chosen = parser.parse_args()
    data = Path(os.environ.get("ISTHMUS_TEST_DATA", ROOT.parent / "shared" / "data"))
    by_corpus: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in (data / "dev" / "queries.jsonl").read_text().splitlines():
        query = json.loads(line)
        if not chosen.sources or query["source"].startswith(tuple(chosen.sources)):
            by_corpus[query["corpus"]].append(query)
    tallies: dict[str, Tally] = defaultdict(Tally)
    for name, queries in by_corpus.items():
        corpus = read_corpus(data / "corpora" / f"{name}.jsonl.gz", data / "specs")
        for query in queries:
            tally = tallies[query["source"]]
            text = ask(corpus, query, tally, chosen.budget)
            if len(tally.tokens) <= chosen.show:
                print(f"{'=' * 100}\n{query['query']}\n{query['relevant']}, {tally.tokens[-1]} tokens\n\n{text}\n")
    print(f"{'':32}queries    p50    p90    p99    most several   found  + from")
    total = Tally()
    for source, tally in sorted(tallies.items()):
        print(tally.line(source))
        total.add(tally)
    print(total.line("all"))


def ask(corpus: Corpus, query: dict[str, Any], tally: Tally, budget: int) -> str:
    """One query, answered and counted."""
    text = search(corpus.catalog, corpus.index, corpus.snapshots, query["query"], budget_tokens=budget)
    tally.tokens.append(count_tokens(text))
    if len(query["relevant"]) > 1:
        relevant = set(query["relevant"])
        hits = {corpus.judged[one] for one in _HIT.findall(text) if one in corpus.judged}
        sources = {corpus.judged[one] for one in _SOURCE.findall(text) if one in corpus.judged}
        tally.several += 1
        tally.found += relevant <= hits
        tally.chained += relevant <= hits | sources
    return text


if __name__ == "__main__":
    main()
