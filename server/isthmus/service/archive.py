"""What was recorded, looked at afterwards: lists of executions, one in full, and one run again. Nothing is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from isthmus.errors import NotFound
from isthmus.journal import Summary, Transcript, transcript_of
from isthmus.model import Report
from isthmus.ports import JournalStore, Sandbox
from isthmus.replay import Ended, NotRepeatable, report_of, run_again
from isthmus.service.history import Cheap, History

WITHOUT_BOUND = Cheap(busy_ms=float("inf"), programs=1_000_000, bytes=2**62)

KeepFiles = Callable[[Report, Path], Awaitable[None]]
"""Puts the files of a report that does not fit into its result where programs find them."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to: the report, and the steps that were compared. `stopped`: it has no end of its own."""

    report: Report
    steps: int
    stopped: bool


@dataclass(frozen=True, slots=True)
class Archive:
    """The journals of a folder for data."""

    store: JournalStore

    async def latest(self, session: str | None = None, limit: int = 20) -> tuple[Summary, ...]:
        """The latest executions, the last one first."""
        return await self.store.summaries(session=session, limit=limit)

    async def transcript(self, beginning: str) -> Transcript:
        """The one execution whose id begins so.

        Raises:
            NotFound: there is none, or more than one.
        """
        found = await self.store.found(beginning)
        if len(found) != 1:
            why = f"several executions begin with it: {', '.join(found)}" if found else "there is no such execution"
            raise NotFound(f"{beginning}: {why}; isthmus runs lists those that are kept")
        return transcript_of(await self.store.entries(found[0]))

    async def replay(self, transcript: Transcript, sandbox: Sandbox, keep: KeepFiles) -> Replayed:
        """Run an execution again, after those which its interpreter had run before it.

        Raises:
            NotRepeatable: the record does not hold what is needed.
            Diverged: it does not do what it did.
            GuestLost, SandboxUnavailable: the sandbox's own.
        """
        before = await self.before(transcript, sandbox)
        guest = await sandbox.open()
        try:
            for each in before:
                outcome = await run_again(guest, each)
                if each.files:
                    await keep(report_of(each, outcome), guest.workspace)
            try:
                outcome = await run_again(guest, transcript)
            except Ended:
                return Replayed(report_of(transcript, None), len(transcript.turns), stopped=True)
        finally:
            await guest.close()
        return Replayed(report_of(transcript, outcome), len(transcript.turns) + 1, stopped=False)

    async def before(self, transcript: Transcript, sandbox: Sandbox) -> list[Transcript]:
        """What had run in its interpreter before an execution, oldest first.

        Raises:
            NotRepeatable: the record does not hold what is needed.
        """
        if transcript.omitted:
            raise NotRepeatable(transcript.omitted)
        history = History(self.store, sandbox, "", lambda _: False, cheap=WITHOUT_BOUND)
        began = transcript.began
        if began.fresh and not began.clean:
            raise NotRepeatable("it began with files that another interpreter had left in /workspace")
        return [] if began.fresh else await history.programs_before(began.session, began.execution)
