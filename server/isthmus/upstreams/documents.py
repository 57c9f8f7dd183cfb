"""OpenAPI documents, fetched from where the operator says they are: a file or a URL."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from isthmus.errors import ConfigurationError, UpstreamError
from isthmus.openapi.document import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    import httpx2

FILE_LOOKED_AT, URL_LOOKED_AT = 5.0, 3600.0
"""Seconds after which a file, or what a URL gives, is looked at again: it may have changed."""


def document_source(openapi: str, folder: Path) -> str:
    """Where a document is: the URL as it is, or the absolute path, which is relative to the configuration's folder."""
    if "://" in openapi:
        if not openapi.lower().startswith(("http://", "https://")):
            raise ConfigurationError(f"openapi: {openapi!r} is neither a file nor an http(s) URL", remedy="give a path")
        return openapi
    return str((folder / Path(openapi).expanduser()).absolute())


async def fetch_document(source: str, transport: httpx2.AsyncBaseTransport | None = None) -> bytes:
    """The bytes of a document (see `document_source`).

    Raises:
        ConfigurationError: there is no such file, or it is no regular file, or too large.
        UpstreamError: the URL did not give it.
    """
    if "://" in source:
        from isthmus.upstreams.download import download

        return await download(source, transport)
    return await anyio.to_thread.run_sync(_read_file, source)


async def changed_document(
    source: str,
    known: str,
    transport: httpx2.AsyncBaseTransport | None = None,
    pause: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> bytes:
    """The bytes of a document once they are no longer those of the digest `known`. Cannot be had: has not changed."""
    mark: object = None
    while True:
        await pause(URL_LOOKED_AT if "://" in source else FILE_LOOKED_AT)
        if "://" not in source:
            before, mark = mark, await anyio.to_thread.run_sync(_mark, source)
            if mark == before:
                continue
        try:
            content = await fetch_document(source, transport)
        except (ConfigurationError, UpstreamError):
            continue
        if digest_of(content) != known:
            return content


def digest_of(content: bytes) -> str:
    """What tells a document from another."""
    return hashlib.sha256(content).hexdigest()


def _mark(source: str) -> object:
    """What changes when a file is written."""
    try:
        found = Path(source).stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read_file(source: str) -> bytes:
    try:
        found = Path(source).stat()
        if not stat.S_ISREG(found.st_mode):
            raise ConfigurationError("the OpenAPI document is no regular file", file=source, remedy="give a file")
        if found.st_size > MAX_DOCUMENT_BYTES:
            raise ConfigurationError(
                f"the OpenAPI document has {found.st_size:,} bytes", file=source, remedy="split it"
            )
        return Path(source).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(
            f"the OpenAPI document cannot be read: {reason}", file=source, remedy="check `openapi`"
        ) from None
