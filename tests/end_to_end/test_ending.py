"""However the server is ended, nothing that it started outlives it, and what its client was owed is settled."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import command, descendants, lives
from tests.simulators.mcp_messages import call, initialize
from tests.simulators.raw_client import RawClient, raw_client
from tests.simulators.served import serve_command, server_environment, simulator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes as /proc shows them")


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Any]:
    """Starts a server, with an upstream that notes what happens to it."""
    clients: list[RawClient] = []

    def start() -> RawClient:
        witness = simulator("mcp_server_witness", str(tmp_path / "witness.jsonl"))
        clients.append(raw_client({"upstreams": {"witness": witness}}, tmp_path))
        return clients[-1]

    yield start
    for client in clients:
        client.kill()


@pytest.mark.parametrize(
    ("end", "status"), [("leave", 0), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 128 + signal.SIGINT)]
)
def test_a_program_in_the_middle_of_a_call_ends_with_everything_else(
    starting: Any, tmp_path: Path, end: Any, status: int
) -> None:
    client: RawClient = starting()
    client.say(initialize(), call("witness.wait(seconds=300)", 2))
    assert client.hear()["id"] == "init"
    seen = tmp_path / "witness.jsonl"
    client.until(lambda: seen.exists() and '"called"' in seen.read_text())
    processes = {pid: command(pid) for pid in descendants(client.process.pid)}
    assert sum("isthmus_sandbox.zygote" in words for words in processes.values()) >= 2  # itself, and workers

    began = time.monotonic()
    client.leave() if end == "leave" else client.process.send_signal(end)
    client.until(lambda: not any(lives(pid) for pid, words in processes.items() if "isthmus_sandbox" in words))
    sandbox_gone = time.monotonic() - began
    assert client.process.wait(30) == status
    client.until(lambda: not any(map(lives, processes)))
    assert client.hear()["error"]["code"] == -32000  # the program's request: the connection is closed
    assert client.hear_line() == b""
    assert '"cancelled"' in seen.read_text() or '"ended"' in seen.read_text()
    assert sandbox_gone < 10  # one second, on a machine with nothing else to do


@pytest.mark.parametrize("received", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_everything_is_loaded_ends_it_at_once(starting: Any, received: signal.Signals) -> None:
    client: RawClient = starting()
    client.say(initialize())
    assert client.hear()["id"] == "init"  # the SDK is being imported
    client.process.send_signal(received)
    assert client.process.wait(30) == 128 + received
    assert client.process.pid not in descendants(os.getpid())


def test_a_client_that_leaves_at_once_has_its_answer_and_the_server_ends(starting: Any) -> None:
    client: RawClient = starting()
    client.say(initialize())
    client.leave()
    assert client.hear()["id"] == "init"
    assert client.hear_line() == b""
    assert client.process.wait(30) == 0
    assert "Traceback" not in client.log()


def test_a_client_that_listens_no_more_ends_it(tmp_path: Path) -> None:
    heard, said = os.pipe()
    os.close(heard)
    with (tmp_path / "stderr.log").open("w+") as log:
        command = serve_command({}, tmp_path)
        environment = {**os.environ, **server_environment()}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=log, env=environment) as server:
            os.close(said)
            assert server.stdin
            server.stdin.write(json.dumps(initialize()).encode() + b"\n")
            server.stdin.flush()
            assert server.wait(30) == 0
        log.seek(0)
        assert "Traceback" not in log.read()
