"""The lines of an MCP server, as messages. Lenient where that is harmless, and never able to end the session.

What a server may say unasked is limited to what we listen to; the rest (progress, logs, banners on stdout, broken
JSON) is dropped and counted. An answer that cannot be read becomes an error answer to its own request where the
line still tells which one that is, so that its caller learns of it at once.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError

from isthmus.upstreams.lines import Oversize
from isthmus.upstreams.words import one_line

ANSWER_TOO_LARGE = -32090
"""The code, of ours, of an error answer in place of one that is over the limit. Its message says so."""

ANSWER_MALFORMED = -32091
"""The code, of ours, of an error answer in place of one that could not be read. Its message says why."""

MAX_NESTING = 200
"""Containers within containers that are kept of a message too deep for the parser; deeper ones become null."""

LONG = 1_000_000
"""Characters of a line beyond which it is read beside the event loop."""

PRUNABLE = 8_000_000
"""Characters of the longest message that is searched for what makes it too deep."""

LISTENED_TO = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/resources/list_changed",
        "notifications/prompts/list_changed",
        "notifications/subscriptions/acknowledged",
        "notifications/cancelled",
    }
)
"""The notifications that reach the session. Progress and logs are nobody's here, and may come by the million."""

_ID = rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{1,128}")\s*'
_VERSION = rb'"jsonrpc"\s*:\s*"2\.0"\s*'
# Anchored at the ends of the line, and so at its top level: text within an answer cannot pass for its id.
_ID_AT_HEAD = re.compile(rb"\s*\{\s*(?:" + _VERSION + rb",\s*)?" + _ID + rb",")
_ID_AT_TAIL = re.compile(rb",\s*(?:" + _VERSION + rb",\s*)?" + _ID + rb"(?:,\s*" + _VERSION + rb")?\}\s*\Z")

# Possessive throughout: linear whatever the text. A string that is never closed ends with it.
_MARK = re.compile(r'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)


class Inbox:
    """Reads what one server sends, line by line, and keeps count of what is not for the session."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._dropped: Counter[str] = Counter()
        self._example = ""

    def read(self, line: bytes | Oversize) -> Iterator[JSONRPCMessage]:
        """The messages in a line: one, none, or those of a batch."""
        if isinstance(line, Oversize):
            yield from self._lost(line.head, line.tail, ANSWER_TOO_LARGE, self._too_large(line.size))
            return
        if not line.strip():
            return
        try:
            decoded = parsed(line)
        except RecursionError:
            yield from self._lost(line[:4096], line[-4096:], ANSWER_MALFORMED, "it is nested too deeply")
        except ValueError as error:
            yield from self._lost(line[:4096], line[-4096:], ANSWER_MALFORMED, f"it is not JSON ({error})")
        else:
            for item in decoded if isinstance(decoded, list) else (decoded,):
                yield from self._message(item)

    def remarks(self) -> tuple[str, ...]:
        """What an operator should know of the lines that were dropped, each a sentence."""
        if not (broken := self._dropped["broken"]):
            return ()
        return (f"{broken} lines of its output are not JSON-RPC and were ignored; the first is {self._example!r}",)

    @property
    def dropped(self) -> int:
        """How many messages and lines were dropped, for whatever reason."""
        return self._dropped.total()

    def _message(self, item: Any) -> Iterator[JSONRPCMessage]:
        message = as_message(item)
        if message is None:
            self._drop("broken", json.dumps(item)[:200] if isinstance(item, dict) else repr(item)[:200])
        elif wanted(message):
            yield message
        else:
            self._drop("unsolicited", "")

    def _lost(self, head: bytes, tail: bytes, code: int, reason: str) -> Iterator[JSONRPCMessage]:
        self._drop("broken", head[:200].decode("utf-8", "replace"))
        if (claimed := claimed_id(head, tail)) is not None:
            yield _error(claimed, code, one_line(f"its answer cannot be read: {reason}", 300))

    def _drop(self, kind: str, example: str) -> None:
        self._example = self._example or one_line(example, 80)
        self._dropped[kind] += 1

    def _too_large(self, size: int) -> str:
        return f"its {size:,} bytes are over the limit of {self._limit:,} (limits.answer_bytes)"


def parsed(line: bytes) -> Any:
    """The JSON of a line; bytes that are no UTF-8 are replaced, and what is nested too deeply becomes null.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is too deep, and too long to be searched for the place.
    """
    text = line.decode("utf-8", "replace")
    try:
        return json.loads(text) if len(text) < LONG else _in_turns(text)
    except RecursionError:
        if len(text) > PRUNABLE:
            raise
        return json.loads(pruned(text, MAX_NESTING))


def _in_turns(text: str) -> Any:
    """As `json.loads`, for use in a thread: functions of Python's own in it let other threads have their turn."""
    return json.loads(text, object_hook=lambda value: value, parse_int=_int, parse_float=_float)


def _int(digits: str) -> int:
    return int(digits)


def _float(digits: str) -> float:
    return float(digits)


def pruned(text: str, depth: int) -> str:
    """A JSON text with `null` in place of every container that is more than `depth` deep. Linear.

    >>> pruned('{"a": [1, ["]"], {"b": []}], "c": 2}', 2)
    '{"a": [1, null, null], "c": 2}'
    """
    kept: list[str] = []
    level = start = 0
    for mark in _MARK.finditer(text):
        sign = mark.group()[0]
        if sign in "[{":
            level += 1
            if level == depth + 1:
                kept.append(text[start : mark.start()])
        elif sign in "]}":
            if level == depth + 1:
                kept.append("null")
                start = mark.end()
            level -= 1
    if level <= depth:
        kept.append(text[start:])
    return "".join(kept)


def claimed_id(head: bytes, tail: bytes) -> RequestId | None:
    """The id of the request that a line answers, told from the line's ends alone; None where they do not tell."""
    found, opening = _ID_AT_HEAD.match(head), head[:64]
    if found is not None:
        opening = head[found.end() : found.end() + 16]
    else:
        found = _ID_AT_TAIL.search(tail)
    if found is None or b'"method"' in opening:
        return None  # or a request of the server's own
    text = found.group(1)
    return text[1:-1].decode("utf-8", "replace") if text.startswith(b'"') else int(text)


def as_message(item: Any) -> JSONRPCMessage | None:
    """A decoded JSON value as a JSON-RPC 2.0 message; None where it is none.

    An answer is not validated here, but must have the shape of one: a result that is no object is malformed.
    """
    if not isinstance(item, Mapping) or item.get("jsonrpc") != "2.0":
        return None
    if "method" in item:
        return _spontaneous(item)
    identity = item.get("id")
    if isinstance(identity, bool) or not isinstance(identity, int | str):
        return None
    if item.get("error") is not None:
        return _refusal(identity, item["error"])
    if "result" not in item:
        return None
    if not isinstance(item["result"], dict):
        return _error(identity, ANSWER_MALFORMED, "its answer cannot be read: the result is not an object")
    # Built without validation, which would copy it, and refuse the lone surrogates that are cleaned later.
    return JSONRPCResponse.model_construct(jsonrpc="2.0", id=identity, result=item["result"])


def wanted(message: JSONRPCMessage) -> bool:
    """Whether the session has any use for a message."""
    return not isinstance(message, JSONRPCNotification) or message.method in LISTENED_TO


def _spontaneous(item: Mapping[str, Any]) -> JSONRPCMessage | None:
    try:
        return (JSONRPCRequest if "id" in item else JSONRPCNotification).model_validate(item)
    except ValidationError:
        return None


def _refusal(identity: RequestId, error: Any) -> JSONRPCError:
    if not isinstance(error, Mapping):
        return _error(identity, INTERNAL_ERROR, str(error)[:2000])
    code, message = error.get("code"), error.get("message")
    known = code if isinstance(code, int) and not isinstance(code, bool) else INTERNAL_ERROR
    return _error(identity, known, str(message or "no message")[:2000], error.get("data"))


def _error(identity: RequestId, code: int, message: str, data: Any = None) -> JSONRPCError:
    details = ErrorData.model_construct(code=code, message=message, data=data)
    return JSONRPCError.model_construct(jsonrpc="2.0", id=identity, error=details)
