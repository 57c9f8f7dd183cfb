"""What the calls of one execution are decided by, beside the policy: what it has done, who is asked, what is sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from isthmus.errors import Refused
from isthmus.model import Call, CallStatus, Change, Effect, Question, digest
from isthmus.policy import Ask
from isthmus.ports import Approver
from isthmus.privacy.veil import Veil
from isthmus.render.questions import arguments_text
from isthmus.rules import Tally

MOST_CHANGES = 200
"""Changes that are told one by one; what an execution did beyond these is in its count of calls."""


@dataclass(slots=True, eq=False)
class Terms:
    """Of one execution. `simulates`: what changes the world is not sent, but answered by an example.

    `veil` is the session's, where there are private values. Calls that are told, or asked about, come with tokens.
    """

    execution: str = ""
    session: str = ""
    approver: Approver | None = None
    simulates: bool = False
    veil: Veil | None = None
    tally: Tally = field(default_factory=Tally)
    changes: list[Change] = field(default_factory=list)

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
