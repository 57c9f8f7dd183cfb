"""Every page of a server's lists, as they came, bounded: tools, and what it may have beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND

from isthmus.upstreams.mcp_beside import Beside
from isthmus.upstreams.mcp_session import Connection
from isthmus.upstreams.words import one_line

MAX_PAGES = 1000
"""Pages of one list."""

MAX_TOOLS = 50_000
"""Tools of one server; as many resources, where a program lists them."""

MAX_BESIDE = 2_000
"""Resources of one server that are operations of their own; as many templates, and prompts. The rest can be read."""


@dataclass(frozen=True, slots=True)
class _List:
    method: str
    key: str  # of the result that holds the items
    what: str


_TOOLS = _List("tools/list", "tools", "tools")
_RESOURCES = _List("resources/list", "resources", "resources")
_TEMPLATES = _List("resources/templates/list", "resourceTemplates", "resource templates")
_PROMPTS = _List("prompts/list", "prompts", "prompts")
_BESIDE: Mapping[str, tuple[_List, ...]] = {"resources": (_RESOURCES, _TEMPLATES), "prompts": (_PROMPTS,)}


async def listed_tools(connection: Connection, seconds: float) -> tuple[list[Any], tuple[str, ...]]:
    """The tools of all pages, each page within so many seconds, and remarks on where the list was cut.

    Raises:
        MCPError: the server would not list them.
    """
    try:
        return await _listed(connection, _TOOLS, seconds, MAX_TOOLS)
    except MCPError as error:
        if error.code == METHOD_NOT_FOUND:
            return [], ()  # a server of prompts or resources
        raise


async def listed_resources(connection: Connection, seconds: float) -> tuple[list[Any], tuple[str, ...]]:
    """The resources of all pages; as `listed_tools`."""
    return await _listed(connection, _RESOURCES, seconds, MAX_TOOLS)


async def listed_beside(connection: Connection, capabilities: Collection[str], seconds: float) -> Beside:
    """What a server says that it has beside tools; all of it within so many seconds. A failure becomes a remark."""
    lists = [each for capability in sorted(capabilities) for each in _BESIDE.get(capability, ())]
    found: dict[str, list[Any]] = {}
    remarks: list[str] = []

    async def one(wanted: _List) -> None:
        try:
            found[wanted.key], cut = await _listed(connection, wanted, seconds, MAX_BESIDE)
        except MCPError as error:
            remarks.append(f"its {wanted.what} were not listed: {one_line(str(error.message), 200)}")
        else:
            remarks.extend(cut)

    with anyio.move_on_after(seconds) as scope:
        async with anyio.create_task_group() as tasks:
            for wanted in lists:
                tasks.start_soon(one, wanted)
    if scope.cancelled_caught:
        late = [each.what for each in lists if each.key not in found]
        remarks.append(f"its {' and '.join(late)} were not listed within {seconds:g} s")
    resources, templates, prompts = (found.get(each.key, []) for each in (_RESOURCES, _TEMPLATES, _PROMPTS))
    return Beside(resources, templates, prompts, remarks)


async def _listed(
    connection: Connection, wanted: _List, seconds: float, limit: int
) -> tuple[list[Any], tuple[str, ...]]:
    items: list[Any] = []
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        page = await connection.request(wanted.method, {} if cursor is None else {"cursor": cursor}, timeout=seconds)
        listed = page.get(wanted.key)
        if not isinstance(listed, list):
            return items, (f"its list of {wanted.what} is cut: a page of it is no list",)
        items += listed
        if len(items) > limit:
            return items[:limit], (f"its list of {wanted.what} is cut after {limit:,}",)
        following = page.get("nextCursor")
        if not isinstance(following, str) or not following:
            return items, ()
        if following in seen:
            return items, (f"its list of {wanted.what} is cut: its pages go round in a circle",)
        seen.add(following)
        cursor = following
    return items, (f"its list of {wanted.what} is cut after {MAX_PAGES:,} pages",)
