"""The first run on a machine: the guest is compiled once, in the background, and everybody is told."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.mcp_messages import call, initialize, request
from tests.simulators.raw_client import RawClient, raw_client

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes as /proc shows them"),
]

COMPILING = "isthmus: sandbox: compiling the guest for this machine, once (some 10 s)\n"
WAITING = "isthmus: sandbox: waiting for another process that compiles the guest for this machine\n"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "isthmus"


@pytest.fixture
def starting(tmp_path: Path, cache: Path) -> Iterator[Any]:
    """Starts servers that share an empty cache."""
    clients: list[RawClient] = []

    def start() -> RawClient:
        folder = tmp_path / f"server{len(clients)}"
        folder.mkdir()
        clients.append(raw_client({}, folder, XDG_CACHE_HOME=str(cache.parent)))
        return clients[-1]

    yield start
    for client in clients:
        client.kill()


def compilers(cache: Path) -> list[int]:
    """The processes that compile into this cache, or wait to."""
    found = subprocess.run(
        ["pgrep", "-f", f"isthmus_sandbox.compile.*{cache}"], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


def test_one_compiles_whoever_asks_is_told_and_a_crash_leaves_nothing_broken(starting: Any, cache: Path) -> None:
    crashed = starting()
    crashed.say(initialize())
    crashed.until_logged(COMPILING)
    crashed.until(lambda: bool(compilers(cache)))
    for compiler in compilers(cache):
        os.kill(compiler, signal.SIGKILL)
    crashed.process.kill()
    crashed.until(lambda: not compilers(cache))
    assert not list(cache.glob("*.cwasm"))

    first = starting()
    first.say(initialize(), call("6 * 7", 2, progressToken="t"), request("tools/list", {}, 3))
    assert first.hear()["id"] == "init"
    assert first.hear()["id"] == 3  # nobody waits for the compiler but programs
    first.until_logged(COMPILING)
    second = starting()
    second.say(initialize(), call("6 * 7", 2))
    assert second.hear()["id"] == "init"
    second.until_logged(WAITING)

    told: list[str] = []
    while "id" not in (message := first.hear()):
        told.append(message["params"]["message"])
    assert any("compiling the guest" in line for line in told), told
    assert len(told) >= 3  # each second
    for answer in (message, second.hear()):
        assert answer["id"] == 2
        assert answer["result"]["content"][0]["text"] == "result: 42", json.dumps(answer)
    assert COMPILING not in second.log()
    assert len(list(cache.glob("*.cwasm"))) == 1
    assert {path.suffix for path in cache.iterdir()} == {".cwasm", ".sha256", ".lock"}  # no leftovers
