"""`initialize` answered after process start, whatever the upstreams do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.benchmarks.frame import ROOT, Benchmark, Figure, median, spread
from tests.benchmarks.servers import BARE, PATHS, configured, ours

STARTS = 7
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


def answered(command: list[str]) -> float:
    """Milliseconds from starting the process to its answer."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": PATHS},
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
        took = (time.perf_counter() - began) * 1000
        answer = json.loads(line)
        if "result" not in answer:
            raise RuntimeError(f"no answer: {answer}")
        return took
    finally:
        process.stdin.close()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def measure() -> Iterator[Figure]:
    """With no upstream, and with upstreams that never answer."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        slow = {
            "silent": {"command": [sys.executable, "-c", "import time; time.sleep(600)"]},
            "mute": {"url": f"{url}/mcp"},
            "endless": {"openapi": f"{url}/openapi.json"},
        }
        with configured({}) as empty, configured(slow) as stuck:
            commands = {"bare": BARE, "empty": ours(empty), "slow": ours(stuck)}
            took: dict[str, list[float]] = {name: [] for name in commands}
            for _ in range(STARTS):
                for name, command in commands.items():
                    took[name].append(answered(command))
    yield Figure("bare mcp server", median(took["bare"]), "ms", detail=spread(took["bare"]))
    yield Figure("no upstreams", median(took["empty"]), "ms", target=600, detail=spread(took["empty"]))
    yield Figure("upstreams that never answer", median(took["slow"]), "ms", target=600, detail=spread(took["slow"]))


BENCHMARKS = (Benchmark("initialize", "process start to the answer of initialize", measure),)
