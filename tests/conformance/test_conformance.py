"""The official suite: all server scenarios, of which only what does not apply may fail, and those of a login."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.conftest import ROOT
from tests.simulators.served import serve_command, server_environment

EXPECTED = Path(__file__).with_name("expected-failures.yml")


@pytest.fixture(scope="module")
def suite() -> list[str]:
    """The command that runs the suite."""
    modules = Path(os.environ.get("ISTHMUS_TEST_SERVERS", "nowhere"), "tools", "node_modules")
    program = modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    node = modules / "node" / "bin" / "node"
    if not (program.exists() and node.exists()):
        pytest.skip("no conformance suite: run tests/real_servers/install.py, and set ISTHMUS_TEST_SERVERS")
    return [str(node), str(program)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real server, on this machine alone and so without authentication, which the suite knows only of others."""
    command = [*serve_command({"http": {"port": 0}}, tmp_path_factory.mktemp("served")), "--http"]
    environment = {**os.environ, **server_environment()}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE) as server:
        assert server.stderr
        line = server.stderr.readline()
        told = Thread(target=server.stderr.read)  # so that it can go on writing
        told.start()
        yield line.partition("serving ")[2].partition(",")[0]
        server.terminate()
        assert server.wait(timeout=30) == 0
        told.join()


@pytest.mark.parametrize(("revision", "least"), [("2025-11-25", 37), ("2026-07-28", 88)])
def test_only_what_does_not_apply_fails(suite: list[str], url: str, revision: str, least: int, tmp_path: Path) -> None:
    options = ["--suite", "all", "--spec-version", revision, "--expected-failures", str(EXPECTED)]
    command = [*suite, "server", "--url", url, *options, "--output-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    checks = [check for file in tmp_path.glob("*/checks.json") for check in json.loads(file.read_text())]
    assert Counter(check["status"] for check in checks)["SUCCESS"] >= least


@pytest.mark.parametrize(("scenarios", "least"), [("auth", 245), ("draft", 127)])
def test_a_login_goes_as_the_specification_says(suite: list[str], scenarios: str, least: int, tmp_path: Path) -> None:
    command = [*suite, "client", "--command", f"{sys.executable} -m tests.conformance.client", "--suite", scenarios]
    options = ["--spec-version", "2026-07-28", "--timeout", "60000", "--output-dir", str(tmp_path)]
    subprocess.run([*command, *options], cwd=ROOT, capture_output=True, check=False, timeout=240)
    checks = [check for file in tmp_path.glob("auth/*/checks.json") for check in json.loads(file.read_text())]
    assert [check["id"] for check in checks if check["status"] == "FAILURE"] == []
    assert Counter(check["status"] for check in checks)["SUCCESS"] >= least
