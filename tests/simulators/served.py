"""The real server as a client meets it: a child process over stdio, driven by the official SDK's client.

    async with serving({"upstreams": {...}}, tmp_path) as server:
        assert "pets.list" in await server.search("all pets")
        assert (await server.execute("1 + 1")).text == "result: 2"

What crossed the wire towards the client, and what the server wrote to its log, are kept as they were, byte for byte.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.client import ConnectMode
from mcp.client.session import ElicitationFnT
from mcp_types import CallToolResult, TextContent

from tests.processes import command, descendants

ROOT = Path(__file__).resolve().parent.parent.parent
SOON = 30.0
"""Seconds within which anything that a test waits for has happened, on a slow machine too."""


@dataclass(frozen=True)
class Told:
    """What one call of a tool told."""

    text: str
    is_error: bool
    facts: Mapping[str, Any]
    result: CallToolResult

    @property
    def value(self) -> Any:
        """The result as data, where it is a list, a dict, a number or a boolean that was told whole."""
        label, _, rest = self.text.partition(":")
        assert label == "result", self.text
        return json.loads(rest.strip().split("\n")[0])


@dataclass(frozen=True)
class Served:
    """A server at work, and the client that it serves."""

    client: Client
    config: Path
    log_file: Path
    wire_file: Path

    async def search(self, query: str | Sequence[str], **more: Any) -> str:
        """The text that `search` gives."""
        return (await self.call("search", query=query, **more)).text

    async def execute(self, code: str, **more: Any) -> Told:
        """What `execute` tells."""
        return await self.call("execute", code=code, **more)

    async def connected(self) -> str:
        """The map, once no upstream is connecting any more; a search waits for them, but only so long."""
        with anyio.fail_after(4 * SOON):
            while " is connecting" in (found := await self.search("")):  # noqa: ASYNC110 - nothing tells
                await anyio.sleep(0.05)
        return found

    async def call(self, tool: str, **arguments: Any) -> Told:
        """Call a tool; its content has to begin with a text."""
        result = await self.client.call_tool(tool, arguments)
        first = result.content[0]
        assert isinstance(first, TextContent)
        return Told(first.text, bool(result.is_error), (result.meta or {}).get("isthmus", {}), result)

    def log(self) -> str:
        """The server's stderr so far."""
        return self.log_file.read_text(errors="backslashreplace")

    def wire(self) -> bytes:
        """All that the server has sent to its client so far."""
        return self.wire_file.read_bytes()

    def processes(self) -> list[int]:
        """The server, and below it all that it started: zygote, workers, upstreams."""
        above = descendants(os.getpid())  # a shell, and `tee`, stand between
        serving = [pid for pid in above if str(self.config) in command(pid) and " -m isthmus " in command(pid)]
        [server] = [pid for pid in serving if not command(pid).startswith("sh ")]
        return [server, *descendants(server)]


@asynccontextmanager
async def serving(
    configuration: Mapping[str, Any],
    folder: Path,
    *,
    mode: ConnectMode = "auto",
    person: ElicitationFnT | None = None,
    **environment: str,
) -> AsyncIterator[Served]:
    """The server of a configuration, with a client connected to it. `folder` takes its files; `person` can be asked."""
    command = serve_command(configuration, folder)
    wire, log = folder / "wire.jsonl", folder / "stderr.log"
    # `tee` keeps the very bytes that the client gets: its own stdout, which is the file, it writes first.
    script = ["-c", '{ wire=$1; shift; "$@" | tee /dev/fd/3 > "$wire"; } 3>&1', "sh", str(wire), *command]
    parameters = StdioServerParameters(command="sh", args=script, env=server_environment(**environment))
    with log.open("w") as errors:
        transport = stdio_client(parameters, errlog=errors)
        async with Client(transport, mode=mode, cache=None, elicitation_callback=person) as client:
            yield Served(client, folder / "isthmus.yaml", log, wire)


def serve_command(configuration: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the configuration into a folder; the command that serves it."""
    config = folder / "isthmus.yaml"
    config.write_text(json.dumps({"data": str(folder / "data"), **configuration}))
    return [sys.executable, "-m", "isthmus", "serve", "--config", str(config)]


def server_environment(**more: str) -> dict[str, str]:
    """The environment of a server whose sources are these, installed or not."""
    return {"PYTHONPATH": os.pathsep.join([str(ROOT / "server"), str(ROOT / "wasm_runtime")]), **more}


def simulator(name: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """The configuration of an MCP upstream that is a script of this folder, and is believed: it is ours."""
    script = str(Path(__file__).with_name(f"{name}.py"))
    return {"command": [sys.executable, script, *arguments], "env": environment, "believe": True}


Witnessed = dict[str, Any]


async def witnessed(file: Path, kind: Literal["called", "cancelled", "ended"], count: int = 1) -> list[Witnessed]:
    """The records of a kind that `mcp_server_witness` wrote, once there are so many."""
    with anyio.fail_after(SOON):
        while True:
            lines = file.read_text().splitlines() if file.exists() else []
            found = [record for record in map(json.loads, lines) if record["kind"] == kind]
            if len(found) >= count:
                return found
            await anyio.sleep(0.01)  # another process writes the file: there is nothing to wait on
