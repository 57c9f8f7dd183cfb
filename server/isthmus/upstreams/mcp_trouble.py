"""What goes wrong between us and an MCP server, in our words: the one place where foreign errors are translated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INVALID_PARAMS, METHOD_NOT_FOUND, PARSE_ERROR, REQUEST_TIMEOUT
from pydantic import ValidationError

from isthmus.errors import (
    InvalidArguments,
    IsthmusError,
    NotFound,
    PermissionDenied,
    RateLimited,
    UpstreamError,
    UpstreamUnavailable,
)
from isthmus.model import Operation
from isthmus.upstreams.mcp_http import HTTP_BROKEN, HTTP_REFUSED, HTTP_UNREACHED, NO_TOKEN, SESSION_ENDED
from isthmus.upstreams.mcp_results import kind_of, shortened
from isthmus.upstreams.mcp_wire import ANSWER_MALFORMED, ANSWER_TOO_LARGE
from isthmus.upstreams.words import one_line
from isthmus_sandbox.values import clean

_BY_STATUS: Mapping[int, type[UpstreamError]] = {
    400: InvalidArguments,
    401: PermissionDenied,
    403: PermissionDenied,
    404: NotFound,
    410: NotFound,
    422: InvalidArguments,
    429: RateLimited,
    502: UpstreamUnavailable,
    503: UpstreamUnavailable,
    504: UpstreamUnavailable,
}
_AUTH_HINT = (
    "the operator should check `auth` of this upstream in isthmus.yaml; where one logs in with a browser, "
    "that is `auth: oauth`, and then `isthmus login`"
)


RESOURCE_NOT_FOUND = -32002
"""Of the protocol until 2025; since 2026-07-28 it is invalid parameters, and the message says what is wrong."""


class NotSent(Exception):
    """A call for certain was not sent, or was turned away before anything was done: it may be sent again."""


def trouble_of(error: Exception, operation: Operation, seconds: float) -> UpstreamError | NotSent:
    """What a failed request for an operation is called."""
    if isinstance(error, UpstreamError):
        return error
    if isinstance(error, TimeoutError):
        return _late(operation, seconds)
    if not isinstance(error, MCPError):
        return UpstreamError(f"{operation.id} failed: {one_line(f'{type(error).__name__}: {error}', 300)}")
    message, data = shortened(str(error.message)), clean(error.data)
    match error.code:
        case code if code in (SESSION_ENDED, HTTP_UNREACHED):
            return NotSent(message)
        case code if code in (HTTP_REFUSED, NO_TOKEN):
            return _refused(operation, message, data) if code == HTTP_REFUSED else _tokenless(operation, message, data)
        case code if code == REQUEST_TIMEOUT:
            return _late(operation, seconds)
        case code if code == CONNECTION_CLOSED:
            return UpstreamUnavailable(f"{operation.id}: the connection ended before the answer came ({message})")
        case code if code == ANSWER_TOO_LARGE or "answer_bytes" in message:
            return UpstreamUnavailable(
                f"{operation.id}: {message}", hint="ask for less: a page, a filter, fewer fields; it has been done"
            )
        case code if code in (ANSWER_MALFORMED, HTTP_BROKEN, PARSE_ERROR):
            return UpstreamUnavailable(f"{operation.id}: {message}", body=data)
        case code if code == INVALID_PARAMS and not (operation.method and kind_of(message) is NotFound):
            return InvalidArguments(message, body=data, hint=f"help({operation.id}) shows all parameters")
        case code if code in (METHOD_NOT_FOUND, RESOURCE_NOT_FOUND):
            return NotFound(message, body=data)
        case _:
            return kind_of(message)(message, body=data)


def problem_of(error: Exception) -> str:
    """Why a connection failed, in one sentence for the operator and the model."""
    leaf = _worst(error)
    if isinstance(leaf, PermissionDenied):
        return f"{leaf.message}: {_AUTH_HINT}"
    if isinstance(leaf, IsthmusError):
        return f"{leaf.message} ({leaf.hint})" if leaf.hint else leaf.message
    if isinstance(leaf, ValidationError):
        first = leaf.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        return f"its answer to the handshake is malformed: {place}: {first['msg']}"
    if not isinstance(leaf, MCPError):
        return f"{type(leaf).__name__}: {leaf}"
    if leaf.code == CONNECTION_CLOSED:
        return "the connection ended during the handshake"
    if leaf.code == REQUEST_TIMEOUT:
        return "it did not answer in time"
    data = leaf.data if isinstance(leaf.data, Mapping) else {}
    if leaf.code == NO_TOKEN:
        return f"{leaf.message} ({data['hint']})" if data.get("hint") else leaf.message
    status = data.get("status")
    return f"{leaf.message}: {_AUTH_HINT}" if status in (401, 403) else leaf.message


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group of groups, in their order."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def _worst(error: Exception) -> BaseException:
    """The error that tells most: ours, then the protocol's, then any."""
    found = list(leaves(error))
    for kind in (IsthmusError, MCPError, ValidationError):
        for leaf in found:
            if isinstance(leaf, kind):
                return leaf
    return found[0]


def _late(operation: Operation, seconds: float) -> UpstreamUnavailable:
    return UpstreamUnavailable(
        f"{operation.id} did not answer within {seconds:g} s",
        hint=f"it was cancelled, but may have been done; the operator can raise upstreams.{operation.upstream}.timeout",
    )


def _tokenless(operation: Operation, message: str, data: Any) -> UpstreamError:
    text = f"{operation.id}: {message}"
    hint, denied = (data.get("hint"), data.get("denied")) if isinstance(data, Mapping) else ("", False)
    if denied:
        return PermissionDenied(text, hint=str(hint))
    return UpstreamUnavailable(text, hint=str(hint), sent=False)


def _refused(operation: Operation, message: str, data: Any) -> UpstreamError:
    details = data if isinstance(data, Mapping) else {}
    status = details.get("status")
    known = status if isinstance(status, int) else None
    kind = _BY_STATUS.get(known or 0, UpstreamError)
    text, body = f"{operation.id}: {message}", details.get("body")
    if kind is RateLimited:
        wait = details.get("retry_after")
        after = float(wait) if isinstance(wait, int | float) else None
        return RateLimited(text, status=known, body=body, retry_after=after)
    hint = _AUTH_HINT if kind is PermissionDenied else ""
    if scope := details.get("scope"):
        more = f"`isthmus login {operation.upstream} --scope '{scope}'`"
        hint = f"the access token lacks a scope: the operator can log in for more, with {more}"
    return kind(text, status=known, body=body, hint=hint)
