"""`isthmus doctor`: what is configured, what connects, what is allowed, what protects. It shows no secret."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from isthmus import __version__
from isthmus.cli.common import CONNECTING, add_config, loaded, printable, run_async, say
from isthmus.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.cli.diagnosis import Diagnosis, SandboxFinding
    from isthmus.compose import Application
    from isthmus.config.model import Configuration, UpstreamConfig
    from isthmus.policy import Policy

PACKAGES = ("mcp", "wasmtime", "pydantic", "anyio", "jsonschema-rs", "pyyaml")
"""Whose versions are told."""

GLANCE = 0.1
"""Seconds between two looks at upstreams that are connecting."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The configuration that is looked into; the default one where there is none."""

    configuration: Configuration
    base: Path
    name: str
    remarks: tuple[str, ...] = ()
    problem: str = ""


def arguments(parser: argparse.ArgumentParser) -> None:
    """How much is told, and how long it waits."""
    parser.add_argument("--json", action="store_true", help="as JSON, with every operation")
    parser.add_argument("--verdicts", action="store_true", help="list every operation with what policy makes of it")
    parser.add_argument("--strict", action="store_true", help="fail on remarks too, such as rules that match nothing")
    parser.add_argument("--wait", type=float, default=CONNECTING, metavar="SECONDS", help="for upstreams (default: 30)")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look at everything; 1 if something is wrong, 2 if the configuration is."""
    from isthmus.cli.diagnosis import as_data, told
    from isthmus.compose import redactor_of

    known = _known(arguments)
    redactor = redactor_of(known.configuration)
    found = run_async(lambda: _diagnosed(known, arguments.wait))
    if arguments.json:
        say(json.dumps(redactor.data(as_data(found)), indent=2, ensure_ascii=False))
    else:
        say(redactor.text("\n".join(printable(line) for line in told(found, verdicts=arguments.verdicts))))
    return 1 if found.problems or (arguments.strict and found.remarks) else 0


def _known(arguments: argparse.Namespace) -> _Known:
    """The configuration; where none is named and none found, the default one, which is a problem to tell of.

    Raises:
        ConfigurationError: it has faults.
    """
    from pathlib import Path

    from isthmus.config.model import Configuration

    try:
        found = loaded(arguments, quiet=True)
    except ConfigurationError as error:
        if arguments.config is not None or error.file:
            raise
        return _Known(Configuration(), Path.cwd(), "none", problem=f"{error.message}: {error.remedy}")
    return _Known(found.configuration, found.base, str(found.path), found.warnings)


async def _diagnosed(known: _Known, wait: float) -> Diagnosis:
    from isthmus.cli.diagnosis import Diagnosis, idle_rules, operation_finding, upstream_finding
    from isthmus.compose import application, policy_of

    notes: list[str] = []
    async with application(known.configuration, base=known.base, log=notes.append) as app:
        seconds = await _connected(app, wait)
        sandbox = await _sandbox(app)
        snapshots = app.upstreams()
    policy: Policy = policy_of(known.configuration)
    kinds = {name: _kind(config) for name, config in known.configuration.upstreams.items()}
    upstreams = tuple(upstream_finding(one, kinds[one.name], seconds.get(one.name), policy) for one in snapshots)
    problems = [known.problem] if known.problem else []
    problems += [f"upstream {one.name}: {one.state}" for one in upstreams if one.state != "ready"]
    problems += [] if sandbox.works else [f"programs do not run: {sandbox.problem}"]
    return Diagnosis(
        known.name,
        _versions(),
        _policy(known.configuration),
        upstreams,
        tuple(operation_finding(policy, operation) for one in snapshots for operation in one.operations),
        sandbox,
        tuple(problems),
        (*known.remarks, *idle_rules(known.configuration, snapshots)),
    )


async def _connected(app: Application, wait: float) -> Mapping[str, float]:
    """Wait until no upstream is connecting; the seconds after which each was seen to be done."""
    from isthmus.model import UpstreamState

    started, seconds = time.monotonic(), dict[str, float]()
    while True:
        passed = time.monotonic() - started
        for snapshot in app.upstreams():
            if snapshot.state is not UpstreamState.CONNECTING:
                seconds.setdefault(snapshot.name, passed)
        if len(seconds) == len(app.upstreams()) or passed >= wait:
            return seconds
        await app.settled(min(GLANCE, wait - passed))


async def _sandbox(app: Application) -> SandboxFinding:
    """Run the smallest program, and see what it runs in."""
    from isthmus.cli.diagnosis import SandboxFinding

    started = time.monotonic()
    result = await app.execute("1 + 1")
    milliseconds = (time.monotonic() - started) * 1000
    if result.is_error:
        return SandboxFinding(False, None, result.text, _component(), app.layers())
    return SandboxFinding(True, milliseconds, "", _component(), app.layers())


def _component() -> dict[str, str]:
    """The component that programs run in, and its compiled form: where they are, and how large."""
    from pathlib import Path

    from isthmus_sandbox.cache import default_directory
    from isthmus_sandbox.cache_files import is_whole
    from isthmus_sandbox.component import compiled_name, shipped
    from isthmus_sandbox.protocol import SandboxUnavailable

    try:
        source = shipped()
    except SandboxUnavailable as error:
        return {"component": str(error)}
    compiled = default_directory(os.environ, sys.platform, Path.home()) / compiled_name(source)
    return {"component": _sized(source), "compiled": _sized(compiled) if is_whole(compiled) else "not yet"}


def _sized(path: Path) -> str:
    return f"{path} ({path.stat().st_size / 1e6:.1f} MB)"


def _kind(config: UpstreamConfig) -> str:
    if config.openapi is not None:
        return "OpenAPI"
    return "MCP over stdio" if config.command is not None else f"MCP over {config.transport.upper()}"


def _policy(configuration: Configuration) -> Mapping[str, Sequence[str]]:
    said = configuration.policy
    return {
        "allow": [*(effect.value for effect in said.allow), *said.allow_operations],
        "approve": [*(effect.value for effect in said.approve), *said.approve_operations],
        "deny": said.deny,
        "rules": [rule.name or f"policy.rules[{place}]" for place, rule in enumerate(said.rules)],
    }


def _versions() -> dict[str, str]:
    return {"isthmus": __version__, "Python": platform.python_version(), **dict(_installed())}


def _installed() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            yield package, "missing"
