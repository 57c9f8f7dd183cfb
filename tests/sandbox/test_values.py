import doctest
import json
import math
import time
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus_sandbox import values
from isthmus_sandbox.protocol import MAX_DEPTH
from isthmus_sandbox.values import FOREIGN, MAX_VALUES, check, clean, clean_text, is_large

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.text(st.sampled_from("\ud800\udfffa\u20ac"))
    | st.binary()
    | st.complex_numbers(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.sampled_from("\ud800ab1")) | st.integers() | st.none() | st.booleans(), inner)
        | st.tuples(inner)
        | st.frozensets(st.integers())
    ),
    max_leaves=20,
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def test_the_examples_in_the_documentation_are_true() -> None:
    assert doctest.testmod(values).failed == 0


@given(anything)
def test_what_was_cleaned_is_plain(value: object) -> None:
    check(clean(value))


@given(plain)
def test_what_is_plain_is_returned_as_it_is_without_a_copy(value: object) -> None:
    check(value)
    assert clean(value) is value


@given(anything)
def test_cleaning_twice_changes_nothing_more(value: object) -> None:
    once = clean(value)
    assert clean(once) is once


def test_only_what_changes_is_copied() -> None:
    kept = {"a": [1, 2]}
    value = {"kept": kept, "mended": [float("inf")]}
    result = clean(value)
    assert result == {"kept": {"a": [1, 2]}, "mended": ["inf"]}
    assert result["kept"] is kept
    assert math.isinf(value["mended"][0])  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [0, 1, 2, 2**63]}, 'arguments["a"][3]: the integer does not fit in 64 bits'),
        ([float("nan")], "arguments[0]: nan is not a finite number"),
        ("\ud800", "arguments: the text holds a lone surrogate"),
        ({"a": {1: 2}}, "arguments[\"a\"]: the key '1' is not a text"),
        ({"\ud800": 2}, "arguments: a key holds a lone surrogate"),
        ((1,), "arguments: tuple is not plain data"),
        ({"a": object()}, 'arguments["a"]: object is not plain data'),
    ],
)
def test_a_refusal_names_the_place_and_the_reason(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=r"arguments") as caught:
        check(value, "arguments")
    assert str(caught.value) == message


def test_the_deepest_value_that_is_allowed_passes_and_the_next_does_not() -> None:
    check(nested(MAX_DEPTH))
    with pytest.raises(ValueError, match="nested more than 64 deep"):
        check(nested(MAX_DEPTH + 1))
    assert clean(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    assert "nested more than 64 deep" in str(clean(nested(MAX_DEPTH + 1)))


def test_a_value_of_a_hundred_thousand_levels_is_no_recursion_error() -> None:
    deep = nested(100_000)
    check(clean(deep))
    with pytest.raises(ValueError, match="nested"):
        check(deep)
    while type(deep) is list:  # or its end would be one
        deep = deep.pop()


def test_a_cycle_becomes_a_marker() -> None:
    value: dict[str, object] = {"a": 1}
    value["self"] = value
    assert clean(value) == {"a": 1, "self": "<a part of itself>"}


def test_what_is_shared_but_no_cycle_is_kept() -> None:
    part = [1]
    assert clean([part, part]) == [[1], [1]]


def test_what_would_be_endless_as_json_is_cut_in_bounded_time() -> None:
    value: list[object] = [1]
    for _ in range(60):
        value = [value] * 4
    began = time.monotonic()
    with pytest.raises(ValueError, match="more than"):
        check(value)
    assert time.monotonic() - began < 60


def test_values_of_foreign_classes_count_for_more_since_they_take_longer_to_mend() -> None:
    class Odd(int): ...

    fits = MAX_VALUES // (FOREIGN + 1)
    assert clean([Odd(1)] * fits) == [1] * fits
    assert clean([Odd(1)] * (fits + 1))[-1] == f"<more than {MAX_VALUES} values>"


def test_keys_become_texts_and_none_is_lost() -> None:
    assert clean({2: "a", "2": "b", None: "c", False: "d"}) == {"2": "a", "2~2": "b", "null": "c", "false": "d"}


def test_subclasses_become_what_they_extend() -> None:
    class Level(IntEnum):
        HIGH = 3

    class Text(str):
        __slots__ = ()

    result = clean([Level.HIGH, Text("a"), bytearray(b"b")])
    assert result == [3, "a", b"b"]
    assert [type(each) for each in result] == [int, str, bytes]


def test_an_object_whose_own_code_fails_is_shown_by_its_class() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert clean(Broken()) == "<Broken>"


def test_a_huge_integer_costs_little() -> None:
    assert clean(10**10_000).startswith("0x")
    assert clean(2**64) == "18446744073709551616"


def test_a_lone_surrogate_is_written_as_an_escape() -> None:
    assert clean_text("a\ud800\u20ac") == "a\\ud800\u20ac"


@given(plain)
def test_what_is_plain_and_has_no_bytes_survives_json(value: object) -> None:
    try:
        text = json.dumps(value, allow_nan=False)
    except TypeError:  # bytes
        return
    assert json.loads(text) == value


def test_a_value_is_large_by_its_values_and_by_its_text() -> None:
    assert not is_large({"text": "x" * 10_000_000})
    assert is_large(["x" * 30_000_000])
    assert is_large({"items": [[1] * 10 for _ in range(3000)]})
