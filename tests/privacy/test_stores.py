"""What is kept of private values is kept sealed, and only as a whole."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import InternalError
from isthmus.journal import Answered, Began, Ended, Entry, Finished, Sent, Stepped
from isthmus.model import Effect
from isthmus.privacy.vault import Met
from isthmus.stores.box import Box, box
from isthmus.stores.data import key_of
from isthmus.stores.sealed_journal import SealedJournal
from isthmus.stores.vault import VaultFile
from isthmus_sandbox.protocol import Program
from tests.simulators.journal import journal

pytestmark = pytest.mark.anyio

MET = [
    Met("[EMAIL_1]", "EMAIL", "crm", "ada@example.com", sealed=True, key="ada@example.com"),
    Met("[AGE_1]", "AGE", "crm", 36, sealed=False, key="36"),
    Met("[PHOTO_1]", "PHOTO", "crm", b"\x89PNG", sealed=True, key="bytes:1"),
]
KEY = bytes(range(32))


# ---------------------------------------------------------------- box


@given(st.binary(max_size=100), st.text(max_size=10))
def test_what_was_sealed_is_opened_as_it_was(content: bytes, about: str) -> None:
    sealed = Box(KEY).sealed(content, about)
    assert content not in sealed or len(content) < 4
    assert Box(KEY).opened(sealed, about) == content


@pytest.mark.parametrize("change", ["key", "about", "content", "cut"])
def test_what_was_sealed_otherwise_is_not_opened(change: str) -> None:
    sealed = Box(KEY).sealed(b"ada@example.com", "s-1")
    key = bytes(32) if change == "key" else KEY
    content = {"content": sealed[:-1] + bytes([sealed[-1] ^ 1]), "cut": sealed[:5]}.get(change, sealed)
    with pytest.raises(InternalError, match="another key, or damaged"):
        Box(key).opened(content, "s-2" if change == "about" else "s-1")


def test_the_key_of_a_folder_is_made_once_and_is_not_that_of_other_uses(tmp_path: Path) -> None:
    first = box(tmp_path, None)
    assert box(tmp_path, None) == first
    assert first.key != key_of(tmp_path)
    assert "key=" not in repr(first)


def test_a_key_from_the_configuration_leaves_no_file(tmp_path: Path) -> None:
    one, same, other = (box(tmp_path, words) for words in ("correct horse battery", "correct horse battery", "staple"))
    assert one == same != other
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- vault


def test_what_a_vault_has_learned_is_read_again_in_order(tmp_path: Path) -> None:
    file = VaultFile(tmp_path / "private", Box(KEY), "s-1")
    assert list(file.read()) == []
    file.append(MET[:2])
    file.append(MET[2:])
    assert not file.changed
    assert list(VaultFile(tmp_path / "private", Box(KEY), "s-1").read()) == MET


def test_no_value_lies_in_the_file_in_the_clear(tmp_path: Path) -> None:
    VaultFile(tmp_path / "private", Box(KEY), "s-1").append(MET)
    content = (tmp_path / "private").read_bytes()
    assert content
    assert not any(part in content for part in (b"ada", b"EMAIL", b"YWRh", b"crm"))
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_crash_cut_short_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "private"
    VaultFile(path, Box(KEY), "s-1").append(MET[:1])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    file = VaultFile(path, Box(KEY), "s-1")
    assert list(file.read()) == MET[:1]
    file.append(MET[1:])
    assert list(VaultFile(path, Box(KEY), "s-1").read()) == MET


def test_the_file_of_another_session_is_not_read_as_this_ones(tmp_path: Path) -> None:
    VaultFile(tmp_path / "private", Box(KEY), "s-1").append(MET)
    with pytest.raises(InternalError, match="cannot be opened"):
        list(VaultFile(tmp_path / "private", Box(KEY), "s-2").read())


def test_two_servers_never_give_one_token_to_two_values(tmp_path: Path) -> None:
    mine, theirs = (VaultFile(tmp_path / "private", Box(KEY), "s-1") for _ in range(2))
    list(mine.read()), list(theirs.read())
    theirs.append(MET[:1])
    assert mine.changed
    with pytest.raises(InternalError, match="another server"):
        mine.append(MET[1:])
    assert list(mine.read()) == MET[:1]
    mine.append(MET[1:])
    assert not mine.changed


# ---------------------------------------------------------------- journal


def entries() -> list[Entry]:
    return [
        Began("x-1", "s-1", "local", Program("1", "00", 0.0), 0.0),
        Stepped(b'{"output":"ada@example.com"}', 1),
        Sent(1, "crm.get", Effect.READ, "digest-of-arguments", 0, 0.0),
        Ended(1, "done", 0.0),
        Answered(1, b'[1,"value","ada@example.com"]'),
        Finished(ok=True, code="", message="", ms=1.0, busy_ms=1.0, text=b'{"value":"ada@example.com"}'),
    ]


async def test_a_sealed_journal_gives_what_it_took_and_keeps_none_of_it_in_the_clear(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with journal(path) as file:
        store = SealedJournal(file, lambda: Box(KEY), seals=True)
        await store.append("x-1", 0, entries())
        assert list(await store.entries("x-1")) == entries()
        assert [each.execution for each in await store.summaries()] == ["x-1"]
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"crm.get" in content
    assert b"ada@example.com" not in content
    assert b"digest-of-arguments" not in content


async def test_what_lies_in_a_journal_unsealed_is_read_without_a_key(tmp_path: Path) -> None:
    def none() -> Box:
        raise AssertionError("no key is needed")

    async with journal(tmp_path / "journal.db") as file:
        await SealedJournal(file, none, seals=False).append("x-1", 0, entries())
        assert list(await SealedJournal(file, none, seals=False).entries("x-1")) == entries()
