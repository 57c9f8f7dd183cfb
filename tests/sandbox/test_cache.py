import os
import sys
from pathlib import Path

import anyio
import pytest

from isthmus_sandbox.cache import compiled_component, default_directory, forget, prune, secure_directory
from isthmus_sandbox.cache_files import (
    alone,
    digest_path,
    is_locked,
    is_whole,
    lock_path,
    remove_leftovers,
    write_atomically,
)
from isthmus_sandbox.component import compiled_name
from isthmus_sandbox.protocol import SandboxUnavailable
from isthmus_sandbox.settings import Settings

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="about owners and modes of POSIX")

TINY = b"\x00asm\x0d\x00\x01\x00"  # an empty component


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"XDG_CACHE_HOME": "/c"}, "linux", "/c/isthmus"),
        ({"XDG_CACHE_HOME": "relative"}, "linux", "/home/.cache/isthmus"),
        ({}, "linux", "/home/.cache/isthmus"),
        ({}, "darwin", "/home/Library/Caches/isthmus"),
        ({"LOCALAPPDATA": "/l"}, "win32", "/l/isthmus/cache"),
        ({}, "win32", "/home/AppData/Local/isthmus/cache"),
    ],
)
def test_the_directory_is_where_the_system_keeps_such_things(
    environment: dict[str, str], platform: str, expected: str
) -> None:
    assert default_directory(environment, platform, Path("/home")) == Path(expected)


@posix_only
def test_a_new_directory_is_its_owners_only(tmp_path: Path) -> None:
    secure_directory(tmp_path / "a" / "cache")
    assert (tmp_path / "a" / "cache").stat().st_mode & 0o777 == 0o700
    secure_directory(tmp_path / "a" / "cache")


@posix_only
@pytest.mark.parametrize("mode", [0o770, 0o755, 0o707, 0o701])
def test_a_directory_that_is_open_to_others_is_refused_with_a_remedy(mode: int, tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(SandboxUnavailable, match=r"open to others.*remedy: .*chmod 700"):
        secure_directory(directory)


@posix_only
def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "real")
    with pytest.raises(SandboxUnavailable, match="link"):
        secure_directory(tmp_path / "cache")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    directory.mkdir(mode=0o700)
    os.chown(directory, 65_534, 65_534)
    with pytest.raises(SandboxUnavailable, match="belongs to user 65534"):
        secure_directory(directory)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(SandboxUnavailable, match="remedy"):
        secure_directory(tmp_path / "cache")


def test_a_file_counts_only_as_it_was_written(tmp_path: Path) -> None:
    target = tmp_path / "a.cwasm"
    assert not is_whole(target)
    write_atomically(target, b"machine code")
    assert is_whole(target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.cwasm", "a.cwasm.sha256"]
    target.write_bytes(b"machine codE")
    assert not is_whole(target)
    target.write_bytes(b"machine code")
    digest_path(target).unlink()
    assert not is_whole(target)
    forget(target)
    assert list(tmp_path.iterdir()) == []


def test_the_last_few_used_are_kept_and_older_ones_removed(tmp_path: Path) -> None:
    for age, name in enumerate("abcde"):
        write_atomically(tmp_path / f"{name}.cwasm", b"x")
        (tmp_path / f"{name}.lock").touch()
        os.utime(tmp_path / f"{name}.cwasm", (1000 - age, 1000 - age))
    prune(tmp_path, tmp_path / "e.cwasm")
    assert sorted(path.stem for path in tmp_path.glob("*.cwasm")) == ["a", "b", "e"]
    assert len(list(tmp_path.glob("*.sha256"))) == 3
    assert not (tmp_path / "d.lock").exists()


def test_another_component_has_another_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    assert compiled_name(tmp_path / "a") == compiled_name(tmp_path / "a") != compiled_name(tmp_path / "b")
    with pytest.raises(SandboxUnavailable, match="cannot be read"):
        compiled_name(tmp_path / "none")


@pytest.mark.anyio
async def test_what_is_missing_is_compiled_once_and_what_was_changed_again(tmp_path: Path) -> None:
    lines: list[str] = []
    source = tmp_path / "tiny.wasm"
    source.write_bytes(TINY)
    settings = Settings(component=source, cache_directory=tmp_path / "cache")
    compiled = await compiled_component(settings, lines.append)
    assert is_whole(compiled)
    assert len(lines) == 2
    assert await compiled_component(settings, lines.append) == compiled
    assert len(lines) == 2
    content = compiled.read_bytes()
    compiled.write_bytes(content[:-1])
    await compiled_component(settings, lines.append)
    assert is_whole(compiled)
    assert len(lines) == 4


@pytest.mark.anyio
async def test_two_at_once_get_the_same_whole_file(tmp_path: Path) -> None:
    source = tmp_path / "tiny.wasm"
    source.write_bytes(TINY)
    settings = Settings(component=source, cache_directory=tmp_path / "cache")
    found: list[Path] = []

    async def compile_one() -> None:
        found.append(await compiled_component(settings, lambda _: None))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(compile_one)
    assert len(set(found)) == 1
    assert is_whole(found[0])


@posix_only
def test_a_lock_is_seen_while_it_is_held(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    assert not is_locked(lock)
    with alone(lock):
        assert is_locked(lock)
    assert not is_locked(lock)


def test_what_the_dead_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.cwasm"
    write_atomically(target, b"machine code")
    for name in ("a.cwasm.4711", "a.cwasm.sha256.4711", "b.cwasm.4711", "a.lock"):
        (tmp_path / name).touch()
    remove_leftovers(target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.cwasm", "a.cwasm.sha256", "a.lock", "b.cwasm.4711"]
    assert is_whole(target)


@posix_only
@pytest.mark.anyio
async def test_who_comes_while_another_compiles_says_so_waits_and_compiles_nothing(tmp_path: Path) -> None:
    source = tmp_path / "tiny.wasm"
    source.write_bytes(TINY)
    settings = Settings(component=source, cache_directory=tmp_path / "cache")
    compiled = await compiled_component(settings, lambda _: None)
    content = compiled.read_bytes()
    forget(compiled)
    lines: list[str] = []
    waiting = anyio.Event()

    def progress(line: str) -> None:
        lines.append(line)
        waiting.set()

    async with anyio.create_task_group() as tasks:
        with alone(lock_path(compiled)):
            tasks.start_soon(compiled_component, settings, progress)
            await waiting.wait()
            write_atomically(compiled, content)
            made = compiled.stat().st_ino
    assert "waiting for another process" in lines[0]
    assert compiled.stat().st_ino == made


@pytest.mark.anyio
async def test_what_is_no_component_is_an_error_with_the_compilers_own_words(tmp_path: Path) -> None:
    source = tmp_path / "bad.wasm"
    source.write_bytes(b"\x00asm garbage")
    with pytest.raises(SandboxUnavailable, match="cannot be compiled: WasmtimeError"):
        await compiled_component(Settings(component=source, cache_directory=tmp_path / "c"), lambda _: None)
