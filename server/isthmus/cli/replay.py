"""`isthmus replay`: run a recorded execution again, offline, and see that it goes as it went."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, log, run_async, say
from isthmus.errors import IsthmusError

if TYPE_CHECKING:
    from isthmus.service.archive import Replayed


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which."""
    parser.add_argument("execution", metavar="ID", help="the execution's id, or how it begins")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run it again: 0 if every step and the outcome are the same, 1 at the first that is not, 2 if it cannot be."""
    from isthmus.replay import Diverged, NotRepeatable
    from isthmus_sandbox.protocol import GuestLost, SandboxUnavailable

    try:
        replayed, text = run_async(lambda: _replay(arguments))
    except Diverged as diverged:
        log(f"it diverges at {diverged}")
        return 1
    except NotRepeatable as why:
        raise IsthmusError(f"it cannot be run again: {why}") from None
    except (GuestLost, SandboxUnavailable) as lost:
        log(f"it diverges: {lost}")
        return 1
    say(text)
    end = "up to where it was stopped" if replayed.stopped else "the outcome included"
    log(f"the same as it was, byte for byte: {replayed.steps} steps, {end}")
    return 0


async def _replay(arguments: argparse.Namespace) -> tuple[Replayed, str]:
    from isthmus.compose import records

    found = loaded(arguments, quiet=True)
    async with records(found.configuration, base=found.base, log=log) as kept:
        transcript = await kept.archive.transcript(arguments.execution)
        async with kept.sandbox() as pool:
            replayed = await kept.archive.replay(transcript, pool, kept.keep_files)
        with tempfile.TemporaryDirectory() as folder:
            return replayed, kept.rendered(replayed.report, Path(folder)).text
