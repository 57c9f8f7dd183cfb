"""`isthmus report`: a page of what executions came to, to be opened in a browser."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, log, run_async, say
from isthmus.errors import ConfigurationError

if TYPE_CHECKING:
    from isthmus.config.loader import Loaded
    from isthmus.insight.facts import Insight


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is about, and where it goes."""
    parser.add_argument(
        "--output", metavar="FILE", default="isthmus-report.html", help="the page (default: %(default)s); '-' is stdout"
    )
    parser.add_argument("--limit", type=_count, default=100, metavar="N", help="the latest N executions (default: 100)")
    parser.add_argument("--session", metavar="HANDLE", help="only those of one session")
    parser.add_argument("--principal", metavar="NAME", help="only those of one principal")
    parser.add_argument(
        "--without-data", action="store_true", help="leave out programs, arguments and messages, to show it to others"
    )
    add_config(parser)


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 10_000:
        raise argparse.ArgumentTypeError("a number from 1 to 10000 is wanted")
    return count


def run(arguments: argparse.Namespace) -> int:
    """Make the page."""
    found = loaded(arguments, quiet=arguments.output == "-")
    insight = run_async(lambda: _insight(found, arguments))
    from importlib.resources import files

    from isthmus.insight.page import page

    style = files("isthmus.insight").joinpath("report.css").read_text(encoding="utf-8")
    text = page(insight, style)
    if arguments.output == "-":
        say(text)
        return 0
    _write(Path(arguments.output), text)
    from isthmus.insight.markup import plural

    log(f"{plural(len(insight.runs), 'execution')}: {Path(arguments.output).absolute().as_uri()}")
    return 0


async def _insight(found: Loaded, arguments: argparse.Namespace) -> Insight:
    from datetime import datetime

    from isthmus.compose import records
    from isthmus.service.insight import Wanted, gathered

    wanted = Wanted(arguments.session, arguments.principal, arguments.limit, with_data=not arguments.without_data)
    async with records(found.configuration, base=found.base, log=log) as kept:
        return await gathered(
            kept.archive.store,
            wanted,
            kept.audit(["search", "stopped", "operations"]),
            kept.shown,
            overhead(),
            datetime.now().astimezone(),
        )


def overhead() -> int:
    """What the two tools and the instructions cost each conversation, in tokens."""
    import json

    from isthmus.front.tools import DEFINITIONS, INSTRUCTIONS
    from isthmus.render.tokens import estimate

    return estimate(json.dumps(DEFINITIONS, separators=(",", ":"), ensure_ascii=False)) + estimate(INSTRUCTIONS)


def _write(path: Path, text: str) -> None:
    """Write the page for its owner alone: programs and arguments are in it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigurationError(
            f"the page cannot be written: {error.strerror}", file=str(path), remedy="name another file: --output FILE"
        ) from None
