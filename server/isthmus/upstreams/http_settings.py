"""What an `HttpUpstream` is given beside its configuration, and what it holds of the document once that is loaded."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from isthmus.openapi.document import OpenApiDocument, read_document
from isthmus.openapi.operations import Compiled, compile_operations
from isthmus.openapi.packed import ReadDocument
from isthmus.openapi.security import Reserved, Scheme
from isthmus.openapi.servers import Server

if TYPE_CHECKING:
    import httpx2

Read = Callable[[bytes, str, str, str, Reserved], Awaitable[ReadDocument]]
"""Reads a document: its bytes and their digest, where they are from, the upstream's name, places of its credentials.

See `read_anew`.
"""


async def read_anew(content: bytes, _: str, source: str, upstream: str, reserved: Reserved) -> ReadDocument:
    """The document and its operations, read in a thread: a large one takes seconds.

    Raises:
        ConfigurationError: the bytes are no document that we know.
    """

    def read() -> ReadDocument:
        document = read_document(content, source)
        return ReadDocument(document, compile_operations(document, upstream, reserved=reserved))

    return await anyio.to_thread.run_sync(read)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an HttpUpstream is given beside its configuration."""

    folder: Path = field(default_factory=Path)  # relative paths of documents are relative to it
    answer_bytes: int = 33_554_432
    connections: int = 100
    transport: httpx2.AsyncBaseTransport | None = None  # in place of the network
    pause: Callable[[float], Awaitable[None]] = anyio.sleep  # between two attempts to load a document
    watch: Callable[[float], Awaitable[None]] = anyio.sleep  # before it is looked at again
    now: Callable[[], float] = time.time
    random: Callable[[], float] = random.random
    read: Read = read_anew  # or from what was kept of it


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document that has been read, and what calls need of it."""

    document: OpenApiDocument
    server: Server
    schemes: Mapping[str, Scheme]
    compiled: Compiled
    key: str  # what the operations were made of; empty where they are not kept
    digest: str  # of the document's bytes
    warnings: tuple[str, ...]
    unreachable: str  # why calls cannot be sent; empty where they can
