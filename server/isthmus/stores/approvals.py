"""Questions that wait for a person, and what a person's word still counts for, in SQLite: its owner's file alone.

Another process (`isthmus approve`) answers what a server asks; another server finds what was answered meanwhile.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from isthmus.errors import ConfigurationError, InternalError
from isthmus.model import Effect, Question, Reply
from isthmus.ports import Kept, Waiting
from isthmus.stores.sqlite import opened

DAYS = 7.0
"""Days after which a question that nobody answered is forgotten."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS questions (
    id TEXT PRIMARY KEY, question TEXT NOT NULL, at REAL NOT NULL, reply TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS kept (
    number INTEGER PRIMARY KEY AUTOINCREMENT, principal TEXT NOT NULL, operation TEXT NOT NULL,
    arguments TEXT NOT NULL, at REAL NOT NULL, UNIQUE (principal, operation, arguments)
) STRICT;
"""


class ApprovalFile:
    """Implements the port `ApprovalStore`. `now` gives seconds since the epoch."""

    def __init__(self, path: Path | None, now: Callable[[], float]) -> None:
        """Open the file, or make it for its owner alone. None: in memory, for as long as this object lives.

        Raises:
            ConfigurationError: it cannot be used.
        """
        self._now = now
        self._lock = threading.Lock()
        try:
            self._connection = opened(path, lambda connection: connection.executescript(_SCHEMA), timeout=5)
        except (OSError, sqlite3.Error) as error:
            remedy = "look at its owner and permissions, or name another folder with data:"
            raise ConfigurationError(f"approvals cannot be kept: {error}", file=str(path), remedy=remedy) from None

    def opened(self, question: Question) -> Reply | None:
        """Keep a question as long as it is open; the reply, where it was answered before."""
        text = json.dumps(asdict(question), default=lambda value: f"<{type(value).__name__}>")
        with self._statements() as run:
            run("DELETE FROM questions WHERE at < ?", (self._now() - DAYS * 86_400,))
            run("INSERT OR IGNORE INTO questions VALUES (?, ?, ?, NULL)", (question.id, text, self._now()))
        return self.reply(question.id)

    def reply(self, question: str) -> Reply | None:
        """What was answered; None as long as nothing was."""
        with self._statements() as run:
            row = run("SELECT reply FROM questions WHERE id = ?", (question,)).fetchone()
        return _reply(row[0]) if row and row[0] else None

    def answer(self, question: str, reply: Reply) -> bool:
        """Answer an open question; False where there is no such, or it has been answered."""
        with self._statements() as run:
            return run(
                "UPDATE questions SET reply = ? WHERE id = ? AND reply IS NULL", (json.dumps(asdict(reply)), question)
            ).rowcount == 1  # fmt: skip

    def closed(self, question: str) -> None:
        """Nobody waits for the reply any more."""
        with self._statements() as run:
            run("DELETE FROM questions WHERE id = ?", (question,))

    def waiting(self) -> tuple[Waiting, ...]:
        """The questions without a reply, the oldest first."""
        with self._statements() as run:
            rows = run("SELECT question, at FROM questions WHERE reply IS NULL ORDER BY at").fetchall()
        return tuple(Waiting(_question(text), at) for text, at in rows)

    def keep(self, principal: str, operation: str, arguments: Mapping[str, Any]) -> None:
        """From now on such calls are approved: those with these arguments, whatever the others are."""
        with self._statements() as run:
            run(
                "INSERT OR IGNORE INTO kept (principal, operation, arguments, at) VALUES (?, ?, ?, ?)",
                (principal, operation, json.dumps(arguments, sort_keys=True), self._now()),
            )

    def kept(self, principal: str | None = None, operation: str | None = None) -> tuple[Kept, ...]:
        """What is approved from before, of a principal and for an operation, or all."""
        with self._statements() as run:
            rows = run(
                "SELECT number, principal, operation, arguments, at FROM kept"
                " WHERE principal = coalesce(?, principal) AND operation = coalesce(?, operation) ORDER BY number",
                (principal, operation),
            ).fetchall()
        return tuple(Kept(number, who, what, json.loads(given), at) for number, who, what, given, at in rows)

    def forget(self, number: int) -> bool:
        """Approve such calls no longer; False where there is no such number."""
        with self._statements() as run:
            return run("DELETE FROM kept WHERE number = ?", (number,)).rowcount == 1

    def close(self) -> None:
        """Nothing more will be asked."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _statements(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        try:
            with self._lock:
                yield self._connection.execute
        except sqlite3.Error as error:
            raise InternalError(f"approvals cannot be kept: {error}") from None


def _question(text: str) -> Question:
    fields: dict[str, Any] = json.loads(text)
    return Question(**{**fields, "effect": Effect(fields["effect"])})


def _reply(text: str) -> Reply:
    fields: dict[str, Any] = json.loads(text)
    keep = fields["keep"]
    return Reply(fields["approved"], None if keep is None else tuple(keep), fields["reason"])
