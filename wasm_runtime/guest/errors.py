"""The exceptions that programs catch, as `NotFound` or `from upstreams.errors import NotFound`.

    IsthmusError               `code` (stable), `hint` (what to do)
    ├── Refused                policy said no; `remedy` says what to do instead
    ├── LimitExceeded          a bound was reached; `limit` names it
    └── UpstreamError          the remote side; `status` and `body` where there are any
        ├── InvalidArguments       400, 422, or refused before it was sent
        ├── PermissionDenied       401, 403
        ├── NotFound               404, 410, or an operation that does not exist
        ├── RateLimited            429; `retry_after` in seconds, where it was said
        └── UpstreamUnavailable    no connection, time-out, 502-504; a write may have happened
            └── OutcomeUnknown         sent in an earlier run, whose answer was lost; not sent again

The same names stand in `isthmus.errors` on the host, which sends them; `from_payload` makes one of an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class IsthmusError(Exception):
    """The root of what calls and limits raise."""

    code = "program"

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Refused(IsthmusError):
    """Policy does not allow this call; `remedy` says what to do instead."""

    code = "refused"

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message, hint=remedy)
        self.remedy = remedy


class LimitExceeded(IsthmusError):
    """A bound was reached; `limit` is its name in the configuration."""

    code = "limit"

    def __init__(self, message: str = "", *, limit: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.limit = limit


class UpstreamError(IsthmusError):
    """An upstream answered with a failure. `status` is HTTP's; `body` is its answer as plain data."""

    code = "upstream"

    def __init__(self, message: str = "", *, status: int | None = None, body: Any = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.body = body


class InvalidArguments(UpstreamError):
    """The arguments do not fit the operation."""

    code = "invalid_arguments"


class PermissionDenied(UpstreamError):
    """The upstream does not accept the credential for this."""

    code = "permission_denied"


class NotFound(UpstreamError):
    """There is no such thing, or no such operation."""

    code = "not_found"


class RateLimited(UpstreamError):
    """The upstream asks to slow down."""

    code = "rate_limited"
    retry_after: float | None = None


class UpstreamUnavailable(UpstreamError):
    """The upstream did not answer. Where the call was a write, it is unknown whether it happened."""

    code = "unavailable"


class OutcomeUnknown(UpstreamUnavailable):
    """The same call was sent in an earlier run, and what came of it is not known. It was not sent again."""

    code = "unknown"


class Deadlock(RuntimeError):
    """The program waits for what nothing will ever bring: no call is under way, no timer runs, no task can go on."""


class Exit(SystemExit):
    """What `os._exit` and `os.abort` raise here, as the interpreter has to live on; its text is the call."""


PUBLIC: Mapping[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        IsthmusError,
        Refused,
        LimitExceeded,
        UpstreamError,
        InvalidArguments,
        PermissionDenied,
        NotFound,
        RateLimited,
        UpstreamUnavailable,
        OutcomeUnknown,
    )
}
"""The classes by the names that programs know."""

for _kind in PUBLIC.values():  # so that they pickle, and show, under the name by which programs import them
    _kind.__module__ = "upstreams.errors"


def from_payload(payload: Mapping[str, Any]) -> IsthmusError:
    """The exception that an event of kind "error" stands for. An unknown type becomes UpstreamError."""
    kind = PUBLIC.get(payload.get("type", ""), UpstreamError)
    message, hint = str(payload.get("message") or kind.__name__), str(payload.get("hint") or "")
    error: IsthmusError
    if kind is Refused:
        error = Refused(message, remedy=str(payload.get("remedy") or hint))
    elif kind is LimitExceeded:
        error = LimitExceeded(message, limit=str(payload.get("limit") or ""), hint=hint)
    elif issubclass(kind, UpstreamError):
        error = kind(message, status=payload.get("status"), body=payload.get("body"), hint=hint)
    else:
        error = IsthmusError(message, hint=hint)
    if isinstance(error, RateLimited):
        error.retry_after = payload.get("retry_after")
    error.code = str(payload.get("code") or error.code)
    return error
