"""Every page of a server's list of tools, as it came, bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND

from isthmus.upstreams.mcp_session import Connection

MAX_PAGES = 1000
"""Pages of one list."""

MAX_TOOLS = 50_000
"""Tools of one server."""


async def listed_tools(connection: Connection, seconds: float) -> tuple[list[Any], tuple[str, ...]]:
    """The tools of all pages, each page within so many seconds, and remarks on where the list was cut.

    Raises:
        MCPError: the server would not list them.
    """
    tools: list[Any] = []
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        page = await _page(connection, cursor, seconds)
        listed = page.get("tools")
        if not isinstance(listed, list):
            return tools, ("its list of tools is cut: a page of it is no list",)
        tools += listed
        if len(tools) > MAX_TOOLS:
            return tools[:MAX_TOOLS], (f"its list of tools is cut after {MAX_TOOLS:,}",)
        following = page.get("nextCursor")
        if not isinstance(following, str) or not following:
            return tools, ()
        if following in seen:
            return tools, ("its list of tools is cut: its pages go round in a circle",)
        seen.add(following)
        cursor = following
    return tools, (f"its list of tools is cut after {MAX_PAGES:,} pages",)


async def _page(connection: Connection, cursor: str | None, seconds: float) -> Mapping[str, Any]:
    try:
        return await connection.request("tools/list", {} if cursor is None else {"cursor": cursor}, timeout=seconds)
    except MCPError as error:
        if error.code == METHOD_NOT_FOUND and cursor is None:
            return {"tools": []}  # a server of prompts or resources
        raise
