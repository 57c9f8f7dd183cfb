"""The wall clock of WASI as a guest sees it: C code asks it (`datetime.now`, SQLite), where the guest's own cannot be.

As the guest's own clock does, it shows whole milliseconds, notes what it showed, and can show the same again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable


class WallClock:
    """Milliseconds since the epoch. `source` gives nanoseconds."""

    __slots__ = ("_ahead", "_made", "_moves", "_scripted", "_shown", "_source", "_told")

    def __init__(self, source: Callable[[], int] = time.time_ns) -> None:
        self._source = source
        self._ahead = 0
        self.start("")

    def start(self, script: str) -> None:
        """A program begins. `script` is what an earlier run was told, as `take` gave it; empty: nothing."""
        self._scripted, moves = json.loads(script) if script else (0, [])
        self._told: list[list[int]] = [*reversed(moves)]
        self._moves: list[tuple[int, int]] = []
        self._made = self._shown = 0
        self._ahead = 0

    def take(self) -> str:
        """What was shown since the last time, as `[readings since the start, [[reading, ms], ...]]`; empty: nothing."""
        if not self._moves:
            return ""
        text = json.dumps([self._made, self._moves])
        self._moves.clear()
        return text

    def read(self) -> int:
        """The time, in milliseconds since the epoch."""
        self._made += 1
        if self._made <= self._scripted:
            if self._told and self._told[-1][0] == self._made:
                self._show(self._told.pop()[1])
                self._ahead = self._shown - self._source() // 1_000_000  # from its end on, time goes on from here
        else:
            self._show(self._source() // 1_000_000 + self._ahead)
        return self._shown

    def _show(self, ms: int) -> None:
        if ms != self._shown:
            self._shown = ms
            self._moves.append((self._made, ms))
