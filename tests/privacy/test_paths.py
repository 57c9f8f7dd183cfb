"""Paths mean what RFC 9535 says; what is not known here is refused."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.privacy.paths import Path, Step, Unreadable, below, last_name, parse

DATA: dict[str, Any] = {
    "items": [{"name": "a", "owner": {"name": "b", "full name": "c"}}, {"name": "d"}],
    "name": "e",
    "it's": {"0": "f"},
}


def selected(path: Path, value: Any) -> list[Any]:
    """What a path leads to, by going down with `below`."""
    found: list[Any] = [value] if not path else []

    def visit(node: Any, states: list[tuple[int, int]]) -> None:
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in children:
            standing, reached = below([path], states, key)
            found.extend(child for _ in reached)
            visit(child, standing)

    visit(value, [(0, 0)] if path else [])
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$.name", ["e"]),
        ("$..name", ["a", "b", "d", "e"]),
        ("$.items[*].name", ["a", "d"]),
        ("$.items[1]['name']", ["d"]),
        ("$['items'][0].owner[\"full name\"]", ["c"]),
        ("$..owner.*", ["b", "c"]),
        ("$.items[0, 1]['name','owner']", ["a", DATA["items"][0]["owner"], "d"]),
        ("$['it\\'s']['0']", ["f"]),
        ("$['it\\'s'][0]", []),
        ("$..[1].name", ["d"]),
        ("$..*..name", ["a", "b", "d"]),
        ("$", [DATA]),
    ],
)
def test_a_path_leads_to_what_the_standard_says(text: str, expected: list[Any]) -> None:
    assert selected(parse(text), DATA) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name", "begins with"),
        ("$.items[?(@.a)]", "filters"),
        ("$.items[-1]", "from the end"),
        ("$.items[0:2]", "slices"),
        ("$.items[(@.length-1)]", "expressions"),
        ("$.items[0", "not closed"),
        ("$.", "has to follow"),
        ("$..", "has to follow"),
        ("$ name", "cannot follow"),
        ("$['name", "in quotes"),
    ],
)
def test_what_is_no_path_or_not_known_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        parse(text)


def test_a_field_is_called_as_the_last_name_of_its_path() -> None:
    assert last_name(parse("$..customer.fullName")) == "fullName"
    assert last_name(parse("$.people[*][0]")) == "people"
    assert last_name(parse("$[*]")) == ""


KEYS = st.sampled_from(["a", "b", "c"])
TREES = st.recursive(st.integers(), lambda t: st.lists(t, max_size=3) | st.dictionaries(KEYS, t, max_size=3))
STEPS = st.builds(Step, st.none() | st.frozensets(KEYS | st.integers(0, 2), min_size=1, max_size=2), st.booleans())


def naively(steps: Path, value: Any) -> list[Any]:
    if not steps:
        return [value]
    first, rest = steps[0], steps[1:]
    children = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    found = [each for key, child in children if first.takes(key) for each in naively(rest, child)]
    return found + [each for _, child in children if first.deep for each in naively(steps, child)]


@given(st.lists(STEPS, min_size=1, max_size=4).map(tuple), TREES)
def test_going_down_step_by_step_reaches_what_a_search_reaches(path: Path, value: Any) -> None:
    reached, expected = selected(path, value), naively(path, value)
    assert {id(each) for each in reached} == {id(each) for each in expected}


@given(st.text(alphabet="$.[]'\"*ab0-?:(\\ ,", max_size=20))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    with contextlib.suppress(Unreadable):
        assert isinstance(parse("$" + text), tuple)
