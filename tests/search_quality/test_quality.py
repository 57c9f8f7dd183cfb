"""The ranking is held to what it once reached on the judged queries (macro average over their sources)."""

from pathlib import Path

from tests.search_quality.crossed import catalogs, pairs
from tests.search_quality.judged import by_source, headline, read_lines
from tests.search_quality.run import rank

RECALL_AT_5 = 0.84
NDCG_AT_10 = 0.80
NOTHING = 0.90


def test_the_ranking_is_as_good_as_it_was(test_data: Path) -> None:
    queries = [query for query in read_lines(test_data / "dev" / "queries.jsonl") if query["corpus"] != "openapi-mega"]
    ranked = {query["id"]: found for query, found, _ in rank(queries, test_data / "corpora", 10)}
    recall_at_5, ndcg_at_10 = headline(by_source(queries, ranked))
    assert recall_at_5 >= RECALL_AT_5
    assert ndcg_at_10 >= NDCG_AT_10


def test_where_nothing_is_nothing_is_found(test_data: Path) -> None:
    queries = read_lines(test_data / "dev" / "queries.jsonl")[::5]
    indexes = catalogs(test_data / "corpora")
    found = [not indexes[name].search(query["query"], 1).hits for query, name in pairs(queries, sorted(indexes))]
    assert sum(found) / len(found) >= NOTHING
