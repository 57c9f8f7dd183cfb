"""How every store opens its SQLite file: for its owner alone, for several threads, whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Literal


def opened(
    path: Path | None,
    prepare: Callable[[sqlite3.Connection], object],
    *,
    timeout: float,
    isolation: Literal["DEFERRED"] | None = None,
) -> sqlite3.Connection:
    """A connection in WAL mode, prepared; closed again where that fails. Without a path, the file is in memory.

    `timeout`: seconds that a statement waits for other processes. `isolation`: None, where the store begins its
    transactions itself.

    Raises:
        OSError: the file cannot be made.
        sqlite3.Error: it is no database, or `prepare` failed.
    """
    if path is not None:
        path.touch(mode=0o600)
    connection = sqlite3.connect(
        path or ":memory:", isolation_level=isolation, check_same_thread=False, timeout=timeout
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def with_schema(schema: str) -> Callable[[sqlite3.Connection], object]:
    """Prepares a file whose loss fails nobody: its tables made, and fewer waits for the disk."""

    def prepare(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(schema)

    return prepare
