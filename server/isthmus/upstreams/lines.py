"""Bytes into lines, in linear time and bounded memory. No I/O: chunks in, lines out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

EDGE = 4096
"""Bytes that are kept of either end of a line that is too long."""


@dataclass(frozen=True, slots=True)
class Oversize:
    """What is left of a line of `size` bytes that was over the limit: its ends."""

    head: bytes
    tail: bytes
    size: int


class LineSplitter:
    """Cuts a stream at its newlines. A line over `limit` bytes costs that line only, and never more memory than that.

    >>> splitter = LineSplitter(limit=5)
    >>> [*splitter.feed(b"on"), *splitter.feed(b"e\\ntwo\\nth")], list(splitter.end())
    ([b'one', b'two'], [b'th'])
    >>> [*splitter.feed(b"far too long"), *splitter.feed(b"\\nok\\n")]
    [Oversize(head=b'far to', tail=b'o long', size=12), b'ok']
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._edge = min(EDGE, limit + 1)
        self._line = bytearray()
        self._head: bytes | None = None  # of a line that is over the limit; `_line` then holds its tail
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[bytes | Oversize]:
        """Take the next bytes; give the lines that they complete. To be consumed before the next is fed."""
        start = 0
        while (newline := chunk.find(b"\n", start)) >= 0:
            self._extend(chunk[start:newline])
            yield self._complete()
            start = newline + 1
        self._extend(chunk[start:])

    def end(self) -> Iterator[bytes | Oversize]:
        """The stream is over; give what stands after its last newline, if anything does."""
        if self._size:
            yield self._complete()

    def _extend(self, piece: bytes) -> None:
        self._size += len(piece)
        self._line += piece
        if self._head is None and self._size > self._limit:
            self._head = bytes(self._line[: self._edge])
        if self._head is not None:
            del self._line[: -self._edge]

    def _complete(self) -> bytes | Oversize:
        line = bytes(self._line)
        done = line if self._head is None else Oversize(self._head, line, self._size)
        self._line.clear()
        self._head, self._size = None, 0
        return done
