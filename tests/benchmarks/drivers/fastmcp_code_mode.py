"""FastMCP's CodeMode over stdio, as it comes: Monty runs the programs, `call_tool` makes their calls.

Without arguments it has the tools of the bare server itself; with a command, it is a proxy of the server that the
command starts, as ours is.
"""

from __future__ import annotations

import asyncio
import os
import sys

from fastmcp import FastMCP  # type: ignore[import-not-found]  # installed in a venv of its own
from fastmcp.experimental.transforms.code_mode import CodeMode  # type: ignore[import-not-found]
from fastmcp.server import create_proxy  # type: ignore[import-not-found]


async def echo(text: str) -> str:
    """Echo the text."""
    return text


async def slow(milliseconds: int) -> str:
    """Answer after a while."""
    await asyncio.sleep(milliseconds / 1000)
    return "done"


if command := sys.argv[1:]:
    environment = {"PYTHONPATH": os.environ["PYTHONPATH"]}
    bare = {"command": command[0], "args": command[1:], "env": environment}
    server = create_proxy({"mcpServers": {"bare": bare}}, name="rival")
else:
    server = FastMCP("rival")
    server.tool(echo)
    server.tool(slow)
server.add_transform(CodeMode())
server.run("stdio", show_banner=False)
