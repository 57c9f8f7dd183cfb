"""Responses: the data in a good one, the right error for a bad one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from isthmus.errors import (
    InvalidArguments,
    NotFound,
    PermissionDenied,
    RateLimited,
    UpstreamError,
    UpstreamUnavailable,
)
from isthmus.openapi.bodies import essence, is_json

MAX_ERROR_BODY = 20_000
"""Characters of the body that an error carries; a longer one is cut, and says so."""

MAX_MESSAGE = 500
"""Characters of an upstream's own words in an error's message."""

_LINES = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/json-seq",
)
_TEXTUAL = re.compile(
    r"text/.*|.*[/+](xml|yaml|x-yaml|javascript|graphql|csv|x-www-form-urlencoded|pem-certificate-chain)"
)
_MESSAGE_KEYS = (
    "message",
    "error_description",
    "error",
    "detail",
    "title",
    "description",
    "reason",
    "errors",
    "msg",
    "code",
)
_CHARSET = re.compile(r"charset=\"?([\w.-]+)", re.IGNORECASE)
# Texts only, and in linear time: Python's codecs by other names unescape, decompress, or take quadratic time.
_KNOWN_CHARSET = re.compile(
    r"(?i)utf[-_]?(8|16|32)([-_]?(le|be|sig))?|(us-)?ascii|latin[-_]?[1-9]|iso[-_]?8859[-_]\d{1,2}|iso-2022-(jp|kr)"
    r"|(windows|cp)[-_]?\d{3,4}|koi8[-_][rtu]|mac[-_]?(roman|cyrillic)|gb2312|gbk|gb18030|big5(-?hkscs)?"
    r"|shift[-_]?jis|euc[-_]?(jp|kr)|tis-620"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Undecodable(Exception):
    """A response is not what its Content-Type says; the message says in which way."""


def decode(content: bytes, content_type: str) -> Any:
    """The data of a response: plain data for JSON, a list for JSON lines and events, text, or bytes.

    Nothing at all is None. A text that holds a JSON object or list is read as that.

    Raises:
        Undecodable: it should be JSON, and is not.
    """
    kind = essence(content_type)
    if not content.strip(b" \t\r\n"):
        return None
    if is_json(kind):
        return _json(content)
    if kind in _LINES:
        return [_json(line) for line in re.split(rb"[\n\x1e]", content) if line.strip()]
    if kind == "text/event-stream":
        return _events(content.decode("utf-8", "replace"))
    if _TEXTUAL.fullmatch(kind):
        return _text(content, content_type)
    return _text_or_bytes(content) if not kind else content


def failure(
    status: int, headers: Mapping[str, str], content: bytes, *, what: str, expected: str, configured: bool, now: float
) -> UpstreamError:
    """The error for a response that is no success.

    `what` is the operation's id. `expected` says in words which credential it wants, `configured` whether there is one.
    `now` is seconds since the epoch, for waiting times that are given as dates.
    """
    body = _error_body(content, headers.get("content-type", ""))
    words = _said(body)
    message = f"{what}: HTTP {status}" + (f": {words}" if words else "")
    wait = _retry_after(headers, now)
    if status == 429 or (status == 403 and (wait is not None or headers.get("x-ratelimit-remaining") == "0")):
        hint = f"wait {wait:.0f} s, and make fewer calls" if wait is not None else "wait, and make fewer calls"
        return RateLimited(message, status=status, body=body, hint=hint, retry_after=wait)
    if status in (401, 403, 407):
        return PermissionDenied(message, status=status, body=body, hint=_permission_hint(status, expected, configured))
    if status in (404, 410):
        hint = "check the ids in the arguments; some services also answer so where the credential may not look"
        return NotFound(message, status=status, body=body, hint=hint)
    if status in (400, 422):
        return InvalidArguments(message, status=status, body=body, hint=f"help({what}) shows what it takes")
    if status in (502, 503, 504):
        hint = f"try again in {wait:.0f} s" if wait is not None else "it may be back in a moment"
        return UpstreamUnavailable(message, status=status, body=body, hint=hint)
    if 300 <= status < 400:
        return _redirected(message, status, headers)
    return UpstreamError(message, status=status, body=body)


def _redirected(message: str, status: int, headers: Mapping[str, str]) -> UpstreamError:
    location = headers.get("location", "")[:2000]
    return UpstreamError(
        f"{message}: it redirects to {location[:200]!r}, which is not followed",
        status=status,
        body={"location": location},
        hint="redirects are followed only for reads, and only within the upstream's own origin",
    )


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except RecursionError:
        raise Undecodable("the answer is JSON that is nested too deeply") from None
    except ValueError as error:
        raise Undecodable(f"the answer should be JSON, and is not: {error}"[:300]) from None


def _text(content: bytes, content_type: str) -> Any:
    text = _decoded(content, content_type)
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        try:
            return json.loads(text.lstrip("\ufeff"))
        except (ValueError, RecursionError):
            return text
    return text


def _decoded(content: bytes, content_type: str) -> str:
    """The text in the charset that it says it has; in UTF-8 where there is no such charset."""
    charset = _CHARSET.search(content_type)
    if charset is not None and _KNOWN_CHARSET.fullmatch(charset[1]):
        with suppress(LookupError, UnicodeError):
            return content.decode(charset[1], "replace")
    return content.decode("utf-8", "replace")


def _text_or_bytes(content: bytes) -> Any:
    """What comes without a Content-Type."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return content
    return _text(content, "")


def _events(text: str) -> list[Any]:
    """The data of server-sent events, each as JSON where it is that."""
    found = []
    for block in re.split(r"\r?\n\r?\n", text):
        lines = [line[5:].removeprefix(" ") for line in block.splitlines() if line.startswith("data:")]
        data = "\n".join(lines)
        if lines and data != "[DONE]":
            found.append(_json_or_text(data))
    return found


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _error_body(content: bytes, content_type: str) -> Any:
    """The body of an error as plain data, short."""
    try:
        body = decode(content, content_type)
    except Undecodable:
        body = content.decode("utf-8", "replace")
    if isinstance(body, bytes):
        return f"({len(body)} bytes of {essence(content_type) or 'unknown data'})"
    if isinstance(body, str):
        return body if len(body) <= MAX_ERROR_BODY else body[:MAX_ERROR_BODY] + f"... ({len(body)} characters in all)"
    if len(content) > MAX_ERROR_BODY:
        return content[:MAX_ERROR_BODY].decode("utf-8", "replace") + f"... ({len(content)} bytes in all)"
    return body


def _said(body: Any) -> str:
    """The upstream's own words on what went wrong, from the fields where services put them."""
    if isinstance(body, str) and body.lstrip().startswith("<"):
        return "(a web page)"
    return _CONTROL.sub(" ", _words(body, 0)).strip()[:MAX_MESSAGE]


def _words(body: Any, depth: int) -> str:
    if isinstance(body, str):
        return body
    if depth > 4:
        return ""
    if isinstance(body, list):
        return "; ".join(filter(None, (_words(item, depth + 1) for item in body[:5])))
    if not isinstance(body, dict):
        return "" if body is None or isinstance(body, bool) else str(body)
    texts = (_words(body[key], depth + 1) for key in _MESSAGE_KEYS if body.get(key))
    first = next(filter(None, texts), "")
    field = body.get("field") or body.get("param")
    if depth == 0 and isinstance(body.get("errors"), list) and isinstance(body.get("message"), str):
        details = _words(body["errors"], 1)
        return f"{first} ({details})" if details and details != first else first
    return f"{field}: {first}" if isinstance(field, str) and depth else first


def _permission_hint(status: int, expected: str, configured: bool) -> str:
    wants = f"it expects {expected}" if expected else "the document names no credential"
    if not configured:
        return f"{wants}, and none is configured: the user can add `auth` for this upstream in isthmus.yaml"
    if status == 403:
        return f"{wants}; one is configured, and is not allowed to do this: it may lack a scope or a role"
    return f"{wants}; one is configured, and was not accepted: it may have expired, or be of another kind"


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait, from `Retry-After` (seconds or a date) or the reset time that some services send."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", value):
        return float(value)
    if value:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and re.fullmatch(r"[0-9]{9,11}", reset):
        return max(0.0, float(reset) - now)
    return None
