"""A pool's directory, and those that dead owners left behind."""

import os
from pathlib import Path

import pytest

from isthmus_sandbox.runtime import claim

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no such locks")


def test_a_living_owners_directory_stays(tmp_path: Path) -> None:
    first, second = claim(tmp_path), claim(tmp_path)
    assert first.path.is_dir()
    assert second.path.is_dir()
    first.remove()
    second.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_whose_lock_can_be_had_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    left = tmp_path / "isthmus-dead"
    (left / "workspace-1" / "deep").mkdir(parents=True)
    (left / "workspace-1" / "deep" / "file").write_text("x")
    (left / "owner.lock").write_bytes(b"")
    mine = claim(tmp_path)
    assert list(tmp_path.iterdir()) == [mine.path]
    mine.remove()


@pytest.mark.parametrize("name", ["isthmus-without-a-lock", "other"])
def test_what_is_not_known_to_be_ours_and_abandoned_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    if name == "other":
        (tmp_path / name / "owner.lock").write_bytes(b"")
    claim(tmp_path).remove()
    assert (tmp_path / name).is_dir()


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("x")
    (tmp_path / "isthmus-bait").mkdir()
    (tmp_path / "isthmus-bait" / "owner.lock").symlink_to(target)
    claim(tmp_path).remove()
    assert target.read_text() == "x"
    assert (tmp_path / "isthmus-bait").is_dir()


def test_a_link_in_the_place_of_a_directory_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "owner.lock").write_bytes(b"")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "isthmus-link").symlink_to(elsewhere)
    claim(tmp_path / "run").remove()
    assert (elsewhere / "owner.lock").exists()
