import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.catalog.shapes import (
    MAX_FIELDS,
    MAX_NODES,
    NOTHING,
    STATES,
    Shape,
    as_data,
    bounded,
    from_data,
    merged,
    schema_of,
    shape_of,
    size,
)

ISSUE = {"id": 7, "state": "open", "title": "Fix it", "labels": [{"name": "bug"}], "at": "2026-01-02T03:04:05Z"}


def test_a_shape_is_the_types_of_what_was_seen() -> None:
    assert schema_of(shape_of([ISSUE])) == {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "state": {"anyOf": [{"enum": ["open"]}, {"type": "string"}]},
                "title": {"type": "string"},
                "labels": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}},
                        "required": ["name"],
                    },
                },
                "at": {"type": "string", "format": "date-time"},
            },
            "required": ["at", "id", "labels", "state", "title"],
        },
    }


def test_fields_that_were_missing_once_are_not_required_and_types_add_up() -> None:
    both = schema_of(merged(shape_of({"a": 1, "b": "x"}), shape_of({"a": None})))
    assert both["properties"] == {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}]}, "b": {"type": "string"}}
    assert both["required"] == ["a"]


def test_words_are_told_only_where_all_of_a_place_are_known_states() -> None:
    states = merged(shape_of("open"), shape_of("closed"))
    assert states.states == {"open", "closed"}
    assert merged(states, shape_of("")).states == {"open", "closed"}
    assert merged(states, shape_of("hunter2")).states == frozenset()
    many = [shape_of(word) for word in sorted(STATES)[:9]]
    everything = NOTHING
    for each in many:
        everything = merged(everything, each)
    assert everything.states == frozenset()
    assert merged(everything, shape_of("open")).states == frozenset()
    assert shape_of("OPEN").states == {"OPEN"}
    assert shape_of("oPen").states == frozenset()


@pytest.mark.parametrize(
    "keys",
    [
        ["alice@example.com"],
        ["2026-01-02", "2026-01-03"],
        ["3f2b6c1e-0000-4000-8000-000000000000"],
        ["C024BE91L"],
        ["usr 17"],
        ["Grüße"],
        ["4111111111111111"],
        [f"name{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(MAX_FIELDS + 1)],
        ["sk_live_4eC39HqLyjWDarjtT1zdp7dc"],
    ],
)
def test_keys_that_may_be_data_are_not_kept(keys: list[str]) -> None:
    shape = shape_of(dict.fromkeys(keys, 1))
    assert shape.fields is None
    assert schema_of(shape) == {"type": "object", "additionalProperties": {"type": "integer"}}


def test_objects_that_are_all_alike_stand_under_keys_that_are_data() -> None:
    people = {name: {"age": 3, "city": "x"} for name in ("ann", "bob", "eve")}
    assert schema_of(shape_of(people))["additionalProperties"]["required"] == ["age", "city"]
    assert "bob" not in json.dumps(as_data(shape_of(people)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(max_size=3)
    | st.sampled_from(["open", "closed", "2026-01-02", "a@b.cd", "https://x.y/"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["id", "name", "items", "a", "b"]) | st.text(max_size=6), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
SHAPES = st.lists(JSON, max_size=3).map(lambda values: _all(values))  # noqa: PLW0108 - defined below


def _all(values: list[Any]) -> Shape:
    result = NOTHING
    for value in values:
        result = merged(result, shape_of(value))
    return result


@given(SHAPES, SHAPES, SHAPES)
def test_merging_is_commutative_idempotent_and_associative(a: Shape, b: Shape, c: Shape) -> None:
    assert merged(a, b) == merged(b, a)
    assert merged(a, a) == a
    assert merged(merged(a, b), b) == merged(a, b)
    assert merged(a, NOTHING) == a
    assert merged(merged(a, b), c) == merged(a, merged(b, c))


@given(SHAPES)
def test_what_is_stored_is_read_back(a: Shape) -> None:
    assert from_data(json.loads(json.dumps(as_data(a)))) == a


MARK = "Zx9Qw"


def _marked(value: Any) -> Any:
    """The same with every text replaced by one that nothing else holds."""
    if isinstance(value, str):
        return MARK + value
    if isinstance(value, list):
        return [_marked(each) for each in value]
    if isinstance(value, dict):
        return {key: _marked(each) for key, each in value.items()}
    return value


@given(st.lists(JSON, max_size=3))
def test_no_text_of_an_answer_is_in_its_shape(values: list[Any]) -> None:
    assert MARK not in json.dumps(as_data(_all([_marked(value) for value in values])))


@given(st.lists(st.integers(10**12, 10**15) | st.floats(10**6, 10**9), max_size=5))
def test_no_number_of_an_answer_is_in_its_shape(values: list[float]) -> None:
    text = json.dumps(as_data(shape_of({"a": values, "b": values[:1]})))
    assert not any(character.isdigit() for character in text)


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9))
def test_a_shape_is_bounded_however_wide_and_deep_an_answer_is(wide: int, deep: int) -> None:
    value: Any = "x"
    for _ in range(deep):
        value = {f"f{chr(97 + n)}": [value, {"k": value}] for n in range(wide)}
        if len(str(value)) > 200_000:
            break
    shape = shape_of(value)
    assert size(shape) <= MAX_NODES
    assert bounded(shape) == shape
    assert merged(shape, shape) == shape
    assert size(merged(shape, shape_of({"fa": {"other": 1}}))) <= MAX_NODES


def test_what_was_not_looked_at_is_not_taken_for_missing() -> None:
    wide = {f"{letter}{other}": [1, 2, 3] for letter in "abcd" for other in "abcdef"}
    shape = shape_of([wide] * 30)
    assert shape.items is not None
    assert shape.items.always == wide.keys()
    assert shape_of({"a": dict.fromkeys(wide, wide)}) == NOTHING


def test_a_shape_of_an_answer_of_any_size_takes_no_longer_than_of_a_few_thousand_values() -> None:
    class Counted(list[Any]):
        looked = 0

        def __getitem__(self, key: Any) -> Any:
            Counted.looked += 1
            return super().__getitem__(key)

    shape_of([Counted(range(100)) for _ in range(100_000)])
    assert Counted.looked <= 40


@pytest.mark.parametrize("data", [{}, {"kinds": 3}, {"kinds": [], "fields": []}, {"kinds": [], "items": "x"}])
def test_what_is_no_shape_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="no shape"):
        from_data(data)
