"""`execute` over stdio against a bare server's trivial tool, by the official client, turn by turn."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from mcp import Client

from tests.benchmarks.frame import Benchmark, Figure, figures_of, median, spread
from tests.benchmarks.servers import BARE, bare_upstream, client_of, configured, ours

TURNS = 300
CALLS = 200
FAN = 50


async def checked(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    """Call a tool that must not fail, and give its text."""
    result = await client.call_tool(tool, arguments)
    text = "\n".join(getattr(block, "text", "") for block in result.content)
    if result.is_error:
        raise RuntimeError(f"{tool} failed: {text[:500]}")
    return text


async def taken(client: Client, tool: str, arguments: dict[str, Any]) -> float:
    """Milliseconds of one call."""
    began = time.perf_counter()
    await checked(client, tool, arguments)
    return (time.perf_counter() - began) * 1000


async def trivial() -> AsyncIterator[Figure]:
    """`1+1` in the session of the process, and a bare tool."""
    with configured({}) as path:
        async with client_of(ours(path)) as mine, client_of(BARE) as bare:
            await checked(mine, "execute", {"code": "1+1"})
            await checked(bare, "echo", {"text": "2"})
            ours_ms, bare_ms = [], []
            for _ in range(TURNS):
                ours_ms.append(await taken(mine, "execute", {"code": "1+1"}))
                bare_ms.append(await taken(bare, "echo", {"text": "2"}))
    yield Figure("bare server's trivial tool, p50", median(bare_ms), "ms", detail=spread(bare_ms))
    yield Figure('execute("1+1"), p50', median(ours_ms), "ms", detail=spread(ours_ms))
    yield Figure('execute("1+1") against the bare tool', median(ours_ms) / median(bare_ms), "x", target=2.0)


async def one_call() -> AsyncIterator[Figure]:
    """A call of an MCP upstream from a program, in a loop, against the same call by a direct client."""
    program = f"for n in range({CALLS}):\n    await bare.echo(text='2')"
    with configured({"bare": bare_upstream()}) as path:
        async with client_of(ours(path)) as mine, client_of(BARE) as bare:
            await checked(mine, "execute", {"code": "await bare.echo(text='2')"})
            await checked(bare, "echo", {"text": "2"})
            direct, through = [], []
            for _ in range(5):
                direct.extend([await taken(bare, "echo", {"text": "2"}) for _ in range(CALLS)])
                empty = await taken(mine, "execute", {"code": "1+1"})
                through.append((await taken(mine, "execute", {"code": program}) - empty) / CALLS)
    yield Figure("direct client's call, p50", median(direct), "ms", detail=spread(direct))
    yield Figure(f"a program's call, mean of {CALLS} in a loop", median(through), "ms", detail=spread(through))
    yield Figure("a program's call beyond the direct one", median(through) - median(direct), "ms", target=0.5)


async def fan_out() -> AsyncIterator[Figure]:
    """Fifty calls of 100 ms at once, over two stdio hops; no target, since the SDK's own share is large."""
    calls = f"[bare.slow(milliseconds=100) for _ in range({FAN})]"
    program = f"import asyncio\nlen(await asyncio.gather(*{calls}))"
    with configured({"bare": bare_upstream()}, limits={"parallel": FAN, "calls": 10_000}) as path:
        async with client_of(ours(path)) as mine:
            await checked(mine, "execute", {"code": program})
            walls = [await taken(mine, "execute", {"code": program}) for _ in range(7)]
    yield Figure(f"{FAN} concurrent calls of 100 ms, MCP over stdio", median(walls), "ms", detail=spread(walls))


BENCHMARKS = (
    Benchmark("trivial", "execute over stdio against a bare mcp server's trivial tool", figures_of(trivial)),
    Benchmark("call", "one call from a program against the same call by a direct client", figures_of(one_call)),
    Benchmark("fan_out", "concurrent calls of an MCP upstream", figures_of(fan_out)),
)
