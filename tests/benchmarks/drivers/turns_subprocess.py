"""A plain subprocess: `python -I -c`, the interpreter of this process. It isolates nothing and has no host calls."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from tests.benchmarks.drivers.turns import Stopwatch, expect, serve

held: list[subprocess.Popen[str]] = []


def started(source: str) -> subprocess.Popen[str]:
    """A process that runs it."""
    command = [sys.executable, "-I", "-c", source]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def fresh(_: int) -> float:
    """A new process, and its program."""
    watch = Stopwatch()
    with started("print(1+1)") as process:
        output, _error = process.communicate()
        took = watch.ms()
    expect(output.strip(), "2")
    return took


async def hold(count: int) -> float:
    """So many processes that wait for a line."""
    watch = Stopwatch()
    for _ in range(count):
        process = started("print('here', flush=True); print(input())")
        assert process.stdout
        expect(process.stdout.readline(), "here\n")
        held.append(process)
    return watch.ms()


async def release(_: int) -> float:
    """Let them end."""
    watch = Stopwatch()
    for process in held:
        output, _error = process.communicate("7\n")
        expect(output.strip(), "7")
    return watch.ms()


asyncio.run(serve({"fresh": fresh, "hold": hold, "release": release}))
