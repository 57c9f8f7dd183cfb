"""An application put together: the one place that names concrete classes.

Heavy modules are imported when it is opened, in a thread, so that a server that has just answered its first message
goes on answering.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from isthmus.compose.application import Application
from isthmus.compose.configured import pool_settings
from isthmus.compose.ground import Ground, grounded, stores_opened, tell_operations
from isthmus.config.model import Configuration, Limits

if TYPE_CHECKING:
    from isthmus.gateway import Gateway
    from isthmus.ports import ApprovalStore, Sandbox, Upstream
    from isthmus.service.admission import Bounds
    from isthmus.service.execute import ExecuteService
    from isthmus.service.history import History
    from isthmus.service.host import HostOperations
    from isthmus.service.sessions import Sessions

APPROVALS = "approvals.db"
"""The file in the folder for data where questions stand, and where what was approved is kept."""


@asynccontextmanager
async def application(
    configuration: Configuration,
    *,
    base: Path,
    log: Callable[[str], None],
    upstreams: Mapping[str, Upstream] | None = None,
) -> AsyncIterator[Application]:
    """Open an application, and close it with all its processes and connections.

    `base` is the folder that relative paths of the configuration start from; `log` takes lines for the operator.
    `upstreams` stand in the place of those that are configured, by name: mocks in tests.
    """
    async with stores_opened() as stores:

        def assembled() -> Application:
            return _assembled(configuration, grounded(configuration, base, log, upstreams or {}, stores), log, stores)

        parts = await anyio.to_thread.run_sync(assembled)
        async with _at_work(parts):
            yield parts


@asynccontextmanager
async def _at_work(parts: Application) -> AsyncIterator[None]:
    """Its tasks and its sandbox, from start to end."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.searching.catalogs.run)
        tasks.start_soon(parts.sessions.run)
        tasks.start_soon(parts.learning.run)
        tasks.start_soon(parts.executing.detached.run)
        tasks.start_soon(tell_operations, parts.searching)
        await parts.sandbox.start()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await parts.executing.detached.close()
                await parts.sessions.close()
                await parts.sandbox.close()
                parts.owner.close()  # upstreams take their time: whoever is killed meanwhile has not crashed
            tasks.cancel_scope.cancel()


def _assembled(
    configuration: Configuration, ground: Ground, log: Callable[[str], None], stores: contextlib.AsyncExitStack
) -> Application:
    from isthmus.credentials.static import StaticCredentials
    from isthmus.gateway import Gateway
    from isthmus.service.history import History
    from isthmus.service.host import HostOperations
    from isthmus.stores.approvals import ApprovalFile
    from isthmus.stores.data import key_of
    from isthmus.stores.owners import Owner
    from isthmus_sandbox.pool import Pool

    data, limits, policy, learning = ground.data, configuration.limits, ground.policy, ground.learning
    searching, catalogs = ground.searching, ground.searching.catalogs
    owner = Owner(data / "run", secrets.token_hex(8))
    stores.callback(owner.close)
    approvals = ApprovalFile(data / APPROVALS, time.time)
    stores.callback(approvals.close)
    credentials = StaticCredentials(configuration.upstreams, ground.tokens)
    gateway = Gateway(
        catalogs,
        ground.upstreams,
        policy,
        credentials,
        ground.redactor,
        ground.validation.check,
        observe=learning.observe,
    )
    sandbox, sessions = Pool(pool_settings(limits, data / "run"), progress=log), _sessions(limits, data)
    history = History(
        ground.journals, sandbox, owner.id, owner.alive, owner.crashed, configuration.journal.each_mb * 2**20
    )
    host = HostOperations(catalogs, searching.found, policy.visible, ground.mark, learning.typed, ground.skills)
    executing = _executing(configuration, ground, approvals, sandbox, sessions, gateway, history, host, log)
    return Application(
        searching,
        sandbox,
        executing,
        sessions,
        ground.journals,
        owner,
        learning,
        limits.output_tokens,
        key_of(data),
    )


def _sessions(limits: Limits, data: Path) -> Sessions:
    from isthmus.service.sessions import Bounds, Sessions
    from isthmus.stores.workspace import Kept, Workspaces

    kept = Kept(limits.session_kept, limits.kept_sessions, limits.kept_mb)
    bounds = Bounds(limits.sessions, limits.sessions_each, limits.sessions_mb, limits.session_idle)
    return Sessions(Workspaces(data / "sessions", kept, time.time), bounds, time.monotonic, partial(_new_id, "s"))


def _executing(
    configuration: Configuration,
    ground: Ground,
    approvals: ApprovalStore,
    sandbox: Sandbox,
    sessions: Sessions,
    gateway: Gateway,
    history: History,
    host: HostOperations,
    log: Callable[[str], None],
) -> ExecuteService:
    from isthmus.service.admission import Admission
    from isthmus.service.approvals import Approvals
    from isthmus.service.detached import Detached
    from isthmus.service.execute import ExecuteService, Sources
    from isthmus.service.veils import Veils

    limits, patience, private = configuration.limits, configuration.policy.patience, ground.private
    return ExecuteService(
        sandbox,
        sessions,
        Admission(bounds_of(limits)),
        host.catalogs,
        gateway,
        history,
        host,
        Approvals(approvals, patience),
        Detached(patience),
        limits,
        Sources(_new_id, partial(secrets.token_hex, 32), time.time, time.monotonic),
        log,
        ground.searching.audit,
        Veils(private.rules, private.vault) if private.rules else None,
        ground.learning,
    )


def bounds_of(limits: Limits) -> Bounds:
    """What admission gives out: starts enough that no processor waits for work."""
    from isthmus.service.admission import Bounds

    processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return Bounds(
        limits.executions,
        limits.executions_each,
        limits.queue,
        limits.queue_each,
        starts=max(4, 2 * processors),
        processors=processors,
    )


def _new_id(kind: str) -> str:
    """A handle that cannot be guessed: `s-3f9c…`."""
    return f"{kind}-{secrets.token_hex(8)}"
