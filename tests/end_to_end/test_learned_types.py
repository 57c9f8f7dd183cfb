"""What tools without a type answer is learned, shown by the next search, and outlives the server."""

from pathlib import Path

import pytest

from tests.simulators.served import serving, simulator

pytestmark = pytest.mark.anyio

CONNECTED = "await witness.wait(seconds=0)"
OBSERVED = (
    "async def rows(*, cursor: int = 0) -> RowsResult:  # observed {}\n"
    '    """List the rows of a long table, page by page."""\n'
    "class RowsResult(TypedDict):\n"
    "    rows: list[RowsResultRow]; next: int | None\n"
    "class RowsResultRow(TypedDict):\n"
    "    id: int; marker: str; score: int"
)


async def test_what_a_tool_answered_is_the_type_that_is_shown_then_and_after_a_restart(tmp_path: Path) -> None:
    configuration = {
        "upstreams": {"witness": simulator("mcp_server_witness", str(tmp_path / "record.jsonl"))},
        "data": str(tmp_path / "data"),
    }
    async with serving(configuration, tmp_path) as server:
        await server.execute(CONNECTED)
        assert "async def rows(*, cursor: int = 0) -> dict:" in await server.search("witness.rows")
        told = await server.execute("a = await witness.rows()\nb = await witness.rows(cursor=9500)\nlen(a.rows)")
        assert not told.is_error, told.text
        assert OBSERVED.format("2 times") in await server.search("witness.rows")
        wrong = await server.execute("a = await witness.rows()\na.rows[0].titel")
        assert "hint: 'titel' has never been in an answer of witness.rows (observed 3 times)" in wrong.text
        wrong = await server.execute("a = await witness.rows()\na['titel']")
        assert "'titel' has never been in an answer of witness.rows (observed 4 times)" in wrong.text
        assert "# observed 4 times" in (await server.execute("print(help(witness.rows))")).text
    assert b"row-00001" not in b"".join(file.read_bytes() for file in (tmp_path / "data").glob("shapes.db*"))
    async with serving(configuration, tmp_path) as server:
        await server.execute(CONNECTED)
        assert OBSERVED.format("4 times") in await server.search("witness.rows")
