"""Servers that benchmarks start: ours, over stdio, and the bare one beside it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters, stdio_client

from tests.benchmarks.frame import ROOT

PATHS = os.pathsep.join([str(ROOT), str(ROOT / "server"), str(ROOT / "wasm_runtime")])
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
    "PYTHONPATH": PATHS
}
"""Of processes whose start is measured: bytecode is kept, as an installation has it."""

BARE = [sys.executable, "-m", "tests.benchmarks.bare_server"]
LIMITS: Mapping[str, Any] = {"wall": 600, "cpu": 600}


def ours(configuration: Path) -> list[str]:
    """The command of our server."""
    code = "import sys; from isthmus.cli import main; sys.exit(main())"
    return [sys.executable, "-c", code, "serve", "--config", str(configuration)]


@contextmanager
def configured(upstreams: Mapping[str, Any], **more: Any) -> Iterator[Path]:
    """A configuration file with these upstreams."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "isthmus.yaml"
        path.write_text(json.dumps({"upstreams": upstreams, "limits": LIMITS, "data": f"{folder}/data", **more}))
        yield path


def bare_upstream() -> dict[str, Any]:
    """The bare server as an upstream of ours. Its tools carry no annotations, so they count as writes."""
    return {"command": BARE, "env": {"PYTHONPATH": PATHS}, "allow": ["read", "write"]}


@asynccontextmanager
async def client_of(command: list[str]) -> AsyncIterator[Client]:
    """The official client of a server over stdio."""
    parameters = StdioServerParameters(command=command[0], args=command[1:], env={"PYTHONPATH": PATHS}, cwd=str(ROOT))
    with Path(os.devnull).open("w") as silence:  # noqa: ASYNC230 - the null device does not block
        async with Client(stdio_client(parameters, errlog=silence), read_timeout_seconds=600) as client:
            yield client
