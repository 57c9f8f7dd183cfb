"""Plays the scenes of the demo against the real thing, and writes the transcript."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import anyio
from mcp import Client
from mcp.types import CallToolResult, TextContent

import isthmus
import isthmus_sandbox
from isthmus.compose import application
from isthmus.config.model import Configuration
from isthmus.demo.account import Account, tokens_of_answers
from isthmus.demo.scenes import ACCOUNT, SCENES, Scene
from isthmus.demo.shop import DOCUMENT
from isthmus.demo.shop_service import Service, served
from isthmus.front.server import build
from isthmus.insight.definitions import definition, tokens_of
from isthmus.model import UpstreamState
from isthmus.render.tokens import estimate

LONGEST = 180.0
"""Seconds after which the demo is given up, the first compilation of the sandbox included."""

MOST_LINES = 60
"""Lines shown of one answer; the model sees them all."""


@dataclass(slots=True)
class Transcript:
    """Writes the demo so that it can be read. With `colour` for a terminal."""

    out: TextIO
    colour: bool
    read: int = 0  # tokens of all answers so far
    faults: list[str] = field(default_factory=list)

    def line(self, text: str = "", style: str = "") -> None:
        """One line, at once."""
        styled = f"\x1b[{style}m{text}\x1b[0m" if self.colour and style and text else text
        print(styled, file=self.out, flush=True)

    def remark(self, text: str) -> None:
        """What is said about the transcript."""
        self.line(f"· {text}", DIM)

    def scene(self, number: int, scene: Scene) -> None:
        """The title and the call."""
        self.line()
        self.line(f"{number}. {scene.title}", BOLD)
        self.line()
        if scene.tool == "execute":
            self.line("  execute(code=…)", CYAN)
            self._block(str(scene.arguments["code"]), CYAN, most=MOST_LINES)
        else:
            shown = ", ".join(f"{name}={json.dumps(value)}" for name, value in scene.arguments.items())
            self.line(f"  search({shown})", CYAN)
        self.line()

    def answer(self, scene: Scene, text: str, *, is_error: bool, seconds: float) -> None:
        """What came back, what it costs, and whether it is what should have come."""
        self._block(text, YELLOW if is_error else "", most=MOST_LINES)
        self.read += estimate(text)
        self.remark(f"{estimate(text):,} tokens for the model, after {seconds:.2f} s")
        if scene.remark:
            self.remark(scene.remark)
        missing = [wanted for wanted in scene.expect if wanted not in text]
        if missing or is_error is not scene.fails:
            self.faults.append(f"{scene.title!r}: {'missing ' + ', '.join(missing) if missing else 'wrong outcome'}")

    def _block(self, text: str, style: str, *, most: int) -> None:
        lines = text.splitlines()
        for line in lines[:most]:
            self.line(f"    {line}".rstrip(), style)
        if len(lines) > most:
            self.remark(f"and {len(lines) - most} more lines, which the model sees")


BOLD, DIM, CYAN, YELLOW = "1", "2", "36", "33"


async def play(out: TextIO, colour: bool) -> int:
    """Play all scenes. The exit code: 0 if each went as it should."""
    transcript = Transcript(out, colour)
    started = time.perf_counter()
    with anyio.fail_after(LONGEST):
        service = Service(secrets.token_hex(16))
        with served(service) as address, tempfile.TemporaryDirectory(prefix="isthmus-demo-") as data:
            configuration = Configuration.model_validate({**configured(address, service.token), "data": data})
            async with _opened(configuration, transcript) as (client, definitions):
                facts = await _scenes(client, transcript)
                await _close(client, transcript, definitions, facts)
    transcript.remark(
        f"{time.perf_counter() - started:.1f} s in all; the shop was asked {sum(service.served.values())} times"
    )
    for fault in transcript.faults:
        transcript.line(f"! {fault}", YELLOW)
    return 1 if transcript.faults else 0


def configured(address: str, token: str) -> dict[str, Any]:
    """The configuration of the demo, as `isthmus.yaml` would say it."""
    return {
        "upstreams": {
            "shop": {
                "openapi": str(DOCUMENT),
                "base_url": address,
                "auth": {"bearer": token},
                "description": "the web shop: customers, orders, refunds, products",
            },
            "tickets": {
                "command": [sys.executable, "-m", "isthmus.demo.tickets"],
                "env": {"PYTHONPATH": _path_of_packages()},
                "believe": True,
                "allow": ["read", "write"],
                "description": "the support desk: what customers write, and what was answered",
            },
        },
    }


def _path_of_packages() -> str:
    """Where the child finds what this process has found: it is started without our environment."""
    found = {Path(package.__file__ or "").parent.parent.as_posix() for package in (isthmus, isthmus_sandbox)}
    return ":".join(sorted(found)) if sys.platform != "win32" else ";".join(sorted(found))


@asynccontextmanager
async def _opened(
    configuration: Configuration, transcript: Transcript
) -> AsyncIterator[tuple[Client, list[dict[str, Any]]]]:
    """A client of the real front, in memory, and the tools that a server with one for each operation would list."""
    transcript.line(
        "Isthmus, on two services of its own: a shop (OpenAPI, 127.0.0.1) and a support desk (MCP, stdio).", BOLD
    )
    transcript.remark("the shop wants a key; programs call it without ever seeing one")
    async with application(configuration, base=Path.cwd(), log=transcript.remark) as app:

        async def opened() -> Any:
            return app

        await app.settled(30)
        for snapshot in app.upstreams():
            problem = f" ({snapshot.problem})" if snapshot.state is not UpstreamState.READY else ""
            transcript.remark(f"{snapshot.name}: {snapshot.state}, {len(snapshot.operations)} operations{problem}")
        async with Client(build(opened)) as client:
            yield client, [definition(entry) for snapshot in app.upstreams() for entry in snapshot.operations]


async def _scenes(client: Client, transcript: Transcript) -> Mapping[str, Any]:
    """Play every scene in the session of the process; the data of the last one, for the account."""
    data: Mapping[str, Any] = {}
    for number, scene in enumerate(SCENES, 1):
        transcript.scene(number, scene)
        began = time.perf_counter()
        result = await client.call_tool(scene.tool, dict(scene.arguments))
        text = text_of(result)
        transcript.answer(scene, text, is_error=bool(result.is_error), seconds=time.perf_counter() - began)
        if scene is ACCOUNT and not result.is_error:
            data = json.loads(text.splitlines()[1])
    return data


async def _close(
    client: Client, transcript: Transcript, definitions: list[dict[str, Any]], measured: Mapping[str, Any]
) -> None:
    tools = [
        tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in (await client.list_tools()).tools
    ]
    account = Account(
        operations=len(definitions),
        direct_definitions=sum(map(tokens_of, definitions)),
        direct_answers=tokens_of_answers(int(measured.get("characters", 0))),
        our_definitions=sum(map(tokens_of, tools)) + estimate(client.instructions or ""),
        our_answers=transcript.read,
    )
    transcript.line()
    transcript.line("The account, in tokens", BOLD)
    transcript.line()
    for line in account.lines():
        transcript.line(f"    {line}")
    transcript.line()


def text_of(result: CallToolResult) -> str:
    """The text that the model reads of a result."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
