"""All server scenarios of the official suite, at both revisions; only what does not apply may fail."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.simulators.served import server_environment

EXPECTED = Path(__file__).with_name("expected-failures.yml")


@pytest.fixture(scope="module")
def suite() -> list[str]:
    """The command that runs the suite."""
    modules = Path(os.environ.get("ISTHMUS_TEST_SERVERS", "nowhere"), "tools", "node_modules")
    program = modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    node = modules / "node" / "bin" / "node"
    if not (program.exists() and node.exists()):
        pytest.skip("no conformance suite: run tests/real_servers/install.py, and set ISTHMUS_TEST_SERVERS")
    return [str(node), str(program), "server"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Our face over HTTP."""
    command = [sys.executable, "-m", "tests.conformance.serve_http"]
    environment = {**os.environ, **server_environment()}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin
        assert server.stdout
        yield server.stdout.readline().strip()
        server.stdin.close()
        assert server.wait(timeout=30) == 0


@pytest.mark.parametrize(("revision", "least"), [("2025-11-25", 43), ("2026-07-28", 88)])
def test_only_what_does_not_apply_fails(suite: list[str], url: str, revision: str, least: int, tmp_path: Path) -> None:
    options = ["--suite", "all", "--spec-version", revision, "--expected-failures", str(EXPECTED)]
    command = [*suite, "--url", url, *options, "--output-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    checks = [check for file in tmp_path.glob("*/checks.json") for check in json.loads(file.read_text())]
    assert Counter(check["status"] for check in checks)["SUCCESS"] >= least
