import difflib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.index import Index
from isthmus.model import Effect, Operation, Parameter, Route


def operation(full: str, summary: str = "", description: str = "", **more: Any) -> Operation:
    upstream, _, local = full.partition(".")
    return Operation(full, upstream, local, Effect.READ, more.pop("parameters", ()), summary, description, **more)


OPERATIONS = [
    operation("github.issues.create", "Create an issue", route=Route("POST", "/repos/{owner}/{repo}/issues")),
    operation(
        "github.issues.list_for_repo", "List repository issues", route=Route("GET", "/repos/{owner}/{repo}/issues")
    ),
    operation("github.issues.update", "Update an issue", route=Route("PATCH", "/repos/{owner}/{repo}/issues/{number}")),
    operation("github.issues.create_comment", "Create an issue comment"),
    operation("github.pulls.merge", "Merge a pull request"),
    operation("slack.post_message", "", "Post a new message to a Slack channel"),
    operation("slack.list_channels", "", "List public channels in the workspace"),
    operation(
        "weather.forecast", "", "Rain and sun", parameters=(Parameter("city", "city", "query", True, {}, "Town"),)
    ),
]
INDEX = Index.build(OPERATIONS)
NEAR = (
    *("alert", "alter", "rental", "antler", "banter", "baton", "bator", "noble"),
    *("nestor", "senator", "tonal", "total", "listen", "silent", "enlist", "tinsel"),
)
WORDS = Index.build([operation(f"words.{each}") for each in NEAR])


def found(query: str, **options: Any) -> list[str]:
    return [hit.operation.id for hit in INDEX.search(query, **options).hits]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("create an issue", "github.issues.create"),
        ("open an issue", "github.issues.create"),
        ("list the issues of a repository", "github.issues.list_for_repo"),
        ("change an issue", "github.issues.update"),
        ("listForRepo", "github.issues.list_for_repo"),
        ("merge PR pull request", "github.pulls.merge"),
        ("send a message to a channel", "slack.post_message"),
        ("list slack channels", "slack.list_channels"),
        ("city", "weather.forecast"),
    ],
)
def test_what_is_asked_for_comes_first(query: str, first: str) -> None:
    assert found(query)[0] == first


def test_what_is_only_named_is_among_the_first_two() -> None:
    assert "slack.list_channels" in found("slack channels")[:2]


def test_one_upstream_alone_can_be_asked() -> None:
    assert {each.partition(".")[0] for each in found("list create issue message", upstream="slack")} == {"slack"}


def test_what_is_not_allowed_is_not_found() -> None:
    assert found("create an issue", allowed=lambda each: each.id != "github.issues.create")[0] != "github.issues.create"


@pytest.mark.parametrize("query", ["bake a cake", "", "the of and", "teleport", "create a cake", "?!", "\ud800"])
def test_nothing_is_found_where_nothing_fits(query: str) -> None:
    assert found(query) == []


def test_words_that_nothing_contains_are_named_as_they_were_written() -> None:
    assert INDEX.search("create an issue about zebras").unmatched == ("zebras",)
    assert INDEX.search("Bake cakes").unmatched == ("bake", "cakes")


def test_a_misspelt_word_has_near_ones() -> None:
    assert INDEX.near("isues") == ("issues",)
    assert INDEX.near("zzzz") == ()


@given(st.text("abeilnorst", min_size=1, max_size=9), st.sampled_from((0.6, 0.75, 0.85)))
def test_near_words_are_those_that_the_standard_library_finds(word: str, like: float) -> None:
    likely = [each for each in {*NEAR, "words"} if each[0] == word[0] and abs(len(each) - len(word)) <= 2]
    assert list(WORDS.near(word, 3, like)) == difflib.get_close_matches(word, likely, 3, like)


def test_a_misspelt_word_finds_what_was_meant() -> None:
    assert found("list the issues of a reposotory")[0] == "github.issues.list_for_repo"
    assert INDEX.search("list the issues of a reposotory").unmatched == ("reposotory",)


def test_a_word_finds_what_another_word_says() -> None:
    films = Index.build([operation("films.credits", "Get the cast of a movie"), *OPERATIONS])
    assert films.search("actors of a film").hits[0].operation.id == "films.credits"


def test_hits_are_limited_and_the_comparable_rest_is_counted() -> None:
    many = Index.build([operation(f"up.widget_{n}", "Frobnicate a widget") for n in range(50)])
    result = many.search("frobnicate widget", limit=8)
    assert len(result.hits) == 8
    assert result.more == 42


def test_the_same_search_always_gives_the_same_order() -> None:
    assert found("issue") == found("issue")
    scores = [hit.score for hit in INDEX.search("issue").hits]
    assert scores == sorted(scores, reverse=True)


def test_an_empty_index_finds_nothing() -> None:
    assert Index.build([]).search("anything").hits == ()


@given(st.text(), st.integers(0, 20))
def test_any_query_is_answered(query: str, limit: int) -> None:
    result = INDEX.search(query, limit)
    assert len(result.hits) <= limit
    assert all(hit.score > 0 for hit in result.hits)


def test_twenty_thousand_operations_are_searched_at_once() -> None:
    nouns = ["user", "order", "invoice", "zone", "record", "team", "key", "file", "page", "event"]
    operations = [
        operation(
            f"up{n % 9}.{nouns[n % 10]}s.do_{n}", f"Handle {nouns[n % 7]} number {n} of a {nouns[n % 3]}", "text " * 20
        )
        for n in range(20_000)
    ]
    index = Index.build(operations)
    started = time.process_time()
    for _ in range(5):
        assert index.search("handle the invoice of a user order").hits
    assert (time.process_time() - started) / 5 < 0.25
