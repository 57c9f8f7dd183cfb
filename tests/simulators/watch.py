"""What an upstream publishes, to be waited for."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from isthmus.model import UpstreamSnapshot, UpstreamState
from tests.simulators.waiting import SOON


class Watch:
    """What an upstream publishes."""

    def __init__(self) -> None:
        self.snapshots: list[UpstreamSnapshot] = []
        self._published = anyio.Event()

    def __call__(self, snapshot: UpstreamSnapshot) -> None:
        self.snapshots.append(snapshot)
        self._published.set()
        self._published = anyio.Event()

    async def until(self, test: Callable[[UpstreamSnapshot], bool], within: float = SOON) -> UpstreamSnapshot:
        """The first snapshot, past or future, that passes the test; it comes within so many seconds."""
        place = 0
        with anyio.fail_after(within):
            while True:
                for snapshot in self.snapshots[place:]:
                    if test(snapshot):
                        return snapshot
                place = len(self.snapshots)
                await self._published.wait()

    async def ready(self, connections: int = 1) -> UpstreamSnapshot:
        """The first snapshot of a good connection, of so many."""
        seen = 0

        def test(snapshot: UpstreamSnapshot) -> bool:
            nonlocal seen
            seen += snapshot.state is UpstreamState.READY
            return seen == connections

        return await self.until(test)

    async def failed(self) -> UpstreamSnapshot:
        """The first snapshot of a failure."""
        return await self.until(lambda snapshot: snapshot.state is UpstreamState.FAILED)

    async def settled(self, within: float = SOON) -> UpstreamSnapshot:
        """The first snapshot of a good connection or of a failure."""
        return await self.until(lambda snapshot: snapshot.state is not UpstreamState.CONNECTING, within)
