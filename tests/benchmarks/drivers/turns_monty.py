"""Monty: a session of a kept pool for each program; host calls are its external functions.

`fresh` is the quickest that it offers: the synchronous pool, whose worker process serves one session after the other.
`fresh_process` is the same with a worker that is not used again, as ours are not.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pydantic_monty  # type: ignore[import-not-found]  # installed in a venv of its own
from tests.benchmarks.drivers.turns import Stopwatch, expect, serve

SPARE = 2
MOST = 64
"""Live workers: by default as many as processors, which would not let twenty programs wait."""


class Deeds:
    """What is measured."""

    def __init__(self, kept: Any, single: Any, pool: Any) -> None:
        self._kept, self._single, self._pool = kept, single, pool
        self._opened = asyncio.Event()
        self._held: list[asyncio.Task[float]] = []

    async def fresh(self, _: int) -> float:
        """A session of a worker that had others, and its first program."""
        return once(self._kept)

    async def fresh_process(self, _: int) -> float:
        """A session of a worker that had none."""
        return once(self._single)

    async def call(self, count: int) -> float:
        """One program that awaits calls one after the other."""

        async def echo(n: int) -> int:
            return n

        return await self._run(f"for n in range({count}):\n    await echo(n=n)\nn", count - 1, {"echo": echo})

    async def fan_out(self, count: int) -> float:
        """One program whose calls of 100 ms overlap."""

        async def slow(seconds: float) -> int:
            await asyncio.sleep(seconds)
            return 7

        source = f"import asyncio\nlen(await asyncio.gather(*[slow(seconds=0.1) for _ in range({count})]))"
        return await self._run(source, count, {"slow": slow})

    async def hold(self, count: int) -> float:
        """So many programs that wait for a call at once."""
        holding = asyncio.Event()

        async def hold() -> int:
            holding.set()
            await self._opened.wait()
            return 7

        watch = Stopwatch()
        for _ in range(count):
            holding.clear()
            self._held.append(asyncio.create_task(self._run("await hold()", 7, {"hold": hold})))
            await holding.wait()
        return watch.ms()

    async def release(self, _: int) -> float:
        """Let them end."""
        watch = Stopwatch()
        self._opened.set()
        await asyncio.gather(*self._held)
        return watch.ms()

    async def _run(self, source: str, value: object, functions: dict[str, Any]) -> float:
        async with self._pool.checkout() as session:
            watch = Stopwatch()
            result = await session.feed_run(source, external_lookup=functions)
            took = watch.ms()
        expect(result, value)
        return took


def once(pool: Any) -> float:
    """Milliseconds from wanting a session to `1+1`."""
    watch = Stopwatch()
    with pool.checkout() as session:
        result = session.feed_run("1+1")
        took = watch.ms()
    expect(result, 2)
    return took


async def main() -> None:
    """Answer each line."""
    with (
        pydantic_monty.Monty(min_processes=SPARE) as kept,
        pydantic_monty.Monty(min_processes=SPARE, max_checkouts_per_worker=1) as single,
    ):
        async with pydantic_monty.AsyncMonty(max_processes=MOST) as pool:
            deeds = Deeds(kept, single, pool)
            names = ("fresh", "fresh_process", "call", "fan_out", "hold", "release")
            await serve({name: getattr(deeds, name) for name in names})


asyncio.run(main())
