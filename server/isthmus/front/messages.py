"""Lines from a client, as JSON-RPC messages. No I/O: bytes in, a message out, or the answer that they deserve.

A message is plain data: finite numbers of at most 64 bits, whole characters, no deeper than `MAX_DEPTH`. What is not is
refused with the id of its own request wherever that can be told, so that nobody waits for an answer in vain. Nothing
is answered that is no request: not to a blank line, and not to an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from isthmus.upstreams.lines import Oversize
from isthmus_sandbox import values

LINE_BYTES = 16 * 1024 * 1024
"""Of one line. A program's code may have 1 MB; the rest is for what it is given as literals."""

Message: TypeAlias = dict[str, Any]
"""A request, a notification or an answer, as JSON-RPC 2.0 and MCP have them: its `params`, if any, are by name."""

RequestId: TypeAlias = int | str

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

_ID = rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{1,128}")\s*'
_VERSION = rb'"jsonrpc"\s*:\s*"2\.0"\s*'
# Clients put the id before all that matters, or at the very end. So anchored, no text within can pass for it.
_ID_AT_HEAD = re.compile(rb"\s*\{\s*(?:" + _VERSION + rb",\s*)?" + _ID + rb",")
_ID_AT_TAIL = re.compile(rb",\s*(?:" + _VERSION + rb",\s*)?" + _ID + rb"(?:,\s*" + _VERSION + rb")?\}\s*\Z")
EDGE = 4096
"""Bytes at either end of a line in which the id is looked for, when the line itself cannot be read."""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line is no message; `id` is that of its request, None where it cannot be told."""

    id: RequestId | None
    code: int
    reason: str

    def answer(self) -> bytes:
        """The answer, as a line."""
        return error_line(self.id, self.code, self.reason)


def read(line: bytes | Oversize) -> Message | Fault | None:
    """The message in a line, or what is wrong with it; None for what is to be ignored.

    >>> read(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}')
    {'jsonrpc': '2.0', 'id': 1, 'method': 'ping'}
    >>> read(b'{"jsonrpc": "2.0", "id": 1, "method": 5}')
    Fault(id=1, code=-32600, reason='the method is not a text')
    """
    if isinstance(line, Oversize):
        reason = f"the message has {line.size:,} bytes, more than {LINE_BYTES:,}; hand large data over in parts"
        return Fault(_claimed_id(line.head, line.tail), INVALID_REQUEST, reason)
    text = line.decode("utf-8", "replace").strip("\ufeff\r\n\t ")
    if not text:
        return None
    try:
        item = _DECODER.decode(text)
    except RecursionError:
        return Fault(_claimed_id(line[:EDGE], line[-EDGE:]), INVALID_REQUEST, "the message is nested too deeply")
    except ValueError as error:
        return Fault(_claimed_id(line[:EDGE], line[-EDGE:]), PARSE_ERROR, f"the message is not JSON: {error}")
    if not isinstance(item, dict):
        batch = "batches are not part of this protocol: send each message on a line of its own"
        return Fault(None, INVALID_REQUEST, batch if isinstance(item, list) else "a message is a JSON object")
    return _message(line, item)


def error_line(identity: RequestId | None, code: int, reason: str) -> bytes:
    """An error answer."""
    return line_of({"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": reason}})


def result_line(identity: RequestId, result: Mapping[str, Any]) -> bytes:
    """An answer, spelt as the SDK spells it."""
    return line_of({"jsonrpc": "2.0", "id": identity, "result": result})


def line_of(message: Mapping[str, Any]) -> bytes:
    """A message as the bytes of one line."""
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _message(line: bytes, item: Message) -> Message | Fault | None:
    if "method" in item and "id" in item:
        return _unfit(item) or _unclean(line, item) or item
    # Notifications and answers are never answered, so that what can be understood of them has to do.
    cleaned: Message = values.clean(item)
    if "method" in item:
        return _unfit(item) or cleaned
    if "result" in item or "error" in item:
        return cleaned if _is_answer(cleaned) else None
    return Fault(_id_of(item), INVALID_REQUEST, "the message has no method")


def _unfit(item: Message) -> Fault | None:
    """What keeps it from being a request or a notification."""
    identity = _id_of(item)
    if "id" in item and identity is None:
        return Fault(None, INVALID_REQUEST, "the id of a request is a text, or an integer of at most 64 bits")
    if item.get("jsonrpc") != "2.0":
        return Fault(identity, INVALID_REQUEST, 'the message does not say "jsonrpc": "2.0"')
    if not isinstance(item["method"], str):
        return Fault(identity, INVALID_REQUEST, "the method is not a text")
    if not isinstance(item.get("params"), dict | None):
        return Fault(identity, INVALID_PARAMS, "params is not an object: this protocol gives them by name")
    return None


def _unclean(line: bytes, item: Message) -> Fault | None:
    """What in it is no data that the house can carry."""
    try:
        line.decode("utf-8")
        values.check(item, "message")
    except UnicodeDecodeError as error:
        return Fault(_id_of(item), PARSE_ERROR, f"the message is not UTF-8: byte {error.start} of its line")
    except ValueError as error:
        return Fault(_id_of(item), INVALID_REQUEST, str(error))
    return None


def _is_answer(item: Message) -> bool:
    """Whether it has the shape of an answer to a request of ours."""
    if item.get("jsonrpc") != "2.0" or _id_of(item) is None:
        return False
    if "result" in item:
        return isinstance(item["result"], dict)
    error = item["error"]
    return isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str)


def _id_of(item: Message) -> RequestId | None:
    identity = item.get("id")
    fits = type(identity) in (int, str) and values.clean(identity) is identity
    return identity if fits else None


def _claimed_id(head: bytes, tail: bytes) -> RequestId | None:
    """The id of a request, told from the ends of its line alone; None where they do not tell."""
    found = _ID_AT_HEAD.match(head) or _ID_AT_TAIL.search(tail)
    if found is None:
        return None
    text = found.group(1)
    return text[1:-1].decode("utf-8", "replace") if text.startswith(b'"') else int(text)
