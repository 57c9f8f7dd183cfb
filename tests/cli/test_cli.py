"""The command line: help at once, clear words, exit codes that mean something."""

import subprocess
import sys
from pathlib import Path

import pytest

from isthmus import __version__
from isthmus.cli import COMMANDS, main
from isthmus.cli.common import log

ROOT = Path(__file__).resolve().parents[2]
Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and a user without a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return tmp_path


def ended(*arguments: str) -> int:
    """The exit code, also where the parser ends the process."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def test_help_names_every_command(capsys: Out) -> None:
    assert ended("--help") == 0
    told = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n    {name} " not in told] == []


def test_every_command_has_help_of_its_own(capsys: Out) -> None:
    for name in COMMANDS:
        assert ended(name, "--help") == 0
        assert f"usage: isthmus {name}" in capsys.readouterr().out


def test_without_a_command_the_help_goes_to_stderr(capsys: Out) -> None:
    assert ended() == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "usage: isthmus" in told.err


def test_the_version_is_told(capsys: Out) -> None:
    assert ended("--version") == 0
    assert capsys.readouterr().out == f"isthmus {__version__}\n"


def test_an_unknown_command_is_refused(capsys: Out) -> None:
    assert ended("srve") == 2
    assert "invalid choice: 'srve'" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["serve"], ["search", "x"], ["exec", "-c", "1"]])
def test_without_a_configuration_the_remedy_is_told(command: list[str], capsys: Out, nowhere: Path) -> None:
    assert ended(*command) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"there is no configuration: looked for {nowhere / 'isthmus.yaml'}" in told.err
    assert "isthmus init" in told.err


@pytest.mark.parametrize("command", [["serve"], ["search", "x"], ["exec", "-c", "1"], ["doctor"]])
def test_a_faulty_configuration_is_told_and_nothing_starts(command: list[str], capsys: Out, nowhere: Path) -> None:
    marker = nowhere / "started"
    (nowhere / "isthmus.yaml").write_text(f"upstreams: {{x: {{command: [touch, '{marker}']}}}}\npolciy: {{}}\n")
    assert ended(*command) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{nowhere / 'isthmus.yaml'}:2: polciy: an unknown key\n  remedy: did you mean 'policy'?" in told.err
    assert not marker.exists()


@pytest.mark.parametrize(
    "command",
    [["exec"], ["exec", "a.py", "-c", "1"], ["exec", "-c", "1", "--timeout", "0"], ["search", "x", "--limit", "99"]],
)
def test_contradictory_arguments_are_refused(command: list[str]) -> None:
    assert ended(*command) == 2


def test_a_program_that_cannot_be_read_is_told(capsys: Out, nowhere: Path) -> None:
    (nowhere / "latin.py").write_bytes(b"# \xe9")
    assert ended("exec", "missing.py") == 2
    assert ended("exec", "latin.py") == 2
    told = capsys.readouterr().err
    assert "missing.py: the program cannot be read: No such file or directory" in told
    assert "latin.py: the program is not UTF-8" in told


def test_an_upstream_that_does_not_exist_is_told_with_those_that_do(capsys: Out, nowhere: Path) -> None:
    (nowhere / "isthmus.yaml").write_text("upstreams: {x: {url: 'https://e.example'}}")
    assert ended("search", "y", "--upstream", "z") == 2
    assert "the upstreams are: x" in capsys.readouterr().err


def test_python_m_isthmus_is_the_same_command() -> None:
    path = {"PYTHONPATH": f"{ROOT / 'server'}:{ROOT / 'wasm_runtime'}"}
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", "--version"], env=path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"isthmus {__version__}\n"


def test_a_line_of_the_log_cannot_act_on_a_terminal_or_forge_another(capsys: Out) -> None:
    log("gone: \x1b[2J\nisthmus: all is well é")
    assert capsys.readouterr().err == "isthmus: gone: \\x1b[2J\\nisthmus: all is well é\n"
