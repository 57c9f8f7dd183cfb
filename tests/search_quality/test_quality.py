"""The ranking is held to what it once reached on the judged queries (macro average over their sources)."""

import math
from collections import defaultdict
from pathlib import Path

from tests.search_quality.run import rank, read_lines

RECALL_AT_5 = 0.755
NDCG_AT_10 = 0.705


def recall(ranked: list[str], relevant: set[str]) -> float:
    return len(relevant & set(ranked[:5])) / len(relevant)


def ndcg(ranked: list[str], relevant: set[str]) -> float:
    gain = sum(1 / math.log2(place + 2) for place, each in enumerate(ranked[:10]) if each in relevant)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(10, len(relevant))))


def test_the_ranking_is_as_good_as_it_was(test_data: Path) -> None:
    queries = [query for query in read_lines(test_data / "dev" / "queries.jsonl") if query["corpus"] != "openapi-mega"]
    measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for query, ranked, _ in rank(queries, test_data / "corpora", 10):
        relevant = set(query["relevant"])
        measured[query["source"]].append((recall(ranked, relevant), ndcg(ranked, relevant)))
    means = [[sum(column) / len(column) for column in zip(*each, strict=True)] for each in measured.values()]
    recall_at_5, ndcg_at_10 = (sum(column) / len(column) for column in zip(*means, strict=True))
    assert recall_at_5 >= RECALL_AT_5
    assert ndcg_at_10 >= NDCG_AT_10
