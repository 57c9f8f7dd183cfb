"""What a folder for data keeps of private values, and under which key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from isthmus.config.private import Mode, PrivateConfig, PrivateField
from isthmus.ports import JournalStore
from isthmus.privacy.paths import parse
from isthmus.privacy.rules import Field, Release, Rules
from isthmus.stores.box import Box, box
from isthmus.stores.sealed_journal import SealedJournal
from isthmus.stores.vault import NAME, VaultFile

_HANDLE = re.compile(r"[A-Za-z0-9-]{1,64}")


class PrivateStores:
    """The stores of private values in `data`, where sessions lie under `sessions`. The key is read when needed."""

    __slots__ = ("_box", "_data", "_said")

    def __init__(self, data: Path, said: PrivateConfig | None) -> None:
        self._data = data
        self._said = said
        self._box: Box | None = None

    @property
    def rules(self) -> Rules | None:
        """What is private; None: nothing."""
        return None if self._said is None else _rules_of(self._said)

    def box(self) -> Box:
        """Where private values are kept in.

        Raises:
            ConfigurationError: there is no key.
        """
        if self._box is None:
            key = self._said.key if self._said else None
            self._box = box(self._data, key.get_secret_value() if key else None)
        return self._box

    def journal(self, store: JournalStore) -> JournalStore:
        """The journal, sealed where programs compute on private values."""
        rules = self.rules
        return SealedJournal(store, self.box, seals=rules is not None and rules.masks)

    def vault(self, handle: str, workspace: Path) -> VaultFile:
        """What a session has met, beside its workspace."""
        return VaultFile(workspace.parent / NAME, self.box(), handle)

    def found(self, handle: str) -> VaultFile | None:
        """What a session has met that may be another principal's; None where there is nothing of it."""
        if not _HANDLE.fullmatch(handle):
            return None
        path = next((self._data / "sessions").glob(f"*/{handle}/{NAME}"), None)
        return None if path is None else VaultFile(path, self.box(), handle)


def _rules_of(said: PrivateConfig) -> Rules:
    """What `private:` comes to."""
    everywhere = [Field(kinds=frozenset(said.kinds), sealed=said.mode == "seal")] if said.kinds else []
    fields = [each for field in said.fields_ for each in _fields(field, said.mode)]
    releases = tuple(Release(tuple(each.to), tuple(each.kinds)) for each in said.release)
    return Rules((*everywhere, *fields), releases, said.values)


def _fields(said: PrivateField, mode: Mode) -> Iterator[Field]:
    for path in said.paths or ["$"]:
        yield Field(
            tuple(said.operations),
            parse(path),
            frozenset(said.kinds),
            said.called or "",
            sealed=(said.mode or mode) == "seal",
        )
