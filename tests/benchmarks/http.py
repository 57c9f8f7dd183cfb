"""Trivial executions over HTTP, alone and while another principal floods the server from a process of its own.

python -m tests.benchmarks.http URL TOKEN TOOL        floods, until its input ends
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from tests.benchmarks.frame import ROOT, Benchmark, Figure, figures_of, percentile, spread
from tests.simulators.mcp_messages import request
from tests.simulators.served_http import Listening, serving_http, token_of

CONNECTIONS = 64
ASKED = 150
PAUSE = 0.02
"""Seconds between two questions of the quiet principal."""

FLOODS = {
    "executions of 1+1": ("execute", {"code": "1+1"}),
    "endless loops": ("execute", {"code": "while True: pass", "timeout": 2}),
    "searches": ("search", {"query": "all of it"}),
    "strange tools": ("nothing", {}),
}
HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def asked(tool: str, arguments: dict[str, object]) -> dict[str, object]:
    """A call of a tool, as a request."""
    return request("tools/call", {"name": tool, "arguments": arguments}, 1)


async def flooded() -> AsyncIterator[Figure]:
    """One server; the time of a quiet principal alone is the measure of his time beside each flood."""
    with tempfile.TemporaryDirectory() as folder:
        async with serving_http({}, Path(folder), ["quiet", "crowd"]) as server:
            await timings(server)  # the first program waits for the compiler
            for name, (tool, arguments) in FLOODS.items():
                idle = await timings(server)  # each time anew: the machine has other work as well
                with flood(server.url, json.dumps([tool, arguments])):
                    await anyio.sleep(2)
                    took = await timings(server)
                before, beside = percentile(idle, 95), percentile(took, 95)
                detail = f"{before:.1f} ms alone, {beside:.1f} ms beside {CONNECTIONS} connections; {spread(took)}"
                yield Figure(f"beside {name}: p95 during / before", beside / before, "times", target=2.0, detail=detail)
                await anyio.sleep(3)
            yield Figure("1+1 over HTTP, alone, p50", percentile(idle, 50), "ms", detail=spread(idle))


async def timings(server: Listening) -> list[float]:
    """Milliseconds of trivial executions, each in a new session, one after the other."""
    took = []
    async with server.http(token_of("quiet")) as http:
        for _ in range(ASKED):
            began = time.perf_counter()
            answer = await http.post(server.url, json=asked("execute", {"code": "1+1"}), headers=HEADERS)
            took.append((time.perf_counter() - began) * 1000)
            if "result: 2" not in answer.text:
                raise RuntimeError(answer.text[:500])
            await anyio.sleep(PAUSE)
    return took


@contextmanager
def flood(url: str, call: str) -> Iterator[None]:
    """Another principal's requests without end, from another process."""
    command = [sys.executable, "-m", "tests.benchmarks.http", url, token_of("crowd"), call]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as process:
        try:
            yield
        finally:
            process.terminate()


async def main(url: str, token: str, call: str) -> None:
    """Keep so many connections busy, each with one request after the other, at the least cost to this machine."""
    parts, body = urlsplit(url), json.dumps(asked(*json.loads(call))).encode()
    headers = {"host": parts.netloc, **HEADERS, "authorization": f"Bearer {token}", "content-length": str(len(body))}
    head = f"POST {parts.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    message = head.encode() + b"\r\n" + body

    async def one() -> None:
        while True:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            for _ in range(50):
                writer.write(message)
                answer = await reader.readuntil(b"\r\n\r\n")
                if b"chunked" in answer:
                    await reader.readuntil(b"0\r\n\r\n")
                else:
                    await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].split(b"\r")[0]))
            writer.close()

    await asyncio.gather(*[one() for _ in range(CONNECTIONS)])


BENCHMARKS = (Benchmark("http", "a trivial execution over HTTP beside another's floods", figures_of(flooded)),)

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
