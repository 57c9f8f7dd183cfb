"""`isthmus check`: what operations take and give now, against the lock; with `--replay`, recorded executions run again.

Exit codes: 0 nothing as bad as `--fail-on`, 1 something is, 2 it could not be checked: no lock, an upstream that cannot
be listed, a fault in the configuration or on the command line. With `--replay`: 0 all went as they went, 1 one did not,
2 none failed, but one could not be run.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, log, say, shown
from isthmus.contracts.formats import FORMATS
from isthmus.errors import ConfigurationError

if TYPE_CHECKING:
    from isthmus.contracts.lock import Lock
    from isthmus.contracts.report import Checked

SEVERITIES = ("breaking", "compatible", "cosmetic", "never")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The form of the report, where it goes, and what fails."""
    parser.add_argument("--format", choices=FORMATS, default="text", help="of the report (default: text)")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write the report there; the summary is printed")
    parser.add_argument(
        "--programs",
        action="append",
        default=[],
        metavar="GLOB",
        help="say which of these Python files a breaking change breaks, beside the team's skills; may be repeated",
    )
    parser.add_argument(
        "--replay",
        nargs="*",
        metavar="NAME",
        help="instead, run recorded executions again, offline: these, or all (see `isthmus record`)",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="with --replay: ask no upstream for its schemas; documents in files and the lock have to do",
    )
    parser.add_argument(
        "--principal", metavar="NAME", help="with --replay: as whom they are run (default: local, of stdio)"
    )
    parser.add_argument(
        "--fail-on",
        choices=SEVERITIES,
        default="breaking",
        help="the mildest class of changes for which the exit code is 1 (default: breaking)",
    )
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check, and report."""
    if arguments.replay is None:
        return _compared(arguments)
    from isthmus.cli.replays import replayed

    if arguments.programs:
        raise ConfigurationError("--programs means nothing with --replay", remedy="leave one of them out")
    replays, report, summary = replayed(arguments)
    _tell(arguments.output, report, summary)
    if arguments.fail_on == "never":
        return 0
    return 1 if replays.count("failed") else 2 if replays.count("unchecked") else 0


def _compared(arguments: argparse.Namespace) -> int:
    """Compare with the lock; 1 if there is a change of the class that fails, or of a worse one."""
    from isthmus import __version__
    from isthmus.cli.contracts import live_operations, lock_of, programs, skill_files
    from isthmus.contracts.lock import locked
    from isthmus.contracts.report import rendered, summary

    for option in ("offline", "principal"):
        if getattr(arguments, option):
            raise ConfigurationError(
                f"--{option} means nothing without --replay", remedy="leave it out, or add --replay"
            )
    found = loaded(arguments)
    path, lock = lock_of(found)
    sources = programs([*arguments.programs, *skill_files(found)])
    checked = _checked(path, lock, locked(live_operations(found)), sources)
    _tell(arguments.output, rendered(checked, arguments.format, version=__version__), summary(checked))
    return 1 if any(change.kind.value in _failing(arguments.fail_on) for change in checked.changes) else 0


def _failing(mildest: str) -> tuple[str, ...]:
    """The classes of changes for which a check fails, the worst first."""
    return () if mildest == "never" else SEVERITIES[: SEVERITIES.index(mildest) + 1]


def _tell(output: Path | None, report: str, summary: str) -> None:
    if output is None:
        say(report)
    else:
        _write(output, report)
        log(summary)


def _checked(path: Path, lock: Lock, live: Lock, sources: list[tuple[str, str]]) -> Checked:
    from isthmus.contracts.compare import compare
    from isthmus.contracts.impact import grouped
    from isthmus.contracts.programs import uses
    from isthmus.contracts.report import Checked, lines_of

    changes = compare(lock, live)
    found, unreadable = uses(sources, lock.operations)
    for one in unreadable:
        log(f"warning: {one.program} is not looked into: {one.problem}")
    return Checked(
        shown(path),
        tuple(lock.operations),
        changes,
        grouped(changes, found, lock),
        tuple(unreadable),
        lines_of(path.read_text(encoding="utf-8")),
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        remedy = "name a file in a folder that is there"
        raise ConfigurationError(f"the report cannot be written: {reason}", file=str(path), remedy=remedy) from None
