"""The seams between the use cases and the world. Use cases know these, and no vendor.

Every port has one contract suite under `tests/contracts/` that all of its implementations pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from isthmus.model import Answer, Call, Credential, Principal, Question, Reply, UpstreamSnapshot

if TYPE_CHECKING:
    from isthmus.audit import Record
    from isthmus.journal import Entry, Summary
    from isthmus_sandbox.protocol import Event, Outcome, Program, Step

Publish = Callable[[UpstreamSnapshot], None]
"""Called by an upstream whenever what is known of it changes. Synchronous, cheap, never raises."""

Exchange: TypeAlias = "Callable[[Step], Awaitable[Sequence[Event]]]"
"""Answers one step of a guest with what has happened since. Never raises but on cancellation."""


class Upstream(Protocol):
    """A configured MCP server or OpenAPI service."""

    @property
    def name(self) -> str:
        """The Python name by which programs know it."""
        ...

    async def run(self, publish: Publish) -> None:
        """Live: connect, list, publish, watch, reconnect with back-off; until cancelled.

        Runs in one task of its own, and never raises on account of the upstream: a fault is published as
        a snapshot that is FAILED and says why. On cancellation it closes what it opened (processes too).
        """
        ...

    async def call(self, call: Call, credential: Credential | None) -> Answer:
        """Perform one call; may run many times at once, from any task.

        Arguments have been validated and carry Python names (`Parameter.name`); extra ones, where
        the operation accepts more, carry the upstream's own. `credential` is what the
        CredentialSource gave for this upstream, after policy allowed the call.

        Raises:
            UpstreamError: or one of its kinds; never any other exception but cancellation.
        """
        ...


class CredentialSource(Protocol):
    """Where credentials come from."""

    async def credential(self, upstream: str, principal: Principal) -> Credential | None:
        """What `upstream` accepts from `principal`; None where it needs nothing.

        Raises:
            PermissionDenied: there should be one, and it cannot be had; the hint says what to do.
        """
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A question without a reply. `at` is seconds since the epoch."""

    question: Question
    at: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A person's word that still counts: calls of an operation with these arguments, whatever the others are."""

    number: int
    principal: str
    operation: str
    arguments: Mapping[str, Any]
    at: float


class ApprovalStore(Protocol):
    """Where questions stand until they are answered, and where a person's word is kept.

    Any method raises InternalError where the store fails. None takes long.
    """

    def opened(self, question: Question) -> Reply | None:
        """Keep a question as long as it is open; the reply, where it was answered before."""
        ...

    def reply(self, question: str) -> Reply | None:
        """What was answered; None as long as nothing was."""
        ...

    def answer(self, question: str, reply: Reply) -> bool:
        """Answer an open question; False where there is no such, or it has been answered."""
        ...

    def waiting(self) -> tuple[Waiting, ...]:
        """The questions without a reply, the oldest first."""
        ...

    def closed(self, question: str) -> None:
        """Nobody waits for the reply any more."""
        ...

    def keep(self, principal: str, operation: str, arguments: Mapping[str, Any]) -> None:
        """From now on such calls are approved."""
        ...

    def kept(self, principal: str | None = None, operation: str | None = None) -> tuple[Kept, ...]:
        """What is approved from before."""
        ...

    def close(self) -> None:
        """Nothing more will be asked."""
        ...


class Approver(Protocol):
    """Who is asked before a call is made that policy allows only with a person's consent."""

    async def ask(self, question: Question) -> Reply:
        """The person's reply, however long that takes; a refusal where nobody can be asked."""
        ...


class Guest(Protocol):
    """One worker process and the guest in it: one session's interpreter, with its variables."""

    @property
    def alive(self) -> bool:
        """Whether `run` can be called."""
        ...

    @property
    def workspace(self) -> Path:
        """The host directory that the guest sees as `/workspace`."""
        ...

    @property
    def memory_bytes(self) -> int:
        """What the worker takes beside what all workers share; 0 where that cannot be known."""
        ...

    async def run(self, program: Program, exchange: Exchange) -> Outcome:
        """Run one program to its end; one at a time.

        Raises:
            GuestLost: the worker died or broke the protocol; its `reason` says which limit or fault. The guest is gone.
        Cancelled, it kills the worker.
        """
        ...

    def give_way(self) -> None:
        """From now on, let others have the processor first, where the system can do that."""
        ...

    async def close(self) -> None:
        """End the worker, by force, and wait until it is gone. Idempotent; the workspace is left."""
        ...


class Sandbox(Protocol):
    """Where guests come from."""

    async def start(self) -> None:
        """Begin to prepare guests, in the background; returns at once. `close` must follow."""
        ...

    async def open(self, workspace: Path | None = None, *, behind: bool = False) -> Guest:
        """A guest that has never seen a program: a spare where there is one, else a new worker.

        `workspace` is the directory to mount; None makes a new one. A spare can take it while it is empty.
        `behind` others, it takes none that is ready, and gives way from its start.

        Raises:
            SandboxUnavailable: no worker can be started; the message says why.
        """
        ...

    def preparing(self) -> str:
        """What the first guest still waits for; empty when guests can be had, and when they cannot."""
        ...

    def layers(self) -> Mapping[str, str]:
        """The protection layers by name, each with its state: `active`, or why it is not."""
        ...

    async def close(self) -> None:
        """End all workers."""
        ...


class Held(Protocol):
    """A session that is this server's for now: no other server that is given the same place holds it."""

    @property
    def mark(self) -> int:
        """Changes whenever a server has held the session."""
        ...

    def release(self) -> int:
        """Give it back, as used just now; the mark that it has from now on."""
        ...


class Workspaces(Protocol):
    """Where the files of sessions are kept: a later server that is given the same place finds them by the handle."""

    def open(self, principal: Principal, handle: str) -> Path:
        """The directory of a session's files, made now if need be.

        Raises:
            InternalError: it cannot be made.
        """
        ...

    def touch(self, principal: Principal, handle: str) -> None:
        """The session was used just now."""
        ...

    def hold(self, principal: Principal, handle: str) -> Held | None:
        """Take the session for this server; None while another holds it. At once.

        Raises:
            InternalError: it cannot be held.
        """
        ...

    def find(self, principal: Principal, handle: str) -> Path | None:
        """The directory of that principal's session; None where there is none, or it has expired."""
        ...

    def expire(self, principal: Principal | None, busy: Collection[str]) -> Collection[str]:
        """Remove what is too old or too much of one principal's, or of everyone's; tell which handles were removed.

        Those in `busy` are left.

        Takes as long as there is to look at and to remove: not for the event loop.
        """
        ...


class JournalStore(Protocol):
    """Where journals are kept: entries are only added, and whole executions leave when they are too old or too many.

    Any method raises OSError, or what the store's library raises, where the store fails.
    """

    async def append(self, execution: str, first: int, entries: Sequence[Entry]) -> None:
        """Add entries, of which the first has the number `first`. When it returns, they outlive this process."""
        ...

    async def entries(self, execution: str) -> tuple[Entry, ...]:
        """All entries of an execution, in order; none if there is no such."""
        ...

    async def summaries(
        self, principal: str | None = None, session: str | None = None, limit: int = 100
    ) -> tuple[Summary, ...]:
        """The latest executions, the last one first."""
        ...

    async def found(self, beginning: str) -> tuple[str, ...]:
        """The ids that begin so, at most a few."""
        ...

    async def family(self, execution: str) -> tuple[str, ...]:
        """The execution, all that it continues, and all that continue any of those, in the order of their beginning."""
        ...

    async def claim(self, execution: str, owner: str, alive: Callable[[str], bool]) -> bool:
        """Take over an execution; False where another server, which is `alive`, has claimed it."""
        ...

    async def close(self) -> None:
        """Nothing more will be asked."""
        ...


class Audit(Protocol):
    """Where the audit log goes."""

    @property
    def wants_text(self) -> bool:
        """Whether records are to hold the arguments of calls, and not only their names and a digest."""
        ...

    def note(self, record: Record) -> None:
        """Keep a record, secrets taken out. When it returns, the record outlives this process. Quick.

        Raises:
            InternalError: it cannot be kept. The operator has been told.
        """
        ...

    def close(self) -> None:
        """Nothing more will be noted."""
        ...


Json = Any
"""Plain data: None, bool, int, float, str, list, dict with str keys; bytes where a port says so."""
