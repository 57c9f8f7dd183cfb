"""`isthmus exec`: run a program, and print what a model would read of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, log, opened, run_async, say
from isthmus.errors import ConfigurationError

if TYPE_CHECKING:
    from isthmus.render.results import Rendered


def arguments(parser: argparse.ArgumentParser) -> None:
    """The program, from one of three places."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", metavar="FILE", help="the program; '-' is stdin")
    source.add_argument("-c", dest="code", metavar="CODE", help="the program itself")
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="stop it after this time")
    add_config(parser)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError("seconds above 0, at most 3600, are wanted")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Run the program; 1 if it failed."""
    code = arguments.code if arguments.code is not None else _read(arguments.file)
    found = loaded(arguments)

    async def execute() -> Rendered:
        async with opened(found) as app:
            return await app.execute(code, timeout=arguments.timeout)

    result = run_async(execute)
    say(result.text)
    _tell_blocks([block.mime_type for block in result.blocks])
    return 1 if result.is_error else 0


def _read(name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"the program cannot be read: {reason}", file=name, remedy="name a file") from None
    except UnicodeDecodeError:
        raise ConfigurationError("the program is not UTF-8", file=name, remedy="save it as UTF-8") from None


def _tell_blocks(kinds: Sequence[str]) -> None:
    """What a client would show beside the text."""
    if kinds:
        log(f"beside the text there are {len(kinds)} blocks that a terminal does not show: {', '.join(kinds)}")
