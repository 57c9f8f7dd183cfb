import os
from pathlib import Path

from isthmus_sandbox.workspace import glance, remove, used_bytes


def test_what_is_used_counts_files_directories_and_content(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(b"x" * 100_000)
    assert 100_000 <= used_bytes(tmp_path, 10**9) < 120_000


def test_the_count_stops_where_it_is_too_much(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).touch()
    assert 8_192 < used_bytes(tmp_path, 8_192) <= 4 * 4_096


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"x" * 1_000_000)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "link").symlink_to(outside)
    assert used_bytes(workspace, 10**9) < 100_000
    remove(workspace)
    assert not workspace.exists()
    assert (outside / "file").exists()


def test_directories_too_deep_for_any_path_are_over_the_quota_and_are_removed(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    inner = os.open(workspace, os.O_RDONLY)
    for _ in range(2_500):
        os.mkdir("deep" * 5, dir_fd=inner)
        next_inner = os.open("deep" * 5, os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = next_inner
    os.close(inner)
    assert used_bytes(workspace, 10**9) > 10**9
    remove(workspace)
    assert not workspace.exists()


def test_names_like_those_of_the_removal_itself_do_not_stop_it(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    for name in ("a/b/.removing-0/c", ".removing-1/d", ".removing-0/x/y"):
        (workspace / name).mkdir(parents=True)
    remove(workspace)
    assert not workspace.exists()


def test_what_is_not_there_is_empty_and_removed(tmp_path: Path) -> None:
    assert used_bytes(tmp_path / "nothing", 10) == 0
    remove(tmp_path / "nothing")


def test_a_glance_sees_a_few_files_as_a_long_look_does_and_no_more(tmp_path: Path) -> None:
    assert glance(tmp_path) == 0
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(b"x" * 100_000)
    assert glance(tmp_path) == used_bytes(tmp_path, 10**9)
    for number in range(100):
        (tmp_path / str(number)).touch()
    assert glance(tmp_path) is None
    assert glance(tmp_path / "nothing") is None
