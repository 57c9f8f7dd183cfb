"""`python -m tests.benchmarks.sandbox`: the sandbox at its own interface, and where its time goes.

Prints p50 and p99 in milliseconds, unless it says otherwise. The server's side is in this process, on one event loop.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio

from isthmus_sandbox.frames import decode_outcome, decode_step, encode_events, encode_program
from isthmus_sandbox.guest import WorkerGuest
from isthmus_sandbox.pool import Pool
from isthmus_sandbox.protocol import Event, Program, Step
from isthmus_sandbox.settings import Limits, Settings, StartMethod
from isthmus_sandbox.values import check, clean
from tests.processes import descendants

ONE_AND_ONE = Program("1+1", "00ff", 0.0)


async def echo(step: Step) -> Sequence[Event]:
    """Answers at once."""
    return [Event(request.call, "value", {"n": 1}) for request in step.requests]


async def after_100_ms(step: Step) -> Sequence[Event]:
    """Answers all that a step wants after 100 ms."""
    if step.requests:
        await anyio.sleep(0.1)
    return await echo(step)


def show(name: str, took: list[float], scale: float = 1.0) -> None:
    """One line: milliseconds per `scale`."""
    took = sorted(each * 1000 / scale for each in took)
    p50, p99 = took[len(took) // 2], took[min(len(took) - 1, len(took) * 99 // 100)]
    print(f"  {name:<44} p50 {p50:8.3f}   p99 {p99:8.3f}   least {took[0]:8.3f}   n={len(took)}")


async def timed(action: Callable[[], Awaitable[object]]) -> float:
    """Seconds."""
    began = time.perf_counter()
    await action()
    return time.perf_counter() - began


async def fresh(pool: Pool, count: int, pause: float) -> list[float]:
    """Open a guest and run 1+1 in it, `count` times; the guests are closed outside the time."""
    took = []
    for _ in range(count):
        await anyio.sleep(pause)
        guests: list[WorkerGuest] = []

        async def one(guests: list[WorkerGuest] = guests) -> None:
            guests.append(await pool.open())
            await guests[0].run(ONE_AND_ONE, echo)

        took.append(await timed(one))
        await guests[0].close()
    return took


async def waiting(pool: Pool, settings: Settings) -> None:
    """Spares, none, and a live session."""
    await pool.open()
    await anyio.sleep(0.5)
    show("spare guest: open and 1+1 (target 0.5)", await fresh(pool, 100, 0.06))
    async with Pool(settings_without_spares(settings)) as bare:
        await bare.open()
        show("no spare: open and 1+1 (target 2)", await fresh(bare, 100, 0.02))
        show("no spare: open alone", [await timed(bare.open) for _ in range(50)])
    guest = await pool.open()
    await guest.run(ONE_AND_ONE, echo)
    show("live guest: 1+1", [await timed(lambda: guest.run(ONE_AND_ONE, echo)) for _ in range(500)])


async def calling(pool: Pool) -> None:
    """Calls, one after the other and at once."""
    guest = await pool.open()
    await guest.run(ONE_AND_ONE, echo)
    awaited = Program("for i in range(1000): await up.get(n=i)", "00", 0.0, ("up",))
    touched = Program("for i in range(1000): up.get(n=i)['n']", "00", 0.0, ("up",))
    show(
        "one awaited call of 1,000 (target 0.215)",
        [await timed(lambda: guest.run(awaited, echo)) for _ in range(5)],
        1000,
    )
    show("one call without await of 1,000", [await timed(lambda: guest.run(touched, echo)) for _ in range(5)], 1000)
    many = Program("import asyncio\nawait asyncio.gather(*[up.get(n=i) for i in range(50)])", "00", 0.0, ("up",))
    show(
        "50 calls of 100 ms at once (target 110)",
        [await timed(lambda: guest.run(many, after_100_ms)) for _ in range(10)],
    )


async def memory(pool: Pool) -> None:
    """What 50 live guests have of memory, by proportional share."""
    guests = [await pool.open() for _ in range(50)]
    for guest in guests:
        await guest.run(ONE_AND_ONE, echo)
    shares = [_memory_of(process) for process in descendants(os.getpid())]
    pss, private = (sum(share[field] for share in shares) / len(shares) / 1024 for field in ("Pss:", "Private_Dirty:"))
    print(f"  {len(shares)} processes: {pss:.1f} MB each by proportional share, {private:.1f} MB private and written")
    for guest in guests:
        await guest.close()


def _memory_of(process: int) -> dict[str, int]:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split()[0]: int(line.split()[1]) for line in lines}


def parts() -> None:
    """The pure parts of a call, in microseconds, and of a large answer, in milliseconds."""
    step = (
        b'{"requests":[[1,"up.get",{"n":1},[],true,[]]],"cancellations":[],"output":"","wake_after_ms":null,'
        b'"clock":[0,[]]}'
    )
    outcome = (
        b'{"ok":true,"kind":"json","value":2,"blobs":[],"output":"","error":null,"notes":[],"names":["a","b"],'
        b'"clock":[2,[[1,1]]]}'
    )
    for name, action in {
        "decode a step": lambda: decode_step(step),
        "decode an outcome": lambda: decode_outcome(outcome),
        "encode an event": lambda: encode_events([Event(1, "value", {"n": 1})]),
        "encode a program": lambda: encode_program(ONE_AND_ONE),
    }.items():
        show(f"{name}, of 1,000", [_time(lambda action=action: [action() for _ in range(1000)]) for _ in range(9)])  # type: ignore[misc]
    rows = [
        {"id": i, "title": f"issue {i}", "body": "x" * 100, "labels": ["a", "b"], "score": i / 2} for i in range(65_000)
    ]
    large = encode_events([Event(1, "value", rows)])
    print(f"  a large answer: {len(large) / 1e6:.1f} MB")
    for name, action in {
        "clean it": lambda: clean(rows),
        "check it": lambda: check(rows),
        "encode it": lambda: encode_events([Event(1, "value", rows)]),
    }.items():
        show(name, [_time(action) for _ in range(5)])


def _time(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def settings_without_spares(settings: Settings) -> Settings:
    """The same, but each guest is made when it is asked for."""
    return Settings(limits=settings.limits, spares=0, start_method=settings.start_method)


async def main(start_method: StartMethod | None) -> None:
    """All of it."""
    settings = Settings(limits=Limits(cpu=600.0), spares=2, start_method=start_method)
    began = time.perf_counter()
    async with Pool(settings) as pool:
        await pool.open()
        print(f"  the pool was ready after {time.perf_counter() - began:.2f} s; {dict(pool.layers())}")
        await waiting(pool, settings)
        await calling(pool)
        await memory(pool)
    parts()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start-method", choices=["fork", "spawn"])
    anyio.run(main, parser.parse_args().start_method)
