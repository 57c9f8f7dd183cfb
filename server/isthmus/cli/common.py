"""What the commands share: the configuration option, an open application, and where words go."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from isthmus.compose import Application, Searching
    from isthmus.config.loader import Loaded

_T = TypeVar("_T")

CONNECTING = 30.0
"""Seconds that a command waits for upstreams to connect."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option `--config`."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration (default: ./isthmus.yaml)")


def loaded(arguments: argparse.Namespace, *, quiet: bool = False) -> Loaded:
    """The configuration that is named, or else found; its warnings go to the log, unless `quiet`.

    Raises:
        ConfigurationError: there is none, or it has faults.
    """
    from isthmus.config.loader import load
    from isthmus.config.places import find

    path = arguments.config or find(Path.cwd(), os.environ, sys.platform)
    found = load(path, os.environ)
    for warning in () if quiet else found.warnings:
        log(f"warning: {warning}")
    return found


def log(text: str) -> None:
    """A line for the operator, on stderr."""
    sys.stderr.write(f"isthmus: {printable(text)}\n")
    sys.stderr.flush()


def say(text: str) -> None:
    """A result, on stdout. Characters that the terminal does not know are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    sys.stdout.write(shown if shown.endswith("\n") else f"{shown}\n")


def shown(path: Path) -> str:
    """A path from here, where it is below: that is how code hosts find it."""
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


def printable(line: str) -> str:
    """A line that cannot act on a terminal or forge another line, whatever an upstream put into it."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)


@asynccontextmanager
async def opened(found: Loaded) -> AsyncIterator[Application]:
    """The application of a configuration, once its upstreams have connected or failed to."""
    from isthmus.compose import application

    async with application(found.configuration, base=found.base, log=log) as app:
        await connected(app.searching)
        yield app


async def connected(searching: Searching) -> None:
    """Return once the upstreams have connected or failed to; those that have not are told of."""
    from isthmus.model import UpstreamState

    await searching.settled(CONNECTING)
    for snapshot in searching.upstreams():
        if snapshot.state is not UpstreamState.READY:
            why = "; ".join(part for part in (snapshot.problem or "no answer yet", snapshot.detail) if part)
            log(f"{snapshot.name} is {snapshot.state}: {why}")


def run_async(function: Callable[[], Awaitable[_T]]) -> _T:
    """Run an asynchronous function to its end; an error of ours comes out as itself."""
    import anyio

    try:
        return anyio.run(function)
    except BaseExceptionGroup as group:
        raise _only(group) from None


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error in a group of one, however deep: task groups wrap what passes through them."""
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    return inner
