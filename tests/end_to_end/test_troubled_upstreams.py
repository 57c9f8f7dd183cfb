"""Upstreams that hang, die and rave beside one that is good: the good one works, and what is missing is said."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.simulators.served import SOON, Served, serving, simulator

pytestmark = pytest.mark.anyio

FAILING = ("dead", "absent", "page", "unheard")


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("troubled")
    (folder / "page.json").write_text("<html>Please log in</html>")
    upstreams = {
        "good": simulator("mcp_server_witness", str(folder / "witness.jsonl")),
        "silent": simulator("mcp_server_odd", "silent"),
        "dead": simulator("mcp_server_odd", "dead"),
        "raving": simulator("mcp_server_odd", "nonsense"),
        "absent": {"command": ["no-such-program-anywhere"]},
        "page": {"openapi": "page.json"},
        "unheard": {"openapi": "http://127.0.0.1:9/openapi.json"},
    }
    began = time.monotonic()
    async with serving({"upstreams": upstreams}, folder) as served:
        await served.client.list_tools()
        assert time.monotonic() - began < SOON  # none of them is waited for; how quick it is, a benchmark measures
        with anyio.fail_after(SOON):
            while (await served.search("")).count(" (failed): ") < len(FAILING):  # noqa: ASYNC110 - nothing tells
                await anyio.sleep(0.05)
        yield served


async def test_the_good_one_is_found_and_called(server: Served) -> None:
    assert (await server.execute("len((await good.rows()).rows)")).value == 500
    assert "async def rows" in await server.search("rows of a table", upstream="good")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dead", "failed: the connection ended during the handshake; its process exited with code 3"),
        ("absent", "failed: the command 'no-such-program-anywhere' was not found"),
        ("page", "failed: "),
        ("unheard", "failed: "),
    ],
)
async def test_search_says_what_is_missing_and_why(server: Served, name: str, words: str) -> None:
    found = await server.search("", upstream=name)
    assert f"# {name} is {words}" in found


async def test_the_map_names_all_that_is_missing(server: Served) -> None:
    found = await server.search("")
    assert "# good: 4 operations" in found
    for name in FAILING:
        assert f"# {name} (failed): 0 operations" in found
    for name in ("silent", "raving"):
        assert f"# {name} (connecting): 0 operations" in found


async def test_a_call_to_a_missing_one_raises_with_the_reason(server: Served) -> None:
    told = await server.execute("await dead.anything()")
    assert told.is_error
    assert "UpstreamUnavailable" in told.text
    assert "dead is failed" in told.text


async def test_a_program_that_mentions_a_missing_one_is_told_of_it(server: Served) -> None:
    told = await server.execute(
        """try:
    page.list()
except UpstreamError:
    left = len(good.rows().rows)
left"""
    )
    assert told.value == 500
    assert "note: the upstream page is failed" in told.text
    assert "the upstream absent" not in told.text


async def test_what_an_upstream_printed_as_it_died_is_for_the_operator_alone(server: Served) -> None:
    assert "no licence was found" not in await server.search("", upstream="dead")
    assert "no licence was found" not in (await server.execute("dead.x()")).text
    assert "dead has failed: " in server.log()
    assert "no licence was found" in server.log()


async def test_a_dead_one_is_not_started_in_a_loop(server: Served, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    script = f"echo x >> {starts}; exit 3"
    folder = tmp_path / "second"
    folder.mkdir()
    async with serving({"upstreams": {"dead": {"command": ["sh", "-c", script]}}}, folder) as second:
        for _ in range(20):
            await second.execute("await dead.anything()")
        assert 1 <= len(starts.read_text().splitlines()) <= 8
