"""Journals in SQLite: one file, which several servers may share, and to which entries are only ever added.

Whole executions leave it when they are too old, or when there are too many. What was appended outlives the process
at once, and the machine's failure from the next checkpoint on.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import anyio.to_thread

from isthmus.compact import compact
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
    Summary,
    began_of,
)
from isthmus.model import Effect
from isthmus.stores.sqlite import opened
from isthmus_sandbox.protocol import Program

_SCHEMA = """
CREATE TABLE IF NOT EXISTS executions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, session TEXT NOT NULL, principal TEXT NOT NULL,
    continues TEXT NOT NULL, at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS executions_of_session ON executions (session);
CREATE INDEX IF NOT EXISTS executions_continuing ON executions (continues) WHERE continues <> '';
CREATE TABLE IF NOT EXISTS entries (
    place INTEGER PRIMARY KEY, kind TEXT NOT NULL, facts TEXT NOT NULL, text BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS endings ON entries (kind, place)
    WHERE kind = 'finished' OR kind = 'shown' OR kind = 'resumed';
CREATE TABLE IF NOT EXISTS claims (execution TEXT PRIMARY KEY, owner TEXT NOT NULL) STRICT;
"""
_ROOM = 2**32
"""Entries that an execution has room for: number `n` of execution `x` has the place `x * _ROOM + n`.

So what is appended to one execution lies together in one tree, and mostly on the page that was written last.
"""
_OF = f"place BETWEEN executions.number * {_ROOM} AND executions.number * {_ROOM} + {_ROOM - 1}"
_ENTRIES = f"SELECT kind, facts, text FROM executions JOIN entries ON {_OF} WHERE id = :execution ORDER BY place"  # noqa: S608
_SUMMARIES = f"""
SELECT id, session, principal, continues, at,
    (SELECT facts FROM entries WHERE {_OF} AND kind = 'began'),
    (SELECT facts FROM entries WHERE {_OF} AND kind = 'finished'),
    (SELECT facts FROM entries WHERE {_OF} AND kind = 'shown'),
    (SELECT facts FROM entries WHERE {_OF} AND kind = 'resumed' ORDER BY place DESC LIMIT 1),
    (SELECT count(*) FROM entries WHERE {_OF} AND kind = 'sent'),
    (SELECT coalesce(sum(length(text)), 0) FROM entries WHERE {_OF})
FROM executions
WHERE (:principal IS NULL OR principal = :principal) AND (:session IS NULL OR session = :session)
ORDER BY number DESC LIMIT :most
"""  # noqa: S608 - nobody's text stands in any of these
_CONVERSION = (
    "ALTER TABLE executions RENAME TO executions_1",
    "ALTER TABLE entries RENAME TO entries_1",
    *("DROP INDEX executions_of_session", "DROP INDEX executions_continuing", "DROP INDEX endings"),
    *_SCHEMA.split(";")[:-1],
    "INSERT INTO executions SELECT * FROM executions_1",
    f"INSERT INTO entries SELECT x.number * {_ROOM} + e.number, e.kind, e.facts, e.text"  # noqa: S608
    " FROM executions_1 x JOIN entries_1 e ON e.execution = x.id ORDER BY 1",
    *("DROP TABLE entries_1", "DROP TABLE executions_1"),
)
"""Of version 1, in which entries had the id of their execution, and an index beside them."""
_NEW = "INSERT INTO executions (id, session, principal, continues, at) VALUES (?, ?, ?, ?, ?)"
_VERSION = 2
_AT_ONCE = 16  # rows in one statement
_LARGE = 256 * 1024  # bytes: more is written off the event loop
_CHECKPOINT_EVERY = 1000  # appends
_MOST_NUMBERS = 1000  # executions whose numbers are remembered
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept: at most so many MiB in all, and nothing older than so many days."""

    mb: int
    days: float


class JournalFile:
    """Implements the port `JournalStore`. `now` gives seconds since the epoch."""

    def __init__(self, path: Path | None, kept: Kept, now: Callable[[], float]) -> None:
        """Open the file, or make it for its owner alone. None: in memory, for as long as this object lives.

        Raises:
            ConfigurationError: it is none of ours, or cannot be opened.
        """
        self._kept = kept
        self._now = now
        self._lock = threading.Lock()  # the connection is used by the event loop, and by its threads
        self._appends = 0
        self._numbers: dict[str, int] = {}  # by execution, of those that are written to
        try:
            self._connection = opened(path, _prepare, timeout=10)
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(
                f"the journal {path} cannot be used: {error}",
                remedy="move it away, or name another folder, as data: /path/to/folder",
            ) from None

    async def append(self, execution: str, first: int, entries: Sequence[Entry]) -> None:
        """Add entries to an execution's journal, of which the first has the given number."""
        size = sum([len(getattr(entry, "text", b"")) for entry in entries])
        append = partial(self._append, execution, first, entries)
        if size > _LARGE:
            await anyio.to_thread.run_sync(append)
        else:
            append()
        self._appends += 1
        if self._appends % _CHECKPOINT_EVERY == 0:
            await anyio.to_thread.run_sync(self._tidy)

    async def entries(self, execution: str) -> tuple[Entry, ...]:
        """All entries of an execution, in order; none if there is no such."""
        rows = await self._all(_ENTRIES, execution=execution)
        return tuple(_entry(*row) for row in rows)

    async def summaries(
        self, principal: str | None = None, session: str | None = None, limit: int = 100
    ) -> tuple[Summary, ...]:
        """The latest executions, the last one first."""
        rows = await self._all(_SUMMARIES, principal=principal, session=session, most=limit)
        return tuple(_summary(*row) for row in rows)

    async def found(self, beginning: str) -> tuple[str, ...]:
        """The ids that begin so, at most a few."""
        pattern = "".join(f"[{char}]" if char in "*?[" else char for char in beginning) + "*"
        rows = await self._all(
            "SELECT id FROM executions WHERE id GLOB :like ORDER BY number DESC LIMIT 5", like=pattern
        )
        return tuple(row[0] for row in rows)

    async def family(self, execution: str) -> tuple[str, ...]:
        """The execution, all that it continues, and all that continue those, in the order in which they began."""
        rows = await self._all(
            """
            WITH RECURSIVE
                up (id) AS (
                    SELECT :execution UNION SELECT continues FROM executions JOIN up USING (id) WHERE continues <> ''
                ),
                down (id) AS (SELECT id FROM up UNION SELECT e.id FROM executions e JOIN down ON e.continues = down.id)
            SELECT id FROM executions JOIN down USING (id) ORDER BY number
            """,
            execution=execution,
        )
        return tuple(row[0] for row in rows)

    async def claim(self, execution: str, owner: str, alive: Callable[[str], bool]) -> bool:
        """Take over an execution that has no end; False where another server that is `alive` has it."""
        return await anyio.to_thread.run_sync(partial(self._claim, execution, owner, alive))

    async def close(self) -> None:
        """Write everything to the file, and close it."""
        await anyio.to_thread.run_sync(self._close)

    # in whatever thread

    def _append(self, execution: str, first: int, entries: Sequence[Entry]) -> None:
        try:
            if first == 0:
                self._begin(execution, entries)
                return
            place = self._number(execution) * _ROOM + first
            rows = [(place + at, *_row(entry)) for at, entry in enumerate(entries)]
            if len(rows) > _AT_ONCE:
                with self._transaction():
                    self._connection.executemany(_insert(1), rows)
            elif rows:
                with self._lock:  # one statement is a transaction of its own
                    self._connection.execute(_insert(len(rows)), [*chain.from_iterable(rows)])
        except sqlite3.Error as error:
            raise InternalError(
                f"the journal cannot be written: {error}",
                hint="nothing is sent that is not noted before; the operator can look at the folder for data",
            ) from None

    def _begin(self, execution: str, entries: Sequence[Entry]) -> None:
        with self._transaction():
            number = self._connection.execute(_NEW, _head(began_of(entries))).lastrowid or 0
            rows = [(number * _ROOM + at, *_row(entry)) for at, entry in enumerate(entries)]
            self._connection.executemany(_insert(1), rows)
        self._remember(execution, number)

    def _number(self, execution: str) -> int:
        """The number of an execution that is there, or was when it was written to last."""
        if (number := self._numbers.get(execution)) is not None:
            return number
        with self._lock:
            row = self._connection.execute("SELECT number FROM executions WHERE id = ?", (execution,)).fetchone()
        if row is None:
            raise sqlite3.DataError(f"{execution} is no longer kept")
        self._remember(execution, row[0])
        return int(row[0])

    def _remember(self, execution: str, number: int) -> None:
        if len(self._numbers) >= _MOST_NUMBERS:
            self._numbers.clear()
        self._numbers[execution] = number

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _claim(self, execution: str, owner: str, alive: Callable[[str], bool]) -> bool:
        with self._transaction():
            row = self._connection.execute("SELECT owner FROM claims WHERE execution = ?", (execution,)).fetchone()
            free = row is None or row[0] == owner or not alive(row[0])
            if free:
                self._connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?)", (execution, owner))
        return free

    def _tidy(self) -> None:
        """Let go of what is too old or too much, and bring the rest into the file."""
        self._expire("SELECT max(number) FROM executions WHERE at < ?", self._now() - self._kept.days * 86_400)
        while self._size() > self._kept.mb * _MIB and self._expire(
            "SELECT min(number) + (max(number) - min(number)) / 10 FROM executions"
        ):
            pass
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _expire(self, last: str, *values: float) -> int:
        """Forget all executions up to the number that is found so; gives how many that were."""
        with self._transaction():
            (number,) = self._connection.execute(last, values).fetchone()
            if number is None:
                return 0
            self._connection.execute("DELETE FROM entries WHERE place < ?", ((number + 1) * _ROOM,))
            self._connection.execute(
                "DELETE FROM claims WHERE execution IN (SELECT id FROM executions WHERE number <= ?)", (number,)
            )
            return self._connection.execute("DELETE FROM executions WHERE number <= ?", (number,)).rowcount

    def _size(self) -> int:
        """Bytes in use; what was deleted is used again, so that the file does not grow beyond its bound for long."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (size,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int((pages - free) * size)

    def _close(self) -> None:
        self._tidy()
        with self._lock:
            self._connection.close()

    async def _all(self, query: str, **values: Any) -> list[Any]:
        def fetched() -> list[Any]:
            with self._lock, closing(self._connection.execute(query, values)) as cursor:
                return cursor.fetchall()

        return await anyio.to_thread.run_sync(fetched)


@cache
def _insert(rows: int) -> str:
    return "INSERT INTO entries VALUES " + ", ".join(["(?, ?, ?, ?)"] * rows)  # noqa: S608 - nobody's text


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # done by `_tidy`, off the event loop
    connection.execute("BEGIN IMMEDIATE")  # one server makes or converts it, and others wait
    try:
        _bring_up(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _bring_up(connection: sqlite3.Connection) -> None:
    """Make the tables that there are not, or those of the version before into these."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, 1, _VERSION):
        raise sqlite3.DatabaseError(f"it is of version {version}, and this server writes version {_VERSION}")
    for statement in _CONVERSION if version == 1 else _SCHEMA.split(";")[:-1]:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_VERSION}")


# ---------------------------------------------------------------- entries as rows

_KINDS: dict[str, Callable[..., Entry]] = {
    kind.__name__.lower(): kind for kind in (Began, Stepped, Sent, Ended, Answered, Finished, Shown, Resumed, Omitted)
}
_FACTS = {
    kind: (name, tuple(each for each in getattr(kind, "__slots__", ()) if each != "text"))
    for name, kind in _KINDS.items()
}
"""What an entry is called, and what of it stands in its facts; its text stands beside them."""

_ENCODER = json.JSONEncoder(separators=(",", ":"))


def _encode(facts: dict[str, Any]) -> str:
    try:
        return compact(facts).decode()
    except ValueError:  # a lone surrogate
        return _ENCODER.encode(facts)


def _row(entry: Entry) -> tuple[str, str, bytes]:
    if isinstance(entry, Answered):  # these two come with every call
        return "answered", f'{{"call":{entry.call}}}', entry.text
    if isinstance(entry, Stepped):
        return "stepped", f'{{"told":{entry.told}}}', entry.text
    kind, names = _FACTS[type(entry)]
    facts = {name: getattr(entry, name) for name in names}
    if isinstance(entry, Began):
        facts["program"] = {name: getattr(entry.program, name) for name in _PROGRAM}
    elif isinstance(entry, Sent):
        facts["effect"] = str(entry.effect)  # an enumeration takes ten times as long to write
    return kind, _encode(facts), getattr(entry, "text", b"")


_PROGRAM = ("source", "seed", "now", "upstreams", "output_bytes")


def _entry(kind: str, facts: str, text: bytes) -> Entry:
    fields: dict[str, Any] = json.loads(facts)
    match kind:
        case "began":
            fields["program"] = _program(fields["program"])
        case "sent":
            fields["effect"] = Effect(fields["effect"])
        case "stepped" | "answered" | "finished":
            fields["text"] = text
    return _KINDS[kind](**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})


def _head(began: Began) -> tuple[str, str, str, str, float]:
    return began.execution, began.session, began.principal, began.continues, began.at


def _program(fields: dict[str, Any]) -> Program:
    return Program(**fields | {"upstreams": tuple(fields["upstreams"])})


def _summary(
    id_: str,
    session: str,
    principal: str,
    continues: str,
    at: float,
    began: str,
    finished: str | None,
    shown: str | None,
    resumed: str | None,
    calls: int,
    size: int,
) -> Summary:
    head, end = json.loads(began), json.loads(finished or "{}")
    return Summary(
        execution=id_,
        session=session,
        principal=principal,
        continues=continues,
        at=at,
        fresh=head["fresh"],
        clean=head["clean"],
        owner=json.loads(resumed)["owner"] if resumed else head["owner"],
        ok=end.get("ok"),
        code=end.get("code", ""),
        message=end.get("message", ""),
        ms=end.get("ms", 0.0),
        busy_ms=end.get("busy_ms", 0.0),
        calls=calls,
        tokens=json.loads(shown or "{}").get("tokens", 0),
        bytes=size,
        first_line=next((line for line in head["program"]["source"].splitlines() if line.strip()), ""),
    )
