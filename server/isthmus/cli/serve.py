"""`isthmus serve`: stdout belongs to the protocol, and all words go to stderr."""

from __future__ import annotations

import argparse
import gc

from isthmus.cli.common import add_config, loaded, log, run_async


def arguments(parser: argparse.ArgumentParser) -> None:
    """The configuration."""
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve one client until it goes away."""
    # What is imported stays; looking through it for garbage costs a tenth of the start.
    gc.disable()
    found = loaded(arguments)
    from isthmus.compose import application
    from isthmus.front.stdio import serve

    gc.freeze()
    gc.enable()
    run_async(lambda: serve(lambda: application(found.configuration, base=found.base, log=log)))
    return 0
