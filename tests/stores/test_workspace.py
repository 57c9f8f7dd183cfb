"""Where the files of sessions are kept, and for how long."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import InternalError
from isthmus.model import Principal
from isthmus.stores.workspace import Kept, Workspaces

ALICE, BOB = Principal("alice"), Principal("bob/../alice")


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Workspaces:
    return Workspaces(tmp_path / "sessions", Kept(seconds=100.0, sessions=3, mb=1), clock)


def test_a_workspace_is_found_by_its_principal_and_its_handle_alone(kept: Workspaces) -> None:
    opened = kept.open(ALICE, "s-1")
    assert kept.find(ALICE, "s-1") == opened
    assert kept.find(BOB, "s-1") is None
    assert kept.find(ALICE, "s-2") is None


@given(st.text(max_size=80))
def test_no_handle_leads_out_of_the_principals_directory(handle: str) -> None:
    kept = Workspaces(Path("/nowhere/sessions"), Kept(1.0, 1, 1), lambda: 0.0)
    assert kept.find(ALICE, handle) is None


@pytest.mark.parametrize("handle", ["", ".", "..", "../s-1", "s-1/files", "s-1\n", "s-1\0"])
def test_what_is_no_handle_is_not_found(kept: Workspaces, handle: str) -> None:
    kept.open(ALICE, "s-1")
    assert kept.find(ALICE, handle) is None


def test_one_that_was_not_used_for_too_long_is_not_found_and_then_removed(kept: Workspaces, clock: Clock) -> None:
    files = kept.open(ALICE, "s-1")
    (files / "x").write_text("x")
    clock.now += 60.0
    kept.touch(ALICE, "s-1")
    clock.now += 60.0
    assert kept.find(ALICE, "s-1") == files
    clock.now += 60.0
    assert kept.find(ALICE, "s-1") is None
    assert list(kept.expire(ALICE, ())) == ["s-1"]
    assert not files.parent.exists()


def test_of_too_many_the_longest_unused_go_and_those_in_use_stay(kept: Workspaces, clock: Clock) -> None:
    for number in range(5):
        kept.open(ALICE, f"s-{number}")
        kept.open(BOB, f"s-{number}b")
        clock.now += 1.0
    assert sorted(kept.expire(ALICE, {"s-0"})) == ["s-1"]
    assert kept.find(ALICE, "s-0") is not None
    assert kept.find(BOB, "s-0b") is not None


def test_of_files_too_large_together_the_longest_unused_go(kept: Workspaces, clock: Clock) -> None:
    for number in range(3):
        (kept.open(ALICE, f"s-{number}") / "x").write_bytes(b"x" * 400_000)
        clock.now += 1.0
    assert list(kept.expire(ALICE, ())) == ["s-0"]


def test_everyones_are_looked_at_for_a_server_that_starts(kept: Workspaces, clock: Clock) -> None:
    kept.open(ALICE, "s-1")
    kept.open(BOB, "s-2")
    clock.now += 101.0
    assert sorted(kept.expire(None, ())) == ["s-1", "s-2"]
    assert list(kept.expire(None, ())) == []


def test_a_program_cannot_make_its_files_look_younger(kept: Workspaces, clock: Clock) -> None:
    import os

    files = kept.open(ALICE, "s-1")
    os.utime(files, (9e9, 9e9))
    clock.now += 101.0
    assert kept.find(ALICE, "s-1") is None


def test_no_room_is_an_error_of_ours_with_a_remedy(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "sessions").write_text("in the way")
    with pytest.raises(InternalError) as raised:
        Workspaces(tmp_path / "sessions", Kept(1.0, 1, 1), clock).open(ALICE, "s-1")
    assert "data:" in raised.value.hint


@pytest.mark.skipif(sys.platform == "win32", reason="directories cannot be locked there")
def test_a_session_is_held_by_one_server_and_marked_when_it_gives_it_back(tmp_path: Path) -> None:
    now = iter(range(1000, 2000))
    kept, other = (Workspaces(tmp_path, Kept(1e6, 9, 9), lambda: next(now)) for _ in range(2))
    kept.open(ALICE, "s-1")
    held = kept.hold(ALICE, "s-1")
    assert held is not None
    assert other.hold(ALICE, "s-1") is None
    mark = held.release()
    again = other.hold(ALICE, "s-1")
    assert again is not None
    assert again.mark == mark
    assert again.release() != mark


@pytest.mark.skipif(sys.platform == "win32", reason="directories cannot be locked there")
def test_a_session_that_another_server_holds_is_not_removed(tmp_path: Path) -> None:
    now = iter(range(1000, 2000))
    kept, other = (Workspaces(tmp_path, Kept(0.5, 9, 9), lambda: next(now)) for _ in range(2))
    kept.open(ALICE, "s-1")
    held = kept.hold(ALICE, "s-1")
    assert held is not None
    assert other.expire(ALICE, ()) == []
    held.release()
    assert other.expire(ALICE, ()) == ["s-1"]


def test_a_session_whose_files_have_expired_can_be_held_all_the_same(tmp_path: Path) -> None:
    kept = Workspaces(tmp_path, Kept(1e6, 9, 9), lambda: 5.0)
    held = kept.hold(ALICE, "s-1")
    assert held is not None
    held.release()
    assert kept.find(ALICE, "s-1") is not None
