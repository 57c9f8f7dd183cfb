"""Every error that Isthmus raises, split by whose fault it is.

    IsthmusError               `code` (stable), `message`, `hint` (written for the model)
    ├── ProgramError           the model's code
    ├── Refused                policy said no; `remedy` says what to do instead
    ├── LimitExceeded          a bound was reached; `limit` names it
    ├── UpstreamError          the remote side; `status` and `body` where there are any
    │   ├── InvalidArguments       refused before it was sent, or by the upstream (400, 422)
    │   ├── PermissionDenied       401, 403
    │   ├── NotFound               404, 410, or an operation that does not exist
    │   ├── RateLimited            429
    │   └── UpstreamUnavailable    no connection, time-out, 502-504; a write may have happened
    │       └── OutcomeUnknown         an earlier run sent it, and its answer was lost: it is not sent again
    ├── ConfigurationError     the operator; `file`, `line`, `remedy`
    └── InternalError          ours

Foreign exceptions are translated into these at the border where they arise, once.
"""

from __future__ import annotations

from typing import Any, ClassVar


class IsthmusError(Exception):
    """The root. `str(error)` is safe to show to a model: no credential, no path of this machine."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ProgramError(IsthmusError):
    """The submitted program is at fault."""

    code = "program"


class Refused(IsthmusError):
    """Policy does not allow a call. The remedy is shown as the hint."""

    code = "refused"

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message, hint=remedy)
        self.remedy = remedy


class LimitExceeded(IsthmusError):
    """A bound was reached. `limit` is its name in the configuration."""

    code = "limit"

    def __init__(self, message: str, *, limit: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.limit = limit


class UpstreamError(IsthmusError):
    """An upstream answered with a failure. `status` is HTTP's; `body` is its answer as plain data."""

    code = "upstream"

    def __init__(self, message: str, *, status: int | None = None, body: Any = None, hint: str = "") -> None:
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
    """The upstream asks to slow down. `retry_after` is in seconds, where it said so."""

    code = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        body: Any = None,
        hint: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, body=body, hint=hint)
        self.retry_after = retry_after


class UpstreamUnavailable(UpstreamError):
    """The upstream did not answer. Unless `sent` is false, it is unknown whether the call happened."""

    code = "unavailable"

    def __init__(
        self, message: str, *, status: int | None = None, body: Any = None, hint: str = "", sent: bool = True
    ) -> None:
        super().__init__(message, status=status, body=body, hint=hint)
        self.sent = sent


class OutcomeUnknown(UpstreamUnavailable):
    """The same call was sent before, and what came of it is not known. Nothing was sent this time."""

    code = "unknown"


class ConfigurationError(IsthmusError):
    """The operator's configuration is at fault; the message names the file, the line and the remedy."""

    code = "configuration"

    def __init__(self, message: str, *, file: str = "", line: int | None = None, remedy: str = "") -> None:
        super().__init__(message, hint=remedy)
        self.file = file
        self.line = line
        self.remedy = remedy

    def __str__(self) -> str:
        """`file:line: message` and the remedy, each where there is one."""
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text}\n  remedy: {self.remedy}" if self.remedy else text


class InternalError(IsthmusError):
    """A fault of Isthmus itself."""

    code = "internal"
