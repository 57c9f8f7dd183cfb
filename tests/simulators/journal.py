"""Journals for tests: a recording that is kept in a list, and a store that is closed in the end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from isthmus.journal import Began, Entry
from isthmus.recording import Recording
from isthmus.stores.journal import JournalFile, Kept
from isthmus_sandbox.protocol import Program

BEGAN = Began("x-1", "s-1", "alice", Program("", "00", 0.0), 0.0)


@asynccontextmanager
async def journal(path: Path | None = None, *, at: float = 0.0, mb: int = 64) -> AsyncIterator[JournalFile]:
    """The store as it is, at that moment; without a path, on no disk."""
    store = JournalFile(path, Kept(mb=mb, days=1), lambda: at)
    try:
        yield store
    finally:
        await store.close()


def recording(kept: list[Entry] | None = None, began: Began = BEGAN) -> Recording:
    """A recording whose flushed entries can be looked at in `kept`."""

    async def append(_execution: str, first: int, entries: Sequence[Entry]) -> None:
        if kept is not None:
            assert first == len(kept)
            kept.extend(entries)

    return Recording(began, append, time.monotonic)
