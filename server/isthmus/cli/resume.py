"""`isthmus resume`: go on with an execution that was interrupted when its server ended, where it stood."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, opened, run_async, say

if TYPE_CHECKING:
    from isthmus.render.results import Rendered


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which."""
    parser.add_argument("execution", metavar="ID", help="the execution's id")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Go on with it; 1 if the program failed."""
    found = loaded(arguments)

    async def resume() -> Rendered:
        async with opened(found) as app:
            return await app.execute("", session=arguments.execution)

    result = run_async(resume)
    say(result.text)
    return 1 if result.is_error else 0
