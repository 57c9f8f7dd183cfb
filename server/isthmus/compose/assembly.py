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

from isthmus.audit import Listed
from isthmus.compose.access import access_tokens
from isthmus.compose.application import Application
from isthmus.compose.configured import (
    data_of,
    holding_of,
    policy_of,
    pool_settings,
    redactor_of,
    skill_folders,
    untrusted_logs_off,
    upstream_of,
)
from isthmus.config.model import Configuration, Limits
from isthmus.errors import InternalError
from isthmus.model import Operation, Principal, UpstreamState
from isthmus.policy import Allow, Ask, Deny, Policy

if TYPE_CHECKING:
    from isthmus.gateway import Gateway
    from isthmus.ports import ApprovalStore, Audit, JournalStore, Sandbox, Upstream
    from isthmus.redaction import Redactor
    from isthmus.render.fragments import Detail
    from isthmus.service.admission import Bounds
    from isthmus.service.catalogs import Catalogs
    from isthmus.service.execute import ExecuteService
    from isthmus.service.history import History
    from isthmus.service.holding import Hold
    from isthmus.service.host import HostOperations
    from isthmus.service.learning import Learning
    from isthmus.service.search_both import SearchOperations
    from isthmus.service.sessions import Sessions
    from isthmus.service.skills import Skills
    from isthmus.stores.catalogs import CatalogFiles
    from isthmus.stores.private import PrivateStores
    from isthmus.stores.skills import SkillFolders

APPROVALS = "approvals.db"
"""The file in the folder for data where questions stand, and where what was approved is kept."""


SETTLED = 60.0
"""Seconds after which upstreams that still connect are left out of the record of what there is."""


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
    async with _stores() as stores:
        parts = await anyio.to_thread.run_sync(partial(_assembled, configuration, base, log, upstreams or {}, stores))
        async with _at_work(parts):
            yield parts


@asynccontextmanager
async def _at_work(parts: Application) -> AsyncIterator[None]:
    """Its tasks and its sandbox, from start to end."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.catalogs.run)
        tasks.start_soon(parts.sessions.run)
        tasks.start_soon(parts.learning.run)
        tasks.start_soon(parts.executing.detached.run)
        tasks.start_soon(tell_operations, parts.catalogs, parts.audit)
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


@asynccontextmanager
async def _stores() -> AsyncIterator[contextlib.AsyncExitStack]:
    """What is opened goes in here, and is closed in the end, the last first, also where something after it failed."""
    stores = contextlib.AsyncExitStack()
    try:
        yield stores
    finally:
        with anyio.CancelScope(shield=True):
            await stores.aclose()


def _assembled(
    configuration: Configuration,
    base: Path,
    log: Callable[[str], None],
    instead: Mapping[str, Upstream],
    stores: contextlib.AsyncExitStack,
) -> Application:
    from isthmus.credentials.static import StaticCredentials
    from isthmus.gateway import Gateway
    from isthmus.service.history import History
    from isthmus.service.host import HostOperations
    from isthmus.service.learning import Learning
    from isthmus.service.search_both import SearchBoth
    from isthmus.stores.approvals import ApprovalFile
    from isthmus.stores.catalogs import CatalogFiles
    from isthmus.stores.data import key_of
    from isthmus.stores.journal import JournalFile, Kept
    from isthmus.stores.owners import Owner
    from isthmus.stores.private import PrivateStores
    from isthmus.stores.shapes import ShapeFile
    from isthmus.telemetry.opening import opened as opened_audit
    from isthmus.validation import Validation
    from isthmus_sandbox.pool import Pool

    untrusted_logs_off()
    data, limits, kept = data_of(configuration, base), configuration.limits, configuration.journal
    policy, redactor, validation = policy_of(configuration), redactor_of(configuration), Validation()
    files, tokens = CatalogFiles(data / "catalogs", log), access_tokens(configuration, base, redactor)
    upstreams = {
        name: instead.get(name) or upstream_of(name, config, configuration, base, validation, tokens, files)
        for name, config in configuration.upstreams.items()
    }
    catalogs = _catalogs(upstreams, policy, redactor, holding_of(configuration, base, log), files, log)
    private = PrivateStores(data, configuration.private)
    owner = Owner(data / "run", secrets.token_hex(8))
    stores.callback(owner.close)
    journals = private.journal(JournalFile(data / "journal.db", Kept(kept.mb, kept.days), time.time))
    stores.push_async_callback(journals.close)
    audit = opened_audit(configuration.audit, data, base, redactor, time.time, log)
    stores.push_async_callback(anyio.to_thread.run_sync, audit.close)
    shapes = ShapeFile(data / "shapes.db", log)
    stores.callback(shapes.close)
    approvals = ApprovalFile(data / APPROVALS, time.time)
    stores.callback(approvals.close)
    folders = skill_folders(configuration, base, log)
    stores.callback(folders.close)
    learning = Learning(shapes)
    skills = _skills(configuration, folders, catalogs, policy, redactor, journals)
    searching = SearchBoth(_search(catalogs, policy, learning), skills, limits.search_tokens)
    credentials = StaticCredentials(configuration.upstreams, tokens)
    gateway = Gateway(catalogs, upstreams, policy, credentials, redactor, validation.check, observe=learning.observe)
    sandbox, sessions = Pool(pool_settings(limits, data / "run"), progress=log), _sessions(limits, data)
    history = History(journals, sandbox, owner.id, owner.alive, owner.crashed, kept.each_mb * 2**20)
    host = HostOperations(catalogs, searching, policy.visible, partial(_mark, policy), learning.typed, skills)
    executing = _executing(
        configuration, approvals, sandbox, sessions, gateway, history, host, private, log, audit, learning
    )
    return Application(
        sandbox,
        catalogs,
        searching,
        executing,
        sessions,
        journals,
        owner,
        learning,
        audit,
        limits.output_tokens,
        key_of(data),
    )


def _catalogs(
    upstreams: Mapping[str, Upstream],
    policy: Policy,
    redactor: Redactor,
    hold: Hold,
    files: CatalogFiles,
    log: Callable[[str], None],
) -> Catalogs:
    from isthmus.service.catalogs import Catalogs
    from isthmus.service.cleaning import Cleaning

    clean = Cleaning(redactor)
    return Catalogs(
        upstreams,
        lambda each: policy.classify(clean.operation(each)),
        policy.visible,
        clean.snapshot,
        log,
        hold,
        files.share,
        files.relations,
    )


def _search(catalogs: Catalogs, policy: Policy, learning: Learning) -> SearchOperations:
    from isthmus.service.search import search

    mark = partial(_mark, policy)

    async def search_now(
        query: str | list[str], *, upstream: str | None, detail: Detail, limit: int, principal: Principal, budget: int
    ) -> str:
        now = catalogs.current
        return search(
            now.catalog,
            now.index,
            now.snapshots,
            query,
            upstream,
            detail,
            limit,
            budget_tokens=budget,
            visible=policy.visible,
            mark=mark,
            typed=partial(learning.typed, principal=principal),
        )

    return search_now


def _sessions(limits: Limits, data: Path) -> Sessions:
    from isthmus.service.sessions import Bounds, Sessions
    from isthmus.stores.workspace import Kept, Workspaces

    kept = Kept(limits.session_kept, limits.kept_sessions, limits.kept_mb)
    bounds = Bounds(limits.sessions, limits.sessions_each, limits.sessions_mb, limits.session_idle)
    return Sessions(Workspaces(data / "sessions", kept, time.time), bounds, time.monotonic, partial(_new_id, "s"))


def _executing(
    configuration: Configuration,
    approvals: ApprovalStore,
    sandbox: Sandbox,
    sessions: Sessions,
    gateway: Gateway,
    history: History,
    host: HostOperations,
    private: PrivateStores,
    log: Callable[[str], None],
    audit: Audit,
    learning: Learning,
) -> ExecuteService:
    from isthmus.service.admission import Admission
    from isthmus.service.approvals import Approvals
    from isthmus.service.detached import Detached
    from isthmus.service.execute import ExecuteService, Sources
    from isthmus.service.veils import Veils

    limits, patience = configuration.limits, configuration.policy.patience
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
        audit,
        Veils(private.rules, private.vault) if private.rules else None,
        learning,
    )


def _skills(
    configuration: Configuration,
    folders: SkillFolders,
    catalogs: Catalogs,
    policy: Policy,
    redactor: Redactor,
    journals: JournalStore,
) -> Skills:
    from isthmus.service.skills import Skills, latest_programs

    return Skills(
        folders,
        catalogs,
        frozenset(configuration.upstreams),
        time.time,
        policy.visible,
        redactor.text,
        latest_programs(journals),
        configuration.skills.save,
    )


async def tell_operations(catalogs: Catalogs, audit: Audit) -> None:
    """Put on record which operations there are once the upstreams have connected, and what they cost as tools."""
    from isthmus.insight.definitions import cost

    await catalogs.settled(SETTLED)
    snapshots = catalogs.current.snapshots
    for name, snapshot in snapshots.items():
        if snapshot.state is UpstreamState.READY:
            shown = list(filter(catalogs.visible, snapshot.operations))
            tokens, measured = await anyio.to_thread.run_sync(cost, shown)
            with contextlib.suppress(InternalError):  # the operator has been told
                audit.note(Listed(time.time(), name, len(shown), tokens, measured))


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


def _mark(policy: Policy, operation: Operation) -> str:
    if operation.held:
        return "held back: changed since it was locked"
    match policy.standing(operation):
        case Allow():
            return ""
        case Ask():
            return "needs approval"
        case Deny(by_effect=True) if policy.simulate:
            return "simulated"
        case _:
            return "not allowed" + (": only its upstream says that it reads" if operation.claim else "")


def _new_id(kind: str) -> str:
    """A handle that cannot be guessed: `s-3f9c…`."""
    return f"{kind}-{secrets.token_hex(8)}"
