"""Resources and prompts through the whole server: found by search, read by a program, and subject to the policy."""

from pathlib import Path
from typing import Any

import pytest

from tests.simulators.served import Served, serving, simulator

pytestmark = pytest.mark.anyio

PROGRAM = """
greeting, picture, log, again, prompt = await asyncio.gather(
    notes.resources.greeting(), notes.resources.picture_png(), notes.resources.log(day=5),
    notes.resources.read("note://greeting"), notes.prompts.review("x = 1", style="stern"),
)
assert greeting == again
[greeting[0].text, picture[0].data, log[0].text, prompt.messages[0].content, len(await notes.resources.list())]
"""


async def connected(server: Served) -> None:
    """Return once the upstream's operations are there: a program that uses it waits for it."""
    told = await server.execute("await notes.resources.list()")
    assert not told.is_error, told.text


def configured(**policy: Any) -> dict[str, Any]:
    return {"upstreams": {"notes": simulator("mcp_server_real", "stdio")}, "policy": {"allow": ["read"], **policy}}


async def test_they_are_found_beside_operations_and_used_by_a_program(tmp_path: Path) -> None:
    async with serving(configured(), tmp_path) as server:
        await connected(server)
        found = await server.search("how to greet")
        assert "# notes.resources.greeting [read] resources/read note://greeting" in found
        assert "async def greeting() -> list[ResourceContents]:" in found
        assert "async def review(code: str, *, style: str = ...)" in await server.search("review some code")
        assert "async def log(day: str)" in await server.search("log of a day")
        told = await server.execute(f"import asyncio\n{PROGRAM}")
        assert not told.is_error, told.text
        assert "Review in a stern way: x = 1" in told.text
        assert "quiet on 5" in told.text
        missing = await server.execute("await notes.resources.read('note://missing')")
        assert missing.is_error
        assert "NotFound" in missing.text


async def test_what_the_policy_hides_is_neither_shown_nor_read(tmp_path: Path) -> None:
    async with serving(configured(deny=["notes.resources.read", "notes.resources.greeting"]), tmp_path) as server:
        await connected(server)
        assert "note://greeting" not in await server.search("how to greet")
        for code in (
            "await notes.resources.greeting()",
            'await call("notes.resources.read", {"uri": "note://greeting"})',
        ):
            told = await server.execute(code)
            assert told.is_error
            assert "hello" not in told.text
        assert "quiet" in (await server.execute("await notes.resources.log('today')")).text
