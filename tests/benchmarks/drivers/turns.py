"""The loop of a driver that does one deed at a time: lines of JSON in, milliseconds out.

A peer's interpreter runs this, so it needs nothing but Python's library. The time is taken where the sandbox is
embedded, around what its user would wait for: neither the harness's pipe nor a guest's own clock is in it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

Deed = Callable[[int], Awaitable[float]]
"""Does something with a count (of calls, of sandboxes), and gives the milliseconds that it took."""


class Stopwatch:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def ms(self) -> float:
        """Milliseconds so far."""
        return (time.perf_counter() - self._began) * 1000


def expect(value: object, expected: object) -> None:
    """Stop if a program did not give what it must."""
    if value != expected:
        raise RuntimeError(f"expected {expected!r}, got {value!r}")


async def serve(deeds: Mapping[str, Deed]) -> None:
    """Answer `{"deed": name, "count": n}` with `{"ok": true, "ms": …}` or `{"ok": false, "error": …}`, until the end.

    Between two lines the event loop is free, so that what an engine does in the background goes on.
    """
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        try:
            answer: dict[str, object] = {"ok": True, "ms": await deeds[asked["deed"]](asked["count"])}
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is its answer
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), flush=True)
