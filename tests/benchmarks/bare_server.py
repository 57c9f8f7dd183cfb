"""A bare MCP server with trivial tools, the measure of our own front: `python -m tests.benchmarks.bare_server`."""

import anyio
from mcp.server import MCPServer

server = MCPServer("bare", log_level="WARNING")


@server.tool()
async def echo(text: str) -> str:
    """Echo the text."""
    return text


@server.tool()
async def slow(milliseconds: int) -> str:
    """Answer after a while."""
    await anyio.sleep(milliseconds / 1000)
    return "done"


if __name__ == "__main__":
    server.run("stdio")
