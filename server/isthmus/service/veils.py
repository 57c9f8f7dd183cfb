"""The veils of sessions: what one has met of private values is read when it is used, and again when it changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from isthmus.privacy.rules import Rules
from isthmus.privacy.veil import Kept, Veil
from isthmus.service.sessions import Session


@dataclass(frozen=True, slots=True)
class Veils:
    """Gives each session its veil. `kept` is where the values of a session are kept: by its handle and workspace."""

    rules: Rules
    kept: Callable[[str, Path], Kept]

    def of(self, session: Session) -> Veil:
        """The session's veil, which lives as long as its guest.

        Raises:
            InternalError: what was kept of it cannot be read.
        """
        if session.veil is None or session.veil.kept.changed:
            session.veil = Veil.opened(self.rules, self.kept(session.handle, session.workspace))
        return session.veil
