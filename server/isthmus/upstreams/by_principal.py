"""An MCP server to which each principal has a connection of his own.

What such a server remembers of a session it remembers for one principal, and each comes with a credential of his own.
What there is to call is told by one more connection, the operator's; nobody else's calls go through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from isthmus.errors import UpstreamUnavailable
from isthmus.model import Answer, Call, Credential, Principal, UpstreamSnapshot
from isthmus.ports import Publish, Upstream

IDLE = 600.0
"""Seconds after which a connection that nobody uses is closed."""

MOST = 200
"""Connections of principals at the same time; where another is needed, the longest unused one goes."""


@dataclass(slots=True, eq=False)
class _Own:
    """One principal's connection."""

    upstream: Upstream
    scope: anyio.CancelScope
    used: float
    calls: int = 0


class ByPrincipal:
    """Implements `Upstream`. `connected` makes one principal's, which is run as long as it is used."""

    def __init__(
        self, listed: Upstream, connected: Callable[[Principal], Upstream], idle: float = IDLE, most: int = MOST
    ) -> None:
        self._listed = listed
        self._connected = connected
        self._idle = idle
        self._most = most
        self._own: dict[Principal, _Own] = {}
        self._tasks: TaskGroup | None = None

    @property
    def name(self) -> str:
        """The Python name by which programs know it."""
        return self._listed.name

    async def run(self, publish: Publish) -> None:
        """Live, with all connections, until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._close_idle)
            await self._listed.run(publish)

    async def call(self, call: Call, credential: Credential | None) -> Answer:
        """Perform one call over its principal's own connection.

        Raises:
            UpstreamError: as the upstream does.
        """
        if call.principal == Principal():
            return await self._listed.call(call, credential)
        own = self._own.get(call.principal) or self._opened(call.principal)
        own.calls += 1
        try:
            return await own.upstream.call(call, credential)
        finally:
            own.calls -= 1
            own.used = anyio.current_time()

    def _opened(self, principal: Principal) -> _Own:
        if self._tasks is None:
            raise UpstreamUnavailable(f"{self.name} is not connected", hint="the call was not sent", sent=False)
        if len(self._own) >= self._most:
            self._make_room()
        own = _Own(self._connected(principal), anyio.CancelScope(), anyio.current_time())
        self._own[principal] = own
        self._tasks.start_soon(self._live, own)
        return own

    def _make_room(self) -> None:
        unused = [principal for principal, own in self._own.items() if not own.calls]
        if not unused:
            busy = f"{self.name}: {self._most} principals are using it, and there is no connection left for another"
            raise UpstreamUnavailable(busy, hint="the call was not sent; try again later", sent=False)
        self._close(min(unused, key=lambda principal: self._own[principal].used))

    async def _live(self, own: _Own) -> None:
        with own.scope:
            await own.upstream.run(_unheard)

    async def _close_idle(self) -> None:
        while True:
            await anyio.sleep(self._idle / 4)
            now = anyio.current_time()
            for principal, own in list(self._own.items()):
                if not own.calls and now - own.used > self._idle:
                    self._close(principal)

    def _close(self, principal: Principal) -> None:
        self._own.pop(principal).scope.cancel()


def _unheard(_snapshot: UpstreamSnapshot) -> None:
    """What one principal's connection lists is for nobody: all see what the operator's lists."""
