"""The check command runs every stage, and fails with the first that failed."""

import sys
from pathlib import Path

import pytest

from tests.__main__ import Result, Stage, closing, place, requirements, run, stages

PYTHON = Path(sys.executable)


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    (tmp_path / "stage.py").write_text("import sys; print('one'); print('two\\n'); sys.exit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Stage("say", ("stage",))


def test_a_stage_is_shown_as_it_runs_and_its_last_line_kept(said: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(PYTHON, said)
    assert (result.code, result.last) == (3, "two")
    assert capsys.readouterr().out.splitlines() == ["", "== say: stage", "one", "two", ""]


def test_the_tests_come_last_and_take_the_arguments() -> None:
    assert [stage.name for stage in stages(fast=False, for_pytest=[])] == ["format", "lint", "types", "tests"]
    assert stages(fast=True, for_pytest=["-k", "x"])[-1].command == ("pytest", "-m", "not slow", "-k", "x")


def test_each_stage_has_a_closing_line() -> None:
    stage = Stage("lint", ("ruff",))
    assert list(closing([Result(stage, 0, 1.0, ""), Result(stage, 1, 61.25, "")])) == [
        "ok      lint        1.0 s",
        "FAILED  lint       61.2 s",
    ]


def test_what_an_extra_asks_for_is_counted_only_with_it() -> None:
    assert "hypothesis" not in requirements("pytest", extras=())
    assert "hypothesis" in requirements("pytest", extras=("dev",))


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (None, ".venv"),
        ("home = /usr/bin\nversion = 3.13.0\n", ".venv"),
        ("home = /usr/bin\nversion = 3.11.7\n", ".venv-3.13"),
        ("version = 20.26.2\nversion_info = 3.13.0.final.0\n", ".venv"),
        ("version = 20.26.2\nversion_info = 3.1.3.final.0\n", ".venv-3.13"),
    ],
)
def test_a_second_version_of_python_has_an_environment_of_its_own(tmp_path: Path, made: str | None, name: str) -> None:
    if made is not None:
        (tmp_path / ".venv").mkdir()
        (tmp_path / ".venv" / "pyvenv.cfg").write_text(made)
    assert place(tmp_path, (3, 13, 1)) == tmp_path / name
