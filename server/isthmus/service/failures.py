"""Why a program did not run, or not to its end: what the model is told, with the limit by name and the remedy."""

from __future__ import annotations

from collections.abc import Iterable

from isthmus.config.model import Limits
from isthmus.errors import IsthmusError
from isthmus.model import UpstreamSnapshot, UpstreamState
from isthmus.replay import Diverged
from isthmus_sandbox.protocol import Failure, GuestLost


class CannotSucceed(Exception):
    """A program was refused before it ran."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def unfit(code: str, limits: Limits) -> Failure | None:
    """Why code cannot be run at all, if it cannot."""
    try:
        size = len(code.encode())
    except UnicodeEncodeError as error:
        line = code.count("\n", 0, error.start) + 1
        return Failure("SyntaxError", "the code holds a lone surrogate, which is no character", line, code="syntax")
    if size > limits.code_bytes:
        return Failure(
            "LimitExceeded",
            f"the code has {size:,} bytes, more than {limits.code_bytes:,} (limit `code_bytes`)",
            hint="load data through an upstream or the workspace instead of writing it into the program",
            code="limit",
        )
    return None


def missing(upstreams: Iterable[UpstreamSnapshot], code: str) -> list[str]:
    """Upstreams that are not there, where a program mentions them: a line for each."""
    return [
        f"the upstream {each.name} is {each.state}: {each.problem or 'not connected yet'}"
        for each in upstreams
        if each.state is not UpstreamState.READY and each.name in code
    ]


def refused(error: IsthmusError) -> Failure:
    """Nothing was run."""
    return Failure(type(error).__name__, error.message, hint=error.hint, code=error.code)


def timed_out(seconds: float, wall: float) -> Failure:
    """The program took longer than its `seconds`; `wall` is the most that it may ask for."""
    more = f"pass timeout= (at most {wall:g})" if seconds < wall else "the operator can raise limits.wall"
    return Failure(
        "TimeLimitExceeded",
        f"the program was stopped after {seconds:g} s (limit `wall`)",
        hint=f"do less in one program, or run calls at once with asyncio.gather; {more}",
        code="limit",
    )


def guest_lost(lost: GuestLost) -> Failure:
    """Its worker has ended."""
    if lost.limit is None:
        return Failure("InterpreterLost", lost.reason, code="crash")
    return Failure("LimitExceeded", f"{lost.reason} (limit `{lost.limit}`)", code="limit")


def not_resumed(diverged: Diverged) -> Failure:
    """It was to go on where it stood, and went another way."""
    return Failure(
        "NotResumed",
        f"it did not go as its journal says ({diverged}), so nothing was called",
        hint="submit the rest as a program of its own, with this execution's id as `session`",
        code="internal",
    )
