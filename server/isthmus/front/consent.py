"""How a person is asked through a client: by elicitation, by an answer that asks for input, or by the model.

    2025 and before, with a way back to the client     `elicitation/create`, while the call of the tool goes on
    2026-07-28, stateless                              an `InputRequiredResult`; the client calls again with replies
    a client that can do neither                        the result says what waits, and names `isthmus approve`

The question is the gateway's own record. What a client gets to carry from one call to the next is sealed: only this
server, or one with the same folder for data, can read or make it, for the same principal and the same arguments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError

from isthmus.errors import ProgramError
from isthmus.front.opening import MODERN_VERSION
from isthmus.model import Principal, Question, Reply, digest
from isthmus.ports import Approver
from isthmus.render.questions import question_text
from isthmus.service.detached import Consent

NO, ONCE, ALWAYS = "no", "yes, this once", "yes, and always with exactly these arguments"
"""What a person can choose from."""

SECONDS = 86_400.0
"""For how long a sealed state is taken."""


def consent_of(context: ServerRequestContext[Any]) -> Consent:
    """How a person is asked in the course of a request."""
    asks = context.session.check_client_capability(types.ClientCapabilities(elicitation=types.ElicitationCapability()))
    if context.protocol_version != MODERN_VERSION and asks and context.session.can_send_request:
        return Elicitation(context.session, context.request_id)
    return "later"


def carries_questions(context: ServerRequestContext[Any]) -> bool:
    """Whether a client takes a result that asks for input."""
    asks = context.session.check_client_capability(types.ClientCapabilities(elicitation=types.ElicitationCapability()))
    return context.protocol_version == MODERN_VERSION and asks


@dataclass(frozen=True, slots=True)
class Elicitation(Approver):
    """Asks through the session of one request."""

    session: ServerSession
    request: types.RequestId | None

    async def ask(self, question: Question) -> Reply:
        """The person's reply; a refusal where the client cannot put the question."""
        try:
            result = await self.session.elicit_form(question_text(question), form(question), self.request)
        except MCPError as error:
            return Reply(approved=False, reason=f"the client could not ask the user ({error.error.code})")
        return reply_of(question, result)


def form(question: Question) -> dict[str, Any]:
    """The one field that a person fills in."""
    choices = [NO, ONCE, ALWAYS] if question.keeps else [NO, ONCE]
    answer = {"type": "string", "title": "Allow this call?", "enum": choices}
    return {"type": "object", "properties": {"answer": answer}, "required": ["answer"]}


def reply_of(question: Question, result: types.ElicitResult) -> Reply:
    """What a person chose. Whatever is not plainly a yes is a no."""
    answer = (result.content or {}).get("answer") if result.action == "accept" else NO
    if answer == ONCE:
        return Reply(approved=True)
    if answer == ALWAYS and question.keeps:
        return Reply(approved=True, keep=tuple(question.arguments))
    return Reply(approved=False, reason="the user declined")


def input_required(questions: tuple[Question, ...], state: str) -> types.InputRequiredResult:
    """The result by which a client of 2026-07-28 asks its user, and calls again."""
    requests: dict[str, Any] = {
        each.id: types.ElicitRequest(
            params=types.ElicitRequestFormParams(message=question_text(each), requested_schema=form(each))
        )
        for each in questions
    }
    return types.InputRequiredResult(input_requests=requests, request_state=state)


def replies_of(responses: Mapping[str, Any] | None, questions: Iterable[Question]) -> dict[str, Reply]:
    """The replies by question, as far as the client has sent any."""
    given = {name: each for name, each in (responses or {}).items() if isinstance(each, types.ElicitResult)}
    return {each.id: reply_of(each, given[each.id]) for each in questions if each.id in given}


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals what a client carries. `key` is at least 32 bytes; `now` gives seconds since the epoch."""

    key: bytes
    now: Callable[[], float]

    def sealed(self, execution: str, principal: Principal, arguments: Mapping[str, Any]) -> str:
        """The state to go on with an execution, for this principal, by the same arguments of the tool."""
        claims = [execution, principal.name, digest(dict(arguments)), self.now() + SECONDS]
        return str(self._codec().seal(json.dumps(claims).encode()))

    def opened(self, state: str, principal: Principal, arguments: Mapping[str, Any]) -> str:
        """The execution that a state is about.

        Raises:
            ProgramError: it is not one that was given to this principal for these arguments, or is too old.
        """
        from mcp.server.request_state import InvalidRequestState

        try:
            execution, name, given, until = json.loads(self._codec().unseal(state))
        except (InvalidRequestState, ValueError):
            raise ProgramError("requestState: it was not made here, or was changed; call without it") from None
        if name != principal.name or given != digest(dict(arguments)) or self.now() > until:
            raise ProgramError("requestState: it is not for this call, or too old; call without it")
        return str(execution)

    def _codec(self) -> Any:
        from mcp.server.request_state import AESGCMRequestStateCodec

        return AESGCMRequestStateCodec([self.key])
