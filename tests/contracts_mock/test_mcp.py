"""A locked MCP server, mocked: over the official client, its tools are those that were locked."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from isthmus.contracts.compare import compare
from isthmus.contracts.lock import locked, written
from isthmus.contracts.recorded import RecordedCall, RecordedError
from isthmus.contracts.unlocked import unlocked
from isthmus.contracts.verdicts import Class
from isthmus.upstreams.mcp_tools import operations_of
from tests.simulators.recordings import keep_recording

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
TICKET = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "next": {"$ref": "#/$defs/T"}},
    "required": ["id"],
}
TOOLS = [
    {
        "name": "get-ticket",
        "description": "Get one ticket.",
        "inputSchema": {"type": "object", "properties": {"ticket-id": {"type": "integer"}}, "required": ["ticket-id"]},
        "outputSchema": {**TICKET, "$defs": {"T": TICKET}},
        "annotations": {"readOnlyHint": True},
    },
    {"name": "close", "inputSchema": {"type": "object", "properties": {}}},
]


async def test_the_tools_of_the_lock_are_listed_checked_and_answered(tmp_path: Path) -> None:
    lock = locked(operations_of("desk", TOOLS).operations)
    (tmp_path / "isthmus.lock").write_text(written(lock))
    (tmp_path / "isthmus.yaml").write_text("upstreams: {desk: {command: [none]}}\n")
    calls = (
        RecordedCall("desk.get_ticket", {}, (5,), answered=1, answer={"id": 55}),
        RecordedCall("desk.get_ticket", {"ticket_id": "7"}, answered=2, answer={"id": 77}),
        RecordedCall(
            "desk.get_ticket", {"ticket-id": 9}, answered=3, status="failed", error=RecordedError("NotFound", "gone")
        ),
    )
    keep_recording(tmp_path / "recordings" / "one", calls)
    recorded = [{"operation": "desk.get_ticket", "arguments": {"ticket_id": 7}, "answer": {"id": 7}}]
    (tmp_path / "answers.json").write_text(json.dumps(recorded))
    command = ["-m", "isthmus", "mock", "desk", "--answers", "answers.json"]
    environ = {"PYTHONPATH": os.pathsep.join([str(ROOT / "server"), str(ROOT / "wasm_runtime")])}
    server = StdioServerParameters(command=sys.executable, args=command, env=environ, cwd=tmp_path)
    async with stdio_client(server) as (incoming, outgoing), ClientSession(incoming, outgoing) as session:
        await session.initialize()
        listed = await session.list_tools()
        again = [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in listed.tools]
        changes = compare(lock, locked(operations_of("desk", again).operations))
        assert [one for one in changes if one.kind is Class.BREAKING] == []
        assert {one.rule for one in changes} <= {"words-changed", "output-described"}
        known = await session.call_tool("get-ticket", {"ticket-id": 7})
        assert known.structured_content == {"id": 7}
        kept = await session.call_tool("get-ticket", {"ticket-id": 5})
        assert kept.structured_content == {"id": 55}
        gone = await session.call_tool("get-ticket", {"ticket-id": 9})
        assert (gone.is_error, gone.content[0].model_dump()["text"]) == (True, "gone")
        made = await session.call_tool("get-ticket", {"ticket-id": 8})
        assert isinstance(made.structured_content, dict)
        assert isinstance(made.structured_content["id"], int)
        wrong = await session.call_tool("get-ticket", {"ticket-id": "seven"})
        assert wrong.is_error


def test_operations_of_a_lock_are_what_they_were_when_they_were_listed() -> None:
    listed = operations_of("desk", [*TOOLS, {**TOOLS[1], "name": "drop", "annotations": {"destructiveHint": True}}])
    [upstream] = locked(listed.operations).upstreams.values()
    was = {one.id: (one.effect, one.claim, one.declared) for one in listed.operations}
    assert {one.id: (one.effect, one.claim, one.declared) for one in unlocked(upstream)} == was
    assert len(set(was.values())) == 3
