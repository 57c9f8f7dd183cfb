"""The use cases over a real sandbox, with upstreams of the benchmark's own in the same process."""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from isthmus.compose import bounds_of
from isthmus.config.model import Limits
from isthmus.credentials.static import StaticCredentials
from isthmus.gateway import Gateway
from isthmus.model import Effect, Principal
from isthmus.policy import Policy
from isthmus.ports import Upstream
from isthmus.redaction import Redactor
from isthmus.service.admission import Admission
from isthmus.service.approvals import Approvals
from isthmus.service.catalogs import Catalogs
from isthmus.service.detached import Detached
from isthmus.service.execute import ExecuteService, Sources
from isthmus.service.history import History
from isthmus.service.host import HostOperations
from isthmus.service.sessions import Bounds as Resting
from isthmus.service.sessions import Sessions
from isthmus.stores.approvals import ApprovalFile
from isthmus.stores.journal import JournalFile
from isthmus.stores.journal import Kept as KeptJournals
from isthmus.stores.workspace import Kept, Workspaces
from isthmus.validation import Validation
from isthmus_sandbox.pool import Pool
from isthmus_sandbox.settings import Limits as WorkerLimits
from isthmus_sandbox.settings import Settings

ANYBODY = Principal()


def pool_settings(limits: Limits, run: Path) -> Settings:
    """How workers are made, as the server does it."""
    workers = WorkerLimits(memory_mb=limits.memory_mb, cpu=limits.cpu)
    return Settings(workers, spares=limits.spare_workers, most=limits.executions, runtime_directory=run)


async def _no_search(*_: object, **__: object) -> str:
    raise RuntimeError("no benchmark searches")


@asynccontextmanager
async def opened_house(
    upstreams: Mapping[str, Upstream], limits: Limits, data: Path | None = None
) -> AsyncIterator[ExecuteService]:
    """`execute` as the server has it, policy and gateway included, but for the face and the text.

    `data` is the folder for what outlives a server; by default one that is removed.
    """
    policy = Policy(frozenset(Effect))
    catalogs = Catalogs(upstreams, policy.classify, policy.visible)
    gateway = Gateway(catalogs, upstreams, policy, StaticCredentials({}), Redactor(()), Validation().check)
    with tempfile.TemporaryDirectory(prefix="isthmus-benchmark-") as folder:
        data = data or Path(folder)
        sessions = Sessions(
            Workspaces(data / "sessions", Kept(limits.session_kept, limits.kept_sessions, limits.kept_mb), time.time),
            Resting(limits.sessions, limits.sessions_each, limits.sessions_mb, limits.session_idle),
            time.monotonic,
            lambda: secrets.token_hex(8),
        )
        pool = Pool(pool_settings(limits, data / "run"), progress=lambda line: print(f"  {line}", file=sys.stderr))
        admission = Admission(bounds_of(limits))
        journals = JournalFile(data / "journal.db", KeptJournals(mb=1024, days=1), time.time)
        detached = Detached(60.0)
        approvals = ApprovalFile(None, time.time)
        async with pool, anyio.create_task_group() as tasks:
            tasks.start_soon(catalogs.run)
            tasks.start_soon(detached.run)
            tasks.start_soon(sessions.run)
            await catalogs.settled(10)
            yield ExecuteService(
                pool,
                sessions,
                admission,
                catalogs,
                gateway,
                History(journals, pool, "benchmark", lambda _: False),
                HostOperations(catalogs, _no_search, policy.visible, lambda _: ""),
                Approvals(approvals, 60.0),
                detached,
                limits,
                Sources(
                    lambda kind: f"{kind}-{secrets.token_hex(8)}",
                    lambda: secrets.token_hex(32),
                    time.time,
                    time.monotonic,
                ),
                lambda line: print(f"  {line}"),
            )
            with anyio.CancelScope(shield=True):
                await sessions.close()
                await journals.close()
                approvals.close()
            tasks.cancel_scope.cancel()
