"""An MCP server that writes down what is done with it: `python mcp_server_witness.py FILE`.

Each line of the file is a JSON object: `{"kind": "called" | "ended" | "cancelled", "tool": ..., ...}`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

FILE = Path(sys.argv[1])
ROWS = 10_000
PAGE = 500
READS = ToolAnnotations(read_only_hint=True)

server = MCPServer("witness", version="1.0", log_level="ERROR")


def note(kind: str, tool: str, **more: Any) -> None:
    """Write down what happened."""
    with FILE.open("a") as file:
        file.write(json.dumps({"kind": kind, "tool": tool, **more}) + "\n")


@server.tool(annotations=READS)
async def wait(seconds: float) -> str:
    """Wait for so many seconds."""
    note("called", "wait", seconds=seconds)
    try:
        await anyio.sleep(seconds)
    except BaseException:
        note("cancelled", "wait", seconds=seconds)
        raise
    note("ended", "wait", seconds=seconds)
    return f"waited {seconds:g}"


@server.tool(annotations=READS)
async def rows(cursor: int = 0) -> dict[str, Any]:
    """List the rows of a long table, page by page."""
    note("called", "rows", cursor=cursor)
    page = [{"id": n, "marker": f"row-{n:05}-end", "score": n * 7919 % 10007} for n in range(cursor, cursor + PAGE)]
    return {"rows": page, "next": cursor + PAGE if cursor + PAGE < ROWS else None}


@server.tool(annotations=READS)
async def environment() -> dict[str, str]:
    """Show the environment of this server."""
    return dict(os.environ)


@server.tool(annotations=READS)
async def quarrel() -> str:
    """Fail with all of the environment in the message."""
    print("witness is quarrelling:", dict(os.environ), file=sys.stderr, flush=True)
    raise ToolError(f"no: {dict(os.environ)}")


if __name__ == "__main__":
    server.run("stdio")
