"""The example repository of the documentation, and the steps of its workflow, run without Actions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from isthmus_sandbox.component import shipped
from isthmus_sandbox.protocol import SandboxUnavailable
from tests.simulators.plugin import named_plugin
from tests.simulators.report_formats import junit_problems, sarif_problems

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "contracts-example"
SOURCES = os.pathsep.join([str(ROOT / "server"), str(ROOT / "wasm_runtime")])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    try:
        shipped()
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    return Path(shutil.copytree(EXAMPLE, tmp_path / "repository"))


def steps() -> dict[str, str]:
    """The commands of the workflow by the names of their steps."""
    workflow: Mapping[str, Any] = yaml.safe_load((EXAMPLE / ".github/workflows/contracts.yml").read_text())
    return {step["name"]: step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step}


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a step as Actions does, with the sources in place of an installation."""
    scripts = folder.parent / "bin"
    scripts.mkdir(exist_ok=True)
    (scripts / "isthmus").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m isthmus "$@"\n')
    (scripts / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for script in scripts.iterdir():
        script.chmod(0o755)
    environ = {
        **os.environ,
        "PYTHONPATH": SOURCES,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTEST_ADDOPTS": " ".join([*named_plugin(), "-p no:cacheprovider"]),
    }
    command = ["bash", "-e", "-o", "pipefail", "-c", command]  # type: ignore[assignment]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)


def test_the_steps_of_the_workflow_pass_in_the_example_repository(repository: Path) -> None:
    commands = steps()
    installing = commands.pop("Install")
    assert re.fullmatch(r'python -m pip install "isthmus\[contracts\]" pytest', installing)
    for name, command in commands.items():
        done = run(command, repository)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    for report in ("contracts.xml", "recordings.xml"):
        assert junit_problems((repository / report).read_text()) == []
        assert ET.parse(repository / report).getroot().attrib["failures"] == "0"
    assert sarif_problems((repository / "contracts.sarif").read_text()) == []


def test_the_check_fails_on_a_breaking_change_and_names_the_program(repository: Path) -> None:
    document = repository / "shop.json"
    document.write_text(document.read_text().replace('"total": {', '"amount": {').replace('"total"],', '"amount"],'))
    done = run(steps()["Check the contracts"], repository)
    assert done.returncode == 1, done.stderr
    told = run("isthmus check --programs 'programs/*.py'", repository).stdout
    assert "schema Order (output): total is gone: programs that read it fail" in told
    assert "breaks programs/open_total.py:3 (shop.list_orders)" in told
    reported = run(steps()["Report as JUnit"], repository)
    assert reported.returncode == 0, "it never fails by itself"
    assert ET.parse(repository / "contracts.xml").getroot().attrib["failures"] == "1"
    replayed = run(steps()["Replay the recordings"], repository)
    assert replayed.returncode == 1
    assert "1 recordings replayed: 0 passed, 1 failed" in replayed.stderr
    assert run("isthmus lock --accept shop.list_orders && isthmus check", repository).returncode == 0


def test_what_cannot_be_checked_is_an_error_of_its_own(repository: Path) -> None:
    (repository / "isthmus.lock").unlink()
    done = run("isthmus check", repository)
    assert done.returncode == 2
    assert "isthmus lock" in done.stderr


def test_a_changed_operation_is_held_back_until_it_is_accepted(repository: Path) -> None:
    document = repository / "shop.json"
    document.write_text(document.read_text().replace('"maximum": 100', '"maximum": 10'))
    call = "isthmus exec -c 'await shop.list_orders()'"
    refused = run(call, repository)
    assert refused.returncode == 1
    assert "is held back" in refused.stdout
    assert "isthmus lock --accept shop.list_orders" in refused.stdout
    assert "held back" in run("isthmus search shop.list_orders", repository).stdout
    assert run("isthmus lock --accept shop.list_orders", repository).returncode == 0
    assert "held back" not in run("isthmus search shop.list_orders", repository).stdout
