"""Multipart bodies: files and fields, written deterministically."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.errors import InvalidArguments
from isthmus.openapi.styles import json_text, plain_text

_OCTETS = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(\s*;\s*[\w-]+=[\w\"!#$&^.+-]+)*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body. A `filename` makes it a file."""

    name: str
    content: bytes
    media_type: str = ""
    filename: str = ""


def parts_of(name: str, value: Any, *, is_file: bool = False, media_type: str = "") -> list[Part]:
    """A property of a multipart body as its parts.

    A file is bytes, a text, or `(filename, contents)` or `(filename, contents, media type)`. Each item of a list is a
    part of its own; a dict, or a list that holds some, is one part in JSON.
    """
    if (file := _named_file(value, is_file=is_file)) is not None:
        return [
            Part(name, _content(file[1]), _valid(file[2] if len(file) > 2 else media_type or _OCTETS, name), file[0])
        ]
    if isinstance(value, bytes) or (is_file and isinstance(value, str)):
        return [Part(name, _content(value), media_type or _OCTETS, name)]
    if isinstance(value, list) and not any(isinstance(item, Mapping) for item in value):
        return [part for item in value for part in parts_of(name, item, is_file=is_file, media_type=media_type)]
    if isinstance(value, Mapping | list):
        return [Part(name, _content(json_text(value, name)), media_type or "application/json")]
    return [Part(name, _content(plain_text(value)), media_type)]


def encode_multipart(parts: Sequence[Part]) -> tuple[bytes, str]:
    """The body, and its boundary: made of the contents, so that it does not stand in them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part.name}\0{part.filename}\0{len(part.content)}\0".encode("utf-8", "replace") + part.content)
    boundary = f"isthmus-{digest.hexdigest()[:40]}"
    line = f"--{boundary}".encode()
    body = b"".join(line + b"\r\n" + _head(part) + b"\r\n" + part.content + b"\r\n" for part in parts)
    return body + line + b"--\r\n", boundary


def _named_file(value: Any, *, is_file: bool) -> Sequence[Any] | None:
    """The value where it is `(filename, contents[, media type])`, and not just a list of texts."""
    if not isinstance(value, list | tuple) or len(value) not in (2, 3):
        return None
    name, content = value[0], value[1]
    if not isinstance(name, str) or not isinstance(content, bytes | str):
        return None
    return value if isinstance(content, bytes) or (is_file and len(value) == 3) else None


def _head(part: Part) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
    if part.filename:
        disposition += f'; filename="{_quoted(part.filename)}"'
    kind = f"Content-Type: {part.media_type}\r\n" if part.media_type else ""
    return f"{disposition}\r\n{kind}".encode()


def _quoted(text: str) -> str:
    """As browsers write names: quotes and line breaks percent-encoded, other control characters left out."""
    text = text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").replace("\\", "%5C")
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode()


def _content(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "replace")


def _valid(media_type: Any, name: str) -> str:
    if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        raise InvalidArguments(f"{name}: {media_type!r:.60} is no media type", hint="for example 'image/png'")
    return media_type
