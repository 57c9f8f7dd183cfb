"""Results of tools, as plain Python data, and failures as errors of ours. Pure, and lenient: nothing here raises.

{"structuredContent": {"a": 1}, ...}                 {"a": 1}
[a text that is a JSON object or array]              that object or array
[any other text]                                     the text
[several blocks]                                     a list, each mapped so
an image                                             {"type": "image", "mime_type": "image/png", "data": b"..."}
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.errors import InvalidArguments, NotFound, PermissionDenied, RateLimited, UpstreamError
from isthmus.model import Operation
from isthmus.upstreams.mcp_tools import OUTPUT_KEY, result_is_wrapped
from isthmus.upstreams.words import one_line
from isthmus_sandbox.values import clean, clean_text

_NEEDED = {"resources/read": "contents", "prompts/get": "messages"}

MAX_MESSAGE = 2000
"""Characters of an error's message; the whole text is its body."""

# What a tool's error text says beyond doubt. Looked for in its beginning only; else it is a plain UpstreamError.
_KINDS: tuple[tuple[re.Pattern[str], type[UpstreamError]], ...] = (
    (
        re.compile(
            r"(?i)\bENOENT\b|no such file or directory|^\W*(unknown (tool|resource|prompt)|tool \S+ not found)\b"
        ),
        NotFound,
    ),
    (re.compile(r"(?i)\b(http|status)( error| code)?:? ?(404|410)\b|\b404 not found\b"), NotFound),
    (re.compile(r"(?i)^[^\n]{0,160}\b(not found|does not exist)\W*$"), NotFound),
    (re.compile(r"(?i)\bEACCES\b|\bEPERM\b|\bpermission denied\b|\baccess denied\b"), PermissionDenied),
    (
        re.compile(r"(?i)\b(http|status)( error| code)?:? ?(401|403)\b|\b40[13] (unauthorized|forbidden)"),
        PermissionDenied,
    ),
    (
        re.compile(r"(?i)\b(http|status)( error| code)?:? ?429\b|\brate limit(ed| exceeded)\b|too many requests"),
        RateLimited,
    ),
    (
        re.compile(r"(?i)\b(input|argument|parameter)s? validation error\b|\binvalid arguments?\b|-32602"),
        InvalidArguments,
    ),
)


def value_of(operation: Operation, result: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """What a tool's result is to a program, as plain data, and remarks on what was odd about it."""
    remarks: list[str] = []
    read = {"resources/read": _contents, "prompts/get": _messages}.get(operation.method, _value)
    return _plain(read(operation, result, remarks), remarks)


def resources_of(listed: Sequence[Any], cut: Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    """The resources of a server's list, as plain data, and remarks: on where it was `cut`, and on what was odd."""
    shown = ("uri", "name", "title", "description", "mimeType", "size")
    known = [each for each in listed if isinstance(each, Mapping) and isinstance(each.get("uri"), str)]
    return _plain([_snake({key: each[key] for key in shown if key in each}) for each in known], list(cut))


def _plain(value: Any, remarks: list[str]) -> tuple[Any, tuple[str, ...]]:
    plain = clean(value)
    if plain is not value:
        remarks.append("parts of the answer were no plain data (a number beyond 64 bits, broken text): now text")
    return plain, tuple(remarks)


def _contents(_: Operation, result: Mapping[str, Any], remarks: list[str]) -> Any:
    """The contents of a resource, always a list: a directory has several. Texts stay texts, blobs are bytes."""
    return [_resource(each, remarks) for each in _list(result.get("contents"))]


def _messages(_: Operation, result: Mapping[str, Any], remarks: list[str]) -> Any:
    """The messages of a prompt. Their texts are texts, even where they are JSON: they are meant to be read."""
    description = result.get("description")
    told = {"description": description} if isinstance(description, str) else {}
    return {**told, "messages": [_message(each, remarks) for each in _list(result.get("messages"))]}


def _message(message: Any, remarks: list[str]) -> Any:
    if not isinstance(message, Mapping):
        return message
    content = message.get("content")
    if isinstance(content, Mapping) and _kind(content) == "text":
        return {"role": message.get("role"), "content": content.get("text")}
    return {"role": message.get("role"), "content": _block(content, remarks)}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _value(operation: Operation, result: Mapping[str, Any], remarks: list[str]) -> Any:
    content = result.get("content")
    blocks = content if isinstance(content, list) else [] if content is None else [content]
    structured = result.get("structuredContent")
    if structured is not None:
        beside = [block for block in blocks if _kind(block) not in ("text", "")]
        if beside:
            remarks.append(
                f"{len(beside)} blocks beside the structured content were left out, e.g. {_kind(beside[0])!r}"
            )
        return _unwrapped(operation, structured)
    values = [_block(block, remarks) for block in blocks]
    if not values:
        return None
    return values[0] if len(values) == 1 else values


def failure_of(operation: Operation, result: Mapping[str, Any]) -> UpstreamError | None:
    """The error that a tool's result is, where it is one."""
    if result.get("resultType") == "input_required":
        return UpstreamError(
            f"{operation.id} asks its user for more, which cannot be passed on",
            body=clean(result.get("inputRequests")),
            hint="give all that it may ask for as arguments",
        )
    if (key := _NEEDED.get(operation.method)) is not None and not isinstance(result.get(key), list):
        return UpstreamError(f"{operation.id} was answered without a list of {key}", body=clean(dict(result)))
    if result.get("isError") is not True:
        return None
    value, _ = value_of(operation, result)
    text = _text_of(result) or ("" if value is None else json.dumps(value, default=repr))
    return kind_of(text)(shortened(text) or "the tool failed, and does not say why", body=value)


def kind_of(text: str) -> type[UpstreamError]:
    """The kind of error that a text is beyond doubt."""
    beginning = text[:300]
    return next((kind for pattern, kind in _KINDS if pattern.search(beginning)), UpstreamError)


def shortened(text: str) -> str:
    """A message of bounded length, which says so."""
    text = clean_text(text.strip())
    over = len(text) - MAX_MESSAGE
    return text if over <= 0 else f"{text[:MAX_MESSAGE]}… ({over:,} more characters in the error's body)"


def _unwrapped(operation: Operation, structured: Any) -> Any:
    schema = operation.document.root.get(OUTPUT_KEY)
    if result_is_wrapped(schema) and isinstance(structured, Mapping) and list(structured) == ["result"]:
        return structured["result"]
    return structured


def _block(block: Any, remarks: list[str]) -> Any:
    """One content block as data."""
    match _kind(block):
        case "text":
            return _data_or_text(block.get("text"))
        case "image" | "audio" as kind:
            return {"type": kind, "mime_type": block.get("mimeType"), "data": _bytes(block.get("data"), remarks)}
        case "resource" if isinstance(resource := block.get("resource"), Mapping):
            return {"type": "resource", **_resource(resource, remarks)}
        case "resource_link":
            return _snake(block)
        case kind:
            if isinstance(block, str):
                return _data_or_text(block)
            remarks.append(f"a content block of unknown type {one_line(kind, 40)!r} was kept as it came")
            return block


def _kind(block: Any) -> str:
    kind = block.get("type") if isinstance(block, Mapping) else ""
    return kind if isinstance(kind, str) else ""


def _data_or_text(text: Any) -> Any:
    if not isinstance(text, str) or text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _resource(resource: Any, remarks: list[str]) -> Any:
    if not isinstance(resource, Mapping):
        return resource
    value = _snake(resource)
    if "blob" in value:
        value["data"] = _bytes(value.pop("blob"), remarks)
    return value


def _snake(block: Mapping[str, Any]) -> dict[str, Any]:
    return {("mime_type" if key == "mimeType" else key): value for key, value in block.items()}


def _bytes(data: Any, remarks: list[str]) -> Any:
    try:
        return base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error):
        remarks.append("data that is no base64 was kept as it came")
        return data


def _text_of(result: Mapping[str, Any]) -> str:
    content = result.get("content")
    blocks = content if isinstance(content, list) else [content]
    texts = [
        block if isinstance(block, str) else block.get("text") for block in blocks if isinstance(block, str | Mapping)
    ]
    return "\n".join(text for text in texts if isinstance(text, str))
