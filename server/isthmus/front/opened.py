"""An application that is being opened while the first requests are answered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from isthmus.front.calls import Application


class Opened:
    """An application that is being opened, and awaited by whoever needs it."""

    def __init__(self) -> None:
        self._ready = anyio.Event()
        self._application: Application | None = None

    async def application(self) -> Application:
        """The application, once it is open."""
        await self._ready.wait()
        if self._application is None:
            raise RuntimeError("the application was closed before it was open")
        return self._application

    def why_not(self) -> str:
        """What programs still wait for; empty when nothing."""
        return "it is starting" if self._application is None else self._application.preparing()

    async def hold(self, open_application: Callable[[], AbstractAsyncContextManager[Application]]) -> None:
        """Open the application, and keep it open until cancelled."""
        async with open_application() as self._application:
            self._ready.set()
            await anyio.sleep_forever()
