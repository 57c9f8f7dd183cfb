"""The one command of search figures runs what it says, and hides nothing that failed or did not run."""

import pytest

from tests import search_report
from tests.search_report import PARTS, Outcome, Part, main, run


def part(*command: str, needs: tuple[str, ...] = ()) -> Part:
    return Part("one", "something", command, needs)


def test_a_part_is_a_command_whose_exit_code_counts() -> None:
    assert run(part("this")).code == 0
    assert run(part("tests.search_report", "unheard-of")).code == 2


def test_what_cannot_run_says_what_it_needs(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = run(part("this", needs=("no_such_module", "json")))
    assert outcome.code is None
    assert outcome.line().endswith(" 0 s  it needs no_such_module: pip install no-such-module")
    assert "not run: it needs no_such_module" in capfd.readouterr().out


def test_the_closing_table_tells_what_failed() -> None:
    told = [Outcome(part(), code, 12.3).line().split() for code in (0, 1)]
    assert told == [["one", "ok", "12", "s"], ["one", "exit", "code", "1", "12", "s"]]


def test_every_part_is_listed_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    told = capsys.readouterr().out
    assert all(each.name in told and search_report.shown(each) in told for each in PARTS)


def test_the_commands_are_there() -> None:
    for each in PARTS:
        assert search_report.importlib.util.find_spec(each.command[0]), each.name


def test_a_part_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["qality"])
    assert "there are quality, left-out" in capsys.readouterr().err
