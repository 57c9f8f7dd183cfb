"""`isthmus serve` as a process: it answers on stdout, and ends when its client goes or a signal comes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 60
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}

Server = subprocess.Popen[str]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Starts a server that has answered its first message."""
    config = tmp_path / "isthmus.yaml"
    config.write_text("limits: {spare_workers: 0}")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "server"), str(ROOT / "wasm_runtime")])}
    started: list[Server] = []

    def start() -> Server:
        command = [sys.executable, "-m", "isthmus", "serve", "--config", str(config)]
        pipe = subprocess.PIPE
        server = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environ)
        started.append(server)
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(INITIALIZE) + "\n")
        server.stdin.flush()
        assert json.loads(server.stdout.readline())["result"]["serverInfo"]["name"] == "isthmus"
        return server

    yield start
    for server in started:
        server.kill()
        server.communicate()


def test_it_ends_well_when_its_client_goes(serving: Callable[[], Server]) -> None:
    server = serving()
    out, _ = server.communicate(timeout=LONGEST)
    assert (server.returncode, out) == (0, "")


def test_the_log_says_which_layers_protect(serving: Callable[[], Server]) -> None:
    server = serving()
    assert server.stderr is not None
    line = next(line for line in server.stderr if "sandbox: protected by" in line)
    assert line.startswith("isthmus: sandbox: protected by webassembly, process, empty-environment")


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize("received", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_though_its_client_is_still_there(
    serving: Callable[[], Server], received: signal.Signals
) -> None:
    server = serving()
    server.send_signal(received)
    assert server.wait(timeout=LONGEST) == 128 + received
