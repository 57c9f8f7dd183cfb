"""Responses read within bounds: decoded bytes are counted while they come, and a bomb is not unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from isthmus.errors import LimitExceeded, UpstreamError

if TYPE_CHECKING:
    import httpx2

_CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 47}  # zlib's window bits
_PIECE = 65_536


class _Decoder(Protocol):
    def pieces(self, data: bytes) -> Iterator[bytes]: ...


async def read_bounded(response: httpx2.Response, limit: int) -> bytes:
    """The decoded body of a streamed response.

    Raises:
        LimitExceeded: it has more than `limit` bytes.
        UpstreamError: its encoding is unknown or broken.
    """
    if response.is_stream_consumed:  # a transport in memory gives all at once, unpacked
        return _within(response.content, limit)
    decoder = _decoder(response.headers.get("content-encoding", ""))
    parts: list[bytes] = []
    size = 0
    async for raw in response.aiter_raw():
        for part in decoder.pieces(raw):
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
    return b"".join(parts)


def _within(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise _too_large(limit)
    return content


def _too_large(limit: int) -> LimitExceeded:
    return LimitExceeded(f"the answer has more than {limit:,} bytes", limit="answer_bytes")


def _decoder(encoding: str) -> _Decoder:
    codings = [coding.strip().lower() for coding in encoding.split(",")]
    wanted = [coding for coding in codings if coding not in ("", "identity")]
    if not wanted:
        return _Plain()
    if len(wanted) > 1 or wanted[0] not in _CODINGS:
        raise UpstreamError(f"the answer has the encoding {encoding:.60}, which was not asked for")
    return _Inflating(wanted[0])


class _Plain:
    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield data


class _Inflating:
    """gzip or deflate, unpacked piece by piece; deflate with and without its header, as servers send both."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflate = zlib.decompressobj(_CODINGS[coding])
        self._begun = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data and not self._inflate.eof:
            part = self._piece(data)
            data = self._inflate.unconsumed_tail
            if part:
                yield part

    def _piece(self, data: bytes) -> bytes:
        try:
            part = self._inflate.decompress(data, _PIECE)
        except zlib.error as error:
            if self._begun or self._coding != "deflate":
                raise UpstreamError(f"the answer is no valid {self._coding} data ({error})") from None
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            self._begun = True
            return self._piece(data)
        self._begun = True
        return part
