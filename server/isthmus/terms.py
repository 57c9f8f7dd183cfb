"""What the calls of one execution are decided by, beside the policy: what it has done, who is asked, what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from isthmus.errors import InvalidArguments, Refused
from isthmus.model import RENOUNCING, SIMULATE, Call, CallStatus, Change, Effect, Operation, Question, digest
from isthmus.policy import Ask
from isthmus.ports import Approver
from isthmus.privacy.veil import Veil
from isthmus.render.questions import arguments_text
from isthmus.rules import Tally

MOST_USED, MOST_NAMED = 200, 300
"""Names that `uses` takes at once, and characters of one."""

MOST_CHANGES = 200
"""Changes that are told one by one; what an execution did beyond these is in its count of calls."""


@dataclass(slots=True, eq=False)
class Terms:
    """Of one execution. `simulates`: what changes the world is not sent, but answered by an example.

    `uses`: what it has said that it uses, each time; an operation has to be in all of these. `veil` is the session's,
    where there are private values. Calls that are told, or asked about, come with tokens.
    """

    execution: str = ""
    session: str = ""
    approver: Approver | None = None
    simulates: bool = False
    uses: list[tuple[str, ...]] = field(default_factory=list)
    veil: Veil | None = None
    tally: Tally = field(default_factory=Tally)
    changes: list[Change] = field(default_factory=list)

    def renounce(self, operation: str, arguments: Mapping[str, Any]) -> None:
        """Do what an operation of `RENOUNCING` says. It is not undone: there is none that gives anything back.

        Raises:
            InvalidArguments: it names operations in a way that is not understood.
        """
        if operation == SIMULATE:
            self.simulates = True
            return
        names = arguments.get("operations")
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise InvalidArguments("uses() takes operations, groups of them, ids or globs: uses(github.issues.list)")
        if len(names) > MOST_USED or any(len(name) > MOST_NAMED for name in names):
            raise InvalidArguments(f"uses() takes at most {MOST_USED} names of at most {MOST_NAMED} characters")
        self.uses.append(tuple(names))

    def recall(self, operation: str, arguments: Mapping[str, Any]) -> None:
        """Note again what a program gave up before its server ended."""
        if operation in RENOUNCING:
            with suppress(InvalidArguments):  # then it was an error there, too
                self.renounce(operation, arguments)

    def renounced(self, operation: Operation, name: str) -> Refused | None:
        """The refusal of an operation, called by this name, that the program has said not to use."""
        called = {operation.id, name}
        for names in self.uses:
            globs = any(fnmatchcase(each, glob) for glob in names for each in called)
            if not globs and _groups(called).isdisjoint(names):
                said = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
                return Refused(
                    f"{operation.id} is not among what this program has said that it uses: {said or 'nothing'}",
                    remedy="begin the next program with uses() of all that it calls, or without",
                )
        return None

    def changed(self, call: Call, status: CallStatus) -> None:
        """Note what a call did to the world, or may have done, or would have done."""
        operation = call.operation
        if operation.effect is not Effect.READ and len(self.changes) < MOST_CHANGES:
            self.changes.append(Change(operation.id, operation.effect, arguments_text(call.arguments), status))

    async def consent(self, call: Call, asked: Ask, number: int) -> None:
        """Return once a person has agreed to a call, the program's `number`.

        Raises:
            Refused: he did not, or there is nobody to ask.
        """
        operation = call.operation
        if self.approver is None:
            raise Refused(
                asked.question,
                remedy=f"the user can allow it in isthmus.yaml: take {operation.effect.value!r} out of "
                f"policy.approve, and add it to upstreams.{operation.upstream}.allow",
            )
        reply = await self.approver.ask(self._question(call, asked, number))
        if not reply.approved:
            because = f": {reply.reason}" if reply.reason else ""
            raise Refused(
                f"{operation.id} was not approved{because}",
                remedy="do without it, or ask the user what he would agree to; the same call would be asked again",
            )

    def _question(self, call: Call, asked: Ask, number: int) -> Question:
        operation = call.operation
        address = [self.execution, number, operation.id, digest(call.arguments), asked.question]
        return Question(
            f"q-{digest(address)[:12]}",
            self.execution,
            self.session,
            call.principal.name,
            operation.id,
            operation.upstream,
            operation.effect,
            call.arguments,
            asked.question,
            asked.keeps,
        )


def _groups(names: set[str]) -> set[str]:
    """The names of all groups that these names are in, their upstreams included."""
    parts = [name.split(".") for name in names]
    return {".".join(each[:length]) for each in parts for length in range(1, len(each))}
