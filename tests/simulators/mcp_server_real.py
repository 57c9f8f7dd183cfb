"""A well-behaved MCP server on the official SDK: `python mcp_server_real.py stdio | http | sse`."""

import socket
import sys

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.resources import TextResource
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
async def learn(ctx: Context) -> str:
    """Gain a prompt and a resource, and say so."""
    server.add_prompt(Prompt.from_function(review, name="second_review"))
    server.add_resource(TextResource(uri="note://second", name="second", text="2"))
    await ctx.notify_prompts_changed()
    await ctx.notify_resources_changed()
    await ctx.session.send_resource_list_changed()  # for clients of 2025
    return "learned"


@server.resource("note://greeting", name="greeting", description="How to greet.", mime_type="text/plain")
def greeting() -> str:
    """Greet."""
    return '{"hello": "world"}'


@server.resource("note://picture", name="picture.png", mime_type="image/png")
def picture() -> bytes:
    """A picture."""
    return b"\x89PNG"


@server.resource("note://{day}/log", name="log", description="The log of a day.")
def log(day: str) -> str:
    """The log."""
    return f"quiet on {day}"


@server.prompt(description="Review some code.")
def review(code: str, style: str = "kind") -> str:
    """Review."""
    return f"Review in a {style} way: {code}"


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("not told")


def listen(kind: str) -> None:
    """Serve on a free port of this machine, once it is printed."""
    app = server.sse_app() if kind == "sse" else server.streamable_http_app()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http" | "sse" as kind]:
            listen(kind)
        case _:
            server.run("stdio")
