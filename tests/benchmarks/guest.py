"""Guests at the sandbox's own interface: a warm one, none left, and what a call costs."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence

import anyio

from isthmus_sandbox.protocol import Event, Outcome, Program, Step
from tests.benchmarks.frame import Benchmark, Figure, figures_of, median, spread
from tests.benchmarks.sandboxes import opened_pool

FRESH, LIVE, CALLS = 60, 400, 1000


def program(source: str, upstreams: tuple[str, ...] = ()) -> Program:
    """A program on its way in."""
    return Program(source, secrets.token_hex(32), time.time(), upstreams)


async def echo(step: Step) -> Sequence[Event]:
    """Answer every request at once with what it was given."""
    return [Event(request.call, "value", dict(request.arguments)) for request in step.requests]


def checked(outcome: Outcome, value: object) -> None:
    """Stop if a program did not give what it must."""
    if not outcome.ok or outcome.value != value:
        raise RuntimeError(f"expected {value!r}, got {outcome}")


async def fresh(spare: int, pause: float) -> list[float]:
    """Milliseconds from wanting a guest to `1+1`, with a new guest each time; `pause` seconds to refill the spares."""
    took = []
    async with opened_pool(spare=spare) as pool:
        await (await pool.open()).close()
        for _ in range(FRESH):
            await anyio.sleep(pause)
            began = time.perf_counter()
            guest = await pool.open()
            outcome = await guest.run(program("1+1"), echo)
            took.append((time.perf_counter() - began) * 1000)
            checked(outcome, 2)
            await guest.close()
    return took


async def warm() -> AsyncIterator[Figure]:
    """A spare guest, and none."""
    took = await fresh(spare=2, pause=0.15)
    yield Figure("a spare guest, 1+1, p50", median(took), "ms", target=0.5, detail=spread(took))
    took = await fresh(spare=0, pause=0.0)
    yield Figure("no guest left, 1+1, p50", median(took), "ms", target=2.0, detail=spread(took))


async def live() -> AsyncIterator[Figure]:
    """A guest that has run before; its calls, answered at once."""
    took, calls = [], []
    loop = f"for n in range({CALLS}):\n    await api.echo(n=n)\n'done'"
    async with opened_pool(spare=1) as pool:
        guest = await pool.open()
        for _ in range(LIVE):
            began = time.perf_counter()
            outcome = await guest.run(program("1+1"), echo)
            took.append((time.perf_counter() - began) * 1000)
            checked(outcome, 2)
        for _ in range(5):
            began = time.perf_counter()
            outcome = await guest.run(program(loop, ("api",)), echo)
            calls.append((time.perf_counter() - began) * 1000 / CALLS)
            checked(outcome, "done")
        await guest.close()
    yield Figure("a live guest, 1+1, p50", median(took), "ms", detail=spread(took))
    yield Figure(f"one awaited call, mean of {CALLS}", median(calls), "ms", detail=spread(calls))


BENCHMARKS = (
    Benchmark("warm", "a fresh guest and its first program", figures_of(warm)),
    Benchmark("live", "a guest that lives, and its calls", figures_of(live)),
)
