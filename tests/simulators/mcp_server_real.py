"""A well-behaved MCP server on the official SDK: `python mcp_server_real.py stdio | http PORT | sse PORT`."""

import sys

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import ToolAnnotations

server = MCPServer("real", version="1.0", instructions="Echoes and adds.\nSecond line.", log_level="ERROR")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def echo(text: str) -> str:
    """Echo the text."""
    return text


@server.tool()
async def add(a: int, b: int = 2) -> dict[str, int]:
    """Add two numbers."""
    return {"total": a + b}


@server.tool(structured_output=False)
def big(size: int) -> str:
    """So many characters."""
    return "x" * size


@server.tool()
async def grow(ctx: Context) -> str:
    """Gain a tool, and say so."""
    server.add_tool(echo, name="grown")
    await ctx.notify_tools_changed()
    return "grown"


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("not told")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http", port]:
            server.run("streamable-http", host="127.0.0.1", port=int(port))
        case ["sse", port]:
            server.run("sse", host="127.0.0.1", port=int(port))
        case _:
            server.run("stdio")
