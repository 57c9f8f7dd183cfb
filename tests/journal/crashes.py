"""Real processes, killed at each point of a program with ten writes: what is sent, and what the model is told.

The server is the real one, over stdio; the upstream writes down every write that is done. A worker is killed while the
server lives on; a server is killed, and another one resumes what it was doing.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tests.processes import children
from tests.simulators.ledger import Ledger, Point, ledger
from tests.simulators.raw_client import RawClient, raw_client

WRITES = 10
BEFORE = f"numbers = range(1, {WRITES} + 1)"
PROGRAM = """
for n in numbers:
    await ledger.add(n=n)
    await ledger.get(n=n)
"all written"
"""
Victim = Literal["worker", "server"]


@dataclass(frozen=True)
class Crash:
    """What came of one kill: each write with how often it was done, and the last thing that the model was told."""

    victim: Victim
    point: Point
    write: int
    done: dict[int, int]
    told: str

    @property
    def twice(self) -> list[int]:
        """Writes that were done more than once."""
        return [n for n, times in self.done.items() if times > 1]

    @property
    def finished(self) -> bool:
        """The program came to its end, with every write done."""
        return "all written" in self.told and set(self.done) == set(range(1, WRITES + 1))

    @property
    def unknown(self) -> bool:
        """The write at which it happened is reported as unknown."""
        return "OutcomeUnknown" in self.told and "unknown" in self.told

    @property
    def right(self) -> bool:
        """None was done twice; all were done, or the one whose answer was lost is reported."""
        lost = self.victim == "server" and self.point != "read"
        return not self.twice and (self.unknown if lost else self.finished)


def crash(victim: Victim, point: Point, write: int, folder: Path) -> Crash:
    """Kill once, let it go on as a model would, and see."""
    with ledger() as book:
        configuration = {"upstreams": {"ledger": book.configuration(folder)}}
        told = (worker_killed if victim == "worker" else server_killed)(book, configuration, point, write, folder)
        return Crash(victim, point, write, dict(Counter(book.entries)), told)


def worker_killed(book: Ledger, configuration: dict[str, Any], point: Point, write: int, folder: Path) -> str:
    """What the model is told when its worker is killed: the program goes on in another one."""
    with _client(configuration, folder) as client:
        execute(client, BEFORE)
        book.on(point, write, lambda: _kill_workers(client.process.pid))
        return execute(client, PROGRAM)


def server_killed(book: Ledger, configuration: dict[str, Any], point: Point, write: int, folder: Path) -> str:
    """What the model is told by the next server, of which it asks to go on."""
    with _client(configuration, folder) as client:
        execute(client, BEFORE)
        book.on(point, write, partial(_lose, client))
        client.say(_call("execute", code=PROGRAM))
        client.process.wait(60)
    with _client(configuration, folder) as client:
        news = execute(client, "None")
        [interrupted] = [word for word in news.split() if word.startswith("x-")]
        return execute(client, "", session=interrupted)


@contextmanager
def _client(configuration: dict[str, Any], folder: Path) -> Iterator[RawClient]:
    client = raw_client(configuration, folder)
    try:
        client.say(
            {
                "jsonrpc": "2.0",
                "id": 0,
                "method": "initialize",
                "params": {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {},
                    "clientInfo": {"name": "crash", "version": "1"},
                },
            },
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
        )
        client.hear()
        yield client
    finally:
        client.kill()


def execute(client: RawClient, code: str, **more: Any) -> str:
    """The text that a program comes to."""
    client.say(_call("execute", code=code, **more))
    while (message := client.hear()).get("id") != 1:
        pass
    assert "result" in message, f"{message}\n{client.log()}"
    return str(message["result"]["content"][0]["text"])


def _call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def _lose(client: RawClient) -> bool:
    """The server, and with it whatever it has just sent."""
    client.process.kill()
    return True


def _kill_workers(server: int) -> None:
    """Every worker, and not the zygote whose children they are."""
    for zygote in children(server):
        for worker in children(zygote):
            os.kill(worker, signal.SIGKILL)


def table(crashes: list[Crash]) -> str:
    """The matrix: a row for each victim and point, a column for each write."""
    rows = [f"{'':8} {'':8} " + " ".join(f"{n:>8}" for n in range(1, WRITES + 1))]
    for victim in ("worker", "server"):
        for point in ("arrived", "done", "read"):
            cells = {each.write: each for each in crashes if (each.victim, each.point) == (victim, point)}
            marks = [f"{_mark(cells[n]) if n in cells else '':>8}" for n in range(1, WRITES + 1)]
            rows.append(f"{victim:8} {point:8} " + " ".join(marks))
    return "\n".join(rows)


def _mark(one: Crash) -> str:
    if one.twice:
        return "TWICE"
    if not one.right:
        return "WRONG"
    return "once" if one.finished else "unknown"


def describe(one: Crash) -> str:
    """A crash that did not end as it must."""
    return json.dumps(
        {"victim": one.victim, "point": one.point, "write": one.write, "done": one.done, "told": one.told}
    )
