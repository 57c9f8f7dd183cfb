"""Ours, at the sandbox's own interface: workers of the pool, with a spare; calls are tasks, answered as they end."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.drivers.turns import Stopwatch, expect, serve
from tests.benchmarks.sandboxes import opened_pool

from isthmus_sandbox.pool import Pool
from isthmus_sandbox.protocol import Event, Program, Step

SPARE = 2


class Calls:
    """The host's side of one program: `api.echo`, `api.slow` and, until `opened`, `api.hold`."""

    def __init__(self, opened: asyncio.Event) -> None:
        self.holding = asyncio.Event()
        self._opened = opened
        self._under_way: dict[asyncio.Task[object], int] = {}

    async def exchange(self, step: Step) -> Sequence[Event]:
        """Begin what is wanted; give what has ended."""
        for request in step.requests:
            task = asyncio.create_task(self._perform(request.operation, request.arguments))
            self._under_way[task] = request.call
        if not self._under_way:
            return ()
        ended, _ = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        return [Event(self._under_way.pop(task), "value", task.result()) for task in ended]

    async def _perform(self, operation: str, arguments: Mapping[str, Any]) -> object:
        if operation == "api.hold":
            self.holding.set()
            await self._opened.wait()
        elif operation == "api.slow":
            await asyncio.sleep(arguments["seconds"])
        return arguments.get("n")


class Deeds:
    """What is measured."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._opened = asyncio.Event()
        self._held: list[asyncio.Task[float]] = []

    async def fresh(self, _: int) -> float:
        """A guest that nobody had, and its first program."""
        return await self._run("1+1", 2, Calls(self._opened), whole=True)

    async def call(self, count: int) -> float:
        """One program that awaits calls one after the other."""
        source = f"for n in range({count}):\n    await api.echo(n=n)\nn"
        return await self._run(source, count - 1, Calls(self._opened))

    async def fan_out(self, count: int) -> float:
        """One program whose calls of 100 ms overlap."""
        source = f"import asyncio\nlen(await asyncio.gather(*[api.slow(seconds=0.1) for _ in range({count})]))"
        return await self._run(source, count, Calls(self._opened))

    async def hold(self, count: int) -> float:
        """So many programs that wait for a call at once."""
        watch = Stopwatch()
        for _ in range(count):
            calls = Calls(self._opened)
            self._held.append(asyncio.create_task(self._run("await api.hold(n=7)", 7, calls)))
            await calls.holding.wait()
        return watch.ms()

    async def release(self, _: int) -> float:
        """Let them end."""
        watch = Stopwatch()
        self._opened.set()
        await asyncio.gather(*self._held)
        return watch.ms()

    async def _run(self, source: str, value: object, calls: Calls, *, whole: bool = False) -> float:
        """Run a program in a guest of its own. `whole` counts the getting of the guest as well."""
        program = Program(source, secrets.token_hex(16), time.time(), ("api",))
        watch = Stopwatch()
        guest = await self._pool.open()
        watch = watch if whole else Stopwatch()
        outcome = await guest.run(program, calls.exchange)
        took = watch.ms()
        await guest.close()
        expect(outcome.value, value)
        return took


async def main() -> None:
    """Answer each line."""
    async with opened_pool(spare=SPARE) as pool:
        await (await pool.open()).close()
        deeds = Deeds(pool)
        names = ("fresh", "call", "fan_out", "hold", "release")
        await serve({name: getattr(deeds, name) for name in names})


asyncio.run(main())
