"""The first request answered after process start, whatever the upstreams do."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.frame import ROOT, Benchmark, Figure, median, spread
from tests.benchmarks.search import first_of_graph
from tests.benchmarks.servers import BARE, ENVIRONMENT, configured, ours

STARTS = 15
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "benchmark", "version": "1"},
    },
}
DISCOVER = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "server/discover",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}


def answered(command: list[str], *messages: Mapping[str, Any]) -> float:
    """Milliseconds from starting the process to its answer to the last of the messages, which are sent at once."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
        process.stdin.flush()
        for _ in messages:
            answer = json.loads(process.stdout.readline())
            if "result" not in answer or answer["result"].get("isError"):
                raise RuntimeError(f"no answer: {answer}")
        return (time.perf_counter() - began) * 1000
    finally:
        process.stdin.close()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def measure() -> Iterator[Figure]:
    """With no upstream, and with upstreams that never answer; and how long the first program takes."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        slow = {
            "silent": {"command": [sys.executable, "-c", "import time; time.sleep(600)"]},
            "mute": {"url": f"{url}/mcp"},
            "endless": {"openapi": f"{url}/openapi.json"},
        }
        with configured({}) as empty, configured(slow) as stuck:
            starts: dict[str, tuple[list[str], tuple[Mapping[str, Any], ...], float | None]] = {
                "bare mcp server": (BARE, (INITIALIZE,), None),
                "no upstreams": (ours(empty), (INITIALIZE,), 600),
                "upstreams that never answer": (ours(stuck), (INITIALIZE,), 600),
                "the same, server/discover": (ours(stuck), (DISCOVER,), 600),
                "bare server's trivial tool": (BARE, (INITIALIZE, tool("echo", text="2")), None),
                'the first execute("1+1")': (ours(empty), (INITIALIZE, tool("execute", code="1+1")), None),
            }
            took: dict[str, list[float]] = {name: [] for name in starts}
            for _ in range(STARTS):
                for name, (command, messages, _) in starts.items():
                    took[name].append(answered(command, *messages))
    for name, (_, _, target) in starts.items():
        yield Figure(name, median(took[name]), "ms", target=target, detail=spread(took[name]))
    ratio = median(took["no upstreams"]) / median(took["bare mcp server"])
    yield Figure("no upstreams against the bare server", ratio, "x")


def searches() -> Iterator[Figure]:
    """With 2,500 operations that were read before: over stdio, where the search is sent at once, and as a command."""
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "graph.json"
        document.write_bytes(first_of_graph())
        graph = {"openapi": str(document), "base_url": "https://api.example.com"}
        with configured({"graph": graph}) as path:
            serve, search = ours(path), [*ours(path)[:3], "search", "create a chat", "--config", str(path)]
            command(search)  # which reads the document, and keeps what it reads
            spoken, typed = [], []
            for _ in range(STARTS):
                spoken.append(answered(serve, INITIALIZE, tool("search", query="create a chat")))
                typed.append(command(search))
    yield Figure("the first search over stdio", median(spoken), "ms", detail=spread(spoken))
    yield Figure("isthmus search, until it has ended", median(typed), "ms", detail=spread(typed))


def command(words: list[str]) -> float:
    """Milliseconds that a command takes, which finds something."""
    began = time.perf_counter()
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, env=ENVIRONMENT)
    if b"graph." not in done.stdout:
        raise RuntimeError(f"nothing was found: {done.stdout.decode()}")
    return (time.perf_counter() - began) * 1000


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    """A call of a tool."""
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}


BENCHMARKS = (
    Benchmark("initialize", "process start to the answer of initialize", measure),
    Benchmark("search", "process start to the first search's answer, in 2,500 operations that are kept", searches),
)
