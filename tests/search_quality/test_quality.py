"""The ranking is held to what it once reached on the judged queries (macro average over their sources).

From the judged queries of the test data it was learned, from the unseen ones nothing was.
"""

from pathlib import Path

from tests.search_quality.crossed import catalogs, pairs
from tests.search_quality.everyday import UNSEEN, asked_everyday
from tests.search_quality.judged import by_source, headline, read_lines
from tests.search_quality.run import rank

RECALL_AT_5 = 0.84
NDCG_AT_10 = 0.80
NOTHING = 0.90
UNSEEN_RECALL_AT_5 = 0.60
UNSEEN_NDCG_AT_10 = 0.55
UNSEEN_LOST = 0.05


def test_the_ranking_is_as_good_as_it_was(test_data: Path) -> None:
    queries = [query for query in read_lines(test_data / "dev" / "queries.jsonl") if query["corpus"] != "openapi-mega"]
    ranked = {query["id"]: found for query, found, _ in rank(queries, test_data / "corpora", 10)}
    recall_at_5, ndcg_at_10 = headline(by_source(queries, ranked))
    assert recall_at_5 >= RECALL_AT_5
    assert ndcg_at_10 >= NDCG_AT_10


def test_what_people_and_models_ask_is_found(test_data: Path) -> None:
    asked = list(asked_everyday(test_data, UNSEEN))
    answers = {
        query["id"]: [judged[hit.operation.id] for hit in index.search(query["query"], 10).hits]
        for query, index, judged in asked
    }
    recall_at_5, ndcg_at_10 = headline(by_source([query for query, _, _ in asked], answers))
    assert recall_at_5 >= UNSEEN_RECALL_AT_5
    assert ndcg_at_10 >= UNSEEN_NDCG_AT_10
    assert sum(not found for found in answers.values()) / len(answers) <= UNSEEN_LOST


def test_where_nothing_is_nothing_is_found(test_data: Path) -> None:
    queries = read_lines(test_data / "dev" / "queries.jsonl")[::5]
    indexes = catalogs(test_data / "corpora")
    found = [not indexes[name].search(query["query"], 1).hits for query, name in pairs(queries, sorted(indexes))]
    assert sum(found) / len(found) >= NOTHING
