"""One clock for programs, whose readings are told to the host, so that an execution can be run again as it was.

It shows whole milliseconds: coarse, as befits code of strangers, and few enough to be written down. Everything of
`time` that a program can ask reads it; `datetime.now` and SQLite ask WASI, where the worker does the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Told = tuple[int, Sequence[Sequence[int]]]
"""How often the clock was read, and each move of it: (the number of the reading that saw it, ms since the start)."""

FIRST = 1_000_000
"""Where the monotonic clock of a session begins, in ms: not at 0, which programs take for never."""

_ticks = time.monotonic_ns


class Clock:
    """Milliseconds since a program began, from `ticks` (ns, monotonic) or from what was told of an earlier run."""

    def __init__(self, ticks: Callable[[], int] = _ticks) -> None:
        self._ticks = ticks
        self._epoch = 0  # of the program's start, ms
        self._before = FIRST
        self._origin = ticks()
        self._shown = 0
        self._reads = 0
        self._told: list[tuple[int, int]] = []
        self._script: list[Sequence[int]] = []
        self._scripted = 0  # the readings that the script answers

    def start(self, now: float, told: Told = (0, ())) -> None:
        """A program begins at `now` (s since the epoch). Its first readings are those that were `told`."""
        epoch = int(now * 1000)
        # What ran at no time, to bring memory in, leaves none behind.
        self._before = self._before + max(self._shown, epoch - self._epoch) if self._epoch else FIRST
        self._epoch = epoch
        self._origin = self._ticks()
        self._shown = self._reads = 0
        self._told.clear()
        self._scripted, moves = told
        self._script = [*reversed(moves)]

    def take(self) -> str:
        """What was read since the last time, as JSON: `[readings since the start, [[reading, ms], ...]]`."""
        if not self._told:
            return f"[{self._reads},[]]"
        told = ",".join([f"[{reading},{ms}]" for reading, ms in self._told])
        self._told.clear()
        return f"[{self._reads},[{told}]]"

    def elapsed(self) -> int:
        """Milliseconds since the program began."""
        self._reads += 1
        if self._reads <= self._scripted:
            if not self._script or self._script[-1][0] != self._reads:
                return self._shown
            ms = self._script.pop()[1]
            self._origin = self._ticks() - ms * 1_000_000  # from its end on, time goes on from here
        else:
            ms = (self._ticks() - self._origin) // 1_000_000
        if ms != self._shown:
            self._shown = ms
            self._told.append((self._reads, ms))
        return self._shown

    def seconds(self) -> float:
        """Monotonic, in seconds."""
        return (self._before + self.elapsed()) / 1000

    def now(self) -> float:
        """Seconds since the epoch."""
        return (self._epoch + self.elapsed()) / 1000

    def seconds_ns(self) -> int:
        """As `seconds`, in ns."""
        return (self._before + self.elapsed()) * 1_000_000

    def now_ns(self) -> int:
        """As `now`, in ns."""
        return (self._epoch + self.elapsed()) * 1_000_000


def install(clock: Clock) -> list[tuple[Any, str, Any]]:
    """What to set, as (object, attribute, value), so that the module `time` reads `clock`."""
    monotonic = ("monotonic", "perf_counter", "process_time", "thread_time")
    found = [name for name in monotonic if hasattr(time, name)]
    return [
        (time, "time", clock.now),
        (time, "time_ns", clock.now_ns),
        *((time, name, clock.seconds) for name in found),
        *((time, f"{name}_ns", clock.seconds_ns) for name in found),
        *_by_id(clock),
        *((time, name, _of_moment(getattr(time, name), clock)) for name in ("gmtime", "localtime", "ctime")),
        (time, "asctime", _of_fields(time.asctime, time.localtime, clock)),
        (time, "strftime", _formatting(time.strftime, time.localtime, clock)),
    ]


def _by_id(clock: Clock) -> list[tuple[ModuleType, str, Any]]:
    if not hasattr(time, "clock_gettime"):
        return []
    return [
        (time, "clock_gettime", lambda which, /: clock.now() if which == time.CLOCK_REALTIME else clock.seconds()),
        (
            time,
            "clock_gettime_ns",
            lambda which, /: clock.now_ns() if which == time.CLOCK_REALTIME else clock.seconds_ns(),
        ),
    ]


def _of_moment(original: Callable[[float], Any], clock: Clock) -> Callable[..., Any]:
    """`gmtime` and its like: without a moment they mean this one."""
    return lambda seconds=None, /: original(clock.now() if seconds is None else seconds)


def _of_fields(original: Callable[[Any], str], local: Callable[[float], Any], clock: Clock) -> Callable[..., str]:
    return lambda fields=None, /: original(local(clock.now()) if fields is None else fields)


def _formatting(original: Callable[[str, Any], str], local: Callable[[float], Any], clock: Clock) -> Callable[..., str]:
    def strftime(form: str, fields: Any = None, /) -> str:
        """Format a moment, by default this one."""
        return original(form, local(clock.now()) if fields is None else fields)

    return strftime
