"""What follows from a configuration: folders, rules, secrets, the lock, connections to be made."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.config.model import Configuration, Limits, RuleConfig, UpstreamConfig
from isthmus.config.places import data_folder
from isthmus.errors import ConfigurationError
from isthmus.model import Principal
from isthmus.policy import Policy, UpstreamRules
from isthmus.rules import Fits, Flow, Rule, Verdict

if TYPE_CHECKING:
    from isthmus.contracts.lock import Lock
    from isthmus.credentials.static import TokensOf
    from isthmus.ports import Upstream
    from isthmus.redaction import Redactor
    from isthmus.service.holding import Hold
    from isthmus.stores.catalogs import CatalogFiles
    from isthmus.stores.skills import SkillFolders
    from isthmus.validation import Validation
    from isthmus_sandbox.settings import Settings

UNTRUSTED_LOGS = ("httpx2", "httpcore2", "mcp.client", "client")
"""Loggers of libraries that repeat what upstreams sent, and URLs with the keys in them. The upstreams tell the rest."""


def untrusted_logs_off() -> None:
    """Have those loggers say nothing, whatever the host has set up."""
    for name in UNTRUSTED_LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


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


def redactor_of(configuration: Configuration) -> Redactor:
    """What takes the secrets of a configuration out of whatever leaves the gateway."""
    from isthmus.credentials.static import StaticCredentials
    from isthmus.redaction import Redactor

    return Redactor({*StaticCredentials(configuration.upstreams).secrets(), *environment_secrets(configuration)})


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


def holding_of(configuration: Configuration, base: Path, log: Callable[[str], None]) -> Hold:
    """What holds changed operations back, as the lock says; nothing, where there is none."""
    from isthmus.service.holding import Holding, nothing_held

    if not configuration.hold_back or (lock := read_lock(configuration, base)) is None:
        return nothing_held
    return Holding(lock, frozenset(configuration.hold_back), log)


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


def pool_settings(limits: Limits, run: Path) -> Settings:
    """The sandbox's; `run` is the folder for what lives as long as the server."""
    from isthmus_sandbox.settings import Limits as WorkerLimits
    from isthmus_sandbox.settings import Settings

    workers = WorkerLimits(memory_mb=limits.memory_mb, cpu=limits.cpu)
    return Settings(workers, spares=limits.spare_workers, most=limits.executions, runtime_directory=run)


def upstream_of(
    name: str,
    config: UpstreamConfig,
    configuration: Configuration,
    base: Path,
    validation: Validation,
    tokens: TokensOf,
    files: CatalogFiles | None = None,
) -> Upstream:
    """The upstream of that name, not yet connected. `files` keep what is read of its document."""
    if config.openapi is not None:
        from isthmus.upstreams.http import HttpUpstream
        from isthmus.upstreams.http_settings import Settings as HttpSettings

        settings = HttpSettings(folder=base, answer_bytes=configuration.limits.answer_bytes)
        return HttpUpstream(name, config, replace(settings, read=files.read) if files else settings)
    from isthmus.upstreams.by_principal import ByPrincipal
    from isthmus.upstreams.mcp import McpUpstream

    def connected(config: UpstreamConfig, principal: Principal) -> McpUpstream:
        return McpUpstream(
            config,
            name,
            tokens=tokens(name, principal.name),
            answer_bytes=configuration.limits.answer_bytes,
            problems=validation.answer_problems,
        )

    def own(principal: Principal) -> McpUpstream:
        return connected(config.model_copy(update={"auth": config.auth_for.get(principal.name)}), principal)

    several = configuration.http is not None and configuration.http.authenticates
    if config.command is not None or config.shared or not several:
        return connected(config, Principal())
    return ByPrincipal(connected(config, Principal()), own)
