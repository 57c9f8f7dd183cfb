"""`execute` over one simulated ledger, in real Wasm, on a store and a folder that several servers use in turn."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from isthmus.config.model import Limits
from isthmus.credentials.static import StaticCredentials
from isthmus.errors import InternalError
from isthmus.gateway import Gateway
from isthmus.journal import Entry
from isthmus.model import Effect, Principal, Report
from isthmus.policy import Policy
from isthmus.redaction import Redactor
from isthmus.service.admission import Admission, Bounds
from isthmus.service.approvals import Approvals
from isthmus.service.archive import Archive, Replayed
from isthmus.service.catalogs import Catalogs
from isthmus.service.detached import Detached
from isthmus.service.execute import ExecuteService, Sources
from isthmus.service.history import History
from isthmus.service.host import HostOperations
from isthmus.service.sessions import Bounds as Resting
from isthmus.service.sessions import Sessions
from isthmus.stores.approvals import ApprovalFile
from isthmus.stores.journal import JournalFile
from isthmus.stores.workspace import Kept, Workspaces
from isthmus.validation import Validation
from isthmus_sandbox.pool import Pool
from isthmus_sandbox.settings import Settings
from tests.simulators.journal import journal
from tests.simulators.upstream import SimulatedUpstream, operation

INTEGER = {"type": "integer"}
OPERATIONS = (
    operation("ledger.add", Effect.WRITE, required={"n": INTEGER}, note={"type": "string"}),
    operation("ledger.get", required={"n": INTEGER}),
)
ALICE = Principal("alice")


class Dead(Exception):
    """The server has died."""


@dataclass(eq=False)
class Book:
    """What the upstream has done. A write is done before its answer is on its way."""

    entries: list[int] = field(default_factory=list)
    reads: int = 0

    async def add(self, arguments: Mapping[str, Any]) -> Any:
        self.entries.append(arguments["n"])
        await anyio.lowlevel.checkpoint()
        return {"added": arguments["n"]}

    async def get(self, arguments: Mapping[str, Any]) -> Any:
        self.reads += 1
        await anyio.lowlevel.checkpoint()
        return {"n": arguments["n"], "there": arguments["n"] in self.entries}


@dataclass(eq=False)
class Mortal:
    """A store whose server dies at one of its appends: just before it is kept, or just after."""

    store: JournalFile
    dies_at: int | None = None
    kept_first: bool = True
    die: Callable[[], None] = lambda: None
    appends: int = 0
    dead: bool = False

    async def append(self, execution: str, first: int, entries: Sequence[Entry]) -> None:
        if self.dead:
            raise InternalError("the server is dead")
        self.appends += 1
        dying = self.appends == self.dies_at
        if not dying or self.kept_first:
            await self.store.append(execution, first, entries)
        if dying:
            self.dead = True
            self.die()
            await anyio.sleep_forever()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@dataclass(eq=False)
class House:
    """The folder, the store, the sandbox and the upstream, which outlive servers."""

    pool: Pool
    folder: Path
    store: JournalFile
    book: Book = field(default_factory=Book)
    _ids: Any = field(default_factory=itertools.count)

    @asynccontextmanager
    async def server(self, store: Any = None) -> AsyncIterator[ExecuteService]:
        """A server at work."""
        handlers = {"add": self.book.add, "get": self.book.get}
        upstreams = {"ledger": SimulatedUpstream("ledger", OPERATIONS, handlers)}
        policy, limits = Policy(frozenset(Effect)), Limits()
        catalogs = Catalogs(upstreams, policy.classify, policy.visible)
        credentials, redactor = StaticCredentials({}), Redactor(())
        gateway = Gateway(catalogs, upstreams, policy, credentials, redactor, Validation().check)
        workspaces = Workspaces(self.folder / "sessions", Kept(3600, 100, 100), time.time)
        sessions = Sessions(workspaces, Resting(8, 8, 1000, 3600), time.monotonic, lambda: self.new_id("s"))
        with closing(ApprovalFile(None, time.time)) as approvals:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(catalogs.run)
                await catalogs.settled(10)
                yield ExecuteService(
                    self.pool,
                    sessions,
                    Admission(Bounds(100, 100, 100, 100)),
                    catalogs,
                    gateway,
                    History(store or self.store, self.pool, self.new_id("server"), lambda _: False),
                    HostOperations(catalogs, _no_search, policy.visible, lambda _: ""),
                    Approvals(approvals, 60.0),
                    Detached(60.0),
                    limits,
                    Sources(self.new_id, lambda: f"{next(self._ids):064x}", time.time, time.monotonic),
                    lambda _: None,
                )
                with anyio.CancelScope(shield=True):
                    await sessions.close()
                tasks.cancel_scope.cancel()

    async def run_until_death(self, code: str, dies_at: int, *, kept_first: bool) -> Report | None:
        """Run a program in a server that dies at that append of its journal; None: it died."""
        mortal = Mortal(self.store, dies_at, kept_first)
        report = None
        with anyio.CancelScope() as life:
            mortal.die = life.cancel
            async with self.server(mortal) as service:
                report = await service.execute(code, principal=ALICE)
        return report

    async def replayed(self, execution: str) -> Replayed:
        """Run a recorded execution again, with no upstream at all."""
        archive = Archive(self.store)
        return await archive.replay(await archive.transcript(execution), self.pool, _keep_nothing)

    def new_id(self, kind: str) -> str:
        return f"{kind}-{next(self._ids)}"


async def _no_search(*_: object, **__: object) -> str:
    raise AssertionError("no test searches here")


async def _keep_nothing(_report: Report, _workspace: Path) -> None:
    raise AssertionError("no result here is too long")


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    """A house with a sandbox of its own."""
    async with Pool(Settings(runtime_directory=folder / "run"), progress=lambda _: None) as pool, journal() as store:
        yield House(pool, folder, store)
