"""`isthmus record`: keep executions as files of the project, for `check --replay`, `mock` and the pytest plugin."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, log, printable, run_async, say, shown
from isthmus.cli.contracts import folder_of
from isthmus.errors import ConfigurationError, IsthmusError

if TYPE_CHECKING:
    from isthmus.config.loader import Loaded
    from isthmus.stores.recordings import RecordingFolder

KILOBYTES = 1024
"""KiB of one recording, unless more are allowed."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which executions, and what becomes of what is recorded."""
    parser.add_argument(
        "executions", nargs="*", metavar="EXECUTION", help="ids, or how they begin; none: list what is recorded"
    )
    parser.add_argument("--name", help="what the recording is called (default: the execution's id)")
    parser.add_argument("--replace", action="store_true", help="in place of a recording of the same name")
    parser.add_argument(
        "--alone", action="store_true", help="without the programs that ran before it in the same interpreter"
    )
    parser.add_argument("--kb", type=int, default=KILOBYTES, metavar="N", help="KiB that one may have (default: 1024)")
    parser.add_argument("--remove", nargs="+", default=[], metavar="NAME", help="remove recordings")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Record, list or remove; says where everything is."""
    if arguments.name and len(arguments.executions) != 1:
        raise ConfigurationError("--name is for one execution", remedy="name one EXECUTION, or leave --name out")
    if arguments.remove and arguments.executions:
        raise ConfigurationError("--remove stands alone", remedy="record and remove in two commands")
    found = loaded(arguments)
    folder = folder_of(found)
    if not arguments.executions and not arguments.remove:
        return _list(folder)
    for name in arguments.remove:
        say(f"removed {shown(folder.remove(name))}")
    for execution in arguments.executions:
        name, files = run_async(partial(_made, found, execution, arguments))
        place = folder.write(arguments.name or name, files, replace=arguments.replace)
        say(f"recorded {name} in {shown(place)}: {', '.join(sorted(files))}")
    if arguments.executions:
        log("look through the files before you commit them; `isthmus check --replay` runs them again")
    return 0


def _list(folder: RecordingFolder) -> int:
    names = folder.names()
    for name in names:
        recorded = folder.read(name)
        last = recorded.runs[-1]
        at = datetime.fromtimestamp(last.now, UTC).strftime("%Y-%m-%d")
        calls = sum(not call.is_hosts for call in last.calls)
        first = printable(next((line for line in last.source.splitlines() if line.strip()), ""))[:60]
        ended = "ok" if last.outcome.ok else "failed"
        say(f"{name:<24}  {at}  {ended:<6}  {calls:>5,} calls  {first}")
    log(f"{len(names)} recordings in {shown(folder.path)}")
    return 0


async def _made(found: Loaded, execution: str, arguments: argparse.Namespace) -> tuple[str, Mapping[str, str]]:
    """The id of an execution, and the files of its recording."""
    from isthmus.compose import records
    from isthmus.contracts.recorded import written
    from isthmus.replay import NotRepeatable
    from isthmus.service.keeping import recorded_of, within

    async with records(found.configuration, base=found.base, log=log) as kept:
        transcript = await kept.archive.transcript(execution)
        began = transcript.began
        try:
            before = [] if arguments.alone else await kept.archive.before(transcript, kept.sandbox())
            recorded = recorded_of([*before, transcript], partial(kept.shown, began.session))
        except NotRepeatable as why:
            raise IsthmusError(f"it cannot be recorded: {why}") from None
        return began.execution, within(written(recorded), arguments.kb)
