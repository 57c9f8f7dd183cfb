"""Sessions: a principal's continuing work, with one guest and one workspace each.

A handle is random, expires, and is worth nothing to another principal: to him it does not exist.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from isthmus.errors import NotFound
from isthmus.model import Principal
from isthmus.ports import Guest, Sandbox


@dataclass(slots=True, eq=False)
class Session:
    """One session. `dropped` says why its variables are gone, until the model has been told."""

    handle: str
    principal: Principal
    used: float
    guest: Guest | None = None
    workspace: Path | None = None
    dropped: str = ""
    turn: anyio.Lock = field(default_factory=anyio.Lock)  # one execution at a time

    async def enter(self, sandbox: Sandbox) -> Guest:
        """The session's guest: its own where it lives, else another on the same workspace."""
        if self.guest is None or not self.guest.alive:
            self.guest = await sandbox.open(self.workspace)
            self.workspace = self.guest.workspace
        return self.guest

    async def drop(self, why: str) -> None:
        """End the guest, and with it the variables. The workspace is left."""
        if self.guest is not None:
            await self.guest.close()
            self.guest, self.dropped = None, why


@dataclass(slots=True, eq=False)
class Sessions:
    """All sessions of this process. `most` live at once; one unused for `idle` seconds is ended."""

    sandbox: Sandbox
    most: int
    idle: float
    clock: Callable[[], float]
    new_handle: Callable[[], str]
    _sessions: dict[str, Session] = field(default_factory=dict)
    _own: dict[Principal, str] = field(default_factory=dict)

    async def find(self, principal: Principal, handle: str | None) -> Session:
        """The session of that handle; with None the principal's own; with `new` one that nobody has used.

        Raises:
            NotFound: there is no such session of this principal.
        """
        await self._end_unused()
        if handle == "new":
            session = self._open(principal)
        else:
            session = self._own_of(principal) if handle is None else self._known(principal, handle)
        session.used = self.clock()
        await self._make_room(session)
        return session

    def workspace(self, handle: str) -> Path | None:
        """The directory of a session's files on this machine; None where there is no such session, or none yet."""
        session = self._sessions.get(handle)
        return session.workspace if session else None

    async def close(self) -> None:
        """End all sessions, and delete their workspaces."""
        for session in list(self._sessions.values()):
            await self._end(session)

    def _own_of(self, principal: Principal) -> Session:
        before = self._own.get(principal)
        if session := self._sessions.get(before or ""):
            return session
        session = self._open(principal)
        session.dropped = f"the session was not used for {self.idle:g} s (limit `session_idle`)" if before else ""
        self._own[principal] = session.handle
        return session

    def _known(self, principal: Principal, handle: str) -> Session:
        session = self._sessions.get(handle)
        if session is None or session.principal != principal:
            raise NotFound(
                f"there is no session {handle!r}: it has expired, or never was",
                hint='leave `session` out for your own session, or pass "new"',
            )
        return session

    def _open(self, principal: Principal) -> Session:
        session = Session(self.new_handle(), principal, self.clock())
        self._sessions[session.handle] = session
        return session

    async def _end_unused(self) -> None:
        now = self.clock()
        for session in list(self._sessions.values()):
            if now - session.used > self.idle and not session.turn.locked():
                await self._end(session)

    async def _make_room(self, coming: Session) -> None:
        """Drop the variables of those unused for longest; what is under way counts, and is never dropped."""
        living = [s for s in self._sessions.values() if s.guest is not None and s is not coming]
        surplus = len(living) + 1 - self.most
        resting = sorted((s for s in living if not s.turn.locked()), key=lambda s: s.used)
        for session in resting[: max(0, surplus)]:
            await session.drop(f"more than {self.most} sessions were live (limit `sessions`)")

    async def _end(self, session: Session) -> None:
        del self._sessions[session.handle]
        await session.drop("")
        if session.workspace is not None:
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(session.workspace or "", ignore_errors=True))
