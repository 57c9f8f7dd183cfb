"""`isthmus skills`: what programs saved, as a person sees, mends, reviews and carries it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from isthmus.cli import main
from tests.simulators.ledger import ledger

Out = pytest.CaptureFixture[str]

DOUBLE = 'def double(n: int) -> int:\n    """Twice a number."""\n    return 2 * n\n'


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration without upstreams, whose team has one skill."""
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "double.py").write_text(DOUBLE)
    path = tmp_path / "isthmus.json"
    path.write_text(json.dumps({"data": str(tmp_path / "data"), "skills": {"folder": "team"}}))
    return f"--config={path}"


def told(capsys: Out, config: str, *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["skills", config, *words]) == code
    shown = capsys.readouterr()
    return shown.err if code == 2 else shown.out


def test_what_is_there_is_listed_for_people_and_as_json(config: str, capsys: Out) -> None:
    assert told(capsys, config, "list") == (
        "double: Twice a number.\n  def double(n: int) -> int\n  computes; version 1; not used yet; the team's\n"
    )
    facts = json.loads(told(capsys, config, "list", "--json"))
    assert (facts["name"], facts["reviewed"], facts["calls"], facts["broken"]) == ("double", True, 0, [])


def test_one_is_shown_with_its_source_and_its_versions(config: str, capsys: Out, tmp_path: Path) -> None:
    changed = tmp_path / "changed.py"
    for factor in (3, 4):
        changed.write_text(DOUBLE.replace("2 *", f"{factor} *"))
        assert "reviewed" in told(capsys, config, "edit", "double", "--file", str(changed))
    assert "return 4 * n" in told(capsys, config, "show", "double")
    assert "return 3 * n" in told(capsys, config, "show", "double", "--version", "2")
    assert "there are: 3, 2" in told(capsys, config, "show", "double", "--version", "9", code=2)
    assert json.loads(told(capsys, config, "show", "double", "--json"))["versions"] == [3, 2]


def test_an_editor_changes_one_and_who_edits_has_reviewed(
    config: str, capsys: Out, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, pathlib\np = pathlib.Path(sys.argv[1])\np.write_text(p.read_text().replace('2 *', '5 *'))"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    monkeypatch.delenv("VISUAL", raising=False)
    assert told(capsys, config, "edit", "double") == "double is version 2 now, reviewed\n"
    assert "return 5 * n" in (tmp_path / "team" / "double.py").read_text()
    monkeypatch.setenv("EDITOR", f"{sys.executable} -c exit(1)")
    assert "nothing is saved" in told(capsys, config, "edit", "double", code=2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def double(n):\n    return n\n", "it has no description"),
        (DOUBLE.replace("2 *", "K *"), "line 3: `K` is neither its own"),
        ("# description: Thrice.\n\n" + DOUBLE.replace("double", "triple"), "line 1 is something else"),
    ],
)
def test_an_edit_that_does_not_stand_alone_is_not_saved(
    config: str, capsys: Out, tmp_path: Path, text: str, problem: str
) -> None:
    changed = tmp_path / "changed.py"
    changed.write_text(text)
    assert problem in told(capsys, config, "edit", "double", "--file", str(changed), code=2)
    assert (tmp_path / "team" / "double.py").read_text() == DOUBLE


def test_skills_are_carried_elsewhere_and_are_to_be_reviewed_there(config: str, capsys: Out, tmp_path: Path) -> None:
    assert told(capsys, config, "export", str(tmp_path / "out")).startswith("1 skill in")
    assert "is there already" in told(capsys, config, "export", str(tmp_path / "out"), code=2)
    assert told(capsys, config, "delete", "double") == "double is gone\n"
    assert "no skill is saved" in told(capsys, config, "list")
    assert "isthmus skills review double" in told(capsys, config, "import", str(tmp_path / "out"))
    assert "there is a skill 'double'" in told(capsys, config, "import", str(tmp_path / "out"), code=2)
    assert "not reviewed by a person" in told(capsys, config, "list")
    assert "is reviewed" in told(capsys, config, "review", "double")
    assert "not reviewed" not in told(capsys, config, "list")


def test_a_review_that_a_file_claims_for_itself_does_not_count_where_it_is_imported(
    config: str, capsys: Out, tmp_path: Path
) -> None:
    told(capsys, config, "export", str(tmp_path / "out"))
    assert "# reviewed: sha256:" in (tmp_path / "out" / "double.py").read_text()
    told(capsys, config, "import", str(tmp_path / "out" / "double.py"), "--force")
    assert "not reviewed by a person" in told(capsys, config, "list")


def test_nothing_is_imported_where_one_file_is_wrong(config: str, capsys: Out, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text('def a():\n    """A."""\n')
    (tmp_path / "in" / "b.py").write_text("def b(")
    error = told(capsys, config, "import", str(tmp_path / "in"), code=2)
    assert f"{tmp_path / 'in' / 'b.py'}: it is no Python" in error
    assert "a:" not in told(capsys, config, "list")


def test_another_principals_skills_are_theirs(config: str, capsys: Out, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text('def own():\n    """One of Alice\'s."""\n')
    told(capsys, config, "--principal", "alice", "import", str(tmp_path / "own.py"))
    assert "own:" in told(capsys, config, "--principal", "alice", "list")
    assert "own:" not in told(capsys, config, "list")
    assert "there is no skill 'own'" in told(capsys, config, "show", "own", code=2)


def test_a_file_that_is_no_skill_is_told_of(config: str, capsys: Out, tmp_path: Path) -> None:
    (tmp_path / "team" / "wrong.py").write_text("x = ")
    main(["skills", config, "list"])
    assert "wrong.py is no skill: it is no Python" in capsys.readouterr().err


def test_names_do_not_lead_out_of_the_folder(config: str, capsys: Out) -> None:
    for action in ("show", "edit", "delete", "review"):
        assert "is no name of a skill" in told(capsys, config, action, "../isthmus", code=2)


def test_what_an_operation_became_is_told_and_is_the_exit_code(capsys: Out, tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    source = 'async def note(n):\n    """Write a number down."""\n    return await ledger.add(n=n)\n'
    with ledger() as book:
        path = tmp_path / "isthmus.json"
        upstreams = {"ledger": {**book.configuration(tmp_path), "allow": ["read", "write"]}}
        path.write_text(
            json.dumps({"data": str(tmp_path / "data"), "skills": {"folder": "team"}, "upstreams": upstreams})
        )
        (tmp_path / "note.py").write_text(source)
        config = f"--config={path}"
        told(capsys, config, "import", str(tmp_path / "note.py"))
        assert "uses ledger.add" in told(capsys, config, "list")
        lock = tmp_path / "team" / "note.lock"
        lock.write_text(lock.read_text().replace('"integer"', '"string"'))
        shown = told(capsys, config, "list", code=1)
        assert "BROKEN: ledger.add changed: " in shown
        assert "BROKEN" not in told(capsys, config, "--offline", "list")
