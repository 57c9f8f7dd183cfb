"""The audit of one execution: a record before each of its calls, and one after it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isthmus.audit import LONGEST, After, Before, Stopped, Verdict
from isthmus.errors import InternalError, InvalidArguments, IsthmusError, Refused
from isthmus.journal import Began, Sent
from isthmus.model import CallStatus
from isthmus.ports import Audit
from isthmus_sandbox.values import is_large

_DIGEST = 16  # hexadecimal characters: enough to tell equal from other
_LARGE = 100  # values, or thousands of characters: of more, no text is made


@dataclass(slots=True, eq=False)
class _Asked:
    sent: Sent
    names: tuple[str, ...]
    text: str
    left: bool = False  # the record before it is written


@dataclass(slots=True, eq=False)
class Trail:
    """Writes to `audit` what becomes of the calls of `began`. `now` gives seconds since the epoch.

    `shown` gives data as it may be on record.
    """

    began: Began
    audit: Audit
    now: Callable[[], float]
    shown: Callable[[Any], Any] = lambda value: value
    _program: str = ""
    _open: dict[int, _Asked] = field(default_factory=dict)

    def asked(self, sent: Sent, arguments: Mapping[str, Any]) -> None:
        """A program wants this call. Its record comes with what is decided: by `leaves`, or by `ended`."""
        text = _written(self.shown(arguments)) if self.audit.wants_text else ""
        self._open[sent.call] = _Asked(sent, tuple(arguments), text)

    def leaves(self, call: int, verdict: Verdict) -> None:
        """The call is made now.

        Raises:
            InternalError: that cannot be put on record, so it must not be made.
        """
        self._leaves(self._open[call], verdict)

    def _leaves(self, asked: _Asked, verdict: Verdict) -> None:
        asked.left = True
        sent = asked.sent
        self.audit.note(
            Before(
                at=self.now(),
                execution=self.began.execution,
                session=self.began.session,
                principal=self.began.principal,
                program=self._digest(),
                call=sent.call,
                operation=sent.operation,
                effect=sent.effect,
                arguments=asked.names,
                digest=sent.arguments[:_DIGEST],
                verdict=verdict,
                text=asked.text,
            )
        )

    def ended(self, call: int, status: CallStatus, ms: float, error: BaseException | None, taken: str) -> None:
        """It is over. Never raises: a record that cannot be kept is the operator's to hear of, and he has."""
        asked = self._open.pop(call)
        try:
            if not asked.left:
                self._leaves(asked, _verdict(status, error, taken))
            self.audit.note(self._after(asked.sent, status, ms, error, taken))
        except InternalError:
            pass

    def _after(self, sent: Sent, status: CallStatus, ms: float, error: BaseException | None, taken: str) -> After:
        # What upstreams say may be anything; why policy refused is the operator's to know.
        tells = isinstance(error, Refused) or self.audit.wants_text
        return After(
            at=self.now(),
            execution=self.began.execution,
            session=self.began.session,
            principal=self.began.principal,
            call=sent.call,
            operation=sent.operation,
            status=status,
            ms=round(ms, 3),
            error=error.code if isinstance(error, IsthmusError) else "",
            why=self.shown(str(error)) if error is not None and tells else "",
            taken=taken,
        )

    def _digest(self) -> str:
        if not self._program:
            self._program = _digest_of(self.began.program.source)
        return self._program


def note_stopped(
    audit: Audit, now: float, names: tuple[str, str, str], source: str, found: Sequence[tuple[int, str, str]]
) -> None:
    """A program is refused before it runs. `names` are its principal, session and execution.

    `found` has the line, the error's code and its message for each call that cannot succeed. Never raises.
    """
    principal, session, execution = names
    told = tuple(
        f"line {line}: {message if code == 'refused' or audit.wants_text else code}" for line, code, message in found
    )
    characters = sum(len(message) for _, _, message in found)
    with contextlib.suppress(InternalError):  # nothing is sent, and the operator has been told
        audit.note(
            Stopped(now, execution, session, principal, _digest_of(source), told, written=len(source), told=characters)
        )


def _digest_of(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]


def _verdict(status: CallStatus, error: BaseException | None, taken: str) -> Verdict:
    """Why a call was not made."""
    if taken:
        return "taken"
    if isinstance(error, InvalidArguments):
        return "invalid"
    return status if status in ("refused", "simulated") else "unsent"


def _written(arguments: Mapping[str, Any]) -> str:
    """The arguments as JSON, as much as a record takes of it."""
    if is_large(arguments, _LARGE):
        return "(too large to be shown)"
    text = json.dumps(arguments, ensure_ascii=False, default=repr)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
