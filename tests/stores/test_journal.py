"""The contract of a journal store, and what the file of it promises beside."""

import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import ConfigurationError, InternalError
from isthmus.journal import (
    Answered,
    Began,
    Ended,
    Entry,
    Finished,
    Omitted,
    Resumed,
    Sent,
    Shown,
    Stepped,
    transcript_of,
)
from isthmus.model import Effect
from isthmus.stores.journal import JournalFile, Kept
from isthmus.stores.owners import Owner
from isthmus_sandbox.protocol import Program
from tests.simulators.journal import journal

pytestmark = pytest.mark.anyio

DAY = 86_400.0
texts = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(0, 2**31)
seconds = st.floats(0, 1e9)
entries = st.lists(
    st.builds(Stepped, st.binary(max_size=40), numbers)
    | st.builds(Sent, numbers, texts, st.sampled_from(Effect), texts, numbers, seconds)
    | st.builds(Ended, numbers, st.just("done"), seconds, st.tuples(texts, texts), texts)
    | st.builds(Answered, numbers, st.binary(max_size=40))
    | st.builds(Finished, st.booleans(), texts, texts, seconds, seconds, st.binary(max_size=40))
    | st.builds(Shown, numbers, st.tuples(texts))
    | st.builds(Resumed, texts, seconds)
    | st.builds(Omitted, texts),
    max_size=8,
)


def began(
    execution: str, at: float = 0.0, session: str = "s-1", continues: str = "", principal: str = "alice"
) -> Began:
    program = Program("x = 1\n", "5eed", at, ("github", "files"))
    return Began(execution, session, principal, program, at, continues, owner="server-1")


@pytest.fixture(params=["memory", "file"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JournalFile]:
    async with journal(tmp_path / "journal.db" if request.param == "file" else None, at=10 * DAY) as store:
        yield store


@given(kept=entries)
async def test_entries_come_back_as_they_went_in(kept: list[Entry]) -> None:
    async with journal() as store:
        await store.append("x-1", 0, [began("x-1")])
        await store.append("x-1", 1, kept)
        assert await store.entries("x-1") == (began("x-1"), *kept)


async def test_there_is_nothing_where_nothing_was_kept(store: JournalFile) -> None:
    assert await store.entries("x-1") == ()
    assert await store.summaries() == ()
    assert await store.family("x-1") == ()
    assert await store.found("x") == ()


async def test_an_entry_is_never_written_over(store: JournalFile) -> None:
    await store.append("x-1", 0, [began("x-1"), Omitted("1")])
    with pytest.raises(Exception, match="the journal cannot be written"):
        await store.append("x-1", 1, [Omitted("2")])
    assert await store.entries("x-1") == (began("x-1"), Omitted("1"))


async def test_summaries_tell_the_latest_first(store: JournalFile) -> None:
    for number in (1, 2, 3):
        id_ = f"x-{number}"
        await store.append(id_, 0, [began(id_, number, session=f"s-{number % 2}", principal=f"p{number % 2}")])
    await store.append("x-2", 1, [Sent(1, "a.b", Effect.READ, "", 0, 0.0), Answered(1, b"12345")])
    await store.append("x-2", 3, [Finished(False, "limit", "too long", 7.0, 3.0), Shown(50), Resumed("server-2", 9.0)])
    assert [each.execution for each in await store.summaries()] == ["x-3", "x-2", "x-1"]
    assert [each.execution for each in await store.summaries(limit=1)] == ["x-3"]
    assert [each.execution for each in await store.summaries(session="s-1")] == ["x-3", "x-1"]
    [second] = await store.summaries(principal="p0")
    assert (second.ok, second.code, second.ms, second.busy_ms) == (False, "limit", 7.0, 3.0)
    assert (second.calls, second.bytes, second.tokens, second.owner) == (1, 5, 50, "server-2")
    assert second.first_line == "x = 1"


async def test_a_family_is_all_that_continue_one_another(store: JournalFile) -> None:
    parents = {"x-1": "", "x-2": "x-1", "x-3": "", "x-4": "x-2", "x-5": "x-1"}
    for id_, parent in parents.items():
        await store.append(id_, 0, [began(id_, continues=parent)])
    for id_ in ("x-1", "x-2", "x-4", "x-5"):
        assert await store.family(id_) == ("x-1", "x-2", "x-4", "x-5")
    assert await store.family("x-3") == ("x-3",)


async def test_an_execution_is_found_by_how_it_begins(store: JournalFile) -> None:
    for id_ in ("x-12", "x-13", "x-*"):
        await store.append(id_, 0, [began(id_)])
    assert set(await store.found("x-1")) == {"x-12", "x-13"}
    assert await store.found("x-*") == ("x-*",)
    assert await store.found("[x]") == ()


async def test_one_server_at_a_time_has_an_execution(store: JournalFile) -> None:
    assert await store.claim("x-1", "one", lambda _: True)
    assert await store.claim("x-1", "one", lambda _: True)
    assert not await store.claim("x-1", "two", lambda _: True)
    assert await store.claim("x-1", "two", lambda _: False)
    assert not await store.claim("x-1", "one", lambda other: other == "two")


async def test_what_is_too_old_goes_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with journal(path, at=10 * DAY) as store:
        await store.append("x-old", 0, [began("x-old", 8.9 * DAY), Omitted("1")])
        await store.append("x-new", 0, [began("x-new", 9.1 * DAY), Omitted("1")])
    async with journal(path, at=10 * DAY) as later:
        assert [each.execution for each in await later.summaries()] == ["x-new"]
        assert await later.entries("x-old") == ()


async def test_what_is_too_much_goes_from_the_oldest(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with journal(path, mb=1) as store:
        for number in range(30):
            await store.append(f"x-{number}", 0, [began(f"x-{number}"), Answered(1, bytes(100_000))])
    async with journal(path, mb=1) as store:
        left = [each.execution for each in await store.summaries()]
    assert left == [f"x-{number}" for number in range(29, 29 - len(left), -1)]
    assert 5 <= len(left) <= 10


async def test_what_was_appended_outlives_a_server_that_never_closed_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with journal(path) as unclosed, journal(path) as later:
        await unclosed.append("x-1", 0, [began("x-1")])
        assert await later.entries("x-1") == (began("x-1"),)


VERSION_1 = """
CREATE TABLE executions (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, session TEXT NOT NULL, principal TEXT NOT NULL,
    continues TEXT NOT NULL, at REAL NOT NULL
) STRICT;
CREATE INDEX executions_of_session ON executions (session);
CREATE INDEX executions_continuing ON executions (continues) WHERE continues <> '';
CREATE TABLE entries (
    execution TEXT NOT NULL , number INTEGER NOT NULL, kind TEXT NOT NULL,
    facts TEXT NOT NULL, text BLOB NOT NULL, PRIMARY KEY (execution, number)
) STRICT;
CREATE INDEX endings ON entries (execution, kind) WHERE kind IN ('finished', 'shown', 'resumed');
CREATE TABLE claims (execution TEXT PRIMARY KEY, owner TEXT NOT NULL) STRICT;
PRAGMA user_version = 1;
"""


async def test_a_file_of_the_version_before_is_converted(tmp_path: Path) -> None:
    told = [began("x-1"), Answered(3, b"\0an answer"), Sent(4, "a.b", Effect.READ, "d", 0, 1.5), Shown(7)]
    async with journal(tmp_path / "later.db") as later:
        await later.append("x-1", 0, told)
    with closing(sqlite3.connect(tmp_path / "later.db")) as connection:
        rows = connection.execute("SELECT kind, facts, text FROM entries ORDER BY place").fetchall()
    before = tmp_path / "before.db"
    with closing(sqlite3.connect(before)) as connection, connection:
        connection.executescript(VERSION_1)
        for number, id_ in ((7, "x-1"), (9, "x-2")):
            head = (number, id_, "s-1", "local", "" if number == 7 else "x-1", float(number))
            connection.execute("INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?)", head)
            for at, row in enumerate(rows if number == 7 else rows[:2]):
                connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", (id_, at, *row))
    async with journal(before) as store:
        assert [each.execution for each in await store.summaries()] == ["x-2", "x-1"]
        assert await store.family("x-1") == ("x-1", "x-2")
        assert list(await store.entries("x-1")) == told
        await store.append("x-2", 2, [Resumed("server-2", 9.0)])
        await store.append("x-3", 0, [began("x-3")])
        async with journal(before) as again:
            assert len(await again.entries("x-2")) == 3
            assert [each.execution for each in await again.summaries()] == ["x-3", "x-2", "x-1"]


async def test_what_is_forgotten_while_it_runs_is_mixed_with_no_other(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with journal(path) as store:
        await store.append("x-1", 0, [began("x-1", 0.0)])
        async with journal(path, at=2 * DAY):
            pass  # closing it, it forgets what is too old
        await store.append("x-1", 1, [Omitted("late")])
        await store.append("x-2", 0, [began("x-2", 2 * DAY), Omitted("1")])
        assert await store.entries("x-1") == ()
        assert await store.entries("x-2") == (began("x-2", 2 * DAY), Omitted("1"))
        async with journal(path) as other:
            with pytest.raises(InternalError, match="no longer kept"):
                await other.append("x-1", 2, [Omitted("later")])


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    async with journal(tmp_path / "journal.db"):
        for each in tmp_path.iterdir():
            assert stat.S_IMODE(each.stat().st_mode) == 0o600, each


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("not a database, and long enough to be looked at" * 30)
    with pytest.raises(ConfigurationError, match=r"journal\.db"):
        JournalFile(path, Kept(mb=64, days=1), lambda: 0.0)
    later = tmp_path / "later.db"
    with closing(sqlite3.connect(later)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="version 99"):
        JournalFile(later, Kept(mb=64, days=1), lambda: 0.0)


def test_a_transcript_is_in_the_order_of_what_crossed_the_door() -> None:
    made = transcript_of(
        [
            began("x-1"),
            Stepped(b"1"),
            Answered(1, b"a"),
            Stepped(b"2", 1),
            Answered(3, b"c"),
            Answered(2, b"b"),
            Stepped(b"3", 1),
        ]
    )
    assert [(turn.step, turn.events) for turn in made.turns] == [(b"1", (b"a",)), (b"2", (b"c",)), (b"3", None)]
    assert made.undelivered == (Answered(2, b"b"),)


# ---------------------------------------------------------------- owners


def test_a_server_is_alive_until_it_is_closed(tmp_path: Path) -> None:
    one, two = Owner(tmp_path, "one"), Owner(tmp_path, "two")
    assert two.alive("one")
    assert one.alive("one")
    assert not one.alive("three")
    one.close()
    assert not two.alive("one")
    assert [each.name for each in tmp_path.iterdir()] == ["two.server"]
    two.close()


def test_a_server_that_crashed_is_known_for_a_while(tmp_path: Path) -> None:
    (tmp_path / "dead.server").touch()
    (tmp_path / "long-dead.server").touch()
    os.utime(tmp_path / "long-dead.server", (0, 0))
    one, two = Owner(tmp_path, "one"), Owner(tmp_path, "two")
    two.close()
    assert [one.crashed(each) for each in ("dead", "long-dead", "one", "two", "never")] == [True, *[False] * 4]
    assert not one.alive("dead")
    one.close()
