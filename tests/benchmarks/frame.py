"""What a benchmark gives, and how it is shown.

A benchmark yields figures as it gets them. A figure with a target is met or missed; one without is a baseline. What
cannot be measured here says why; it is never left out silently.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = Path(os.environ.get("ISTHMUS_TEST_DATA", ROOT.parent / "shared" / "data"))
"""The folder of real documents and judged queries."""


class NotMeasured(Exception):
    """A row that cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `target` is the most that it may be, or the least where `at_least` is set."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False
    detail: str = ""

    @property
    def verdict(self) -> str:
        """`met`, `missed` or, for a baseline, nothing."""
        if self.target is None:
            return ""
        return "met" if (self.value >= self.target if self.at_least else self.value <= self.target) else "missed"

    def line(self) -> str:
        """The figure as a row of the table."""
        sign = "≥" if self.at_least else "≤"
        target = f"{sign} {shown(self.target, self.unit)}" if self.target is not None else ""
        return (
            f"  {self.name:54}{shown(self.value, self.unit):>14}  {target:>14}  {self.verdict:7} {self.detail}".rstrip()
        )


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A named group of rows."""

    name: str
    about: str
    measure: Callable[[], Iterable[Figure]]


def shown(value: float, unit: str) -> str:
    """A number with a sensible count of digits.

    >>> shown(0.2154, "ms"), shown(1234567, "tokens")
    ('0.215 ms', '1,234,567 tokens')
    """
    if not math.isfinite(value):
        return f"{value} {unit}"
    digits = 0 if value == int(value) or abs(value) >= 1000 else 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1
    return f"{value:,.{digits}f} {unit}"


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of the sorted values lie (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, math.ceil(len(ranked) * percent / 100) - 1))]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return percentile(values, 50)


def spread(values: Sequence[float], unit: str = "ms") -> str:
    """How the values lie: best, 99th percentile and how many there are."""
    return f"min {shown(min(values), unit)}, p99 {shown(percentile(values, 99), unit)}, n={len(values)}"


def timed(action: Callable[[], object]) -> float:
    """Milliseconds that an action takes."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def data_file(*parts: str) -> Path:
    """A file of the test data.

    Raises:
        NotMeasured: it is not there.
    """
    path = DATA.joinpath(*parts)
    if not path.exists():
        raise NotMeasured(f"no {path}: set ISTHMUS_TEST_DATA")
    return path


def figures_of(measure: Callable[[], AsyncIterator[Figure]]) -> Callable[[], Iterator[Figure]]:
    """An asynchronous measurement as an ordinary one; its figures come when it has ended."""

    def measured() -> Iterator[Figure]:
        import anyio

        async def collect() -> list[Figure]:
            return [figure async for figure in measure()]

        yield from anyio.run(collect)

    return measured
