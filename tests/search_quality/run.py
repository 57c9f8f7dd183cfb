"""Ranks judged queries with the production index: measure what a change of the ranking is worth.

    python tests/search_quality/run.py --queries dev/queries.jsonl --corpora corpora --out run.jsonl

A corpus is a gzipped file of lines `{id, name, server, description, parameters[, method, path, summary, tags,
category]}`; a query is `{id, corpus, query, relevant}`. The run has a line `{"id", "ranked"}` for each query.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in ("server", "wasm_runtime", ".")]

from isthmus.catalog.index import Index  # noqa: E402
from tests.search_quality.judged import Record, operations, read_lines  # noqa: E402


def rank(queries: list[Record], corpora: Path, limit: int) -> Iterator[tuple[Record, list[str], float]]:
    """Each query with the ids that were found for it, best first, and the milliseconds that it took."""
    by_corpus: dict[str, list[Record]] = defaultdict(list)
    for query in queries:
        by_corpus[query["corpus"]].append(query)
    for corpus, asked in by_corpus.items():
        pairs = list(operations(read_lines(corpora / f"{corpus}.jsonl.gz")))
        known = {each.id: judged for judged, each in pairs}
        started = time.perf_counter()
        index = Index.build([each for _, each in pairs])
        print(f"{corpus}: {len(index):,} operations, built in {time.perf_counter() - started:.2f} s", file=sys.stderr)
        for query in asked:
            started = time.perf_counter()
            found = index.search(query["query"], limit)
            yield query, [known[hit.operation.id] for hit in found.hits], (time.perf_counter() - started) * 1000


def main() -> None:
    """Read the arguments, rank, and write the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=10)
    arguments = parser.parse_args()
    times: list[float] = []
    with arguments.out.open("w") as out:
        for query, ranked, ms in rank(read_lines(arguments.queries), arguments.corpora, arguments.limit):
            times.append(ms)
            out.write(json.dumps({"id": query["id"], "ranked": ranked}) + "\n")
    times.sort()
    print(f"{len(times):,} queries, p50 {times[len(times) // 2]:.1f} ms, max {times[-1]:.1f} ms", file=sys.stderr)


if __name__ == "__main__":
    main()
