"""Skills as files: each principal's own, the team's for all, and nothing that leads out of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.errors import ConfigurationError, InvalidArguments, LimitExceeded, NotFound, Refused
from isthmus.model import Principal
from isthmus.skills.files import written
from isthmus.skills.skill import Skill, Usage
from isthmus.stores.skill_ledger import KEPT_VERSIONS, SkillLedger
from isthmus.stores.skills import Quota, SkillFolders, team_folder

ALICE, BOB, LOCAL = Principal("alice"), Principal("bob"), Principal()
ROOMY = Quota(100, 2**20, 2**14)


def skill(name: str = "double", **more: object) -> Skill:
    made = Skill(name, "Twice a number.", f"def {name}(n):\n    return 2 * n\n")
    return replace(made, **more)  # type: ignore[arg-type]


class Folders(Protocol):
    def __call__(self, quota: Quota = ROOMY, *, team: bool = False) -> SkillFolders: ...


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    """Opens the same folders as often as it is asked, as servers do that share them."""
    with ExitStack() as opened:

        def open_(quota: Quota = ROOMY, *, team: bool = False) -> SkillFolders:
            ledger = opened.enter_context(closing(SkillLedger(tmp_path / "data" / "skills.db", pytest.fail)))
            place = team_folder(tmp_path / "team") if team else None
            return SkillFolders(tmp_path / "data" / "skills", ledger, quota, place)

        yield open_


def names(shelf: SkillFolders, principal: Principal) -> list[str]:
    return [kept.skill.name for kept in shelf.all(principal)]


def test_what_is_saved_is_there_for_its_principal_and_for_nobody_else(folders: Folders) -> None:
    shelf = folders()
    shelf.put(ALICE, skill(), "")
    kept = folders().get(ALICE, "double")
    assert kept is not None
    assert kept.skill.source == skill().source
    assert (names(shelf, ALICE), names(shelf, BOB), shelf.get(BOB, "double")) == (["double"], [], None)
    with pytest.raises(NotFound):
        shelf.remove(BOB, "double")


def test_principals_with_odd_names_have_folders_of_their_own(tmp_path: Path, folders: Folders) -> None:
    shelf = folders()
    for name in ("../alice", "a/b", "", "\ud800", "x" * 5000, "."):
        shelf.put(Principal(name), skill(), "")
    assert {path.parent.parent for path in tmp_path.rglob("*.py")} == {tmp_path / "data" / "skills"}
    assert len(list(tmp_path.rglob("*.py"))) == 6


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="abcdefz019_./\\:~\0\n$%", max_size=70))
def test_no_name_leads_anywhere_else(tmp_path: Path, folders: Folders, name: str) -> None:
    try:
        with closing(folders()) as shelf:
            shelf.put(ALICE, skill(name), "{}")
    except (InvalidArguments, LimitExceeded):
        return
    assert all(path.suffix in (".py", ".lock") for path in (tmp_path / "data" / "skills").glob("*/*"))
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


@pytest.mark.parametrize("name", ["../double", "/etc/passwd", "double.py", "", "."])
def test_names_are_checked_wherever_one_is_given(folders: Folders, name: str) -> None:
    shelf = folders()
    for use in (shelf.get, shelf.remove, shelf.versions):
        with pytest.raises(InvalidArguments):
            use(ALICE, name)


def test_contracts_stand_beside_the_skill_and_go_with_it(tmp_path: Path, folders: Folders) -> None:
    shelf = folders()
    shelf.put(ALICE, skill(), '{"version": 1}')
    assert shelf.all(ALICE)[0].lock == '{"version": 1}'
    shelf.put(ALICE, skill(version=2), "")
    assert shelf.all(ALICE)[0].lock == ""
    assert list(tmp_path.rglob("*.lock")) == []


def test_links_pipes_folders_and_what_is_too_large_are_no_skills(tmp_path: Path, folders: Folders) -> None:
    shelf = folders()
    shelf.put(ALICE, skill(), "")
    [home] = (tmp_path / "data" / "skills").iterdir()
    secret = tmp_path / "secret.py"
    secret.write_text(written(skill("linked")).replace("Twice", "canary"))
    (home / "linked.py").symlink_to(secret)
    os.mkfifo(home / "pipe.py")
    (home / "folder.py").mkdir()
    (home / "large.py").write_text("#" * (ROOMY.each + 1))
    (home / "bytes.py").write_bytes(b"\xff\xfe")
    (home / "_hidden.py").write_text("x")
    assert names(shelf, ALICE) == ["double"]
    assert {each.file: each.problem for each in shelf.unusable(ALICE)} == {
        "bytes.py": "it is not UTF-8",
        "large.py": "it has more than 16,384 bytes",
    }
    for name in ("linked", "pipe", "folder"):
        with pytest.raises(InvalidArguments, match="cannot be used"):
            shelf.get(ALICE, name)


def test_a_file_that_is_edited_is_read_again(tmp_path: Path, folders: Folders) -> None:
    shelf = folders()
    shelf.put(ALICE, skill(), "")
    [file] = tmp_path.rglob("double.py")
    assert not shelf.all(ALICE)[0].skill.is_edited
    file.write_text(file.read_text().replace("2 * n", "n + n"))
    assert shelf.all(ALICE)[0].skill.is_edited


@pytest.mark.parametrize(
    ("quota", "limit"),
    [
        (Quota(2, 2**20, 2**14), "skills.most"),
        (Quota(100, 900, 2**14), "skills.mb"),
        (Quota(9, 999, 100), "skills.each_kb"),
    ],
)
def test_a_flood_ends_at_the_quota_and_leaves_what_is_there(
    tmp_path: Path, folders: Folders, quota: Quota, limit: str
) -> None:
    shelf = folders(quota)

    def flood() -> None:
        for number in range(1000):
            shelf.put(ALICE, skill(f"s{number}"), "")

    with pytest.raises(LimitExceeded) as raised:
        flood()
    assert raised.value.limit == limit
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.py")) <= quota.bytes
    before = len(shelf.all(ALICE))
    shelf.put(BOB, skill(), "") if limit != "skills.each_kb" else None
    assert len(shelf.all(ALICE)) == before


def test_a_skill_in_a_full_folder_can_be_replaced(folders: Folders) -> None:
    shelf = folders(Quota(1, 2**20, 2**14))
    shelf.put(ALICE, skill(), "")
    shelf.put(ALICE, skill(version=2), "")
    assert shelf.all(ALICE)[0].skill.version == 2


def test_former_versions_are_kept_up_to_a_number(folders: Folders) -> None:
    shelf = folders()
    for version in range(1, 15):
        shelf.put(ALICE, skill(version=version), "")
    kept = shelf.versions(ALICE, "double")
    assert list(kept) == list(range(14, 14 - KEPT_VERSIONS, -1))
    assert kept[7].skill.version == 7
    shelf.remove(ALICE, "double")
    assert (names(shelf, ALICE), dict(shelf.versions(ALICE, "double"))) == ([], {})


def test_use_is_added_up_by_name_and_hash(folders: Folders) -> None:
    shelf = folders()
    shelf.used(ALICE, [("double", "h1", Usage(loads=1, last=5.0))])
    shelf.used(
        ALICE, [("double", "h1", Usage(ends=1, calls=3, failures=1, last=4.0)), ("double", "h2", Usage(loads=1))]
    )
    usage = folders().usage(ALICE)
    assert usage[("double", "h1")] == Usage(1, 1, 3, 1, 5.0)
    assert usage[("double", "h2")] == Usage(loads=1)
    assert shelf.usage(BOB) == {}


def test_a_ledger_that_cannot_be_used_is_told_and_fails_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "skills.db").mkdir()
    with closing(SkillLedger(tmp_path / "skills.db", told.append)) as ledger:
        ledger.add("a", [("double", "h", Usage(loads=1))])
        assert (ledger.usage("a"), len(told)) == ({}, 1)


def test_the_team_s_skills_are_for_everyone_and_saved_over_stdio_only(tmp_path: Path, folders: Folders) -> None:
    shelf = folders(team=True)
    shelf.put(LOCAL, skill(), "")
    assert (tmp_path / "team" / "double.py").is_file()
    shelf.put(ALICE, skill("own"), "")
    assert (names(shelf, ALICE), names(shelf, BOB), names(shelf, LOCAL)) == (["double", "own"], ["double"], ["double"])
    assert [kept.team for kept in shelf.all(ALICE)] == [True, False]


def test_nobody_shadows_or_removes_a_skill_of_the_team(folders: Folders) -> None:
    shelf = folders(team=True)
    shelf.put(LOCAL, skill(), "")
    with pytest.raises(Refused, match="the team has"):
        shelf.put(ALICE, skill(source="def double(n):\n    return 3 * n\n"), "")
    with pytest.raises(NotFound):
        shelf.remove(ALICE, "double")
    shelf.put(ALICE, skill("later"), "")
    shelf.put(LOCAL, skill("later", description="The team's."), "")
    kept = shelf.get(ALICE, "later")
    assert kept is not None
    assert kept.skill.description == "The team's."


def test_a_file_of_the_team_s_without_header_is_a_reviewed_skill(tmp_path: Path, folders: Folders) -> None:
    shelf = folders(team=True)
    (tmp_path / "team" / "half.py").write_text('def half(n):\n    """Half of a number."""\n    return n / 2\n')
    [kept] = shelf.all(BOB)
    assert (kept.skill.description, kept.skill.is_reviewed) == ("Half of a number.", True)


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_a_folder_that_anyone_can_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ConfigurationError, match="anyone on this machine") as raised:
        team_folder(tmp_path / "open")
    assert raised.value.remedy.startswith("chmod")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        team_folder(tmp_path / "file")
