import json

import pytest

from isthmus.catalog.index import Index
from isthmus.catalog.ranking import SIGNALS, Ranker, ranker
from isthmus.model import Effect, Operation, Parameter, Route


def operation(full: str, method: str, path: str, summary: str = "", *required: str) -> Operation:
    parameters = tuple(Parameter(name, name, "path", True, {}) for name in required)
    upstream, _, local = full.partition(".")
    return Operation(full, upstream, local, Effect.READ, parameters, summary, route=Route(method, path))


MOVIES = Index.build(
    [
        operation("films.movie_credits", "GET", "/movie/{movie_id}/credits", "Get the cast of a movie", "movie_id"),
        operation("films.search_movie", "GET", "/search/movie", "Search for movies", "query"),
        operation("films.delete_movie", "DELETE", "/movie/{movie_id}", "Delete a movie", "movie_id"),
        operation("films.list_movies", "GET", "/movies", "List movies"),
    ]
)


def signals(query: str) -> dict[str, dict[str, float]]:
    operations, rows = MOVIES.signals(query)
    return {each.id: dict(zip(SIGNALS, row, strict=True)) for each, row in zip(operations, rows, strict=True)}


def test_what_stands_in_an_operation_agrees_with_it_and_what_is_related_agrees_less() -> None:
    same, related = signals("movie credits"), signals("film credits")
    assert same["films.movie_credits"]["soft_head"] == pytest.approx(1, abs=1e-4)
    assert 0.5 < related["films.movie_credits"]["soft_head"] < 1


def test_an_operation_that_does_something_else_is_told_apart() -> None:
    found = signals("delete a movie")
    assert found["films.delete_movie"]["action_same"] == 1
    assert found["films.list_movies"]["action_other"] == 1


def test_what_finds_the_thing_that_another_needs_leads_to_it_where_a_name_is_given() -> None:
    assert signals("cast of the movie Stalker")["films.search_movie"]["leads_to_named"] > 0
    assert signals("cast of a movie")["films.search_movie"]["leads_to_named"] == 0
    assert signals("cast of the movie with id 12345")["films.search_movie"]["leads_to"] == 0


def test_many_are_wanted_or_one() -> None:
    assert signals("the movies")["films.delete_movie"]["one_plural"] == 1
    assert signals("the movies")["films.list_movies"]["one_plural"] == -1


def test_two_things_that_are_asked_for_are_clauses_and_each_has_an_operation_that_is_nearest() -> None:
    found = signals("delete the old movie, and list all the movies of today")
    assert {each["clauses"] for each in found.values()} == {2}
    assert found["films.delete_movie"]["clause_place"] == 0
    assert found["films.list_movies"]["clause_place"] == 0


def test_trees_are_summed_for_each_candidate() -> None:
    ranker = Ranker.read(json.dumps([["total", 0.5, 0, 1], ["total", 1, 2, 4]]))
    place = SIGNALS.index("total")
    rows = [[0.0] * place + [total] + [0.0] * (len(SIGNALS) - place - 1) for total in (0.5, 0.75, 2.0)]
    assert ranker.scores(rows) == pytest.approx([2, 3, 5])


def test_the_ranker_that_is_shipped_asks_for_what_is_measured() -> None:
    shipped = ranker()
    assert len(shipped.ranking.worths) > 50
    assert len(shipped.scores([[0.0] * len(SIGNALS)] * 3)) == 3
