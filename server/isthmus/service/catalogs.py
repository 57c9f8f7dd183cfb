"""The catalog of the moment: built from what the upstreams publish, and swapped as a whole.

A reader takes `current` and works with that snapshot; what is published meanwhile never disturbs it. What one upstream
lists is prepared in a task of its own, beside the event loop, so that each can be searched as soon as it is ready; the
prepared are joined in a moment. What an upstream had before stays until what it has now is prepared.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio
import anyio.to_thread

from isthmus.catalog.catalog import Catalog, Part
from isthmus.catalog.index import Index
from isthmus.catalog.relations import Relations
from isthmus.catalog.share import Share
from isthmus.model import Operation, UpstreamSnapshot, UpstreamState
from isthmus.ports import Upstream
from isthmus.service.holding import Hold, nothing_held

PATIENCE = 2.0
"""Seconds that who looks around waits for upstreams that are still connecting."""

SETTLING = 10.0
"""Seconds after which nobody waits so any more: what is not there by then is named as missing instead."""

SAID = 500
"""Characters of an upstream's own words, the last ones, that a line of the log takes."""


_TOLD = 1000
"""Operations from which on it is said that they are being indexed, and they are kept from the garbage collector."""

_UNDISTURBED = 60.0
"""Seconds for which what is still connecting is not disturbed by what can wait: one that hangs may never come."""

_TOGETHER = 0.2
"""Seconds that what is prepared waits for others, so that they are joined at once."""

SharesOf = Callable[[str, Sequence[Operation], Sequence[int]], Awaitable[Share]]
"""Gives the share of an index over operations, or has kept it: see `share_anew`.

The first argument says what the list was made of in which the operations stand at the places that come last; empty
where that is not kept.
"""


async def share_anew(_: str, operations: Sequence[Operation], __: Sequence[int]) -> Share:
    """The share of an index over these operations, made in a thread."""
    return await anyio.to_thread.run_sync(Share.read, operations)


RelationsOf = Callable[[str, Sequence[Operation]], Awaitable[Relations]]
"""Gives the relations of operations, or has kept them. The first argument is as for `SharesOf`."""


async def relations_anew(_: str, operations: Sequence[Operation]) -> Relations:
    """The relations of these operations, found in a thread."""
    return await anyio.to_thread.run_sync(Relations.build, operations)


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """What one upstream listed, ready to be called and searched."""

    listed: tuple[Operation, ...]
    part: Part
    seen: tuple[Operation, ...]
    share: Share
    key: str  # what the list was made of; empty where that is not kept


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
    operations are held back, and why. `share` makes an upstream's share of the index, or has kept it; `relations` what
    is known by looking at all of its operations.
    """

    upstreams: Mapping[str, Upstream]
    classify: Callable[[Operation], Operation]
    visible: Callable[[Operation], bool]
    clean: Callable[[UpstreamSnapshot], UpstreamSnapshot] = lambda snapshot: snapshot
    log: Callable[[str], None] = lambda _: None
    hold: Hold = nothing_held
    share: SharesOf = share_anew
    relations: RelationsOf = relations_anew
    current: View = field(init=False)
    _latest: dict[str, UpstreamSnapshot] = field(init=False)
    _news: dict[str, anyio.Event] = field(init=False)
    _shown: dict[str, UpstreamSnapshot] = field(init=False)  # the latest that is prepared
    _prepared: dict[str, _Prepared] = field(default_factory=dict)
    _joined: tuple[_Prepared, ...] = ()
    _thread: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))  # so the loop has turns
    _unrelated: anyio.Event = field(default_factory=anyio.Event)
    _changed: anyio.Event = field(init=False)
    _waiters: list[anyio.Event] = field(default_factory=list)
    _troubles: dict[str, str] = field(default_factory=dict)
    began: float = math.inf  # on the clock of anyio, when `run` is called

    def __post_init__(self) -> None:
        self._latest = {name: UpstreamSnapshot(name, UpstreamState.CONNECTING) for name in self.upstreams}
        self._news = {name: anyio.Event() for name in self.upstreams}
        self._shown = dict(self._latest)
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
        """Live, until cancelled: each upstream in a task of its own, with another that prepares what it lists."""
        self.began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for name, upstream in self.upstreams.items():
                tasks.start_soon(self._follow, name)
                tasks.start_soon(upstream.run, self._publish)
            tasks.start_soon(self._relate)
            while True:
                await self._changed.wait()
                await self._gathered()
                self._changed = anyio.Event()
                await self._join()

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
        self._news[snapshot.name].set()

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

    async def _follow(self, name: str) -> None:
        """Prepare what an upstream lists, each time that it lists something else."""
        while True:
            await self._news[name].wait()
            self._news[name] = anyio.Event()
            snapshot = self._latest[name]
            prepared = self._prepared.get(name)
            if not snapshot.operations:
                self._prepared.pop(name, None)
            elif prepared is None or prepared.listed is not snapshot.operations:
                if prepared is None:
                    self._show(_being_indexed(snapshot))
                self._prepared[name] = await self._prepare(snapshot)
            self._show(snapshot)
            self._unrelated.set()

    def _show(self, snapshot: UpstreamSnapshot) -> None:
        self._shown[snapshot.name] = snapshot
        self._changed.set()

    async def _prepare(self, snapshot: UpstreamSnapshot) -> _Prepared:
        """The operations as the operator sees them, looked up and indexed; all that takes long runs elsewhere."""
        known, part = await anyio.to_thread.run_sync(self._sorted, snapshot, limiter=self._thread)
        places = [place for place, operation in enumerate(known) if self.visible(operation)]
        seen = tuple(known[place] for place in places)
        # Where a secret was taken out of a text, that is not indexed from what was kept of it.
        key = snapshot.digest if all(map(_reads_the_same, known, snapshot.operations)) else ""
        share = await self.share(key, seen, places)
        if len(known) >= _TOLD:
            # Documents are large and have no cycles: looking for some in them would stop the server again and again.
            gc.freeze()
        return _Prepared(snapshot.operations, part, seen, share, key)

    def _sorted(self, snapshot: UpstreamSnapshot) -> tuple[list[Operation], Part]:
        known = self._known(snapshot)
        return known, replace(Part.build(known), relations=_UNRELATED)

    async def _relate(self) -> None:
        """Add what is known by looking at all operations, once all that is coming can be searched without it."""
        while True:
            await self._unrelated.wait()
            self._unrelated = anyio.Event()
            await self.settled(_UNDISTURBED)
            for name, prepared in list(self._prepared.items()):
                if prepared.part.relations is _UNRELATED:
                    relations = await self.relations(prepared.key, prepared.part.operations)
                    part = await anyio.to_thread.run_sync(prepared.part.related, relations, limiter=self._thread)
                    if self._prepared.get(name) is prepared:
                        self._prepared[name] = replace(prepared, part=part)
            self._changed.set()

    async def _gathered(self) -> None:
        """Where there are many operations, let others come along: joining takes as long for one upstream as for ten."""
        if len(self.current.catalog) < _TOLD:
            return
        with anyio.move_on_after(_TOGETHER):
            while any(each.state is UpstreamState.CONNECTING for each in self._shown.values()):
                self._changed = anyio.Event()
                await self._changed.wait()

    async def _join(self) -> None:
        """Make the view of what is prepared."""
        snapshots = dict(self._shown)
        parts = tuple(self._prepared[name] for name in self.upstreams if name in self._prepared)
        if parts != self._joined:
            catalog, index = await anyio.to_thread.run_sync(self._put_together, parts, limiter=self._thread)
            self.current, self._joined = View(catalog, index, snapshots), parts
        else:
            self.current = replace(self.current, snapshots=snapshots)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set()

    def _put_together(self, parts: tuple[_Prepared, ...]) -> tuple[Catalog, Index]:
        catalog = Catalog(each.part for each in parts)
        if [id(each.share) for each in parts] == [id(each.share) for each in self._joined]:
            return catalog, self.current.index
        return catalog, Index.of([(each.seen, each.share) for each in parts])

    def _known(self, snapshot: UpstreamSnapshot) -> list[Operation]:
        """The operations of an upstream, with the effects that the operator gave them, and why any is held back."""
        operations = [self.classify(operation) for operation in snapshot.operations]
        held = self.hold(snapshot.name, snapshot.operations, operations)
        return [each.having(held=held[each.id]) if each.id in held else each for each in operations]


_UNRELATED = Relations()


def _being_indexed(snapshot: UpstreamSnapshot) -> UpstreamSnapshot:
    """How an upstream stands that has listed its operations, and whose index is not there yet."""
    problem = f"its {len(snapshot.operations):,} operations are being indexed"
    return UpstreamSnapshot(snapshot.name, UpstreamState.CONNECTING, purpose=snapshot.purpose, problem=problem)


def _reads_the_same(known: Operation, listed: Operation) -> bool:
    """Whether what an index reads of an operation is as it was listed."""
    same = known.summary == listed.summary and known.description == listed.description
    late = known.details is not None and known.details is listed.details
    return same and (late or known.parameters is listed.parameters)
