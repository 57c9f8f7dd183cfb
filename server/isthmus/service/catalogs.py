"""The catalog of the moment: built from what the upstreams publish, and swapped as a whole.

A reader takes `current` and works with that snapshot; what is published meanwhile never disturbs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
import anyio.to_thread

from isthmus.catalog.catalog import Catalog
from isthmus.catalog.index import Index
from isthmus.model import Operation, UpstreamSnapshot, UpstreamState
from isthmus.ports import Upstream
from isthmus.service.holding import Hold, nothing_held

PATIENCE = 2.0
"""Seconds that who looks around waits for upstreams that are still connecting."""

SETTLING = 10.0
"""Seconds after which nobody waits so any more: what is not there by then is named as missing instead."""

SAID = 500
"""Characters of an upstream's own words, the last ones, that a line of the log takes."""


@dataclass(frozen=True, slots=True)
class View:
    """One moment: all operations, the index over those that may be seen, and how each upstream stands."""

    catalog: Catalog
    index: Index
    snapshots: Mapping[str, UpstreamSnapshot]


@dataclass(slots=True, eq=False)
class Catalogs:
    """Runs the upstreams, and keeps the view of them current.

    `classify` gives an operation the effect that the operator decided; `visible` says what a search may show.
    `clean` takes out of a snapshot what nobody is to read; `log` takes lines for the operator. `hold` says which
    operations are held back, and why.
    """

    upstreams: Mapping[str, Upstream]
    classify: Callable[[Operation], Operation]
    visible: Callable[[Operation], bool]
    clean: Callable[[UpstreamSnapshot], UpstreamSnapshot] = lambda snapshot: snapshot
    log: Callable[[str], None] = lambda _: None
    hold: Hold = nothing_held
    current: View = field(init=False)
    _latest: dict[str, UpstreamSnapshot] = field(init=False)
    _changed: anyio.Event = field(init=False)
    _waiters: list[anyio.Event] = field(default_factory=list)
    _troubles: dict[str, str] = field(default_factory=dict)
    began: float = math.inf  # on the clock of anyio, when `run` is called

    def __post_init__(self) -> None:
        self._latest = {name: UpstreamSnapshot(name, UpstreamState.CONNECTING) for name in self.upstreams}
        self.current = View(Catalog.build(()), Index.build(()), dict(self._latest))
        self._changed = anyio.Event()

    @property
    def catalog(self) -> Catalog:
        """The current catalog."""
        return self.current.catalog

    def snapshot(self, upstream: str) -> UpstreamSnapshot | None:
        """How one upstream stands in the current view; None where there is none of that name."""
        return self.current.snapshots.get(upstream)

    async def run(self) -> None:
        """Live, until cancelled: each upstream in a task of its own, and rebuild when one of them has news."""
        self.began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for upstream in self.upstreams.values():
                tasks.start_soon(upstream.run, self._publish)
            while True:
                await self._changed.wait()
                self._changed = anyio.Event()
                await self._rebuild(dict(self._latest))

    async def connected(self, upstream: str, seconds: float) -> None:
        """Return once `upstream` is no longer connecting in the current view, or when the time is up."""
        await self._until(lambda: self._settled(upstream), seconds)

    async def settled(self, seconds: float) -> None:
        """The same for all upstreams at once."""
        await self._until(lambda: all(map(self._settled, self.upstreams)), seconds)

    async def looked_at(self, upstream: str | None = None) -> None:
        """Give what is still connecting, or one upstream, a fair chance to be seen; for who searches and lists.

        One that hangs costs each of them `PATIENCE` seconds at most, and nothing once `SETTLING` seconds have passed.
        """
        now = anyio.current_time()
        left = self.began + SETTLING - now
        seconds = max(0.0, min(PATIENCE, left))
        await (self.settled(seconds) if upstream is None else self.connected(upstream, seconds))

    def _settled(self, upstream: str) -> bool:
        snapshot = self.current.snapshots.get(upstream)
        return snapshot is None or snapshot.state is not UpstreamState.CONNECTING

    async def _until(self, met: Callable[[], bool], seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while not met():
                waiter = anyio.Event()
                self._waiters.append(waiter)
                await waiter.wait()

    def _publish(self, snapshot: UpstreamSnapshot) -> None:
        snapshot = self.clean(snapshot)
        self._tell(snapshot)
        self._latest[snapshot.name] = snapshot
        self._changed.set()

    def _tell(self, snapshot: UpstreamSnapshot) -> None:
        """A line for the operator when an upstream fails for another reason than before, and when it is well again."""
        told = self._troubles.get(snapshot.name)
        if snapshot.state is UpstreamState.FAILED and snapshot.problem != told:
            self._troubles[snapshot.name] = snapshot.problem
            said = f" (it said: {snapshot.detail[-SAID:]})" if snapshot.detail else ""
            self.log(f"{snapshot.name} has failed: {snapshot.problem}{said}")
        elif snapshot.state is UpstreamState.READY and told is not None:
            del self._troubles[snapshot.name]
            self.log(f"{snapshot.name} is ready again")

    async def _rebuild(self, snapshots: Mapping[str, UpstreamSnapshot]) -> None:
        if _operations(snapshots) == _operations(self.current.snapshots):
            self.current = View(self.current.catalog, self.current.index, snapshots)
        else:
            self.current = await anyio.to_thread.run_sync(partial(self._build, snapshots))
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set()

    def _build(self, snapshots: Mapping[str, UpstreamSnapshot]) -> View:
        operations = [operation for snapshot in snapshots.values() for operation in self._known(snapshot)]
        index = Index.build([operation for operation in operations if self.visible(operation)])
        catalog = Catalog.build(operations)
        return View(catalog, index, snapshots)

    def _known(self, snapshot: UpstreamSnapshot) -> list[Operation]:
        """The operations of an upstream, with the effects that the operator gave them, and why any is held back."""
        operations = [self.classify(operation) for operation in snapshot.operations]
        held = self.hold(snapshot.name, snapshot.operations, operations)
        return [replace(each, held=held[each.id]) if each.id in held else each for each in operations]


def _operations(snapshots: Mapping[str, UpstreamSnapshot]) -> list[int]:
    """Which lists of operations there are, by identity: an upstream that only changed its state costs no rebuild."""
    return [id(snapshot.operations) for snapshot in snapshots.values() if snapshot.operations]
