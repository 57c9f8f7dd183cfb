"""The face of Isthmus over Streamable HTTP on loopback, for the conformance suite, which speaks nothing else.

    python -m tests.conformance.serve_http [--port 0]

prints its URL on a line, and serves until its input ends. Behind the face is the whole application, without upstreams.
It is a harness: no authentication, no principals.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import uvicorn

from isthmus.compose import Application, application
from isthmus.config.model import Configuration
from isthmus.front.server import build


@asynccontextmanager
async def serving(port: int = 0) -> AsyncIterator[str]:
    """Serves until the end of the context; gives the URL of the endpoint."""

    def log(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    with tempfile.TemporaryDirectory() as folder:
        running = application(Configuration(), base=Path(folder), log=log)
        async with running as house, _listening(house, port) as url:
            yield url


@asynccontextmanager
async def _listening(house: Application, port: int) -> AsyncIterator[str]:
    async def opened() -> Application:
        return house

    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(build(opened).streamable_http_app(), log_level="error")
    server = uvicorn.Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        server.should_exit = True


async def main(port: int) -> None:
    """Serve until the input ends."""
    async with serving(port) as url:
        print(url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="the face of Isthmus over HTTP")
    parser.add_argument("--port", type=int, default=0)
    anyio.run(main, parser.parse_args().port)
