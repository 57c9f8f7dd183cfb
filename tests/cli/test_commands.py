"""The commands on a real application: the demo's support desk over stdio, and programs in real WebAssembly."""

import json
import sys
from pathlib import Path

import pytest

from isthmus.cli import main
from isthmus_sandbox.component import shipped
from isthmus_sandbox.protocol import SandboxUnavailable

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-7f3a9c1e"
Out = pytest.CaptureFixture[str]


@pytest.fixture(scope="module", autouse=True)
def component() -> Path:
    try:
        return shipped()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def desk(tmp_path: Path) -> str:
    """A configuration with the support desk, as the argument of `--config`."""
    sources = f"{ROOT / 'server'}{':' if sys.platform != 'win32' else ';'}{ROOT / 'wasm_runtime'}"
    upstream = {
        "command": [sys.executable, "-m", "isthmus.demo.tickets"],
        "env": {"PYTHONPATH": sources, "API_TOKEN": CANARY},
        "believe": True,
    }
    policy = {"allow": ["read"], "deny": ["tickets.nothing"]}
    path = tmp_path / "isthmus.json"
    path.write_text(json.dumps({"upstreams": {"tickets": upstream}, "policy": policy, "limits": {"spare_workers": 0}}))
    return f"--config={path}"


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """A configuration whose only upstream ends as soon as it starts, telling its secret."""
    script = f"import sys; print('no: {CANARY}', file=sys.stderr); sys.exit(3)"
    upstream = {"command": [sys.executable, "-c", script], "env": {"API_TOKEN": CANARY}}
    path = tmp_path / "isthmus.json"
    path.write_text(json.dumps({"upstreams": {"gone": upstream}, "limits": {"spare_workers": 0}}))
    return f"--config={path}"


def test_exec_prints_what_a_model_would_read(desk: str, capsys: Out) -> None:
    assert main(["exec", desk, "-c", "print('seen')\nlen(await tickets.list_tickets())"]) == 0
    told = capsys.readouterr()
    assert "result: " in told.out
    assert "seen" in told.out
    assert "1 read" in told.out
    compiled = "isthmus: sandbox: "  # once on a machine
    assert [line for line in told.err.splitlines() if not line.startswith(compiled)] == []


def test_exec_reads_a_file_and_fails_as_the_program_does(desk: str, tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "program.py").write_text("x = 1\nx / 0\n")
    assert main(["exec", desk, str(tmp_path / "program.py")]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_search_prints_stubs(desk: str, capsys: Out) -> None:
    assert main(["search", desk, "list", "tickets", "--detail", "names"]) == 0
    assert "tickets.list_tickets" in capsys.readouterr().out


def test_doctor_tells_that_all_is_well_and_what_is_allowed(desk: str, capsys: Out) -> None:
    assert main(["doctor", desk, "--verdicts"]) == 0
    told = capsys.readouterr().out
    for words in (
        "  tickets          ready in ",
        "(MCP over stdio)",
        "  allowed  read         tickets.list_tickets",
        "  refused  destructive  tickets.",
        "sandbox        works",
        "  webassembly",
        "remark         policy.deny: 'tickets.nothing' matches no operation",
        "all is well",
    ):
        assert words in told
    assert CANARY not in told


def test_doctor_fails_on_remarks_when_it_is_strict(desk: str) -> None:
    assert main(["doctor", desk, "--strict"]) == 1


def test_doctor_tells_of_what_is_broken_without_its_secret(broken: str, capsys: Out) -> None:
    assert main(["doctor", broken, "--json"]) == 1
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["problems"] == ["upstream gone: failed"]
    assert "3" in found["upstreams"][0]["problem"]
    assert found["sandbox"]["works"]
    assert CANARY not in told.out + told.err


def test_a_program_runs_though_an_upstream_is_missing_and_stderr_says_so(broken: str, capsys: Out) -> None:
    assert main(["exec", broken, "-c", "6 * 7"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("result: 42")
    assert "isthmus: gone is failed: " in told.err
    assert CANARY not in told.out + told.err


def test_doctor_says_so_where_nothing_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "PROBLEM        there is no configuration" in told
    assert "sandbox        works" in told
