"""What clients see that others wrote: the official SDK in both eras of the protocol, and the MCP Inspector."""

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import ConnectMode

from tests.simulators.served import serve_command, server_environment, serving, simulator

pytestmark = pytest.mark.anyio

Inspect = Callable[..., Any]


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_the_official_client_lists_two_tools_and_calls_both(
    mode: ConnectMode, version: str, tmp_path: Path
) -> None:
    upstreams = {"witness": simulator("mcp_server_witness", str(tmp_path / "witness.jsonl"))}
    async with serving({"upstreams": upstreams}, tmp_path, mode=mode) as server:
        assert server.client.protocol_version == version
        assert [tool.name for tool in (await server.client.list_tools()).tools] == ["search", "execute"]
        await server.connected()
        assert "async def rows" in await server.search("rows of a table")
        told = await server.execute("(await witness.rows(cursor=9000)).next")
        assert told.text.startswith("result: 9500\n"), told.text
        assert told.result.structured_content is None
        assert not (await server.client.call_tool("search", {"query": "rows"})).is_error


async def test_a_call_that_cannot_be_meant_is_an_error_that_says_what_fits(tmp_path: Path) -> None:
    async with serving({}, tmp_path) as server:
        for tool, arguments, words in (
            ("execute", {}, "code: a string"),
            ("execute", {"code": "1", "timeout": -1}, "timeout: seconds"),
            ("execute", {"code": "1", "sesion": "x"}, "there is no argument 'sesion'; there are thoughts, code"),
            ("search", {"query": "x", "detail": "all"}, 'detail: "names"'),
            ("search", {"query": "x", "limit": 99}, "limit: a whole number"),
            ("run", {}, "there is no tool 'run'; there are search and execute"),
        ):
            told = await server.call(tool, **arguments)
            assert told.is_error
            assert words in told.text


@pytest.fixture
def inspect(real_servers: Path, tmp_path: Path) -> Inspect:
    """Runs the Inspector's command line against a fresh server, and gives what it printed."""
    modules = real_servers / "tools" / "node_modules"
    node, launcher = modules / "node" / "bin" / "node", modules / "@modelcontextprotocol" / "inspector"
    launcher = launcher / "clients" / "launcher" / "build" / "index.js"
    if not (node.exists() and launcher.exists()):
        pytest.skip(f"the Inspector is not installed in {modules}")
    # The Inspector would take options of the server's command for its own, and hands on little of its environment.
    script = tmp_path / "serve.sh"
    settings = shlex.join(f"{name}={value}" for name, value in server_environment().items())
    script.write_text(f"exec env {settings} {shlex.join(serve_command({}, tmp_path))}\n")

    def run(*arguments: str) -> Any:
        command = [str(node), str(launcher), "--cli", "sh", str(script), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


def test_the_inspector_lists_two_tools_whose_schemas_are_portable(inspect: Inspect) -> None:
    listed = inspect("--method", "tools/list", "--strict")
    assert [tool["name"] for tool in listed["tools"]] == ["search", "execute"]


def test_the_inspector_calls_both_tools(inspect: Inspect) -> None:
    told = inspect("--method", "tools/call", "--tool-name", "execute", "--tool-arg", "code=sum(range(10))")
    assert told["content"] == [{"type": "text", "text": "result: 45"}]
    found = inspect("--method", "tools/call", "--tool-name", "search", "--tool-arg", "query=anything")
    assert not found.get("isError")
    assert "upstream" in found["content"][0]["text"]
