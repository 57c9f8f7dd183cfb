"""eryx: a new `Sandbox` for each program, in the process that embeds it; host calls are its callbacks."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import eryx  # type: ignore[import-not-found]  # installed in a venv of its own
from tests.benchmarks.drivers.turns import Stopwatch, expect, serve


class Deeds:
    """What is measured."""

    def __init__(self) -> None:
        self._opened = False
        self._holding = 0
        self._held: list[asyncio.Future[float]] = []

    async def fresh(self, _: int) -> float:
        """A new sandbox, and its first program."""
        watch = Stopwatch()
        result = eryx.Sandbox().execute("result = 1 + 1").result
        took = watch.ms()
        expect(result, 2)
        return took

    async def call(self, count: int) -> float:
        """One program that awaits calls one after the other."""
        sandbox = eryx.Sandbox(callbacks=[{"name": "echo", "fn": lambda n: n, "description": "Echo."}])
        return ran(sandbox, f"for n in range({count}):\n    await echo(n=n)\nresult = n", count - 1)

    async def fan_out(self, count: int) -> float:
        """One program whose calls of 100 ms overlap."""

        async def slow(seconds: float) -> None:
            await asyncio.sleep(seconds)

        sandbox = eryx.Sandbox(callbacks=[{"name": "slow", "fn": slow, "description": "Wait."}])
        source = f"import asyncio\nresult = len(await asyncio.gather(*[slow(seconds=0.1) for _ in range({count})]))"
        return ran(sandbox, source, count)

    async def hold(self, count: int) -> float:
        """So many programs that wait for a call at once, each in a thread."""

        async def hold() -> int:
            self._holding += 1
            while not self._opened:  # noqa: ASYNC110 - the loop is eryx's, an event of ours belongs to another
                await asyncio.sleep(0.05)
            return 7

        watch = Stopwatch()
        loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(count)
        for number in range(self._holding + 1, self._holding + count + 1):
            sandbox = eryx.Sandbox(callbacks=[{"name": "hold", "fn": hold, "description": "Wait."}])
            self._held.append(loop.run_in_executor(threads, ran, sandbox, "result = await hold()", 7))
            while self._holding < number:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.005)
        return watch.ms()

    async def release(self, _: int) -> float:
        """Let them end."""
        watch = Stopwatch()
        self._opened = True
        await asyncio.gather(*self._held)
        return watch.ms()


def ran(sandbox: Any, source: str, value: object) -> float:
    """Milliseconds of a program in a sandbox that is there."""
    watch = Stopwatch()
    result = sandbox.execute(source).result
    took = watch.ms()
    expect(result, value)
    return took


deeds = Deeds()
names = ("fresh", "call", "fan_out", "hold", "release")
asyncio.run(serve({name: getattr(deeds, name) for name in names}))
