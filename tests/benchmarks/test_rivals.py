"""Drivers that take turns, and what is made of their times."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.cpu import driven
from tests.benchmarks.frame import NotMeasured
from tests.benchmarks.peers import DRIVERS, Engine
from tests.benchmarks.rivals import INTERPRETERS, OURS, compared, deed, turn_by_turn

SUBPROCESS = Engine("subprocess", [sys.executable, "-m", "tests.benchmarks.drivers.turns_subprocess"])


def test_a_driver_does_a_deed_in_some_time_and_says_which_it_cannot_do() -> None:
    with driven(SUBPROCESS) as driver:
        assert deed(driver, "fresh", 1) > 0
        with pytest.raises(NotMeasured, match="subprocess, host_call: KeyError"):
            deed(driver, "host_call", 1)
        assert deed(driver, "fresh", 1) > 0


def test_a_driver_that_ends_is_no_figure() -> None:
    gone = Engine("gone", [sys.executable, "-c", "input()"])
    with driven(gone) as driver, pytest.raises(NotMeasured, match="gone, fresh: the driver has ended"):
        deed(driver, "fresh", 1)


def test_programs_that_wait_are_let_go() -> None:
    with driven(SUBPROCESS) as driver:
        assert deed(driver, "hold", 2) > 0
        assert deed(driver, "release", 1) > 0


def test_everyone_has_as_many_turns_and_the_first_does_not_count() -> None:
    with driven(SUBPROCESS) as driver:
        times = turn_by_turn({"a": (driver, "fresh"), "b": (driver, "fresh")}, 2, 1)
    assert {name: len(took) for name, took in times.items()} == {"a": 2, "b": 2}


def test_ours_is_held_against_each_of_the_others_by_median_and_by_best() -> None:
    figures = list(compared("1+1", {OURS: [1.0, 2.0, 9.0], "theirs": [4.0, 4.0, 5.0]}))
    assert [(figure.name, figure.value) for figure in figures] == [
        ("1+1, isthmus, p50", 2.0),
        ("1+1, theirs, p50", 4.0),
        ("1+1, isthmus against theirs", 0.5),
    ]
    assert figures[2].detail == "best 0.250 x"


def test_every_engine_with_an_interpreter_has_a_driver() -> None:
    assert all((DRIVERS / f"turns_{name}.py").is_file() for name in INTERPRETERS)
