"""What skills did, and what they were: their use and their former versions, in one small SQLite file.

The skills themselves are files. What is lost here costs a skill its rank and its past, and fails no program.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from isthmus.skills.skill import Usage
from isthmus.stores.sqlite import opened, with_schema

KEPT_VERSIONS = 10
"""Former versions of one skill."""

MAX_ROWS = 5_000
"""Records of use in one shelf; those that were used longest ago leave it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS uses (
    shelf TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL,
    loads INTEGER NOT NULL, ends INTEGER NOT NULL, calls INTEGER NOT NULL, failures INTEGER NOT NULL,
    last REAL NOT NULL,
    PRIMARY KEY (shelf, name, hash)
) STRICT;
CREATE TABLE IF NOT EXISTS versions (
    shelf TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL, lock TEXT NOT NULL,
    PRIMARY KEY (shelf, name, version)
) STRICT;
"""

_ADD = """
INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    loads = loads + excluded.loads, ends = ends + excluded.ends, calls = calls + excluded.calls,
    failures = failures + excluded.failures, last = max(last, excluded.last)
"""
_FORGET_OLDEST = """
DELETE FROM uses WHERE shelf = ?
    AND rowid NOT IN (SELECT rowid FROM uses WHERE shelf = ? ORDER BY last DESC LIMIT ?)
"""


class SkillLedger:
    """The file of all shelves. `log` hears of one that cannot be used; then nothing is kept."""

    def __init__(self, path: Path, log: Callable[[str], None] = lambda _: None) -> None:
        self._lock = threading.Lock()
        self._log = log
        self._connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = opened(path, with_schema(_SCHEMA), timeout=2, isolation="DEFERRED")
        except (OSError, sqlite3.Error) as error:
            log(f"the use of skills is not kept: {path} cannot be used: {error}")

    def add(self, shelf: str, uses: Iterable[tuple[str, str, Usage]]) -> None:
        """Add to what is known of the use of skills, each by name and hash."""
        rows = [(shelf, name, hash_, u.loads, u.ends, u.calls, u.failures, u.last) for name, hash_, u in uses]
        self._write((_ADD, rows), (_FORGET_OLDEST, [(shelf, shelf, MAX_ROWS)]))

    def usage(self, shelf: str) -> Mapping[tuple[str, str], Usage]:
        """What is known of the use of each skill, by name and hash."""
        query = "SELECT name, hash, loads, ends, calls, failures, last FROM uses WHERE shelf = ?"
        return {(row[0], row[1]): Usage(*row[2:]) for row in self._rows(query, shelf)}

    def remember(self, shelf: str, name: str, version: int, text: str, lock: str) -> None:
        """Keep a version; the oldest beyond `KEPT_VERSIONS` goes."""
        self._write(
            ("INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?, ?)", [(shelf, name, version, text, lock)]),
            (
                "DELETE FROM versions WHERE shelf = ? AND name = ? AND version <= ?",
                [(shelf, name, version - KEPT_VERSIONS)],
            ),
        )

    def versions(self, shelf: str, name: str) -> Mapping[int, tuple[str, str]]:
        """The texts of the versions that are kept, each with its lock, the newest first."""
        query = "SELECT version, text, lock FROM versions WHERE shelf = ? AND name = ? ORDER BY version DESC"
        return {row[0]: (row[1], row[2]) for row in self._rows(query, shelf, name)}

    def forget(self, shelf: str, name: str) -> None:
        """Forget all that is known of a skill."""
        both = [(shelf, name)]
        self._write(
            ("DELETE FROM versions WHERE shelf = ? AND name = ?", both),
            ("DELETE FROM uses WHERE shelf = ? AND name = ?", both),
        )

    def close(self) -> None:
        """Nothing more will be asked."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _rows(self, query: str, *values: str) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(query, values).fetchall() if self._connection else []
        except sqlite3.Error as error:
            self._log(f"the use of skills cannot be read: {error}")
            return []

    def _write(self, *statements: tuple[str, Sequence[tuple[Any, ...]]]) -> None:
        """Do these in one transaction, each for every row. What fails is told, and fails nobody."""
        try:
            with self._lock:
                if self._connection is not None:
                    with self._connection:
                        for statement, rows in statements:
                            self._connection.executemany(statement, rows)
        except sqlite3.Error as error:
            self._log(f"the use of skills was not kept: {error}")
