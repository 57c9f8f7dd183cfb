"""Programs that are shown to run at the same time, however long each takes to begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from tests.simulators.served import Served
from tests.simulators.waiting import SOON

BEGUN = "the program has begun"


async def run_together(*executions: tuple[Served, Mapping[str, Any]]) -> None:
    """Run a program on each server, with these further arguments; returns once all have begun, and none has ended.

    They end with the one who asked, so that one which waits for another to end never begins.
    """
    begun = [anyio.Event() for _ in executions]

    async def run(server: Served, more: Mapping[str, Any], mine: anyio.Event) -> None:
        async def progressed(_progress: float, _total: float | None, message: str | None) -> None:
            if message == BEGUN:
                mine.set()

        code = f"import asyncio\nprint({BEGUN!r})\nawait asyncio.sleep(3600)"
        result = await server.client.call_tool("execute", {"code": code, **more}, progress_callback=progressed)
        raise AssertionError(f"it ended: {result.content}")

    async with anyio.create_task_group() as tasks:
        for (server, more), mine in zip(executions, begun, strict=True):
            tasks.start_soon(run, server, more, mine)
        with anyio.fail_after(SOON):
            for each in begun:
                await each.wait()
        tasks.cancel_scope.cancel()
