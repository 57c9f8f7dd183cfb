"""The arguments of the two tools, as clients send them."""

from typing import Any

import pytest

from isthmus.errors import ProgramError
from isthmus.front.tools import ExecuteArguments, SearchArguments, execute_arguments, search_arguments


def test_what_is_left_out_or_null_has_its_default() -> None:
    assert search_arguments({"query": "x", "limit": None, "upstream": None}) == SearchArguments("x")
    assert execute_arguments({"code": "1", "session": None, "thoughts": "a plan"}) == ExecuteArguments("1")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"query": 5}, "query: a string, or a list of strings"),
        ({"query": ["a", 5]}, "query: a string, or a list of strings"),
        ({"query": "x", "limit": 0}, "limit: a whole number from 1 to 50"),
        ({"query": "x", "limit": True}, "limit: a whole number from 1 to 50"),
        ({"query": "x", "detail": "all"}, "detail:"),
        ({"query": "x", "queri": "y"}, "there is no argument 'queri'; there are query"),
    ],
)
def test_a_search_argument_that_does_not_fit_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ProgramError, match=said):
        search_arguments(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "code: a string"),
        ({"code": ["1"]}, "code: a string"),
        ({"code": "1", "timeout": 0}, "timeout: seconds"),
        ({"code": "1", "timeout": True}, "timeout: seconds"),
        ({"code": "1", "session": 5}, "session: a string"),
    ],
)
def test_an_execute_argument_that_does_not_fit_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ProgramError, match=said):
        execute_arguments(given)
