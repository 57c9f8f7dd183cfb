"""What waits for a person: questions are put, answered from wherever an answer comes, and remembered where he says so.

A question can be answered by who is asked directly (an elicitation, a terminal), by a client that was handed it
(`answer`), or by another process through the store (`isthmus approve`). Whichever comes first counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread

from isthmus.model import Principal, Question, Reply, digest
from isthmus.ports import ApprovalStore, Approver

LOOK_EVERY = 0.5
"""Seconds between two looks at the store for what another process has answered."""

MOST_KEPT_BYTES = 4_000
"""Of the arguments that are remembered with an approval: more is no pattern that a person has read."""


@dataclass(slots=True, eq=False)
class _Open:
    question: Question
    answered: anyio.Event = field(default_factory=anyio.Event)
    reply: Reply | None = None

    def answer(self, reply: Reply) -> None:
        if self.reply is None:
            self.reply = reply
            self.answered.set()


@dataclass(slots=True, eq=False)
class Approvals:
    """All questions of one server. `patience` is how long one stays open, in seconds."""

    store: ApprovalStore
    patience: float
    _open: dict[str, _Open] = field(default_factory=dict)

    async def ask(self, question: Question, approver: Approver | None = None, *, waits: bool = False) -> Reply:
        """The person's reply. Cancelled, it leaves the question open in the store: it may be asked again.

        `approver` is who can be asked directly; what he does not answer, somebody else may. `waits`: however long it
        takes, since whoever asks is put aside by others.
        """
        if question.keeps and self._remembered(question):
            return Reply(approved=True)
        found = self.store.opened(question)
        opened = self._open.setdefault(question.id, _Open(question))
        try:
            if found is None:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._looked, opened)
                    if approver is not None:
                        tasks.start_soon(self._asked, opened, approver)
                    with anyio.move_on_after(None if waits else self.patience):
                        await opened.answered.wait()
                    tasks.cancel_scope.cancel()
            reply = found or opened.reply or Reply(approved=False, reason=f"nobody answered in {self.patience:g} s")
        finally:
            self._open.pop(question.id, None)
        self.store.closed(question.id)
        self._keep(question, reply)
        return reply

    def answer(self, principal: Principal, question: str, reply: Reply) -> bool:
        """Answer a question of a principal: somebody waits for it now, or will ask it again, here or elsewhere.

        False where the principal has no such question.
        """
        known = any(each.id == question for each in self.waiting(principal))
        if not known or not self.store.answer(question, reply):
            return False
        if (opened := self._open.get(question)) is not None:
            opened.answer(reply)
        return True

    def withdraw(self, questions: Iterable[str]) -> None:
        """Nobody will ask these again."""
        for each in questions:
            self.store.closed(each)

    def waiting(self, principal: Principal) -> tuple[Question, ...]:
        """What a principal's executions wait for, also those that were put aside."""
        return tuple(each.question for each in self.store.waiting() if each.question.principal == principal.name)

    def look(self, execution: str) -> None:
        """Take the replies that another process has given to an execution's questions, without waiting."""
        for opened in self._open.values():
            if opened.question.execution == execution and (reply := self.store.reply(opened.question.id)) is not None:
                opened.answer(reply)

    def in_session(self, session: str) -> tuple[Question, ...]:
        """What the executions of a session wait for."""
        return tuple(each.question for each in self._open.values() if each.question.session == session)

    def of(self, execution: str) -> tuple[Question, ...]:
        """What an execution waits for."""
        return tuple(each.question for each in self._open.values() if each.question.execution == execution)

    async def _asked(self, opened: _Open, approver: Approver) -> None:
        opened.answer(await approver.ask(opened.question))

    async def _looked(self, opened: _Open) -> None:
        while True:
            await anyio.sleep(LOOK_EVERY)
            if (reply := await anyio.to_thread.run_sync(self.store.reply, opened.question.id)) is not None:
                opened.answer(reply)

    def _remembered(self, question: Question) -> bool:
        kept = self.store.kept(question.principal, question.operation)
        return any(_fits(each.arguments, question.arguments) for each in kept)

    def _keep(self, question: Question, reply: Reply) -> None:
        """Remember what is to count again. What holds no plain data, or too much of it, is no pattern."""
        if not reply.approved or reply.keep is None or not question.keeps:
            return
        pattern = {name: _comparable(question.arguments[name]) for name in reply.keep if name in question.arguments}
        if len(repr(pattern)) <= MOST_KEPT_BYTES:
            self.store.keep(question.principal, question.operation, pattern)


def _fits(pattern: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    """Whether each argument of a pattern is given, and the same: `1` is not `true`, and not `1.0`."""
    return all(name in arguments and _same(value, arguments[name]) for name, value in pattern.items())


def _same(one: Any, other: Any) -> bool:
    return digest(_comparable(one)) == digest(_comparable(other))


def _comparable(value: Any) -> Any:
    """The value as it is kept: bytes by their digest."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"\0bytes": digest(bytes(value).hex())}
    if isinstance(value, Mapping):
        return {str(key): _comparable(each) for key, each in value.items()}
    return [_comparable(each) for each in value] if isinstance(value, list | tuple) else value
