"""A session over a wire, before the SDK is there and after.

To import the SDK takes longer than to open thousands of operations. So the application is opened first: its upstreams
connect and its sandbox warms up meanwhile, and searches are answered here, those that `Opening` understands in full.
The SDK never hears of them: a search changes nothing, and nothing that the SDK knows of a session depends on one.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import queue
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from isthmus.front.calls import failure, found
from isthmus.front.messages import Message, result_line
from isthmus.front.opened import Opened
from isthmus.front.opening import called
from isthmus.front.wire import QUEUED, Arrived, Wire
from isthmus.model import Principal

if TYPE_CHECKING:
    from isthmus.front.calls import Application

QUIET = 1.0
"""Seconds at most for which the SDK is not imported, while upstreams connect and nobody waits for it."""


async def serve(wire: Wire, open_application: Callable[[], AbstractAsyncContextManager[Application]]) -> None:
    """Serve the client of a wire until it goes away."""
    opened = Opened()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(opened.hold, open_application)
        first = FirstMessages(wire, await opened.application(), tasks)
        async with anyio.create_task_group() as taking:
            taking.start_soon(first.take)
            await first.until_the_sdk_is_wanted()
            stdio = await anyio.to_thread.run_sync(import_module, "isthmus.front.stdio")
            taking.cancel_scope.cancel()
        gc.freeze()  # what was imported stays
        gc.enable()
        await stdio.serve(wire, opened, first.kept)
        tasks.cancel_scope.cancel()


class FirstMessages:
    """Takes what comes on a wire: searches are answered, in `tasks`, and all else is kept for the SDK."""

    def __init__(self, wire: Wire, application: Application, tasks: TaskGroup) -> None:
        self.kept = deque[Arrived]()
        self._wire = wire
        self._application = application
        self._tasks = tasks
        self._under_way = 0
        self._wanted = False  # whether somebody waits for the SDK
        self._changed = anyio.Event()
        loop = asyncio.get_running_loop()
        wire.listen(lambda: loop.call_soon_threadsafe(self._wake))

    async def take(self) -> None:
        """Take each message as it comes, until cancelled, or until nothing more is to be taken."""
        while len(self.kept) < QUEUED:
            changed = self._changed
            try:
                arrived = self._wire.take()
            except queue.Empty:
                await changed.wait()
                continue
            if arrived is None:
                break
            if arrived.is_search:
                self._under_way += 1
                self._tasks.start_soon(self._answer, arrived.message)
            else:
                self.kept.append(arrived)
                if not arrived.answered and "id" in arrived.message:
                    self._want()
        self._want()

    async def until_the_sdk_is_wanted(self, quiet: float = QUIET) -> None:
        """Return when somebody waits for it, or else when upstreams have connected, or after `quiet` seconds."""
        with anyio.move_on_after(quiet):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._settle, quiet)
                while not self._wanted:
                    await self._changed.wait()
                tasks.cancel_scope.cancel()

    async def _settle(self, quiet: float) -> None:
        await self._application.settled(quiet)
        while self._under_way:
            await self._changed.wait()
        self._want()

    async def _answer(self, message: Message) -> None:
        params = message["params"]
        try:
            text, is_error = await found(self._application, params.get("arguments") or {}, Principal()), False
        except Exception as error:  # noqa: BLE001 - it is told
            text, is_error = failure("search", error), True
        line = result_line(message["id"], called(params, text, is_error=is_error))
        with contextlib.suppress(OSError):  # the client listens no more, which the session finds out
            await anyio.to_thread.run_sync(self._wire.write, line, abandon_on_cancel=True)
        self._under_way -= 1
        self._wake()

    def _want(self) -> None:
        self._wanted = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
