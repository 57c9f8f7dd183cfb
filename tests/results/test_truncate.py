"""Shortening: data that is smaller, still data, and honest about what is missing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.render.results_text import encode, visible
from isthmus.render.truncate import fit, shorten, shorten_text, summary, weigh


def test_what_fits_is_left_as_it_is() -> None:
    value = {"a": [1, 2, {"b": "c"}]}
    assert shorten(value, 100) is value


def test_small_values_stay_whole_beside_a_large_one() -> None:
    short = shorten({"id": 7, "name": "Ada", "log": "x" * 5000, "ok": True}, 200)
    assert (short["id"], short["name"], short["ok"]) == (7, "Ada", True)
    assert "characters left out" in short["log"]


def test_keys_that_are_left_out_are_counted_and_the_first_of_them_named() -> None:
    short = shorten({f"key{number}": number for number in range(1000)}, 300)
    assert short["key0"] == 0
    kept = len(short) - 1
    assert short["…"].startswith(f"{1000 - kept} more keys: key{kept}, ")


def test_a_key_that_is_a_mark_itself_is_not_overwritten() -> None:
    short = shorten({"…": 1, **{f"key{number}": number for number in range(1000)}}, 300)
    assert short["…"] == 1
    assert "more keys" in short["……"]


def test_what_is_too_deep_for_its_room_is_named_with_its_size() -> None:
    value = {"rows": [{"cells": [{"text": "x" * 50}] * 30}] * 40}
    text = encode(shorten(value, 160))
    assert len(text) < 260
    assert "…" in text


@pytest.mark.parametrize(
    ("value", "told"),
    [([1, 2], "… 2 items"), ({"a": 1}, "… 1 key"), ("abc", "… 3 characters"), (10**30, "… int")],
)
def test_a_summary_tells_kind_and_size(value: Any, told: str) -> None:
    assert summary(value) == told


def test_the_middle_of_a_text_is_left_out_by_whole_lines() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    short = shorten_text(text, 200)
    lines = short.splitlines()
    mark = next(line for line in lines if line.startswith("…"))
    shown = [line for line in lines if line.startswith("line ")]
    assert len(lines) == len(shown) + 1
    assert int(re.findall(r"([\d,]+) lines", mark)[0].replace(",", "")) == 1000 - len(shown)


def test_one_endless_line_is_cut_inside() -> None:
    short = shorten_text("x" * 10_000, 200)
    assert len(short) <= 200
    assert "1 line left out" in short


def test_the_longest_text_that_fits_is_found() -> None:
    assert len(fit(lambda room: "x" * min(room, 5000), 100, lambda text: len(text) // 3 + 1)) in range(270, 300)


def test_where_nothing_fits_the_text_is_empty() -> None:
    assert fit(lambda room: "x" * (room + 50), 10, len) == ""


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=80) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=30), inner, max_size=10),
    max_leaves=80,
)


@settings(max_examples=150)
@given(values, st.integers(60, 2000))
def test_a_shortened_value_takes_about_its_room(value: Any, room: int) -> None:
    text = encode(shorten(value, room))
    json.loads(text)
    assert len(text) <= room * 2 + 100


@settings(max_examples=150)
@given(values, st.integers(1, 300))
def test_what_weighs_no_more_than_a_limit_fits_it(value: Any, limit: int) -> None:
    exact = len(encode(value))
    assert exact <= limit or weigh(value, limit) > limit
    assert exact <= weigh(value, 10**9) <= 2 * exact


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=())))
def test_visible_text_has_nothing_hidden_and_is_made_once(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    shown.encode()
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", shown
    )
