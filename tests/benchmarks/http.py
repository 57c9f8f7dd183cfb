"""Trivial executions over HTTP, alone and while another principal floods the server from a process of its own.

Windows without and with the flood take turns, so that whatever else the machine does falls on both alike. The process
that floods runs behind all others (a niceness of 19); its own processor time is told with each figure.

python -m tests.benchmarks.http URL FLOOD        floods while its input says so, until that ends
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from tests.benchmarks.frame import ROOT, Benchmark, Figure, figures_of, percentile
from tests.benchmarks.processes import busy_ms
from tests.simulators.mcp_messages import request
from tests.simulators.served_http import Listening, serving_http, token_of

WINDOWS = 6
"""Of each sort, without and with the flood."""

ASKED = 40
"""Trivial executions in a window, one after the other."""

PAUSE = 0.02
"""Seconds between two questions of the quiet principal."""

SWELL, EBB = 1.0, 0.7
"""Seconds for a flood to come and to go."""


def asked(tool: str, arguments: dict[str, object]) -> bytes:
    """A call of a tool, as a request's body."""
    return json.dumps(request("tools/call", {"name": tool, "arguments": arguments}, 1)).encode()


@dataclass(frozen=True, slots=True)
class Flood:
    """What another principal sends without end. `each`: requests on one connection, before the next is opened."""

    name: str
    body: bytes
    connections: int = 64
    each: int = 50
    token: str | None = token_of("crowd")


TRIVIAL = asked("execute", {"code": "1+1"})
FLOODS = (
    Flood("executions of 1+1", TRIVIAL),
    Flood("endless loops", asked("execute", {"code": "while True: pass", "timeout": 2})),
    Flood("searches", asked("search", {"query": "all of it"})),
    Flood("strange tools", asked("nothing", {})),
    Flood("bodies of 1 MB, refused as too long a program", asked("execute", {"code": "x" * 1_000_000})),
    Flood("bodies of 1 MB, all brackets", b"[" + b"[]," * 333_000 + b"[]]"),
    Flood("bodies of 1 MB, all escapes", asked("execute", {"code": '",' * 300_000})),
    Flood("bodies that are too large", b" " * 2_000_000),
    Flood("a connection for each request", TRIVIAL, each=1),
    Flood("500 connections", TRIVIAL, connections=500),
    Flood("requests without a token", TRIVIAL, token=None),
    Flood("requests with a wrong token", TRIVIAL, token="isthmus_nobodys"),
)


def message(url: str, body: bytes, token: str | None) -> bytes:
    """A whole request."""
    parts = urlsplit(url)
    fields = {
        "host": parts.netloc,
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "content-length": str(len(body)),
        **({"authorization": f"Bearer {token}"} if token else {}),
    }
    head = f"POST {parts.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return head.encode() + b"\r\n" + body


class Connection:
    """A connection of the least cost: plain sockets, one request after the other."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, whole: bytes) -> bytes:
        """Send a request, and give the answer: its head, and its body.

        Raises:
            OSError, EOFError: the connection is lost.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        reader, writer = self._streams
        writer.write(whole)
        head = await reader.readuntil(b"\r\n\r\n")
        if b"chunked" in head:
            return head + await reader.readuntil(b"0\r\n\r\n")
        return head + await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0]))

    def close(self) -> None:
        """Close it, if it is open."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def flooded(floods: tuple[Flood, ...] = FLOODS) -> AsyncIterator[Figure]:
    """One server; the time of a quiet principal alone is the measure of his time beside each flood."""
    gc.freeze()  # our own looks through what is imported would be taken for the server's
    with tempfile.TemporaryDirectory() as folder:
        async with serving_http({}, Path(folder), ["quiet", "crowd"]) as server:
            await timings(server)  # the first program waits for the compiler
            for flood in floods:
                yield await beside(server, flood)


async def beside(server: Listening, flood: Flood) -> Figure:
    """The figure of one flood."""
    before: list[float] = []
    during: list[float] = []
    spent: dict[str, float] = {"server": 0.0, "all": 0.0, "seconds": 0.0}
    with flooding(server.url, flood) as process:
        for _ in range(WINDOWS):
            before += await timings(server)
            _tell(process, "go")
            await anyio.sleep(SWELL)
            began, busy = time.perf_counter(), busy_ms(server.process.pid)
            during += await timings(server)
            now = busy_ms(server.process.pid)
            spent["seconds"] += time.perf_counter() - began
            spent["server"] += now[server.process.pid] - busy[server.process.pid]
            spent["all"] += sum(ms - busy.get(pid, 0.0) for pid, ms in now.items())
            _tell(process, "stop")
            await anyio.sleep(EBB)
        process.stdin.close()  # type: ignore[union-attr] # it is a pipe
        told = json.loads(process.stdout.read())  # type: ignore[union-attr] # it is a pipe
    alone, beside_it = percentile(before, 95), percentile(during, 95)
    detail = (
        f"p95 {alone:.1f} -> {beside_it:.1f}, p50 {percentile(before, 50):.1f} -> {percentile(during, 50):.1f} ms; "
        f"{told['answers'] / told['seconds']:.0f} answers/s {told['statuses']}; processors: server "
        f"{spent['server'] / spent['seconds'] / 10:.0f} %, with workers {spent['all'] / spent['seconds'] / 10:.0f} %, "
        f"the flooder's own {100 * told['cpu'] / told['seconds']:.0f} %"
    )
    return Figure(f"{flood.name}: p95 beside / alone", beside_it / alone, "times", target=2.0, detail=detail)


async def timings(server: Listening) -> list[float]:
    """Milliseconds of trivial executions, each in a new session, one after the other."""
    took = []
    connection, whole = Connection(server.url), message(server.url, TRIVIAL, token_of("quiet"))
    for _ in range(ASKED):
        began = time.perf_counter()
        answer = await connection.ask(whole)
        took.append((time.perf_counter() - began) * 1000)
        if b"result: 2" not in answer:
            raise RuntimeError(answer[:500])
        await anyio.sleep(PAUSE)
    connection.close()
    return took


def _tell(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(word + "\n")
    process.stdin.flush()


@contextmanager
def flooding(url: str, flood: Flood) -> Iterator[subprocess.Popen[str]]:
    """A process that floods while it is told to."""
    command = [sys.executable, "-m", "tests.benchmarks.http", url, flood.name]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.terminate()


class Crowd:
    """Keeps connections busy, each with one request after the other."""

    def __init__(self, url: str, flood: Flood) -> None:
        self._url = url
        self._flood = flood
        self._message = message(url, flood.body, flood.token)
        self._tasks: list[asyncio.Task[None]] = []
        self._since = 0.0
        self._cpu = 0.0
        self.told: dict[str, object] = {}
        self.seconds = self.cpu = 0.0
        self.statuses: dict[str, int] = {}

    def go(self) -> None:
        """Begin."""
        self._since, self._cpu = time.perf_counter(), time.process_time()
        self._tasks = [asyncio.create_task(self._one()) for _ in range(self._flood.connections)]

    async def stop(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.seconds += time.perf_counter() - self._since
        self.cpu += time.process_time() - self._cpu

    async def _one(self) -> None:
        while True:
            connection = Connection(self._url)
            try:
                for _ in range(self._flood.each):
                    status = (await connection.ask(self._message)).split(b" ", 2)[1].decode()
                    self.statuses[status] = self.statuses.get(status, 0) + 1
            except (OSError, EOFError):
                self.statuses["lost"] = self.statuses.get("lost", 0) + 1
                await asyncio.sleep(0.01)
            finally:
                connection.close()


async def main(url: str, name: str) -> None:
    """Flood between the lines `go` and `stop`; at the end tell how many were answered, and at what cost."""
    os.nice(19)
    crowd = Crowd(url, next(flood for flood in FLOODS if flood.name == name))
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while word := (await lines.readline()).strip():
        if word == b"go":
            crowd.go()
        else:
            await crowd.stop()
    answers = sum(crowd.statuses.values())
    print(json.dumps({"answers": answers, "statuses": crowd.statuses, "cpu": crowd.cpu, "seconds": crowd.seconds}))


BENCHMARKS = (Benchmark("http", "a trivial execution over HTTP beside another's floods", figures_of(flooded)),)

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
