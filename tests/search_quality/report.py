"""Prints how good search is: quality for each source of judged queries, refusals, latency, memory and build times.

    python -m tests.search_quality.report [--data DATA]

Run it from the root of the repository, with `server` and `wasm_runtime` on PYTHONPATH. What is printed is of the
ranking as it is shipped, which was learned from these very queries: for honest figures leave sources out, as
`python -m tests.search_quality.train` does (it also measures what each group of signals is worth, with `--ablate`)
and, for where nothing matches, `python -m tests.search_quality.nothing`.
"""

import argparse
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path

from isthmus.catalog.index import Index
from isthmus.model import Operation
from tests.search_quality.crossed import APIS, catalogs, pairs
from tests.search_quality.everyday import QUERIES, UNSEEN, asked_everyday
from tests.search_quality.judged import Record, by_source, headline, operations, read_lines
from tests.search_quality.run import rank

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
LARGEST = "openapi-mega"
BASELINES = {
    "FastMCP 4.1.2 BM25": (0.635, 0.580, 0.659, 0.594),
    "tantivy 0.27": (0.685, 0.628, 0.745, 0.683),
    "bm25s, split and stemmed": (0.724, 0.662, 0.746, 0.677),
    "the same, fields weighted": (0.737, 0.681, 0.756, 0.694),
    "all-MiniLM-L6-v2 (transformer)": (0.743, 0.687, 0.788, 0.711),
    "the last two fused": (0.783, 0.727, 0.824, 0.761),
}
"""Others on the same queries: recall at 5 and nDCG at 10 over all sources, and over those of `@mega`."""


def quality(queries: Sequence[Record], corpora: Path) -> dict[str, list[str]]:
    """Print recall and nDCG for each source, and the headlines beside the baselines; return the answers."""
    answers = {query["id"]: found for query, found, _ in rank(list(queries), corpora, 10)}
    sources = by_source(queries, answers)
    print(f"{'source':32} {'n':>5}   R@5  nDCG@10")
    for source, (count, recall, ndcg) in sources.items():
        print(f"{source:32} {count:5} {recall:.3f}   {ndcg:.3f}")
    print(f"\n{'macro average over sources':32}   R@5  nDCG@10   @mega R@5  nDCG@10")
    for name, figures in {**BASELINES, "isthmus": (*headline(sources), *headline(sources, mega=True))}.items():
        print(f"{name:32} {figures[0]:.3f}   {figures[1]:.3f}       {figures[2]:.3f}   {figures[3]:.3f}")
    return answers


def refusals(queries: Sequence[Record], corpora: Path, answers: Mapping[str, Sequence[str]]) -> None:
    """Print how often nothing is found where nothing is, and where something is."""
    own = [query for query in queries if query["corpus"] in APIS]
    for name, asked in (("all sources", list(queries)), ("sources of one API", own)):
        lost = sum(not answers[query["id"]] for query in asked) / len(asked)
        print(f"nothing found where something is, {name}: {lost:.1%}")
    indexes = catalogs(corpora)
    found = [not indexes[name].search(query["query"], 1).hits for query, name in pairs(queries, sorted(indexes))]
    print(f"nothing found where nothing is: {sum(found) / len(found):.1%} of {len(found):,} queries")


def everyday(data: Path) -> None:
    """Print the same of everyday queries, and how often nothing is found; and of those that nothing learned from."""
    print(f"{'source':32} {'n':>5}   R@5  nDCG@10  nothing")
    for file, title in ((QUERIES, ""), (UNSEEN, "unseen, ")):
        asked, answers = [], {}
        for query, index, judged in asked_everyday(data, file):
            asked.append(query)
            answers[query["id"]] = [judged[hit.operation.id] for hit in index.search(query["query"], 10).hits]
        for source, (count, recall, ndcg) in by_source(asked, answers).items():
            nothing = sum(not answers[query["id"]] for query in asked if query["source"] == source) / count
            print(f"{title + source:32} {count:5} {recall:.3f}   {ndcg:.3f}   {nothing:.1%}")


def costs(queries: Sequence[Record], corpora: Path) -> None:
    """Print the time and memory of the largest corpus's index, and the time of searches in it."""
    listed = [each for _, each in operations(read_lines(corpora / f"{LARGEST}.jsonl.gz"))]
    for count in (2500, len(listed)):
        print(f"index of {count:,} operations: {_seconds(listed[:count]):.2f} s of processor time")
    tracemalloc.start()
    index = Index.build(listed)
    print(f"  it takes {tracemalloc.get_traced_memory()[0] / 1e6:.0f} MB")
    tracemalloc.stop()
    took = []
    for query in queries:
        began = time.process_time()
        index.search(query["query"])
        took.append((time.process_time() - began) * 1000)
    took.sort()
    half, nearly_all = took[len(took) // 2], took[int(len(took) * 0.99)]
    print(f"  a search takes {half:.1f} ms of processor time (p50), {nearly_all:.1f} ms (p99)")


def _seconds(listed: Sequence[Operation]) -> float:
    began = time.process_time()
    Index.build(listed)
    return time.process_time() - began


def main() -> None:
    """Read the arguments and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    queries, corpora = read_lines(arguments.data / "dev" / "queries.jsonl"), arguments.data / "corpora"
    answers = quality(queries, corpora)
    print()
    refusals(queries, corpora, answers)
    print()
    everyday(arguments.data)
    print()
    costs(queries, corpora)


if __name__ == "__main__":
    main()
