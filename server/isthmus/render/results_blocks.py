"""Bytes in a result: pictures and sounds become content blocks, the rest is kept in the workspace and named.

The same walk makes sure that what remains is plain JSON data, whatever came in.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from isthmus.render.results_text import one_line, size

Keep = Callable[[str, bytes], str]
"""Stores content in the session's workspace and gives the path by which a program opens it (`/workspace/…`).

The name is a wish: the path is made unique. May raise OSError: the workspace is full, or gone.
"""

MAX_BLOCKS = 8
"""Content blocks of one result; more are kept in the workspace."""

MAX_BLOCK_BYTES = 3_750_000
"""Of one block: clients refuse pictures that are longer than 5 MB in base64."""

MAX_DEPTH = 64
SHORT = 32
"""Bytes up to this length are shown as they are, in hexadecimal."""

_PLAIN = frozenset({str, int, bool, type(None)})
"""Types of values that JSON has as they are. The walk compares types, not classes: it passes millions of values."""

MEDIA: Mapping[str, Literal["image", "audio", "file"]] = {"image": "image", "audio": "audio", "file": "file"}


@dataclass(frozen=True, slots=True)
class Block:
    """One content block of a result beside its text."""

    kind: Literal["image", "audio", "file", "text"]
    mime_type: str
    data: bytes = field(repr=False)
    name: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Content that was put into the workspace."""

    path: str
    mime_type: str
    bytes: int


@dataclass(slots=True)
class Extraction:
    """What a walk through a value has found so far."""

    keep: Keep
    blocks: list[Block] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def plain(self, value: Any, depth: int = 0) -> Any:
        """The value as JSON data: bytes taken out and named in their place, everything else that JSON lacks as text."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if depth >= MAX_DEPTH and kind in (list, dict):
            return f"… nested deeper than {MAX_DEPTH}"
        if kind is list:
            return [item if type(item) in _PLAIN else self.plain(item, depth + 1) for item in value]
        if kind is dict:
            return self._mapping(value, depth)
        if kind is float:
            return value if math.isfinite(value) else str(value)
        if kind is bytes:
            return self._binary(value)
        return f"<{kind.__name__}>"

    def store(self, name: str, content: bytes, mime_type: str) -> str | None:
        """Put content into the workspace; its path, or None where that failed (and the failure is noted)."""
        try:
            path = self.keep(name, content)
        except OSError as error:
            self.failures.append(f"{name} ({size(len(content))}) could not be kept: {error.strerror or 'no room'}")
            return None
        self.artifacts.append(Artifact(path, mime_type, len(content)))
        return path

    def _mapping(self, value: dict[Any, Any], depth: int) -> Any:
        if "type" in value and (medium := _medium(value)) is not None:
            return self._show(medium)
        return {
            key if type(key) is str else f"{key}": item if type(item) in _PLAIN else self.plain(item, depth + 1)
            for key, item in value.items()
        }

    def _binary(self, content: bytes) -> str:
        mime_type = sniff(content)
        kind = mime_type.split("/")[0]
        if kind in ("image", "audio"):
            return self._show(Block(MEDIA[kind], mime_type, content))
        if len(content) <= SHORT:
            return f"<{size(len(content))}: {content.hex()}>"
        return self._stored(content, mime_type, "")

    def _show(self, block: Block) -> str:
        if len(self.blocks) >= MAX_BLOCKS or len(block.data) > MAX_BLOCK_BYTES:
            return self._stored(block.data, block.mime_type, block.name)
        number = len(self.blocks) + 1
        extension = EXTENSIONS.get(block.mime_type, "")
        shown = block if block.name else replace(block, name=f"{block.kind}-{number}{extension}")
        self.blocks.append(shown)
        told = ", ".join(filter(None, (block.name, block.mime_type, size(len(block.data)))))
        return f"<{block.kind} {number} below: {told}>"

    def _stored(self, content: bytes, mime_type: str, name: str) -> str:
        path = self.store(name or f"bytes{EXTENSIONS.get(mime_type, '.bin')}", content, mime_type)
        where = f"kept as {path}" if path else "not kept"
        return f"<{mime_type}, {size(len(content))}, {where}>"


EXTENSIONS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "audio/ogg": ".ogg",
    "audio/flac": ".flac",
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/gzip": ".gz",
    "text/plain": ".txt",
}

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)


def sniff(content: bytes) -> str:
    """The media type that the first bytes tell; `text/plain` for UTF-8, else `application/octet-stream`."""
    for magic, mime_type in _MAGIC:
        if content.startswith(magic):
            return mime_type
    if content[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(content[8:12], "application/octet-stream")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "application/octet-stream" if "\0" in text or not text else "text/plain"


def _medium(value: Mapping[Any, Any]) -> Block | None:
    """The block that a record `{"type": "image", "mime_type": …, "data": bytes or base64}` stands for."""
    kind, mime_type = value.get("type"), value.get("mime_type", value.get("mimeType"))
    if not isinstance(kind, str) or kind not in MEDIA or not isinstance(mime_type, str):
        return None
    data = _decoded(value.get("data"))
    if not data or (kind != "file" and not mime_type.startswith(f"{kind}/")):
        return None
    name = value.get("name")
    return Block(MEDIA[kind], one_line(mime_type)[:80], data, _file_name(name) if isinstance(name, str) else "")


def _decoded(data: Any) -> bytes | None:
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None


def _file_name(name: str) -> str:
    """The last part of a path, with nothing in it but letters, digits, dots, dashes and underscores."""
    safe = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name.replace("\\", "/").split("/")[-1]
    )
    return safe.strip(".")[-80:]
