"""The only place where a call becomes I/O.

Resolve, bind, record, release, validate, decide, ask, credential, call, redact, veil, record: in this order, for every
call, whoever makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import anyio

from isthmus.catalog.catalog import Catalog, bind
from isthmus.compact import written
from isthmus.contracts.examples import example
from isthmus.errors import (
    InternalError,
    InvalidArguments,
    IsthmusError,
    NotFound,
    OutcomeUnknown,
    Refused,
    UpstreamError,
    UpstreamUnavailable,
)
from isthmus.journal import Past
from isthmus.model import (
    Answer,
    Call,
    CallStatus,
    Credential,
    Effect,
    Operation,
    Principal,
    UpstreamSnapshot,
    UpstreamState,
    digest,
)
from isthmus.policy import Ask, Decision, Deny, Policy
from isthmus.ports import CredentialSource, Upstream
from isthmus.recording import Recording
from isthmus.redaction import Redactor
from isthmus.terms import Terms
from isthmus.turns import aside
from isthmus_sandbox.frames import decode_event
from isthmus_sandbox.values import is_large

_SMALL = 20_000  # bytes of JSON: what takes no more is not large (`is_large`), whatever it is


class Catalogs(Protocol):
    """Where the gateway learns what there is now."""

    @property
    def catalog(self) -> Catalog:
        """The current snapshot of all operations."""
        ...

    def snapshot(self, upstream: str) -> UpstreamSnapshot | None:
        """How one upstream stands; None where there is none of that name."""
        ...

    async def connected(self, upstream: str, seconds: float) -> None:
        """Return once `upstream` is no longer connecting, or when the time is up."""
        ...


Validate = Callable[[Operation, Mapping[str, Any]], tuple[Mapping[str, Any], Sequence[str]]]
"""Arguments with harmless differences mended, and the problems that remain, each a sentence for the model."""

Observe = Callable[[Call, Any], None]
"""Takes note of what a call was answered, cleaned of secrets. Quick, and never raises."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """What stands between programs and the world.

    `observe` sees the answers of upstreams. `patience` is how long a call waits for its upstream to connect,
    in seconds.
    """

    catalogs: Catalogs
    upstreams: Mapping[str, Upstream]
    policy: Policy
    credentials: CredentialSource
    redactor: Redactor
    validate: Validate
    patience: float = 10.0
    observe: Observe = lambda _call, _value: None

    def lookup(self, name: str) -> Operation | None:
        """The operation that a program calls `name`, where there is one."""
        return self.catalogs.catalog.resolve(name)

    async def call(
        self,
        name: str,
        positional: Sequence[Any],
        arguments: Mapping[str, Any],
        principal: Principal,
        recording: Recording,
        number: int,
        terms: Terms | None = None,
    ) -> Answer:
        """Perform one call of a program, its `number`. What is known of it from before is not done again.

        `terms` are those of its execution; without them, nobody can be asked.

        Raises:
            Refused: policy does not allow it.
            UpstreamError: it names nothing, its arguments do not fit, or the upstream failed. No secret is in it.
        """
        terms = terms or Terms()
        operation = await self._resolve(name)
        dry = self._is_dry(operation, terms)
        call = Call(operation, bind(operation, positional, arguments), principal)
        refusal = terms.renounced(operation, name)
        if refusal is None and not dry and self.policy.may_ask(call):
            refusal = await self._refusal(call, recording, number, terms)
        past = recording.sent(number, operation, call.arguments)
        told, under_way = call, False
        try:
            if refusal is not None:
                raise refusal
            self._refuse(self.policy.standing(operation, principal), dry=dry)
            call, told = self._validated(call, terms, tells=operation.effect is not Effect.READ)
            decision = self._decided(call, terms, dry=dry)
            if past is not None and (answer := _known(past)) is not None:
                recording.ended(number, "done", taken=past.execution)
                self.policy.learned(call, terms.tally)
                return answer
            if dry:
                return _simulated(told, decision, recording, number, terms)
            credential = await self._credential(call)
            await recording.flush()
            recording.leaves(number, approved=isinstance(decision, Ask))
            under_way = True
            try:
                answer, large = await self._perform(call, credential)
            finally:
                self.policy.learned(call, terms.tally)  # errors say something, too
        except BaseException as error:
            status = "unknown" if isinstance(error, OutcomeUnknown) else _status(error, under_way)
            if terms.veil is not None and isinstance(error, IsthmusError):
                terms.veil.failed(operation, error, foreign=under_way)
            recording.ended(number, status, error=error)
            if status == "unknown":
                terms.changed(told, status)
            raise
        try:
            answer = await self._veiled(call, answer, terms, large=large)
        finally:  # it was done, whether its answer may be seen or not
            recording.ended(number, "done", answer.warnings)
            terms.changed(told, "done")
        return answer

    async def _resolve(self, name: str) -> Operation:
        upstream = name.partition(".")[0]
        if (snapshot := self.catalogs.snapshot(upstream)) is None:
            raise NotFound(f"there is no upstream {upstream!r}", hint=self._upstreams_hint())
        if self.catalogs.catalog.resolve(name) is None and snapshot.state is not UpstreamState.READY:
            await self.catalogs.connected(upstream, self.patience)
            snapshot = self.catalogs.snapshot(upstream) or snapshot
        if operation := self.catalogs.catalog.resolve(name):
            return operation
        if snapshot.state is not UpstreamState.READY:
            raise UpstreamUnavailable(f"{upstream} is {snapshot.state}: {snapshot.problem or 'not connected yet'}")
        nearest = [near for near in self.catalogs.catalog.suggest(name) if self._shown(near)]
        hint = f"did you mean {', '.join(nearest)}?" if nearest else f"search(...) finds the operations of {upstream}"
        raise NotFound(f"there is no operation {name!r}", hint=hint)

    def _upstreams_hint(self) -> str:
        return "the upstreams are " + (", ".join(sorted(self.upstreams)) or "none: isthmus.yaml configures none")

    def _shown(self, name: str) -> bool:
        operation = self.catalogs.catalog.get(name)
        return operation is not None and self.policy.visible(operation)

    def _validated(self, call: Call, terms: Terms, *, tells: bool) -> tuple[Call, Call]:
        """The call as it is sent, mended and with values in the place of tokens; and as it is told of, if it is."""
        name, veil = call.operation.id, terms.veil
        real = call if veil is None else veil.released(call)
        mended, problems = self.validate(call.operation, real.arguments)
        if problems:
            if real is not call:  # they may quote what a token stands for
                problems = [f"{each.partition(':')[0]}: it does not fit what its token stands for" for each in problems]
            raise InvalidArguments(f"{name}: " + "; ".join(problems), hint=f"help({name}) shows all parameters")
        sent = Call(real.operation, mended, real.principal)
        if veil is None or not tells:
            return sent, sent
        return sent, veil.seen(sent if real is call else call)

    async def _refusal(self, call: Call, recording: Recording, number: int, terms: Terms) -> Refused | None:
        """Have a person decide, where policy may want that: why the call is refused, if it is.

        That comes before the call is noted, for one that is noted may have been sent: an execution that is lost while
        it waits asks again. What is wrong with the call otherwise is found, and noted, afterwards.
        """
        if recording.known(number, call.operation, call.arguments):
            return None
        agreed: set[Ask] = set()
        try:
            call, told = self._validated(call, terms, tells=True)
            while isinstance(decision := self.policy.decide(call, terms.tally), Ask) and decision not in agreed:
                await recording.flush()
                # Tokens are one session's own: what was agreed to of them must not count in another.
                await terms.consent(told, decision if told is call else replace(decision, keeps=False), number)
                agreed.add(decision)
        except InvalidArguments:
            return None
        except Refused as refused:
            return refused
        return None

    def _is_dry(self, operation: Operation, terms: Terms) -> bool:
        """Whether a call of it is only simulated."""
        return operation.effect is not Effect.READ and (terms.simulates or self.policy.simulate)

    def _decided(self, call: Call, terms: Terms, *, dry: bool) -> Decision:
        """The verdict on a call, which counts from here on: nothing comes between this and its budget."""
        decision = self.policy.decide(call, terms.tally)
        self._refuse(decision, dry=dry)
        self.policy.counts(call, terms.tally)
        return decision

    def _refuse(self, decision: Decision, *, dry: bool) -> None:
        if isinstance(decision, Deny) and not (dry and decision.by_effect):
            raise Refused(decision.reason, remedy=decision.advice)

    async def _credential(self, call: Call) -> Credential | None:
        try:
            return await self.credentials.credential(call.operation.upstream, call.principal)
        except IsthmusError as error:
            raise self._redacted(error) from None

    async def _perform(self, call: Call, credential: Credential | None) -> tuple[Answer, bool]:
        """The answer, cleaned of secrets, and whether it is large."""
        try:
            answer = await self.upstreams[call.operation.upstream].call(call, credential)
        except IsthmusError as error:
            raise self._redacted(error) from None
        text = written(answer.value)
        large = (text is None or len(text) > _SMALL) and is_large(answer.value)
        if text is None or answer.warnings or self.redactor.may_stand_in(text):
            cleaned = await aside(large, self.redactor.data, answer.value)
            answer = Answer(cleaned, tuple(map(self.redactor.text, answer.warnings)))
        return answer, large

    async def _veiled(self, call: Call, answer: Answer, terms: Terms, *, large: bool) -> Answer:
        """The answer as the program may have it, which is also what is learned from."""
        if (veil := terms.veil) is not None:
            value = await aside(large, veil.taken, call.operation, answer.value)
            answer = Answer(value, tuple(map(veil.shown, answer.warnings)) if answer.warnings else ())
        self.observe(call, answer.value)
        return answer

    def _redacted(self, error: IsthmusError) -> IsthmusError:
        error.message, error.hint = self.redactor.text(error.message), self.redactor.text(error.hint)
        error.args = (error.message,)
        if isinstance(error, UpstreamError):
            error.body = self.redactor.data(error.body)
        return error


def _known(past: Past) -> Answer | None:
    """The answer to a call that was made before; None where it can be made, or made again.

    Raises:
        OutcomeUnknown: it may have changed the world, and its answer is not there.
    """
    if past.status == "done" and past.text:
        return Answer(decode_event(past.text).payload)
    if past.status not in ("done", "unknown") or past.sent.effect is Effect.READ:
        return None
    done = past.status == "done"
    raise OutcomeUnknown(
        f"{past.sent.operation} was sent by {past.execution} and "
        + ("done, but its answer was not kept" if done else "its answer was lost: whether it took effect is unknown"),
        hint="it was not sent again: read to see whether it is there, and leave it out or send it in a new execution",
    )


def _simulated(call: Call, decision: Decision, recording: Recording, number: int, terms: Terms) -> Answer:
    """The answer to a call that is not sent: an example of what its operation says that it answers."""
    operation = call.operation
    match decision:
        case Ask():
            otherwise: tuple[str, ...] = ("a person would be asked first",)
        case Deny():
            otherwise = (f"it would be refused: {decision.reason}; {decision.remedy}",)
        case _:
            otherwise = ()
    recording.ended(number, "simulated", otherwise)
    terms.changed(call, "simulated")
    seed = f"{operation.id}:{digest(dict(call.arguments))}"
    return Answer(example(operation.output, operation.document.resolve, seed), otherwise)


def _status(error: BaseException, under_way: bool) -> CallStatus:
    """What is known of a call that ended so. Once it was under way, only the upstream's own word makes it certain."""
    if isinstance(error, Refused):
        return "refused"
    if isinstance(error, UpstreamUnavailable) and not error.sent:
        return "failed"
    if isinstance(error, IsthmusError) and not isinstance(error, UpstreamUnavailable | InternalError):
        return "failed"
    if under_way:
        return "unknown"
    return "cancelled" if isinstance(error, anyio.get_cancelled_exc_class()) else "failed"
