"""The real server over HTTP, as its clients meet it: a process of its own, and the official SDK's client for each user.

async with serving_http({"upstreams": {...}}, tmp_path) as server:
    async with server.client("alice") as alice:
        assert (await alice.execute("1 + 1")).text.endswith("result: 2")
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
from mcp import Client
from mcp.client.client import ConnectMode
from mcp.client.session import ElicitationFnT
from mcp.client.streamable_http import streamable_http_client

from tests.simulators.served import ROOT, SOON, Served, server_environment

USERS = ("alice", "bob")


def token_of(user: str) -> str:
    """The token of a user of the tests."""
    return f"isthmus_token-of-{user}"


def entry_of(user: str) -> dict[str, str]:
    """What the configuration keeps of it."""
    return {"principal": user, "sha256": hashlib.sha256(token_of(user).encode()).hexdigest()}


@dataclass(frozen=True)
class Listening:
    """A server at work."""

    url: str
    config: Path
    log_file: Path
    process: anyio.abc.Process

    @asynccontextmanager
    async def client(
        self, user: str, mode: ConnectMode = "auto", token: str | None = None, person: ElicitationFnT | None = None
    ) -> AsyncIterator[Served]:
        """A client that comes with a user's token, or another one. `person` can be asked. What it gets is kept."""
        wire = self.config.with_suffix(f".{user}.wire")
        async with self.http(token or token_of(user), wire) as http:
            transport = streamable_http_client(self.url, http_client=http)
            async with Client(transport, mode=mode, cache=None, elicitation_callback=person) as client:
                yield Served(client, self.config, self.log_file, wire)

    def http(self, token: str | None = None, wire: Path | None = None) -> httpx2.AsyncClient:
        """A client that speaks plain HTTP; what it gets goes to the file `wire`, too."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        transport = Keeping(wire) if wire else None
        return httpx2.AsyncClient(headers=headers, timeout=SOON, trust_env=False, transport=transport)

    def log(self) -> str:
        """The server's stderr so far."""
        return self.log_file.read_text(errors="backslashreplace")

    async def logged(self, words: str) -> None:
        """Return once the server has written something to its log."""
        with anyio.fail_after(SOON):
            while words not in self.log():  # noqa: ASYNC110 - another process writes the file
                await anyio.sleep(0.02)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """The exit code, once it has ended."""
        with anyio.fail_after(SOON):
            return await self.process.wait()


class Keeping(httpx2.AsyncHTTPTransport):
    """Keeps the heads and bodies of all answers in a file, bodies as they were before they were cut into chunks."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        response = await super().handle_async_request(request)
        self._keep(b"".join(b"%b: %b\n" % header for header in response.headers.raw))
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = Kept(response.stream, self._keep)
        return response

    def _keep(self, data: bytes) -> None:
        with self._file.open("ab") as file:
            file.write(data)


class Kept(httpx2.AsyncByteStream):
    """A body that is kept as it is read."""

    def __init__(self, stream: httpx2.AsyncByteStream, keep: Callable[[bytes], None]) -> None:
        self._stream = stream
        self._keep = keep

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._keep(part)
            yield part

    async def aclose(self) -> None:
        """The body was read, or is not wanted."""
        await self._stream.aclose()


@asynccontextmanager
async def serving_http(
    configuration: Mapping[str, Any],
    folder: Path,
    users: Sequence[str] = USERS,
    *,
    name: str = "isthmus",
    environment: Mapping[str, str] | None = None,
    **http: Any,
) -> AsyncIterator[Listening]:
    """The server of a configuration, listening on a free port. `folder` takes its files; servers may share it."""
    listens = {"port": 0, "tokens": [entry_of(user) for user in users], **http}
    config, log = folder / f"{name}.yaml", folder / f"{name}.log"
    config.write_text(json.dumps({"data": str(folder / "data"), "http": listens, **configuration}))
    command = [sys.executable, "-m", "isthmus", "serve", "--http", "--config", str(config)]
    variables = {**os.environ, **server_environment(**(environment or {}))}
    with log.open("w") as errors:
        process = await anyio.open_process(command, env=variables, stdin=None, stdout=None, stderr=errors, cwd=ROOT)
        async with process:
            try:
                port = await _port(process, log)
                yield Listening(f"http://127.0.0.1:{port}/mcp", config, log, process)
            finally:
                if process.returncode is None:
                    process.terminate()
                with anyio.CancelScope(shield=True), anyio.move_on_after(SOON):
                    await process.wait()


async def _port(process: anyio.abc.Process, log: Path) -> int:
    with anyio.fail_after(SOON):
        while (found := re.search(r"listening on \S+:(\d+)\n", log.read_text())) is None:
            assert process.returncode is None, log.read_text()
            await anyio.sleep(0.02)  # another process writes the file: there is nothing to wait on
    return int(found.group(1))
