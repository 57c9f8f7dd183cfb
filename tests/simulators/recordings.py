"""Recordings by hand, for what only needs their calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from isthmus.contracts.recorded import Recorded, RecordedCall, RecordedOutcome, RecordedRun, written
from isthmus_sandbox.protocol import Readings


def keep_recording(folder: Path, calls: Sequence[RecordedCall]) -> None:
    """Keep calls as a recording."""
    outcome = RecordedOutcome(ok=True, kind="none")
    run = RecordedRun("program.py", "", "ab", 0.0, Readings(), Readings(), tuple(calls), outcome)
    folder.mkdir(parents=True)
    for name, text in written(Recorded("x-1", (run,))).items():
        (folder / name).write_text(text)
