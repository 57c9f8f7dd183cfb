"""What can be found, put together: catalogs, skills, what was learned, and the search over all of it.

A search needs no more. Every application stands on it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from isthmus.audit import Listed
from isthmus.compose.access import access_tokens
from isthmus.compose.application import Searching
from isthmus.compose.configured import (
    data_of,
    holding_of,
    policy_of,
    redactor_of,
    skill_folders,
    untrusted_logs_off,
    upstream_of,
)
from isthmus.config.model import Configuration
from isthmus.errors import InternalError
from isthmus.model import Operation, Principal, UpstreamState
from isthmus.policy import Allow, Ask, Deny, Policy

if TYPE_CHECKING:
    from isthmus.credentials.static import TokensOf
    from isthmus.ports import JournalStore, Upstream
    from isthmus.redaction import Redactor
    from isthmus.render.fragments import Detail
    from isthmus.service.catalogs import Catalogs
    from isthmus.service.holding import Hold
    from isthmus.service.learning import Learning
    from isthmus.service.search_both import SearchOperations
    from isthmus.service.skills import Skills
    from isthmus.stores.catalogs import CatalogFiles
    from isthmus.stores.private import PrivateStores
    from isthmus.stores.skills import SkillFolders
    from isthmus.validation import Validation

SETTLED = 60.0
"""Seconds after which upstreams that still connect are left out of the record of what there is."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """See the module."""

    data: Path
    policy: Policy
    redactor: Redactor
    validation: Validation
    tokens: TokensOf
    upstreams: Mapping[str, Upstream]
    private: PrivateStores
    journals: JournalStore
    learning: Learning
    skills: Skills
    searching: Searching

    def mark(self, operation: Operation) -> str:
        """What policy makes of an operation, for its header."""
        return _mark(self.policy, operation)


@asynccontextmanager
async def searching(
    configuration: Configuration, *, base: Path, log: Callable[[str], None]
) -> AsyncIterator[Searching]:
    """Open what a search needs, and close it. `base` and `log` are as for `application`."""
    async with stores_opened() as stores:
        ground = await anyio.to_thread.run_sync(partial(grounded, configuration, base, log, {}, stores))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ground.searching.catalogs.run)
            tasks.start_soon(tell_operations, ground.searching)
            yield ground.searching
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def stores_opened() -> AsyncIterator[contextlib.AsyncExitStack]:
    """What is opened goes in here, and is closed in the end, the last first, also where something after it failed."""
    stores = contextlib.AsyncExitStack()
    try:
        yield stores
    finally:
        with anyio.CancelScope(shield=True):
            await stores.aclose()


def grounded(
    configuration: Configuration,
    base: Path,
    log: Callable[[str], None],
    instead: Mapping[str, Upstream],
    stores: contextlib.AsyncExitStack,
) -> Ground:
    """Put it together. Takes a while: what is heavy is imported here. What is opened goes into `stores`."""
    from isthmus.service.learning import Learning
    from isthmus.service.search_both import SearchBoth
    from isthmus.stores.catalogs import CatalogFiles
    from isthmus.stores.journal import JournalFile, Kept
    from isthmus.stores.private import PrivateStores
    from isthmus.stores.shapes import ShapeFile
    from isthmus.telemetry.opening import opened as opened_audit
    from isthmus.validation import Validation

    untrusted_logs_off()
    data, kept = data_of(configuration, base), configuration.journal
    policy, redactor, validation = policy_of(configuration), redactor_of(configuration), Validation()
    files, tokens = CatalogFiles(data / "catalogs", log), access_tokens(configuration, base, redactor)
    upstreams = {
        name: instead.get(name) or upstream_of(name, config, configuration, base, validation, tokens, files)
        for name, config in configuration.upstreams.items()
    }
    catalogs = _catalogs(upstreams, policy, redactor, holding_of(configuration, base, log), files, log)
    private = PrivateStores(data, configuration.private)
    journals = private.journal(JournalFile(data / "journal.db", Kept(kept.mb, kept.days), time.time))
    stores.push_async_callback(journals.close)
    audit = opened_audit(configuration.audit, data, base, redactor, time.time, log)
    stores.push_async_callback(anyio.to_thread.run_sync, audit.close)
    shapes = ShapeFile(data / "shapes.db", log)
    stores.callback(shapes.close)
    folders = skill_folders(configuration, base, log)
    stores.callback(folders.close)
    learning = Learning(shapes)
    skills = _skills(configuration, folders, catalogs, policy, redactor, journals)
    found = SearchBoth(_search(catalogs, policy, learning), skills, configuration.limits.search_tokens)
    return Ground(
        data,
        policy,
        redactor,
        validation,
        tokens,
        upstreams,
        private,
        journals,
        learning,
        skills,
        Searching(catalogs, found, audit),
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


async def tell_operations(searching: Searching) -> None:
    """Put on record which operations there are once the upstreams have connected, and what they cost as tools."""
    from isthmus.insight.definitions import cost

    catalogs, audit = searching.catalogs, searching.audit
    await catalogs.settled(SETTLED)
    snapshots = catalogs.current.snapshots
    for name, snapshot in snapshots.items():
        if snapshot.state is UpstreamState.READY:
            shown = list(filter(catalogs.visible, snapshot.operations))
            tokens, measured = await anyio.to_thread.run_sync(cost, shown)
            with contextlib.suppress(InternalError):  # the operator has been told
                audit.note(Listed(time.time(), name, len(shown), tokens, measured))


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
