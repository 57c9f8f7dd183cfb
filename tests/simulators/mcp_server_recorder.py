"""An MCP server that only writes down which of its tools were called: `mcp_server_recorder.py FILE NAME TOOL...`.

Each TOOL is `name`, `name!` (it says that it destroys), or `name?` (it says that it only reads). Each line of the file
is a JSON object: `{"upstream": NAME, "tool": ..., "arguments": ...}`. Servers may share a file.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

FILE, NAME, TOOLS = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}
PEOPLE = '[{"name": "Ada", "phone": "+49 30 1"}]'


async def listed(_: Any, __: Any) -> types.ListToolsResult:
    """The tools, each with the hint that its mark stands for."""
    return types.ListToolsResult(tools=[_tool(each) for each in TOOLS])


def _tool(said: str) -> types.Tool:
    hints = types.ToolAnnotations(
        read_only_hint=said.endswith("?") or None, destructive_hint=said.endswith("!") or None
    )
    return types.Tool(name=said.rstrip("!?"), description="", input_schema=SCHEMA, annotations=hints)


async def called(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Whatever is called is written down, and answered by the same."""
    note({"upstream": NAME, "tool": params.name, "arguments": params.arguments})
    return types.CallToolResult(content=[types.TextContent(type="text", text=PEOPLE)])


def note(record: dict[str, Any]) -> None:
    """Write a record down, whole."""
    with FILE.open("a") as file:
        file.write(json.dumps(record) + "\n")


async def main() -> None:
    """Serve over stdio."""
    server = Server(NAME, on_list_tools=listed, on_call_tool=called)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
