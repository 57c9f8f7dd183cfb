"""`isthmus demo`."""

from __future__ import annotations

import argparse
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""
    parser.set_defaults()


def run(_: argparse.Namespace) -> int:
    """Play the demo on stdout."""
    from isthmus.demo import run as play

    return play(sys.stdout)
