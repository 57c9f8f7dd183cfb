"""`isthmus runs`: the latest executions, a line each."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, log, printable, run_async, say

if TYPE_CHECKING:
    from isthmus.journal import Summary


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which, and in what form."""
    parser.add_argument("--session", metavar="HANDLE", help="only those of one session")
    parser.add_argument("--failed", action="store_true", help="only those that failed, or have no end")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many are looked at (default: 20)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them, the last one first."""
    found = loaded(arguments)

    async def latest() -> tuple[tuple[Summary, str], ...]:
        from isthmus.compose import records

        async with records(found.configuration, base=found.base, log=log) as kept:
            rows = await kept.archive.latest(arguments.session, arguments.limit)
            return tuple((row, kept.redactor.text(row.first_line)) for row in rows if not (arguments.failed and row.ok))

    for row, first_line in run_async(latest):
        say(json.dumps(asdict(row) | {"first_line": first_line}) if arguments.json else line(row, first_line))
    return 0


def line(row: Summary, first_line: str) -> str:
    """`x-3f9c…  11-22 21:19:54  failed (limit)    1.2 s    3 calls     50 tokens  await github.issues…`."""
    at = datetime.fromtimestamp(row.at).strftime("%m-%d %H:%M:%S")
    shown = printable(first_line)
    cells = [
        f"{row.execution:<20}",
        at,
        f"{state(row.ok, row.code):<22}",
        f"{row.ms:>9,.0f} ms",
        f"{row.calls:>6,} calls",
        f"{row.tokens:>6,} tokens",
        shown if len(shown) <= 60 else f"{shown[:59]}…",
    ]
    return "  ".join(cells)


def state(ok: bool | None, code: str) -> str:
    """How an execution ended, in a word or two."""
    return "no end" if ok is None else "ok" if ok else f"failed ({code})"
