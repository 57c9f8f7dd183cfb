"""What a program prints: collected in order, bounded, and shown to the host often enough to survive a kill."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from typing import Any

from guest.errors import LimitExceeded

FLUSH_BYTES = 8_192
MAX_STEP_OUTPUT = 1_000_000
REFUSALS = 100
"""A program that catches so many LimitExceeded of its output, and still prints, is ended with its interpreter."""


class Output(io.TextIOBase):
    """`sys.stdout` and `sys.stderr` of programs: one stream.

    `flush_now` sends what waits to the host; `due` says whether the last exchange is long enough ago.
    """

    def __init__(self, flush_now: Callable[[], None], due: Callable[[], bool], give_up: Callable[[], None]) -> None:
        self._flush_now = flush_now
        self._due = due
        self._give_up = give_up
        self._waiting: list[str] = []
        self._waiting_bytes = 0
        self._limit = self._left = 10_000_000
        self._refused = 0
        self._fresh = True
        self.buffer = Binary(self)

    def start(self, limit: int) -> None:
        """Begin a program that may print `limit` bytes of UTF-8."""
        self._waiting.clear()
        self._waiting_bytes = 0
        self._left = limit
        self._limit = limit
        self._refused = 0
        self._fresh = True

    def take(self) -> str:
        """What waits to be sent, at most one step's worth; it waits no longer."""
        if not self._waiting:
            return ""
        text = "".join(self._waiting)
        self._waiting = [text[MAX_STEP_OUTPUT:]] if len(text) > MAX_STEP_OUTPUT else []
        self._waiting_bytes = len(self._waiting[0]) if self._waiting else 0
        return text[:MAX_STEP_OUTPUT]

    @property
    def waiting(self) -> bool:
        """Whether there is something to send."""
        return bool(self._waiting)

    @property
    def exceeded(self) -> bool:
        """Whether the program printed more than it may."""
        return self._refused > 0

    def error(self) -> LimitExceeded:
        """What printing raises from then on."""
        return LimitExceeded(
            f"the program printed more than {self._limit:,} bytes (limit `output_bytes`)",
            limit="output_bytes",
            hint="print less: filter and count in the program, and write what is long to a file in /workspace",
        )

    def write(self, text: str, /) -> int:
        """Add text. Raises LimitExceeded from the first text that is too much on; what fitted of it is kept."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        size = len(text)
        if not text.isascii():
            data = text.encode("utf-8", "backslashreplace")
            size = len(data)
            text = data.decode()
        if size > self._left:
            self._overflow(text)
        self._left -= size
        self._waiting.append(text)
        self._waiting_bytes += size
        if self._waiting_bytes >= FLUSH_BYTES or (self._fresh and "\n" in text) or (not self._fresh and self._due()):
            self._fresh = False
            self._send()
        return len(text)

    def _overflow(self, text: str) -> None:
        self._waiting.append(text.encode()[: self._left].decode("utf-8", "ignore"))
        self._left = 0
        self._refused += 1
        self._send()
        if self._refused > REFUSALS:
            self._give_up()
        raise self.error()

    def _send(self) -> None:
        while True:
            self._flush_now()
            if self._waiting_bytes < FLUSH_BYTES:
                return

    def writelines(self, lines: Iterable[str], /) -> None:  # type: ignore[override]  # typeshed wants buffers here
        """Add several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing: output is sent as `write` decides, so that a program which flushes each line costs no more."""

    def close(self) -> None:
        """Nothing: the next program prints here too."""

    def reconfigure(self, **_: Any) -> None:
        """Nothing: the stream is UTF-8, and lone surrogates come out as escapes."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed
        """UTF-8."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed
        """Lone surrogates come out as escapes."""
        return "backslashreplace"

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """No."""
        return False

    def fileno(self) -> int:
        """1, as programs expect of stdout; `os.write` to it comes out here."""
        return 1


class Binary(io.RawIOBase):
    """`sys.stdout.buffer`: bytes that are printed as UTF-8, what is none of it as escapes."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, data: Any, /) -> int:
        """Add bytes."""
        raw = bytes(data)
        self._output.write(raw.decode("utf-8", "backslashreplace"))
        return len(raw)

    def writable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Nothing: the next program prints here too."""


class NoInput(io.TextIOBase):
    """`sys.stdin` of programs: at its end from the start."""

    def read(self, _size: int | None = -1, /) -> str:
        """No text."""
        return ""

    def readline(self, _size: int = -1, /) -> str:  # type: ignore[override]  # typeshed wants bytes or str
        """No line."""
        return ""

    def readable(self) -> bool:
        """Yes, though there is nothing to read."""
        return True

    def close(self) -> None:
        """Nothing: the next program finds it open."""


def no_input(prompt: object = "") -> str:
    """`input()` of programs. Raises EOFError, always."""
    raise EOFError(
        f"input({str(prompt)[:100]!r}): nobody is there to answer; write the value into the program, "
        "or return the question as the result"
    )


def writer_for(output: Output, os_write: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
    """`os.write` that prints where a program writes to descriptors 1 and 2."""

    def write(fd: int, data: Any, /) -> int:
        return output.buffer.write(data) if fd in (1, 2) else os_write(fd, data)

    write.__doc__ = os.write.__doc__
    return write
