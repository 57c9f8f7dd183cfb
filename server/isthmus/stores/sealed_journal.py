"""A journal whose content is sealed: where programs compute on private values, these cross the door, and are recorded.

What travels (steps, answers, outcomes) and the digests of arguments are sealed; when, which operation and how it ended
are not. What lies in the journal unsealed is read as it is.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from isthmus.journal import Answered, Entry, Finished, Sent, Stepped, Summary
from isthmus.ports import JournalStore
from isthmus.stores.box import Box

_MARK = b"\0sealed1"  # which no frame begins with
_Framed = Stepped | Answered | Finished


@dataclass(frozen=True, slots=True)
class SealedJournal:
    """Implements the port `JournalStore` on another. `box` is asked for when it is needed; `seals`: what is new."""

    store: JournalStore
    box: Callable[[], Box]
    seals: bool

    async def append(self, execution: str, first: int, entries: Sequence[Entry]) -> None:
        """See the port."""
        if self.seals:
            entries = [self._sealed(entry, execution) for entry in entries]
        await self.store.append(execution, first, entries)

    async def entries(self, execution: str) -> tuple[Entry, ...]:
        """See the port."""
        return tuple(self._opened(entry, execution) for entry in await self.store.entries(execution))

    async def summaries(
        self, principal: str | None = None, session: str | None = None, limit: int = 100
    ) -> tuple[Summary, ...]:
        """See the port."""
        return await self.store.summaries(principal, session, limit)

    async def found(self, beginning: str) -> tuple[str, ...]:
        """See the port."""
        return await self.store.found(beginning)

    async def family(self, execution: str) -> tuple[str, ...]:
        """See the port."""
        return await self.store.family(execution)

    async def claim(self, execution: str, owner: str, alive: Callable[[str], bool]) -> bool:
        """See the port."""
        return await self.store.claim(execution, owner, alive)

    async def close(self) -> None:
        """See the port."""
        await self.store.close()

    def _sealed(self, entry: Entry, execution: str) -> Entry:
        if isinstance(entry, Stepped | Answered | Finished):
            return _with(entry, _MARK + self.box().sealed(entry.text, execution)) if entry.text else entry
        if isinstance(entry, Sent):
            sealed = self.box().sealed(entry.arguments.encode(), execution)
            return replace(entry, arguments=(_MARK + base64.b64encode(sealed)).decode())
        return entry

    def _opened(self, entry: Entry, execution: str) -> Entry:
        if isinstance(entry, Stepped | Answered | Finished) and entry.text.startswith(_MARK):
            return _with(entry, self.box().opened(entry.text[len(_MARK) :], execution))
        if isinstance(entry, Sent) and entry.arguments.startswith(_MARK.decode()):
            sealed = base64.b64decode(entry.arguments[len(_MARK) :])
            return replace(entry, arguments=self.box().opened(sealed, execution).decode())
        return entry


def _with(entry: _Framed, text: bytes) -> Entry:
    return replace(entry, text=text)
