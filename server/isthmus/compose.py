"""The composition root: the one place that names concrete classes, and joins them to an application.

Heavy modules are imported when an application is opened, in a thread, so that a server that has just answered its
first message goes on answering.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from isthmus.audit import Listed, Searched
from isthmus.config.model import Configuration, Limits, RuleConfig, UpstreamConfig
from isthmus.config.places import data_folder
from isthmus.errors import ConfigurationError, InternalError
from isthmus.model import Operation, Principal, Question, Reply, Report, UpstreamSnapshot, UpstreamState
from isthmus.policy import Allow, Ask, Deny, Policy, UpstreamRules
from isthmus.rules import Fits, Flow, Rule, Verdict

if TYPE_CHECKING:
    from isthmus.config.http import HttpConfig
    from isthmus.contracts.lock import Lock
    from isthmus.ports import Audit, JournalStore, Sandbox, Upstream
    from isthmus.privacy.veil import Veil
    from isthmus.redaction import Redactor
    from isthmus.render.fragments import Detail
    from isthmus.render.results import Rendered
    from isthmus.service.archive import Archive
    from isthmus.service.catalogs import Catalogs
    from isthmus.service.detached import Consent
    from isthmus.service.execute import ExecuteService
    from isthmus.service.holding import Hold
    from isthmus.service.host import Search
    from isthmus.service.learning import Learning
    from isthmus.service.sessions import Sessions
    from isthmus.service.skills import Skills
    from isthmus.stores.catalogs import CatalogFiles
    from isthmus.stores.owners import Owner
    from isthmus.stores.private import PrivateStores
    from isthmus.stores.skills import SkillFolders
    from isthmus.validation import Validation
    from isthmus_sandbox.pool import Pool
    from isthmus_sandbox.settings import Settings

LOCAL = Principal()

APPROVALS = "approvals.db"
"""The file in the folder for data where questions stand, and where what was approved is kept."""

SETTLED = 60.0
"""Seconds after which upstreams that still connect are left out of the record of what there is."""

UNTRUSTED_LOGS = ("httpx2", "httpcore2", "mcp.client", "client")
"""Loggers of libraries that repeat what upstreams sent, and URLs with the keys in them. The upstreams tell the rest."""


@dataclass(frozen=True, slots=True, eq=False)
class Application:
    """Isthmus, running: what every face of it is made of."""

    sandbox: Sandbox
    catalogs: Catalogs
    searching: Search
    executing: ExecuteService
    sessions: Sessions
    journals: JournalStore
    owner: Owner
    learning: Learning
    audit: Audit
    output_tokens: int
    key: bytes  # for what clients carry from one request to the next

    async def search(
        self,
        query: str | list[str],
        *,
        upstream: str | None = None,
        detail: Detail = "signatures",
        limit: int = 8,
        principal: Principal = LOCAL,
    ) -> str:
        """The fragments of API that a task needs, as a text for the model."""
        await self.catalogs.looked_at(upstream)
        found = await self.searching(query, upstream=upstream, detail=detail, limit=limit, principal=principal)
        queries = (query,) if isinstance(query, str) else tuple(query)
        with contextlib.suppress(InternalError):  # the operator has been told, and nothing was changed
            self.audit.note(Searched(time.time(), principal.name, queries, upstream or "", len(found)))
        return found

    async def execute(
        self,
        code: str,
        *,
        session: str | None = None,
        timeout: float | None = None,
        printed: Callable[[str], Awaitable[None]] | None = None,
        principal: Principal = LOCAL,
        consent: Consent = None,
    ) -> Rendered:
        """Run a program, and lay its report out for the model. `printed` hears of output as it comes.

        `consent` is how a person is asked, where policy wants that; None: such calls are refused. With "later", what is
        given may be that the execution waits, and for what (`Rendered.questions`).
        """
        from isthmus.render.results import lay_out
        from isthmus.render.tokens import estimate

        def laid_out(report: Report) -> Rendered:
            return lay_out(
                report,
                budget_tokens=self.output_tokens,
                keep=partial(self._keep, report.session),
                show_session=session == "new",
            )

        told: list[Rendered] = []

        async def tell(report: Report) -> tuple[int, Sequence[str]]:
            # To lay out megabytes takes seconds, in which others are to be served.
            small = _is_small(report.value)
            told.append(laid_out(report) if small else await anyio.to_thread.run_sync(laid_out, report))
            return estimate(told[0].text), [each["path"] for each in told[0].facts["artifacts"]]

        report = await self.executing.execute(
            code, principal=principal, session=session, timeout=timeout, printed=printed, tell=tell, consent=consent
        )
        return told[0] if told else laid_out(report)

    def questions(self, principal: Principal = LOCAL) -> tuple[Question, ...]:
        """What a principal's executions wait for, also those that were put aside."""
        return self.executing.approvals.waiting(principal)

    def answer(self, replies: Mapping[str, Reply], principal: Principal = LOCAL) -> None:
        """Take a person's replies to questions of this principal; those who ask again find them, too."""
        for question, reply in replies.items():
            self.executing.approvals.answer(principal, question, reply)

    def _keep(self, session: str, name: str, content: bytes) -> str:
        from isthmus.stores.workspace import keep

        if (workspace := self.sessions.workspace(session)) is None:
            raise FileNotFoundError(errno.ENOENT, "the session has no workspace")
        return keep(workspace, name, content)

    def upstreams(self) -> tuple[UpstreamSnapshot, ...]:
        """How each upstream stands."""
        return tuple(self.catalogs.current.snapshots.values())

    async def settled(self, timeout: float) -> None:
        """Return once no upstream is connecting for the first time, or after `timeout` seconds."""
        await self.catalogs.settled(timeout)

    def preparing(self) -> str:
        """What the first program still waits for; empty when nothing."""
        return self.sandbox.preparing()

    def layers(self) -> Mapping[str, str]:
        """The protection layers of the sandbox, each `active` or why it is not."""
        return self.sandbox.layers()


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
    parts = await anyio.to_thread.run_sync(partial(_assembled, configuration, base, log, upstreams or {}))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.catalogs.run)
        tasks.start_soon(parts.sessions.run)
        tasks.start_soon(parts.learning.run)
        tasks.start_soon(parts.executing.detached.run)
        tasks.start_soon(tell_operations, parts.catalogs, parts.audit)
        await parts.sandbox.start()
        try:
            yield parts
        finally:
            with anyio.CancelScope(shield=True):
                await parts.executing.detached.close()
                await parts.sessions.close()
                await parts.sandbox.close()
                await parts.journals.close()
                await anyio.to_thread.run_sync(parts.audit.close)
                parts.executing.approvals.store.close()
                parts.owner.close()
            tasks.cancel_scope.cancel()


def _assembled(
    configuration: Configuration, base: Path, log: Callable[[str], None], instead: Mapping[str, Upstream]
) -> Application:
    from isthmus.credentials.static import StaticCredentials
    from isthmus.gateway import Gateway
    from isthmus.service.admission import Admission, Bounds
    from isthmus.service.approvals import Approvals
    from isthmus.service.catalogs import Catalogs
    from isthmus.service.cleaning import Cleaning
    from isthmus.service.detached import Detached
    from isthmus.service.execute import ExecuteService, Sources
    from isthmus.service.history import History
    from isthmus.service.host import HostOperations
    from isthmus.service.learning import Learning
    from isthmus.service.search import search
    from isthmus.service.search_both import SearchBoth
    from isthmus.service.sessions import Bounds as Resting
    from isthmus.service.sessions import Sessions
    from isthmus.service.veils import Veils
    from isthmus.stores.approvals import ApprovalFile
    from isthmus.stores.catalogs import CatalogFiles
    from isthmus.stores.data import key_of
    from isthmus.stores.journal import JournalFile
    from isthmus.stores.journal import Kept as KeptJournals
    from isthmus.stores.owners import Owner
    from isthmus.stores.private import PrivateStores
    from isthmus.stores.shapes import ShapeFile
    from isthmus.stores.workspace import Kept, Workspaces
    from isthmus.telemetry.opening import opened as opened_audit
    from isthmus.validation import Validation
    from isthmus_sandbox.pool import Pool

    for name in UNTRUSTED_LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    data = data_of(configuration, base)
    limits, policy, validation = configuration.limits, policy_of(configuration), Validation()
    files = CatalogFiles(data / "catalogs", log)
    upstreams = {
        name: instead.get(name) or _upstream(name, config, configuration, base, validation, files)
        for name, config in configuration.upstreams.items()
    }
    credentials = StaticCredentials(configuration.upstreams)
    redactor = _redactor(configuration)
    clean = Cleaning(redactor)
    catalogs = Catalogs(
        upstreams,
        lambda each: policy.classify(clean.operation(each)),
        policy.visible,
        clean.snapshot,
        log,
        _holding(configuration, base, log),
        files.share,
        files.relations,
    )
    sandbox = Pool(_pool_settings(limits, data / "run"), progress=log)
    workspaces = Workspaces(
        data / "sessions", Kept(limits.session_kept, limits.kept_sessions, limits.kept_mb), time.time
    )
    sessions = Sessions(
        workspaces,
        Resting(limits.sessions, limits.sessions_each, limits.sessions_mb, limits.session_idle),
        time.monotonic,
        partial(_new_id, "s"),
    )
    kept = configuration.journal
    private = PrivateStores(data, configuration.private)
    journals = private.journal(JournalFile(data / "journal.db", KeptJournals(kept.mb, kept.days), time.time))
    owner = Owner(data / "run", secrets.token_hex(8))
    audit = opened_audit(configuration.audit, data, base, redactor, time.time, log)
    mark = partial(_mark, policy)
    learning = Learning(ShapeFile(data / "shapes.db", log))

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

    skills = _skills(configuration, base, catalogs, policy, redactor, journals, log)
    searching = SearchBoth(search_now, skills, limits.search_tokens)
    gateway = Gateway(
        catalogs,
        upstreams,
        policy,
        credentials,
        redactor,
        validation.check,
        observe=learning.observe,
    )
    executing = ExecuteService(
        sandbox,
        sessions,
        Admission(
            Bounds(limits.executions, limits.executions_each, limits.queue, limits.queue_each, starts=starts_at_once())
        ),
        catalogs,
        gateway,
        History(journals, sandbox, owner.id, owner.alive, owner.crashed, kept.each_mb * 2**20),
        HostOperations(catalogs, searching, policy.visible, mark, learning.typed, skills),
        Approvals(ApprovalFile(data / APPROVALS, time.time), configuration.policy.patience),
        Detached(configuration.policy.patience),
        limits,
        Sources(_new_id, partial(secrets.token_hex, 32), time.time, time.monotonic),
        log,
        audit,
        Veils(private.rules, private.vault) if private.rules else None,
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


@asynccontextmanager
async def identification(http: HttpConfig) -> AsyncIterator[Callable[[str], Awaitable[Principal]] | None]:
    """Who has which token, by the configuration: its own tokens, and an issuer's. None where nobody has to say."""
    from isthmus.identity.either import either
    from isthmus.identity.issuer import Expected, Issuer
    from isthmus.identity.keys import Keys, fetching
    from isthmus.identity.tokens import Tokens

    if not http.authenticates:
        yield None
        return
    tokens = Tokens(http.tokens, lambda: datetime.now(UTC).date())
    if (oidc := http.oidc) is None:
        yield tokens.principal
        return
    async with fetching() as fetch:
        keys = Keys(oidc.issuer, oidc.jwks, fetch, time.monotonic)
        expected = Expected(oidc.issuer, oidc.audience or http.url or "", tuple(oidc.scopes), oidc.claim)
        yield either(tokens, Issuer(expected, keys, time.time))


def skill_folders(configuration: Configuration, base: Path, log: Callable[[str], None]) -> SkillFolders:
    """Where the skills of a configuration are.

    Raises:
        ConfigurationError: the folder that it names cannot be used.
    """
    from isthmus.stores.skill_ledger import SkillLedger
    from isthmus.stores.skills import Quota, SkillFolders, team_folder

    said, data = configuration.skills, data_of(configuration, base)
    quota = Quota(said.most, said.mb * 2**20, said.each_kb * 2**10)
    team = team_folder(base / said.folder) if said.folder else None
    return SkillFolders(data / "skills", SkillLedger(data / "skills.db", log), quota, team)


def _skills(
    configuration: Configuration,
    base: Path,
    catalogs: Catalogs,
    policy: Policy,
    redactor: Redactor,
    journals: JournalStore,
    log: Callable[[str], None],
) -> Skills:
    from isthmus.service.skills import Skills, latest_programs

    return Skills(
        skill_folders(configuration, base, log),
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


def starts_at_once() -> int:
    """Executions that may be starting at the same time: enough that no processor waits for work."""
    return max(4, 2 * (os.cpu_count() or 1))


@dataclass(frozen=True, slots=True)
class Records:
    """What was recorded, for who looks at it afterwards; `sandbox` gives one to run it again in."""

    archive: Archive
    redactor: Redactor
    sandbox: Callable[[], Pool]
    output_tokens: int
    audit: Callable[[Sequence[str]], Iterator[dict[str, Any]]]  # records of the named events
    private: PrivateStores

    def shown(self, session: str, data: Any) -> Any:
        """Data of an execution in a session as it may be seen: without secrets, with tokens for private values."""
        veil = self._veil(session)
        cleaned = self.redactor.data(data)
        return cleaned if veil is None else veil.shown(cleaned)

    def _veil(self, session: str) -> Veil | None:
        from isthmus.privacy.veil import Veil

        kept = self.private.found(session)
        return None if kept is None or self.private.rules is None else Veil.opened(self.private.rules, kept)

    async def keep_files(self, report: Report, workspace: Path) -> None:
        """Put what did not fit into a result where the programs after it found it."""
        self.rendered(report, workspace)

    def rendered(self, report: Report, workspace: Path) -> Rendered:
        """The report as the model reads it; what does not fit goes to the workspace."""
        from isthmus.render.results import lay_out
        from isthmus.stores.workspace import keep

        veil = self._veil(report.session)
        report = report if veil is None else veil.hidden(report)
        return lay_out(report, budget_tokens=self.output_tokens, keep=partial(keep, workspace))


@asynccontextmanager
async def records(configuration: Configuration, *, base: Path, log: Callable[[str], None]) -> AsyncIterator[Records]:
    """Open the journals of a configuration, without its upstreams."""
    from isthmus.service.archive import Archive
    from isthmus.stores.journal import JournalFile, Kept
    from isthmus.stores.private import PrivateStores
    from isthmus.telemetry.lines import read
    from isthmus.telemetry.opening import path_of
    from isthmus_sandbox.pool import Pool

    data, limits, kept = data_of(configuration, base), configuration.limits, configuration.journal
    private = PrivateStores(data, configuration.private)
    journals = private.journal(JournalFile(data / "journal.db", Kept(kept.mb, kept.days), time.time))
    settings = _pool_settings(limits, data / "run")
    try:
        yield Records(
            Archive(journals),
            _redactor(configuration),
            lambda: Pool(settings, progress=log),
            limits.output_tokens,
            partial(read, path_of(configuration.audit, data, base)),
            private,
        )
    finally:
        await journals.close()


def _pool_settings(limits: Limits, run: Path) -> Settings:
    from isthmus_sandbox.settings import Limits as WorkerLimits
    from isthmus_sandbox.settings import Settings

    workers = WorkerLimits(memory_mb=limits.memory_mb, cpu=limits.cpu)
    return Settings(workers, spares=limits.spare_workers, most=limits.executions, runtime_directory=run)


def _redactor(configuration: Configuration) -> Redactor:
    from isthmus.credentials.static import StaticCredentials
    from isthmus.redaction import Redactor

    return Redactor({*StaticCredentials(configuration.upstreams).secrets(), *environment_secrets(configuration)})


def data_of(configuration: Configuration, base: Path) -> Path:
    """The folder for what outlives the server, made if need be.

    Raises:
        ConfigurationError: there is none that this server could use.
    """
    from isthmus.stores.data import prepared

    said = configuration.data
    return prepared(base / said if said else data_folder(os.environ, sys.platform))


def policy_of(configuration: Configuration) -> Policy:
    """The operator's rules, as the configuration has them."""
    said = configuration.policy
    upstreams = {
        name: UpstreamRules(
            allow=None if config.allow is None else frozenset(config.allow),
            only=None if config.only is None else tuple(config.only),
            effects=config.effects,
            believes=config.believe,
        )
        for name, config in configuration.upstreams.items()
    }
    return Policy(
        frozenset(said.allow),
        frozenset(said.approve),
        tuple(said.deny),
        upstreams,
        tuple(said.allow_operations),
        tuple(said.approve_operations),
        tuple(_rule(place, rule) for place, rule in enumerate(said.rules)),
        Flow(tuple(said.flow.untrusted), tuple(said.flow.private), tuple(said.flow.sink)),
        simulate=said.writes == "simulate",
    )


def _rule(place: int, said: RuleConfig) -> Rule:
    verdict = Verdict(said.then) if said.then else Verdict.BOUND
    checks: dict[str, Fits] = {}
    if said.arguments:
        from isthmus.validation import argument_check

        # What allows must not be passed by another type; what denies or asks is to catch it.
        strictly = verdict in (Verdict.ALLOW, Verdict.BOUND)
        checks = {name: argument_check(schema, strictly=strictly) for name, schema in said.arguments.items()}
    return Rule(
        said.name or f"policy.rules[{place}]",
        verdict,
        tuple(said.operations),
        frozenset(said.effects),
        tuple(said.principals),
        checks,
        said.calls,
        said.reason,
    )


_SECRET_NAME = re.compile(r"key|token|secret|passw|credential|auth|cookie|dsn|_url$|private", re.IGNORECASE)


def environment_secrets(configuration: Configuration) -> Iterator[str]:
    """The values of upstreams' environment variables that their names give away as secrets."""
    for config in configuration.upstreams.values():
        yield from (value.get_secret_value() for name, value in config.env.items() if _SECRET_NAME.search(name))


def lock_path(configuration: Configuration, base: Path) -> Path:
    """Where the lock file is, or would be."""
    from isthmus.contracts.lock import NAME

    return base / (configuration.lock or NAME)


def read_lock(configuration: Configuration, base: Path) -> Lock | None:
    """The lock of a configuration; None where there is none, and none is named.

    Raises:
        ConfigurationError: the one that is named is not there, or it cannot be read, or is none.
    """
    from isthmus.contracts.lock import read

    path = lock_path(configuration, base)
    try:
        return read(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        if configuration.lock is None:
            return None
        remedy = "write it with `isthmus lock`, or take `lock` out of the configuration"
        raise ConfigurationError("there is no such lock file", file=str(path), remedy=remedy) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"the lock file cannot be read: {reason}", file=str(path), remedy="mend it") from None


def _holding(configuration: Configuration, base: Path, log: Callable[[str], None]) -> Hold:
    from isthmus.service.holding import Holding, nothing_held

    if not configuration.hold_back or (lock := read_lock(configuration, base)) is None:
        return nothing_held
    return Holding(lock, frozenset(configuration.hold_back), log)


async def listed(configuration: Configuration, *, base: Path, seconds: float) -> list[UpstreamSnapshot]:
    """What the upstreams list, without a sandbox and without an index: each once it is ready, or has failed.

    The operations have the effects that the operator gave them, and are those that policy lets be seen.
    One that is not there after `seconds` is told as it stands then.
    """
    policy = policy_of(configuration)
    whole = await listed_whole(configuration, base=base, seconds=seconds)
    return [replace(each, operations=tuple(filter(policy.visible, each.operations))) for each in whole]


async def listed_whole(configuration: Configuration, *, base: Path, seconds: float) -> list[UpstreamSnapshot]:
    """The same, with the operations that policy hides."""
    from isthmus.credentials.static import StaticCredentials
    from isthmus.redaction import Redactor
    from isthmus.service.cleaning import Cleaning
    from isthmus.validation import Validation

    policy, validation = policy_of(configuration), Validation()
    confidential = {*StaticCredentials(configuration.upstreams).secrets(), *environment_secrets(configuration)}
    clean = Cleaning(Redactor(confidential))
    for name in UNTRUSTED_LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    found: dict[str, UpstreamSnapshot] = {}

    async def settle(name: str, config: UpstreamConfig) -> None:
        upstream = _upstream(name, config, configuration, base, validation)
        settled = anyio.Event()

        def publish(snapshot: UpstreamSnapshot) -> None:
            found[name] = clean.snapshot(snapshot)
            if snapshot.state is not UpstreamState.CONNECTING:
                settled.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream.run, publish)
            with anyio.move_on_after(seconds):
                await settled.wait()
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as every:
        for name, config in configuration.upstreams.items():
            every.start_soon(settle, name, config)
    return [_classified(found[name], policy, clean.operation) for name in configuration.upstreams]


def _classified(
    snapshot: UpstreamSnapshot, policy: Policy, clean: Callable[[Operation], Operation]
) -> UpstreamSnapshot:
    return replace(snapshot, operations=tuple(policy.classify(clean(each)) for each in snapshot.operations))


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


def _upstream(
    name: str,
    config: UpstreamConfig,
    configuration: Configuration,
    base: Path,
    validation: Validation,
    files: CatalogFiles | None = None,
) -> Upstream:
    if config.openapi is not None:
        from isthmus.upstreams.http import HttpUpstream
        from isthmus.upstreams.http import Settings as HttpSettings

        settings = HttpSettings(folder=base, answer_bytes=configuration.limits.answer_bytes)
        return HttpUpstream(name, config, replace(settings, read=files.read) if files else settings)
    from isthmus.upstreams.by_principal import ByPrincipal
    from isthmus.upstreams.mcp import McpUpstream

    def connected(config: UpstreamConfig) -> McpUpstream:
        return McpUpstream(
            config, name, answer_bytes=configuration.limits.answer_bytes, problems=validation.answer_problems
        )

    def own(principal: Principal) -> McpUpstream:
        return connected(config.model_copy(update={"auth": config.auth_for.get(principal.name)}))

    several = configuration.http is not None and configuration.http.authenticates
    if config.command is not None or config.shared or not several:
        return connected(config)
    return ByPrincipal(connected(config), own)


def _is_small(value: Any, most: int = 2000) -> bool:
    """Whether a value has at most so many members, however deep; it takes no longer to tell for a larger one."""
    left, unseen = most, [value]
    while unseen and left > 0:
        each = unseen.pop()
        left -= 1 + (len(each) // 100 if isinstance(each, str | bytes) else 0)
        if isinstance(each, list | dict):
            left -= len(each) // 2
            if left > 0:
                unseen.extend(each if isinstance(each, list) else each.values())
    return left > 0


def _new_id(kind: str) -> str:
    """A handle that cannot be guessed: `s-3f9c…`."""
    return f"{kind}-{secrets.token_hex(8)}"
