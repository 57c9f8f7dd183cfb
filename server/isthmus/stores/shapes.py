"""Shapes of answers in SQLite: one small file, its owner's alone. What it loses is learned again: it fails no call."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from isthmus.catalog.shapes import Learned, as_data, from_data
from isthmus.stores.sqlite import opened, with_schema

MAX_ROWS = 20_000
"""Shapes in the file; those that were written longest ago leave it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS shapes (
    key TEXT PRIMARY KEY, answers INTEGER NOT NULL, shape TEXT NOT NULL, turn INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS shapes_by_turn ON shapes (turn);
"""


class ShapeFile:
    """Implements `Shapes` of the service. `log` hears of a file that cannot be used; then nothing is kept."""

    def __init__(self, path: Path, log: Callable[[str], None] = lambda _: None) -> None:
        self._lock = threading.Lock()  # written by a thread, read by the event loop
        self._log = log
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = opened(path, with_schema(_SCHEMA), timeout=2)
        except (OSError, sqlite3.Error) as error:
            log(f"what answers look like is not kept: {path} cannot be used: {error}")

    def read(self, key: str) -> Learned | None:
        """One shape; None where there is none, or it cannot be read."""
        try:
            with self._lock:
                row = (
                    self._connection
                    and self._connection.execute("SELECT answers, shape FROM shapes WHERE key = ?", (key,)).fetchone()
                )
            return Learned(from_data(json.loads(row[1])), int(row[0])) if row else None
        except (sqlite3.Error, ValueError):
            return None

    def write(self, learned: Mapping[str, Learned]) -> None:
        """Keep these in place of what was there."""
        rows = [(key, each.answers, json.dumps(as_data(each.shape))) for key, each in learned.items()]
        try:
            with self._lock:
                if self._connection is not None:
                    _write(self._connection, rows)
        except sqlite3.Error as error:
            self._log(f"what answers look like was not kept: {error}")

    def close(self) -> None:
        """Nothing more will be asked."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


def _write(connection: sqlite3.Connection, rows: list[tuple[str, int, str]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        (turn,) = connection.execute("SELECT coalesce(max(turn), 0) + 1 FROM shapes").fetchone()
        connection.executemany("INSERT OR REPLACE INTO shapes VALUES (?, ?, ?, ?)", [(*row, turn) for row in rows])
        connection.execute(
            "DELETE FROM shapes WHERE key IN (SELECT key FROM shapes ORDER BY turn DESC LIMIT -1 OFFSET ?)", (MAX_ROWS,)
        )
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
