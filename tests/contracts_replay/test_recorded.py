"""The files of a recording: what is written is read again, and what is no recording is told with its place."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.contracts.recorded import (
    FILE,
    Recorded,
    RecordedCall,
    RecordedError,
    RecordedOutcome,
    RecordedRun,
    is_opaque,
    read,
    written,
)
from isthmus.errors import ConfigurationError
from isthmus.model import CallStatus
from isthmus_sandbox.protocol import Readings

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
KEYS = TEXT | st.just("$bytes")
VALUES = st.recursive(
    SCALARS | TEXT | st.binary(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(KEYS, inside, max_size=3),
    max_leaves=8,
)
ERRORS = st.builds(RecordedError, TEXT, TEXT, TEXT, st.none() | st.integers(100, 599), VALUES)
CALLS = st.builds(
    RecordedCall,
    operation=TEXT,
    arguments=st.dictionaries(KEYS, VALUES, max_size=3),
    positional=st.lists(VALUES, max_size=2).map(tuple),
    status=st.sampled_from(get_args(CallStatus)),
    answered=st.integers(1, 99),
    answer=VALUES,
    departed=st.lists(TEXT, max_size=2).map(tuple),
    steps=st.tuples(st.integers(0, 99), st.integers(0, 99)),
) | st.builds(RecordedCall, operation=TEXT, arguments=st.just({}), answered=st.just(1), error=ERRORS)
CLOCKS = st.builds(
    Readings,
    st.integers(0, 10**6),
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(-5, 10**12)), max_size=3).map(tuple),
)
OUTCOMES = st.builds(RecordedOutcome, st.booleans(), st.sampled_from(["json", "text", "none"]), VALUES, TEXT)
FAILURES = st.builds(
    RecordedOutcome, st.just(False), st.just("none"), st.none(), TEXT, TEXT.filter(bool), st.none() | st.integers(1, 9)
)
SEEDS = st.binary(min_size=1, max_size=32).map(bytes.hex)
RUNS = st.builds(
    RecordedRun,
    file=st.just("program.py"),
    source=TEXT,
    seed=SEEDS,
    now=st.floats(0, 1e10),
    clock=CLOCKS,
    wall=CLOCKS,
    calls=st.lists(CALLS, max_size=3).map(tuple),
    outcome=OUTCOMES | FAILURES,
)


@given(RUNS)
def test_what_is_written_is_read_again(run: RecordedRun) -> None:
    recorded = Recorded("x-1", (run,))
    assert read(written(recorded), "here") == recorded


SIMPLE = written(
    Recorded(
        "x-1",
        (
            RecordedRun(
                "program.py",
                "1",
                "ab",
                1.5,
                Readings(3, ((1, 2),)),
                Readings(),
                (
                    RecordedCall("shop.get", {"a": b"x"}, (1,), answered=1, answer={"b": [1]}, departed=("c",)),
                    RecordedCall("shop.get", {}, answered=2, status="failed", error=RecordedError("NotFound", "gone")),
                ),
                RecordedOutcome(ok=False, kind="none", error="ValueError: no", line=1),
            ),
        ),
    )
)
PLACES = [
    ["version"],
    ["runs"],
    ["runs", 0],
    *(["runs", 0, name] for name in json.loads(SIMPLE[FILE])["runs"][0]),
    *(["runs", 0, "calls", 0, name] for name in json.loads(SIMPLE[FILE])["runs"][0]["calls"][0]),
    *(["runs", 0, "calls", 1, "error", name] for name in ("type", "message", "status")),
    *(["runs", 0, "outcome", name] for name in ("ok", "kind", "output", "line")),
]


@settings(max_examples=300)
@given(st.sampled_from(PLACES), VALUES.map(lambda value: json.loads(json.dumps(value, default=str))) | st.just(...))
def test_whatever_somebody_has_made_of_a_recording_it_is_read_or_refused(place: list[Any], value: Any) -> None:
    data = json.loads(SIMPLE[FILE])
    holder = data
    for step in place[:-1]:
        holder = holder[step]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    with suppress(ConfigurationError):  # and no other error
        recorded = read({**SIMPLE, FILE: json.dumps(data)}, "here")
        assert read(written(recorded), "here") == recorded


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('"version": 1', '"version": 2', "it is of version 2, and this isthmus knows version 1"),
        ('"seed": "ab"', '"seed": "xy"', "/runs/0/seed is not hexadecimal"),
        ('"clock": "3 1:2"', '"clock": "3 1"', "/runs/0/clock is no clock"),
        ('"program": "program.py"', '"program": "../../etc/passwd"', "/runs/0/program: there is no file"),
        ('"status": "failed"', '"status": "lost"', "/runs/0/calls/1/status is none of done"),
        ('"$bytes": "eA=="', '"$bytes": "?"', "/runs/0/calls/0: $bytes holds no Base64"),
        ('"now": 1.5', '"now": 1e999', "recording.json is no JSON: 1e999 is too large"),
        ('"now": 1.5', '"now": NaN', "recording.json is no JSON: NaN is no number"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(before: str, after: str, told: str) -> None:
    assert before in SIMPLE[FILE]
    with pytest.raises(ConfigurationError) as caught:
        read({**SIMPLE, FILE: SIMPLE[FILE].replace(before, after)}, "recordings/one")
    assert f"the recording cannot be used: {told}" in str(caught.value)
    assert str(caught.value).startswith("recordings/one: ")


def test_what_was_taken_out_is_known_by_its_look() -> None:
    assert all(map(is_opaque, ("[redacted]", "by [EMAIL_1]", "[CARD_12]")))
    assert not any(map(is_opaque, ("[1]", "redacted", "[email_1]", 7, None)))
