"""Sessions: a principal's continuing work, with one guest and one workspace each.

A handle is random, expires, and is worth nothing to another principal: to him it does not exist. Two things end apart:

    the guest, and with it the variables    evicted while it rests, by idle time, count or memory; the next result tells
    the handle, and with it the files       kept in a store, for longer; a later server finds them there
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from isthmus.errors import NotFound
from isthmus.model import Principal
from isthmus.ports import Guest, Held, Sandbox, Workspaces
from isthmus.privacy.veil import Veil
from isthmus.rules import Label

TEND_EVERY = 5.0
"""Seconds between two looks at what has become too old."""

TENDED_BETWEEN = 720
"""Such looks between two at the files of everyone, also of those who have not come for long."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 0.1
"""Seconds between two attempts to have a session that another server has."""

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may rest: the limits `sessions`, `sessions_each`, `sessions_mb` and `session_idle` (s)."""

    sessions: int
    sessions_each: int
    sessions_mb: int
    session_idle: float


class Turn:
    """One execution of a session at a time, here and in the other servers that have the same place for its files.

    `take` takes the session for this server, where others may have it. `others` tells, while the turn is held, whether
    one of them has had it since this server had.
    """

    def __init__(self, take: Callable[[], Held | None] | None) -> None:
        self._take = take
        self._here = anyio.Lock()
        self._held: Held | None = None
        self._mark = 0
        self.others = False

    async def acquire(self) -> None:
        """Wait for the turn: behind those who wait here, and then for no other server to have the session."""
        await self._here.acquire()
        try:
            if self._take is not None:
                self._held = await _taken(self._take)
                self.others = self._held.mark != self._mark
        except BaseException:
            self._here.release()
            raise

    def release(self) -> None:
        """Let another have it."""
        if self._held is not None:
            self._mark = self._held.release()
            self._held = None
        self._here.release()

    def locked(self) -> bool:
        """Whether somebody has it, or is about to, in this server."""
        return self._here.locked()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        self.release()


async def _taken(take: Callable[[], Held | None]) -> Held:
    """Have a session as soon as no other server has it; locks of files tell nobody that they are free."""
    pause = SHORTEST_PAUSE
    while (held := take()) is None:
        await anyio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return held


@dataclass(slots=True, eq=False)
class Session:
    """One session. `dropped` says why its variables are gone, until that was told, or they were rebuilt."""

    handle: str
    principal: Principal
    workspace: Path
    used: float
    guest: Guest | None = None
    dropped: str = ""
    memory: int = 0  # bytes of its worker, when it was last at rest
    labels: set[Label] | None = field(default_factory=set)  # of what its programs have read; None: not known yet
    names: frozenset[str] | None = frozenset()  # its variables; None where not all of them are known
    veil: Veil | None = None  # where there are private values
    turn: Turn = field(default_factory=lambda: Turn(None))  # one execution at a time

    async def enter(self, sandbox: Sandbox, *, behind: bool = False) -> Guest:
        """The session's guest: its own where it lives, else another on the same workspace.

        `behind`: whether others are to have the processor, and the guests that are ready, before it.
        """
        if self.guest is not None and not self.guest.alive:
            await self.drop("its worker was ended from outside")
        if self.guest is None:
            self.guest = await sandbox.open(self.workspace, behind=behind)
            self.names = frozenset()
        return self.guest

    async def revisit(self) -> None:
        """Once it has its turn: end the guest where it is not what the session has come to."""
        if self.guest is not None and not self.guest.alive:
            await self.drop("its worker was ended from outside")
        elif self.guest is not None and self.turn.others:
            await self.drop("the session went on in another server")
            self.names = self.labels = None

    def may_hold(self, name: str) -> bool:
        """Whether a name may stand for something of the session's own: a variable, or a module that was imported."""
        if self.guest is None and not self.dropped:
            return False
        return self.names is None or name in self.names or name in sys.stdlib_module_names

    async def drop(self, why: str) -> None:
        """End the guest, and with it the variables. The workspace is left."""
        if guest := self.release(why):
            await guest.close()

    def release(self, why: str) -> Guest | None:
        """Let go of the guest, which is to be closed: who enters while it ends gets another."""
        guest, self.guest, self.veil = self.guest, None, None
        if guest is not None:
            self.dropped = why
        return guest


@dataclass(slots=True, eq=False)
class Sessions:
    """All sessions of this process. `clock` gives seconds, and only ever grows."""

    workspaces: Workspaces
    bounds: Bounds
    clock: Callable[[], float]
    new_handle: Callable[[], str]
    _sessions: dict[str, Session] = field(default_factory=dict)
    _own: dict[Principal, str] = field(default_factory=dict)
    _resting: dict[str, Session] = field(default_factory=dict)  # those with a guest, the longest unused first
    _released: list[Guest] = field(default_factory=list)  # evicted, and to be closed by `run`
    _some_released: anyio.Event = field(default_factory=anyio.Event)
    _untended: set[Principal] = field(default_factory=set)  # who has opened sessions since the last look

    async def find(self, principal: Principal, handle: str | None) -> Session:
        """The session of that handle; with None the principal's own; with `new` one that nobody has used.

        Raises:
            NotFound: there is no such session of this principal.
        """
        if handle == "new":
            return self._open(principal, self.new_handle())
        if handle is None:
            return self._own_of(principal)
        return self._known(principal, handle)

    def reopen(self, principal: Principal, handle: str) -> Session:
        """The session of a handle that was this principal's, as its journal says; without its files, if it expired."""
        try:
            return self._known(principal, handle)
        except NotFound:
            return self._open(principal, handle)

    def workspace(self, handle: str) -> Path | None:
        """The directory of a session's files on this machine; None where there is no such session."""
        session = self._sessions.get(handle)
        return session.workspace if session else None

    def rest(self, session: Session) -> None:
        """An execution of the session has ended: it rests, and where too much rests, others are evicted."""
        session.used = self.clock()
        self._resting.pop(session.handle, None)
        if session.guest is not None:
            session.memory = session.guest.memory_bytes
            self._resting[session.handle] = session
            for evicted, why in list(self._surplus()):
                self._evict(evicted, why)

    async def run(self) -> None:
        """Close what was evicted, evict and expire what has become too old, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._close_released)
            while True:
                await self._expire(None)
                for _ in range(TENDED_BETWEEN):
                    await anyio.sleep(TEND_EVERY)
                    await self.tend()

    async def tend(self) -> None:
        """Evict the guests that have rested for too long, and expire the files of those who have opened sessions."""
        now, idle = self.clock(), self.bounds.session_idle
        for session in list(self._resting.values()):
            if now - session.used > idle and not session.turn.locked():
                self._evict(session, f"the session was not used for {idle:g} s (limit `session_idle`)")
        principals, self._untended = self._untended, set()
        for principal in principals:
            await self._expire(principal)

    async def close(self) -> None:
        """End all guests. The files stay, for a later server."""
        for session in list(self._sessions.values()):
            self._evict(session, "the server was restarted")
        while self._released:
            await self._released.pop().close()

    def _evict(self, session: Session, why: str) -> None:
        self._resting.pop(session.handle, None)
        if guest := session.release(why):
            self._released.append(guest)
            self._some_released.set()

    async def _close_released(self) -> None:
        while True:
            await self._some_released.wait()
            self._some_released = anyio.Event()
            while self._released:
                await self._released.pop().close()

    async def _expire(self, principal: Principal | None) -> None:
        expire = partial(self.workspaces.expire, principal, self._busy(principal))
        for handle in await anyio.to_thread.run_sync(expire):
            self._sessions.pop(handle, None)

    def _own_of(self, principal: Principal) -> Session:
        if session := self._sessions.get(self._own.get(principal, "")):
            return session
        session = self._open(principal, self.new_handle())
        self._own[principal] = session.handle
        return session

    def _known(self, principal: Principal, handle: str) -> Session:
        session = self._sessions.get(handle)
        if session is not None and session.principal == principal:
            return session
        if self.workspaces.find(principal, handle) is None:
            raise NotFound(
                f"there is no session {handle!r}: it has expired, or never was",
                hint='leave `session` out for your own session, or pass "new"',
            )
        session = self._open(principal, handle)
        session.dropped, session.names = "the server was restarted", None
        session.labels = None
        return session

    def _open(self, principal: Principal, handle: str) -> Session:
        workspace = self.workspaces.open(principal, handle)
        turn = Turn(partial(self.workspaces.hold, principal, handle))
        session = self._sessions[handle] = Session(handle, principal, workspace, self.clock(), turn=turn)
        self._untended.add(principal)
        return session

    def _busy(self, principal: Principal | None) -> set[str]:
        """The handles whose files must stay: those with a guest, those in use, and the principals' own."""
        chosen = [each for each in self._sessions.values() if principal is None or each.principal == principal]
        used = {each.handle for each in chosen if each.guest is not None or each.turn.locked()}
        return used.union(self._own.values())

    def _surplus(self) -> Iterator[tuple[Session, str]]:
        """Which guests are to go, and why: the longest unused of those who have the most.

        What is under way counts for nothing here, and is never evicted: admission bounds it.
        """
        resting = [session for session in self._resting.values() if session.guest and not session.turn.locked()]
        bounds, most = self.bounds, self.bounds.sessions_mb * _MIB
        counts, memory = Counter[Principal](), Counter[Principal]()
        for session in resting:
            counts[session.principal] += 1
            memory[session.principal] += session.memory
        for session in resting:
            who = session.principal
            if counts[who] > bounds.sessions_each:
                why = f"more than {bounds.sessions_each} sessions of yours were live (limit `sessions_each`)"
            elif counts.total() > bounds.sessions and counts[who] == max(counts.values()):
                why = f"more than {bounds.sessions} sessions were live (limit `sessions`)"
            elif memory.total() > most and memory[who] == max(memory.values()):
                why = f"live sessions took more than {bounds.sessions_mb} MiB of memory (limit `sessions_mb`)"
            else:
                continue
            counts[who] -= 1
            memory[who] -= session.memory
            yield session, why
