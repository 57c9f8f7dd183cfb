"""The audit log as the configuration wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from isthmus.config.model import AuditConfig
from isthmus.ports import Audit
from isthmus.redaction import Redactor
from isthmus.telemetry.lines import AuditFile, Kept
from isthmus.telemetry.sinks import Several

_MIB = 2**20


def path_of(said: AuditConfig, data: Path, base: Path) -> Path:
    """The file that is written to; `base` is where relative paths of the configuration start."""
    return base / said.file if said.file else data / "audit.jsonl"


def opened(
    said: AuditConfig, data: Path, base: Path, redactor: Redactor, now: Callable[[], float], log: Callable[[str], None]
) -> Audit:
    """Open what is configured. The file comes first: what it cannot keep goes nowhere.

    Raises:
        ConfigurationError: it cannot be written, or what it needs is not installed.
    """

    def sinks() -> Iterator[Audit]:
        text = said.arguments == "text"
        if said.enabled:
            kept = Kept(said.mb * _MIB, said.files)
            yield AuditFile(path_of(said, data, base), redactor, now, log, kept=kept, wants_text=text)
        if said.opentelemetry:
            from isthmus.telemetry.spans import Spans

            yield Spans(redactor, log, wants_text=text)

    return Several(tuple(sinks()))
