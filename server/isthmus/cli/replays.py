"""What `isthmus check --replay` does: recorded executions run again, without calling anything."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus import __version__
from isthmus.cli.common import CONNECTING, loaded, run_async, shown
from isthmus.cli.contracts import folder_of
from isthmus.errors import ConfigurationError
from isthmus.model import Principal

if TYPE_CHECKING:
    from isthmus.config.loader import Loaded
    from isthmus.contracts.recorded import Recorded
    from isthmus.contracts.replays import Replays


def replayed(arguments: argparse.Namespace) -> tuple[Replays, str, str]:
    """Run the recordings that are named, or all: what came of them, the report on it, and its last line.

    Raises:
        ConfigurationError: there is none, or one is no recording.
    """
    from isthmus.contracts.replays import rendered, summary

    found = loaded(arguments)
    folder = folder_of(found)
    names = arguments.replay or folder.names()
    if not names:
        remedy = "keep an execution with `isthmus record EXECUTION`; `isthmus runs` lists them"
        raise ConfigurationError("there are no recordings", file=str(folder.path), remedy=remedy)
    recordings = [(name, folder.read(name)) for name in dict.fromkeys(names)]
    principal = Principal(arguments.principal) if arguments.principal else Principal()
    replays = run_async(lambda: _replayed(found, folder.path, recordings, principal, offline=arguments.offline))
    return replays, rendered(replays, arguments.format, version=__version__), summary(replays)


async def _replayed(
    found: Loaded, folder: Path, recordings: Sequence[tuple[str, Recorded]], principal: Principal, *, offline: bool
) -> Replays:
    from isthmus.compose import read_lock
    from isthmus.compose.rehearsal import grounds_of, rehearsal
    from isthmus.contracts.replays import Replays
    from isthmus.mock.judge import is_there

    wanted = frozenset().union(*(_mentioned(recorded, found) for _, recorded in recordings))
    grounds = await grounds_of(
        found.configuration,
        found.base,
        sorted(wanted),
        read_lock(found.configuration, found.base),
        offline=offline,
        judging=is_there(),
        seconds=CONNECTING,
    )
    async with rehearsal(found.configuration, found.base, grounds, principal) as stage:
        results = [await stage.replay(name, recorded, shown(folder / name)) for name, recorded in recordings]
    return Replays(
        tuple(results), {**grounds.sources, **{name: f"nothing: {why}" for name, why in grounds.missing.items()}}
    )


def _mentioned(recorded: Recorded, found: Loaded) -> frozenset[str]:
    """The upstreams that are called, and those that a program only names."""
    named = {name for name in found.configuration.upstreams for run in recorded.runs if name in run.source}
    return recorded.upstreams | named
