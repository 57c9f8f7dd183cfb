"""The frame of the benchmarks: figures, verdicts, and the table."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.benchmarks.__main__ import run
from tests.benchmarks.frame import Benchmark, Figure, NotMeasured, median, percentile, shown
from tests.benchmarks.processes import busy_ms, memory_mb, tree


def test_a_figure_is_met_at_its_target_and_missed_beyond() -> None:
    assert Figure("a", 2.0, "ms", target=2.0).verdict == "met"
    assert Figure("a", 2.1, "ms", target=2.0).verdict == "missed"
    assert Figure("a", 0.81, "", target=0.82, at_least=True).verdict == "missed"
    assert Figure("a", 99.0, "ms").verdict == ""


def test_percentiles_are_values_that_occurred() -> None:
    values = [5.0, 1.0, 3.0, 2.0, 4.0]
    assert (median(values), percentile(values, 99), percentile(values, 1)) == (3.0, 5.0, 1.0)


def test_numbers_are_shown_with_digits_that_matter() -> None:
    assert [shown(value, "ms") for value in (0.2154, 2.154, 21.54, 2154.4, 3)] == [
        "0.215 ms",
        "2.15 ms",
        "21.5 ms",
        "2,154 ms",
        "3 ms",
    ]


def counts() -> dict[str, int]:
    return {"met": 0, "missed": 0, "": 0, "broken": 0, "not measured": 0}


def test_a_row_that_cannot_be_measured_says_why_after_those_that_could(capsys: pytest.CaptureFixture[str]) -> None:
    def measure() -> Iterator[Figure]:
        yield Figure("speed", 1.0, "ms", target=2.0)
        raise NotMeasured("no wind tunnel")

    counted = counts()
    run("air", Benchmark("flow", "how it flows", measure), counted)
    assert (counted["met"], counted["not measured"]) == (1, 1)
    assert "not measured: no wind tunnel" in capsys.readouterr().out


def test_a_broken_benchmark_does_not_end_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    def measure() -> Iterator[Figure]:
        yield from ()
        raise ZeroDivisionError("by nought")

    counted = counts()
    run("air", Benchmark("flow", "how it flows", measure), counted)
    assert counted["broken"] == 1
    assert "by nought" in capsys.readouterr().out


def test_a_process_is_seen_from_outside() -> None:
    try:
        before = busy_ms(os.getpid())
    except NotMeasured:
        pytest.skip("no /proc here")
    sum(number * number for number in range(300_000))
    assert busy_ms(os.getpid())[os.getpid()] > before[os.getpid()]
    assert tree(os.getpid())[0] == os.getpid()
    assert memory_mb() > 5
