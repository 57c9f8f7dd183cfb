"""Sinks of the audit log that are made of others, or of nothing."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.audit import Record
from isthmus.ports import Audit


class Several:
    """Implements the port `Audit`: every record goes to each of `sinks`; the first that cannot keep it raises."""

    def __init__(self, sinks: Sequence[Audit]) -> None:
        self._sinks = tuple(sinks)

    @property
    def wants_text(self) -> bool:
        """Whether any of them wants the arguments of calls."""
        return any(sink.wants_text for sink in self._sinks)

    def note(self, record: Record) -> None:
        """Keep a record in all of them."""
        for sink in self._sinks:
            sink.note(record)

    def close(self) -> None:
        """Close all of them."""
        for sink in self._sinks:
            sink.close()
