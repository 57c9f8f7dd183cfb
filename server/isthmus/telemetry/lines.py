"""The audit log as a file: one JSON object on a line, written at once, moved aside when it is large.

    {"event": "before", "at": "2026-11-22T21:56:40.123456Z", "execution": "x-5d0f...", ..., "verdict": "allowed"}

Several servers may write to one file: a line is one write to its end, and who finds the file moved aside opens the
new one. What was moved aside is called `audit-20261122T215640.123456Z.jsonl`; the oldest beyond `files` are removed,
and the first line of the new file says so.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from isthmus.audit import Record, facts
from isthmus.compact import compact
from isthmus.errors import ConfigurationError, InternalError
from isthmus.redaction import Redactor

_FLAGS = os.O_APPEND | os.O_CREAT | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_MIB = 2**20

LOOKED_EVERY = 1.0
"""Seconds after which it is looked whether the file was moved aside by others."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file is moved aside at so many bytes, and so many of those are kept."""

    bytes: int = 16 * _MIB
    files: int = 8


class AuditFile:
    """Implements the port `Audit`. `now` gives seconds since the epoch; `log` hears of trouble, once until it is over.

    A record that cannot be written is an error of the call that it is about: what is not on record is not done.
    """

    def __init__(
        self,
        path: Path,
        redactor: Redactor,
        now: Callable[[], float],
        log: Callable[[str], None],
        *,
        kept: Kept | None = None,
        wants_text: bool = False,
    ) -> None:
        """Open the file, or make it for its owner alone.

        Raises:
            ConfigurationError: it cannot be written to.
        """
        self.wants_text = wants_text
        self._path, self._redactor, self._now, self._log = path, redactor, now, log
        self._kept = kept or Kept()
        self._descriptor, self._size, self._looked = -1, 0, now()
        self._failing = False
        try:
            self._open()
        except OSError as error:
            raise ConfigurationError(
                f"the audit log {path} cannot be written: {error.strerror}",
                remedy="name another file, as audit: {file: /path/to/audit.jsonl}, or turn it off: "
                "audit: {enabled: false}",
            ) from None

    def note(self, record: Record) -> None:
        """Write a record's line.

        Raises:
            InternalError: it cannot be written.
        """
        try:
            self._write(line(facts(record), self._redactor))
        except OSError as error:
            self.close()  # to begin anew with the next one
            raise self._trouble(error) from None
        self._failing = False

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self.close()
        self._descriptor = os.open(self._path, _FLAGS, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _write(self, text: bytes) -> None:
        if self._descriptor < 0 or self._was_moved():
            self._open()
        if self._size >= self._kept.bytes:
            self._move_aside()
        written = os.write(self._descriptor, text)
        self._size += written
        if written != len(text):
            os.write(self._descriptor, b"\n")  # what was begun stays a line of its own
            raise OSError(None, "only a part of a line could be written")

    def _was_moved(self) -> bool:
        """Whether another server, or a person, has moved the file aside; and how large it is with others' lines."""
        now = self._now()
        if abs(now - self._looked) < LOOKED_EVERY:
            return False
        self._looked = now
        ours = os.fstat(self._descriptor)
        self._size = ours.st_size
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return True
        return (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev)

    def _move_aside(self) -> None:
        aside = self._path.with_name(f"{self._path.stem}-{_compact(self._now())}{self._path.suffix}")
        self.close()  # an open file cannot be moved everywhere
        with contextlib.suppress(FileNotFoundError, PermissionError):  # another server was first, or has it open
            if self._path.stat().st_size >= self._kept.bytes and not aside.exists():
                self._path.rename(aside)
        self._open()
        removed = self._expire()
        rotated = {"event": "rotated", "at": self._now(), "from": aside.name, "removed": removed}
        os.write(self._descriptor, line(rotated, self._redactor))

    def _expire(self) -> list[str]:
        """Remove the oldest of what was moved aside; gives their names."""
        surplus = files_of(self._path)[:-1][: -self._kept.files]
        for each in surplus:
            each.unlink(missing_ok=True)
        return [each.name for each in surplus]

    def _trouble(self, error: OSError) -> InternalError:
        problem = f"the audit log {self._path} cannot be written: {error.strerror}"
        if not self._failing:
            self._failing = True
            self._log(f"{problem}; until it can, no call is made")
        return InternalError(
            "the audit log cannot be written, so nothing was sent",
            hint="nothing is sent that is not on record; the operator finds the reason in the server's log",
        )


def line(told: Mapping[str, Any], redactor: Redactor) -> bytes:
    """Facts as one line, without any secret."""
    written = {**told, "at": _stamp(told["at"])}
    try:
        text = compact(written)
        if text.isascii() and not redactor.may_stand_in(text):
            return text + b"\n"
    except ValueError:  # a lone surrogate
        pass
    return _ENCODER.encode(redactor.data(written)).encode() + b"\n"


_ENCODER = json.JSONEncoder(separators=(",", ":"))  # ASCII: no character of another's can end a line


def _stamp(at: float) -> str:
    return f"{_second(int(at))}.{int(at % 1 * 1_000_000):06d}Z"


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _compact(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%S.%fZ")


# ---------------------------------------------------------------- reading


def files_of(path: Path) -> Sequence[Path]:
    """The files of an audit log that there are, oldest first, the one that is written to last."""
    aside = sorted(path.parent.glob(f"{path.stem}-????????T??????.*Z{path.suffix}"))
    return [*aside, path]


def read(path: Path, events: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The records of the named events, oldest first, as plain data; `at` in seconds. What is no record is left out."""
    beginnings = tuple(f'{{"event":"{event}",'.encode() for event in events)
    for each in files_of(path):
        with contextlib.suppress(FileNotFoundError), each.open("rb") as lines:
            for raw in lines:
                if raw.startswith(beginnings) and (record := _read(raw)) is not None:
                    yield record


def _read(raw: bytes) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(raw)
        record["at"] = datetime.fromisoformat(record["at"]).timestamp()
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return record
