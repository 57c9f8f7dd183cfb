"""stdin and stdout as a wire of lines, from the first moment on. The standard library only, and nothing asynchronous.

A thread reads lines, has the first ones answered (`Opening`), answers those that are no messages, and keeps the rest
until the session takes them. It is a thread so that it can begin before there is an event loop, and a daemon so
that a client which neither speaks nor goes cannot keep the process from ending.

While the wire is held, descriptor 0 is empty and descriptor 1 is stderr: no library and no child process can
read the protocol, or write into it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass

from isthmus.front.messages import LINE_BYTES, Fault, Message, read, result_line
from isthmus.front.opening import Opening
from isthmus.upstreams.lines import LineSplitter, Oversize

QUEUED = 256
"""Messages that wait for the session, before the client is made to wait."""

CHUNK = 65_536
AT_ONCE = 4096
"""Bytes that a pipe takes without blocking whenever it is writable (PIPE_BUF)."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message, and whether it has been answered already, or is a search that can be without the SDK."""

    message: Message
    answered: bool
    is_search: bool = False


class Wire:
    """The lines of one client. `incoming` and `outgoing` are descriptors of its own."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._writing = threading.Lock()
        self._arrived: queue.Queue[Arrived | None] = queue.Queue(QUEUED)
        self._splitter = LineSplitter(LINE_BYTES)
        self._opening = Opening()
        self._news: Callable[[], object] = lambda: None

    @classmethod
    def standard(cls) -> Wire:
        """The wire of this process's standard streams, which it takes away from everybody else."""
        wire = cls(os.dup(0), os.dup(1))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        with contextlib.suppress(OSError):  # there is no stderr
            os.dup2(2, 1)
        return wire

    def start(self) -> threading.Thread:
        """Begin to read, and to answer. The thread that does so ends when the client has gone."""
        reader = threading.Thread(target=self._read, name="isthmus-stdin", daemon=True)
        reader.start()
        return reader

    def take(self) -> Arrived | None:
        """The next message; None when the client has gone, and ever after.

        Raises:
            queue.Empty: there is none yet.
        """
        arrived = self._arrived.get_nowait()
        if arrived is None:
            self._arrived.put(None)
        return arrived

    def listen(self, news: Callable[[], object]) -> None:
        """`news` is called, in the thread, whenever a message has arrived."""
        self._news = news

    def hand_over(self, news: Callable[[], object]) -> None:
        """From now on nothing is answered here. `news` is called, in the thread, whenever a message has arrived."""
        self._opening.close()
        self.listen(news)

    def try_write(self, line: bytes) -> bool:
        """Write a line if that is possible without waiting.

        Raises:
            OSError: the client does not listen any more.
        """
        if len(line) > AT_ONCE or not self._writing.acquire(blocking=False):
            return False
        try:
            if possible := _writable(self._outgoing):
                self._write_all(line)
            return possible
        finally:
            self._writing.release()

    def write(self, line: bytes) -> None:
        """Write a line, however long that takes.

        Raises:
            OSError: the client does not listen any more.
        """
        with self._writing:
            self._write_all(line)

    def _write_all(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._outgoing, rest) :]

    def _read(self) -> None:
        try:
            while chunk := os.read(self._incoming, CHUNK):
                for line in self._splitter.feed(chunk):
                    self._take(line)
            for line in self._splitter.end():
                self._take(line)
        except OSError:
            pass  # it can be neither read nor answered: the client has gone
        finally:
            self._put(None)

    def _take(self, line: bytes | Oversize) -> None:
        message = read(line)
        if isinstance(message, Fault):
            self.write(message.answer())
        elif message is not None:
            result = self._opening.answer(message)
            if result is not None:
                self.write(result_line(message["id"], result))
            self._put(Arrived(message, result is not None, self._opening.is_search(message)))

    def _put(self, arrived: Arrived | None) -> None:
        self._arrived.put(arrived)
        with contextlib.suppress(RuntimeError):  # the event loop has been closed: nobody waits for it
            self._news()


def _writable(descriptor: int) -> bool:
    """Whether a pipe takes `AT_ONCE` bytes at once; False where the system cannot tell."""
    if not hasattr(select, "poll"):  # Windows
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(event & select.POLLOUT for _, event in poll.poll(0))
