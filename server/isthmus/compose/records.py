"""What was recorded, for who looks at it afterwards."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.compose.configured import data_of, pool_settings, redactor_of
from isthmus.config.model import Configuration
from isthmus.model import Report

if TYPE_CHECKING:
    from isthmus.privacy.veil import Veil
    from isthmus.redaction import Redactor
    from isthmus.render.results import Rendered
    from isthmus.service.archive import Archive
    from isthmus.stores.private import PrivateStores
    from isthmus_sandbox.pool import Pool


@dataclass(frozen=True, slots=True)
class Records:
    """What was recorded, for who looks at it afterwards; `sandbox` gives one to run it again in."""

    archive: Archive
    redactor: Redactor
    sandbox: Callable[[], Pool]
    output_tokens: int
    audit: Callable[[Sequence[str]], Iterator[dict[str, Any]]]  # records of the named events
    private: PrivateStores

    def shown(self, session: str, data: Any) -> Any:
        """Data of an execution in a session as it may be seen: without secrets, with tokens for private values."""
        veil = self._veil(session)
        cleaned = self.redactor.data(data)
        return cleaned if veil is None else veil.shown(cleaned)

    def _veil(self, session: str) -> Veil | None:
        from isthmus.privacy.veil import Veil

        kept = self.private.found(session)
        return None if kept is None or self.private.rules is None else Veil.opened(self.private.rules, kept)

    async def keep_files(self, report: Report, workspace: Path) -> None:
        """Put what did not fit into a result where the programs after it found it."""
        self.rendered(report, workspace)

    def rendered(self, report: Report, workspace: Path) -> Rendered:
        """The report as the model reads it; what does not fit goes to the workspace."""
        from isthmus.render.results import lay_out
        from isthmus.stores.workspace import keep

        veil = self._veil(report.session)
        report = report if veil is None else veil.hidden(report)
        return lay_out(report, budget_tokens=self.output_tokens, keep=partial(keep, workspace))


@asynccontextmanager
async def records(configuration: Configuration, *, base: Path, log: Callable[[str], None]) -> AsyncIterator[Records]:
    """Open the journals of a configuration, without its upstreams."""
    from isthmus.service.archive import Archive
    from isthmus.stores.journal import JournalFile, Kept
    from isthmus.stores.private import PrivateStores
    from isthmus.telemetry.lines import read
    from isthmus.telemetry.opening import path_of
    from isthmus_sandbox.pool import Pool

    data, limits, kept = data_of(configuration, base), configuration.limits, configuration.journal
    private = PrivateStores(data, configuration.private)
    journals = private.journal(JournalFile(data / "journal.db", Kept(kept.mb, kept.days), time.time))
    settings = pool_settings(limits, data / "run")
    try:
        yield Records(
            Archive(journals),
            redactor_of(configuration),
            lambda: Pool(settings, progress=log),
            limits.output_tokens,
            partial(read, path_of(configuration.audit, data, base)),
            private,
        )
    finally:
        await journals.close()
