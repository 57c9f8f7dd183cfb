"""`isthmus search`: what a model would be answered."""

from __future__ import annotations

import argparse
import gc

from isthmus.cli.common import add_config, connected, loaded, log, run_async, say
from isthmus.errors import ConfigurationError


def arguments(parser: argparse.ArgumentParser) -> None:
    """The words, and how much is told of what they find."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="what is looked for; none: the map of all upstreams")
    parser.add_argument("--upstream", metavar="NAME", help="in this upstream only")
    parser.add_argument("--detail", choices=["names", "signatures", "full"], default="signatures")
    parser.add_argument("--limit", type=_limit, default=8, metavar="N", help="at most so many, 1 to 50 (default: 8)")
    add_config(parser)


def _limit(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 50:
        raise argparse.ArgumentTypeError("a whole number from 1 to 50 is wanted")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Search, and print the answer."""
    gc.disable()  # what is imported and opened stays until the end, which comes soon
    found = loaded(arguments)
    upstream = arguments.upstream
    if upstream is not None and upstream not in found.configuration.upstreams:
        known = ", ".join(sorted(found.configuration.upstreams)) or "none"
        raise ConfigurationError(f"there is no upstream {upstream!r}", remedy=f"the upstreams are: {known}")

    async def search() -> str:
        from isthmus.compose import searching

        async with searching(found.configuration, base=found.base, log=log) as there:
            await connected(there)
            query = " ".join(arguments.words)
            return await there.search(query, upstream=upstream, detail=arguments.detail, limit=arguments.limit)

    say(run_async(search))
    return 0
