"""A client of the real server that says and hears single lines, well-formed or not.

client = raw_client({}, tmp_path)
client.say(initialize())
assert client.hear()["id"] == "init"
client.kill()
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.simulators.served import serve_command, server_environment

SOON = 60.0
"""Seconds within which anything that a test waits for has happened, on a slow machine that compiles too."""


class RawClient:
    """One server process and its pipes."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **environment}
            )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def say(self, *messages: Any) -> None:
        """Send messages; bytes are sent as they are, each as a line."""
        assert self.process.stdin
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode()
            self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def hear_line(self) -> bytes:
        """The next line; empty when the server has closed its output."""
        return self._lines.get(timeout=SOON)

    def hear(self) -> Any:
        """The next message."""
        return json.loads(self.hear_line())

    def leave(self) -> None:
        """Close the server's input."""
        assert self.process.stdin
        self.process.stdin.close()

    def log(self) -> str:
        """The server's stderr so far."""
        return self._log.read_text(errors="backslashreplace")

    def until(self, met: Callable[[], bool]) -> None:
        """Wait for what another process does, of which nobody tells."""
        latest = time.monotonic() + SOON
        while not met():
            assert time.monotonic() < latest, f"not in time; the log: {self.log()}"
            time.sleep(0.01)

    def until_logged(self, line: str) -> None:
        """Wait for a line of the log."""
        self.until(lambda: line in self.log())

    def kill(self) -> None:
        """End it, however it stands."""
        self.process.kill()
        self.process.wait(SOON)
        self._listening.join(SOON)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _listen(self) -> None:
        assert self.process.stdout
        while line := self.process.stdout.readline():
            self._lines.put(line)
        self._lines.put(b"")


def raw_client(configuration: Mapping[str, Any], folder: Path, **environment: str) -> RawClient:
    """The server of a configuration. `folder` takes its files."""
    command = serve_command(configuration, folder)
    return RawClient(command, folder / "stderr.log", server_environment(**environment))
