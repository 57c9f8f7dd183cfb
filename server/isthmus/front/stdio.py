"""MCP over stdin and stdout. The first message is answered before anything else is loaded or connected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server

from isthmus.front.server import Application, build

GRACE = 0.25
"""Seconds that the first request may take to come before loading begins without it."""


class Opening:
    """An application that is opened behind the first answer, and awaited by whoever needs it."""

    def __init__(self) -> None:
        self._answered = anyio.Event()
        self._ready = anyio.Event()
        self._application: Application | None = None

    async def application(self) -> Application:
        """The application, once it is open."""
        self._answered.set()
        await self._ready.wait()
        if self._application is None:
            raise RuntimeError("the application was closed before it was open")
        return self._application

    async def middleware(
        self, ctx: ServerRequestContext[Any, Any], call_next: Callable[[ServerRequestContext[Any, Any]], Awaitable[Any]]
    ) -> Any:
        """Note that a request has been answered."""
        try:
            return await call_next(ctx)
        finally:
            self._answered.set()

    async def hold(self, open_application: Callable[[], AbstractAsyncContextManager[Application]]) -> None:
        """Open the application once the first request is answered, and keep it open until cancelled."""
        with anyio.move_on_after(GRACE):
            await self._answered.wait()
        async with open_application() as self._application:
            self._ready.set()
            await anyio.sleep_forever()


async def serve(open_application: Callable[[], AbstractAsyncContextManager[Application]]) -> None:
    """Serve one client on stdin and stdout until it goes away."""
    opening = Opening()
    server = build(opening.application)
    server.middleware.append(opening.middleware)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(opening.hold, open_application)
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
        tasks.cancel_scope.cancel()
