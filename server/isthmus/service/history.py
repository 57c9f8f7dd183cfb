"""What journals are good for while a server runs: executions are continued, resumed, and their sessions rebuilt.

To rebuild a session is to run its programs again, in a new guest and an empty workspace, answered from their journals:
nothing is called. It is done where it is cheap, and it counts only if every step, every outcome and every file in the
end are the same as they were; else the session goes on without its variables, and the model is told.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path, PurePosixPath

import anyio.to_thread

from isthmus.errors import NotFound, Refused
from isthmus.journal import (
    Address,
    Began,
    Entry,
    Past,
    Resumed,
    Transcript,
    began_of,
    past_of,
    transcript_of,
)
from isthmus.model import Principal
from isthmus.ports import Guest, JournalStore, Sandbox
from isthmus.render.results_text import count
from isthmus.replay import Diverged, NotRepeatable, run_again
from isthmus.service.sessions import Session
from isthmus_sandbox.protocol import GuestLost, SandboxUnavailable


@dataclass(frozen=True, slots=True)
class Cheap:
    """How much is run again rather than tell the model: milliseconds of computing, programs, bytes of journals."""

    busy_ms: float = 3_000.0
    programs: int = 50
    bytes: int = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Continuation:
    """An execution to go on with: its head and all its entries, and what is known of its family's calls."""

    began: Began
    past: Mapping[Address, Past]
    entries: tuple[Entry, ...]
    ended: bool


@dataclass(slots=True, eq=False)
class History:
    """The journals of this server and of those before it. Of another one it is known whether it lives, or crashed."""

    store: JournalStore
    sandbox: Sandbox
    owner: str
    alive: Callable[[str], bool]
    crashed: Callable[[str], bool] = lambda _: False
    room: int = 64 * 2**20  # bytes of steps and answers that are kept of one execution
    cheap: Cheap = field(default_factory=Cheap)
    running: set[str] = field(default_factory=set)  # executions, in this server
    _told: set[Principal] = field(default_factory=set)  # who has heard of what was interrupted

    async def session_of(self, principal: Principal, execution: str) -> str:
        """The handle of the session in which an execution ran.

        Raises:
            NotFound: there is no such execution of this principal.
        """
        return began_of(await self._entries(principal, execution)).session

    async def _entries(self, principal: Principal, execution: str) -> tuple[Entry, ...]:
        entries = await self.store.entries(execution)
        if not entries or began_of(entries).principal != principal.name:
            raise NotFound(
                f"there is no execution {execution!r}: it is no longer kept, or never was",
                hint="leave `session` out to run a program in your own session",
            )
        return entries

    async def continuation(self, principal: Principal, execution: str) -> Continuation:
        """What there is to go on with.

        Raises:
            NotFound: there is no such execution of this principal.
            Refused: it is still running.
        """
        entries = await self._entries(principal, execution)
        journals = [await self.store.entries(each) for each in await self.store.family(execution)]
        for each in journals:
            if not _over(each):
                await self._take(each)
        began, past = began_of(entries), past_of(journals)
        return Continuation(began, past, entries, _over(entries))

    async def _take(self, entries: Sequence[Entry]) -> None:
        """Take an execution without an end from the server that ran it, which must be gone."""
        execution = began_of(entries).execution
        owner = next((e.owner for e in reversed(entries) if isinstance(e, Resumed)), began_of(entries).owner)
        at_work = execution in self.running or (owner != self.owner and self.alive(owner))
        if at_work or not await self.store.claim(execution, self.owner, self.alive):
            raise Refused(f"{execution} is still running", remedy="wait for its result, or for its end")

    async def news(self, principal: Principal, named: str | None = None) -> list[str]:
        """What the principal is to hear at the start: what was interrupted, or may have gone unheard, in a crash.

        Of an execution that he has `named` he knows.
        """
        if principal in self._told:
            return []
        self._told.add(principal)
        latest = [
            each for each in await self.store.summaries(principal=principal.name, limit=10) if each.execution != named
        ]
        unheard = [
            f"{each.execution} had ended when its server crashed; if you have not had its result, "
            f'session="{each.execution}" and empty code give it again'
            for each in latest[:1]
            if each.ok is not None and self.crashed(each.owner)
        ]
        return unheard + [
            f"{each.execution} was interrupted when its server ended, after {count(each.calls, 'call')}; "
            f'to go on where it stood, pass session="{each.execution}" and empty code'
            for each in latest
            if each.ok is None and each.owner != self.owner and not self.alive(each.owner)
        ]

    async def answered(self, session: str) -> set[str]:
        """The operations that programs of a session have had answers of, as far as journals are kept."""
        found: set[str] = set()
        for summary in await self.store.summaries(session=session, limit=10_000):
            transcript = transcript_of(await self.store.entries(summary.execution))
            found |= {sent.operation for call, sent in transcript.sent.items() if call in transcript.ended}
        return found

    async def rebuild(self, session: Session) -> bool:
        """Give the session a guest with the variables that it had. False, and nothing changed, where it cannot be."""
        try:
            programs = await self.programs_before(session.handle, None)
        except NotRepeatable:
            return False
        return bool(programs) and await self._rebuilt(session, programs, whole=True)

    async def recover(self, session: Session, execution: str) -> tuple[Guest, Transcript] | None:
        """Another guest for an execution whose worker is gone, and what crossed the door so far; or None."""
        transcript = transcript_of(await self.store.entries(execution))
        [latest] = await self.store.summaries(session=session.handle, limit=1)
        if transcript.omitted or latest.execution != execution:
            return None
        try:
            programs = await self.programs_before(session.handle, execution)
        except NotRepeatable:
            return None
        if not await self._rebuilt(session, programs, whole=False) or session.guest is None:
            return None
        return session.guest, transcript

    async def programs_before(self, session: str, execution: str | None) -> list[Transcript]:
        """What the guest in which `execution` ran had run before it, oldest first; with None, what it has run in all.

        Raises:
            NotRepeatable: that is more than `cheap` allows, or cannot be run again.
        """
        latest = list(await self.store.summaries(session=session, limit=10_000))
        while execution is not None and latest and latest[0].execution != execution:
            del latest[0]
        run = [*takewhile(lambda each: not each.fresh, latest), *[each for each in latest if each.fresh][:1]]
        programs = run if execution is None else run[1:]
        if run and not (run[-1].fresh and run[-1].clean):
            raise NotRepeatable("its session had begun with files that another interpreter had left in /workspace")
        if any(each.ok is None for each in programs):
            raise NotRepeatable("a program before it in the session has no end")
        cheap = self.cheap
        if (
            len(programs) > cheap.programs
            or sum(each.busy_ms for each in programs) > cheap.busy_ms
            or sum(each.bytes for each in programs) > cheap.bytes
        ):
            raise NotRepeatable("the programs before it take too long")
        transcripts = [transcript_of(await self.store.entries(each.execution)) for each in reversed(programs)]
        for transcript in transcripts:
            if transcript.omitted or transcript.finished is None or not transcript.finished.text:
                why = transcript.omitted or "it was stopped, and left who knows what"
                raise NotRepeatable(f"{transcript.began.execution}, before it in the session, is not whole: {why}")
        return transcripts

    async def _rebuilt(self, session: Session, programs: Sequence[Transcript], *, whole: bool) -> bool:
        """Run the programs again in a workspace of their own, which takes the old one's place if all is as it was."""
        files = session.workspace
        before = files.with_name("before")
        await anyio.to_thread.run_sync(_put_aside, files, before)
        try:
            session.guest = await self.sandbox.open(files)
            session.names = None
            for transcript in programs:
                await run_again(session.guest, transcript)
                await anyio.to_thread.run_sync(_bring, transcript.files, before, files)
            same = not whole or await anyio.to_thread.run_sync(_same, before, files)
        except (Diverged, GuestLost, SandboxUnavailable, OSError):
            same = False
        if same:
            await anyio.to_thread.run_sync(shutil.rmtree, before)
            return True
        if session.guest is not None:
            await session.guest.close()
            session.guest = None
        await anyio.to_thread.run_sync(_put_back, before, files)
        return False


def _over(entries: Sequence[Entry]) -> bool:
    return transcript_of(entries).finished is not None


# ---------------------------------------------------------------- workspaces


def _put_aside(files: Path, before: Path) -> None:
    if before.exists():  # a server was lost while it rebuilt this session
        _put_back(before, files)
    files.rename(before)
    files.mkdir(mode=0o700)


def _put_back(before: Path, files: Path) -> None:
    shutil.rmtree(files, ignore_errors=True)
    before.rename(files)


def _bring(names: Sequence[str], before: Path, files: Path) -> None:
    """Files that the host itself had put there, of what did not fit into a result."""
    for name in names:
        file = PurePosixPath(name).name
        if (before / file).is_file() and not (before / file).is_symlink():
            shutil.copyfile(before / file, files / file, follow_symlinks=False)


def _same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, links and folders, byte for byte."""
    mine, theirs = (sorted(os.scandir(each), key=lambda entry: entry.name) for each in (one, other))
    if [each.name for each in mine] != [each.name for each in theirs]:
        return False
    return all(_alike(left, right) for left, right in zip(mine, theirs, strict=True))


def _alike(left: os.DirEntry[str], right: os.DirEntry[str]) -> bool:
    kinds = [(each.is_symlink(), each.is_dir(follow_symlinks=False)) for each in (left, right)]
    if kinds[0] != kinds[1]:
        return False
    if left.is_symlink():
        return Path(left.path).readlink() == Path(right.path).readlink()
    if left.is_dir(follow_symlinks=False):
        return _same(Path(left.path), Path(right.path))
    return filecmp.cmp(left.path, right.path, shallow=False)
