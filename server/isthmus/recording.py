"""The journal of an execution that runs: what happens is noted, and kept before anything depends on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel

from isthmus.journal import (
    Address,
    Answered,
    Began,
    Ended,
    Entry,
    Finished,
    Omitted,
    Past,
    Resumed,
    Sent,
    Shown,
    Stepped,
    Transcript,
    began_of,
    calls_of,
    replied,
)
from isthmus.model import CallRecord, CallStatus, Operation, digest
from isthmus.trail import Trail
from isthmus.turns import taken_at_once
from isthmus_sandbox.frames import event_text
from isthmus_sandbox.protocol import Event, Outcome, Step

Append = Callable[[str, int, Sequence[Entry]], Awaitable[None]]
"""Keeps entries of an execution, of which the first has the given number; when it returns, they outlive the process."""


@dataclass(slots=True, eq=False)
class Recording:
    """The journal of one execution, while it runs. `clock` gives seconds, and only ever grows.

    `earlier` is what is known of the calls of the execution that this one continues. `room` is how many bytes of
    steps and answers are kept. `trail` is the audit of its calls, where there is one.
    """

    began: Began
    append: Append
    clock: Callable[[], float]
    earlier: Mapping[Address, Past] = field(default_factory=dict)
    room: int = 64 * 2**20
    trail: Trail | None = None
    _calls: dict[int, Sent] = field(default_factory=dict)
    _facts: list[Sent | Ended] = field(default_factory=list)
    _pending: list[Entry] = field(default_factory=list)
    _kept: int = 0  # entries that the store has
    _open: int = 0  # calls without an end
    _told: int | None = None  # events in the reply to the last step, if it has one
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    _flushing: anyio.Lock = field(default_factory=partial(anyio.Lock, fast_acquire=True))

    def __post_init__(self) -> None:
        self._pending.append(self.began)

    @classmethod
    def resumed(
        cls,
        entries: Sequence[Entry],
        by: Resumed,
        append: Append,
        clock: Callable[[], float],
        trail: Trail | None = None,
    ) -> Recording:
        """The journal of an execution that goes on after `entries`."""
        recording = cls(began_of(entries), append, clock, trail=trail)
        recording._pending = [by]
        recording._kept = len(entries)
        recording.room -= sum(len(each.text) for each in entries if isinstance(each, Stepped | Answered))
        for entry in entries:
            if isinstance(entry, Sent | Ended):
                recording._facts.append(entry)
            if isinstance(entry, Sent):
                recording._calls[entry.call] = entry
                recording._seen[entry.operation, entry.arguments] += 1
        return recording

    # what happens

    def stepped(self, step: Step) -> None:
        """The guest waits."""
        self._keep(Stepped(step.text, self._told or 0), len(step.text))
        self._told = None

    def sent(self, call: int, operation: Operation, arguments: Mapping[str, Any]) -> Past | None:
        """Note a call before it is made. Gives what is known of it, where it was made already."""
        if noted := self._calls.get(call):  # by the server that is gone
            self._ask(noted, arguments)
            return Past(self.began.execution, noted, "unknown")
        key = (operation.id, digest(arguments))
        sent = Sent(call, key[0], operation.effect, key[1], self._seen[key], self.clock())
        self._seen[key] += 1
        self._calls[call] = sent
        self._open += 1
        self._note(sent)
        self._ask(sent, arguments)
        return self.earlier.get(sent.address)

    def _ask(self, sent: Sent, arguments: Mapping[str, Any]) -> None:
        if self.trail is not None:
            self.trail.asked(sent, arguments)

    def leaves(self, call: int, *, approved: bool) -> None:
        """A call is made now, as policy allows it, or as a person has `approved`.

        Raises:
            InternalError: the audit log cannot be written, so it must not be made.
        """
        if self.trail is not None:
            self.trail.leaves(call, "approved" if approved else "allowed")

    def known(self, call: int, operation: Operation, arguments: Mapping[str, Any]) -> bool:
        """Whether a call was made before, by this execution or one that it continues, as far as it is noted."""
        if call in self._calls:
            return True
        key = (operation.id, digest(arguments))
        past = self.earlier.get((*key, self._seen[key])) if self.earlier else None
        return past is not None and past.status in ("done", "unknown")

    def set_aside(self, at: float) -> None:
        """Nobody runs it from now on; whoever comes may go on with it. `at` is seconds since the epoch."""
        self._pending.append(Resumed("", at))

    def ended(
        self,
        call: int,
        status: CallStatus,
        warnings: tuple[str, ...] = (),
        taken: str = "",
        error: BaseException | None = None,
    ) -> None:
        """Note what came of it."""
        self._open -= 1
        ended = Ended(call, status, self.clock(), warnings, taken)
        self._note(ended)
        if self.trail is not None:
            ms = max(0.0, ended.at - self._calls[call].at) * 1000
            self.trail.ended(call, status, ms, error, taken)

    def answered(self, event: Event) -> Event:
        """Note what the program will be told; gives it as it travels."""
        if not event.text:
            event = Event(event.call, event.kind, event.payload, event_text(event))
        self._keep(Answered(event.call, event.text), len(event.text))
        return event

    def replied(self, events: int) -> None:
        """The reply to the last step holds the next so many events."""
        self._told = events

    def so_far(self, transcript: Transcript) -> Transcript:
        """What the store has of this execution, and the reply that it does not have yet."""
        return transcript if self._told is None else replied(transcript, self._told)

    def finished(self, outcome: Outcome | None, *, ok: bool, code: str, message: str, ms: float, busy: float) -> None:
        """It is over. `busy` is in ms, too."""
        text = outcome.text if outcome and self._fits(len(outcome.text)) else b""
        self._pending.append(Finished(ok, code, message, ms, busy, text, self._told))

    def shown(self, tokens: int, files: Iterable[str]) -> None:
        """The model was given this."""
        self._pending.append(Shown(tokens, tuple(files)))

    async def flush(self) -> None:
        """Return when everything noted so far is in the store."""
        upto = self._kept + len(self._pending)
        if self._open > 1:  # others, made at the same time, are about to ask for the same
            await anyio.lowlevel.checkpoint()
        if self._kept >= upto:
            return
        if not taken_at_once(self._flushing):
            await self._flushing.acquire()
        try:
            entries, first = tuple(self._pending), self._kept
            if entries:
                await self.append(self.began.execution, first, entries)
                self._kept += len(entries)
                del self._pending[: len(entries)]
        finally:
            self._flushing.release()

    def _note(self, entry: Sent | Ended) -> None:
        self._facts.append(entry)
        self._pending.append(entry)

    def _keep(self, entry: Stepped | Answered, size: int) -> None:
        if self._fits(size):
            self._pending.append(entry)

    def _fits(self, size: int) -> bool:
        if self.room <= 0:
            return False
        self.room -= size
        if self.room <= 0:
            self._pending.append(Omitted("more crossed the door than is kept of one execution (journal.each_mb)"))
        return self.room > 0

    # what is known

    def calls(self) -> tuple[CallRecord, ...]:
        """The calls in the order in which they were sent. One without an end has an unknown outcome."""
        return calls_of(self._facts)
