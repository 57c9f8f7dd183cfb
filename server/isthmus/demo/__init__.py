"""`isthmus demo`: the whole of it on two services of its own, as a transcript to read. No network, no set-up.

A shop (an OpenAPI service, on the loopback interface) and a support desk (an MCP server over stdio) stand in for the
APIs of a user. Between them and the transcript everything is real: front, policy, gateway, sandbox.
"""

from __future__ import annotations

from typing import TextIO


def run(out: TextIO) -> int:
    """Play the demo to `out`. The exit code: 0 if every scene went as it should."""
    import io
    import os

    import anyio

    from isthmus.demo.play import LONGEST, play

    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")  # a terminal that lacks a sign does not end the demo
    colour = out.isatty() and "NO_COLOR" not in os.environ
    try:
        return anyio.run(play, out, colour)
    except TimeoutError:
        out.write(f"! the demo was given up after {LONGEST:.0f} s\n")
        return 1
