"""Journals for tests: a recording that is kept in a list, and a store in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence

from isthmus.journal import Began, Entry
from isthmus.recording import Recording
from isthmus.stores.journal import JournalFile, Kept
from isthmus_sandbox.protocol import Program

BEGAN = Began("x-1", "s-1", "alice", Program("", "00", 0.0), 0.0)


def memory() -> JournalFile:
    """The store as it is, on no disk."""
    return JournalFile(None, Kept(mb=64, days=1), time.time)


def recording(kept: list[Entry] | None = None, began: Began = BEGAN) -> Recording:
    """A recording whose flushed entries can be looked at in `kept`."""

    async def append(_execution: str, first: int, entries: Sequence[Entry]) -> None:
        if kept is not None:
            assert first == len(kept)
            kept.extend(entries)

    return Recording(began, append, time.monotonic)
