"""The view of the moment, and how long those who look wait for what is still connecting."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from isthmus.catalog.share import Share
from isthmus.model import Operation, UpstreamSnapshot, UpstreamState
from isthmus.ports import Publish
from isthmus.service.catalogs import SETTLING, Catalogs
from tests.simulators.upstream import SimulatedUpstream, operation
from tests.simulators.waiting import SOON

pytestmark = pytest.mark.anyio

LIST = operation("late.list")


@dataclass(eq=False)
class Late(SimulatedUpstream):
    """Publishes nothing until it is told to."""

    def __post_init__(self) -> None:
        self.go = anyio.Event()

    async def run(self, publish: Publish) -> None:
        await self.go.wait()
        publish(UpstreamSnapshot("late", UpstreamState.READY, (LIST,)))
        await anyio.sleep_forever()


@asynccontextmanager
async def living(**upstreams: SimulatedUpstream) -> AsyncIterator[Catalogs]:
    catalogs = Catalogs(upstreams, lambda each: each, lambda _: True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(catalogs.run)
        yield catalogs
        tasks.cancel_scope.cancel()


async def at_once(look: Callable[..., Awaitable[None]], *arguments: str) -> bool:
    """Whether somebody who looks has seen enough before he waits for anything."""
    seen = anyio.Event()

    async def run() -> None:
        await look(*arguments)
        seen.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        for _ in range(50):  # turns of the event loop: as far as it comes without waiting
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    return seen.is_set()


async def test_who_looks_waits_for_an_upstream_that_is_about_to_come() -> None:
    late = Late("late", ())
    async with living(late=late) as catalogs, anyio.create_task_group() as tasks:
        tasks.start_soon(catalogs.looked_at)
        await anyio.wait_all_tasks_blocked()
        late.go.set()
    assert catalogs.catalog.resolve("late.list") is LIST


async def test_who_looks_at_one_upstream_does_not_wait_for_another() -> None:
    good, late = SimulatedUpstream("good", (operation("good.list"),)), Late("late", ())
    async with living(good=good, late=late) as catalogs:
        await catalogs.connected("good", SOON)
        assert await at_once(catalogs.looked_at, "good")
        assert await at_once(catalogs.looked_at, "unheard_of")
        assert not await at_once(catalogs.looked_at, "late")


async def test_once_all_have_had_their_time_nobody_waits_for_one_that_hangs() -> None:
    async with living(late=Late("late", ())) as catalogs:
        await anyio.wait_all_tasks_blocked()
        assert not await at_once(catalogs.looked_at)
        catalogs.began -= SETTLING
        assert await at_once(catalogs.looked_at)


async def test_the_operator_is_told_once_that_an_upstream_fails_and_once_that_it_is_well_again() -> None:
    told: list[str] = []
    up = SimulatedUpstream("up", ())
    hide = "hunter22"
    catalogs = Catalogs(
        {"up": up},
        lambda each: each,
        lambda _: True,
        lambda snapshot: replace(snapshot, problem=snapshot.problem.replace(hide, "***")),
        told.append,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(catalogs.run)
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            up.change(UpstreamState.FAILED, (), f"no answer to {hide}")
            up.change(UpstreamState.CONNECTING, (), "once more")
        up.change(UpstreamState.READY, ())
        up.change(UpstreamState.READY, ())
        tasks.cancel_scope.cancel()
    assert told == ["up has failed: no answer to ***", "up is ready again"]


@dataclass(eq=False)
class Slow:
    """Makes the shares of an upstream's index when it is told to."""

    upstream: str
    go: anyio.Event

    async def share(self, _: str, operations: Sequence[Operation], __: Sequence[int]) -> Share:
        if operations[0].upstream == self.upstream:
            await self.go.wait()
        return Share.read(operations)


@asynccontextmanager
async def indexed_slowly(slow: Slow, *upstreams: SimulatedUpstream) -> AsyncIterator[Catalogs]:
    by_name = {each.name: each for each in upstreams}
    catalogs = Catalogs(by_name, lambda each: each, lambda _: True, share=slow.share)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(catalogs.run)
        yield catalogs
        tasks.cancel_scope.cancel()


async def test_an_upstream_is_searched_while_another_is_still_being_indexed() -> None:
    slow = Slow("big", anyio.Event())
    small, big = (SimulatedUpstream(name, (operation(f"{name}.list"),)) for name in ("small", "big"))
    async with indexed_slowly(slow, small, big) as catalogs:
        with anyio.fail_after(SOON):
            await catalogs.connected("small", SOON)
        assert [hit.operation.id for hit in catalogs.current.index.search("list").hits] == ["small.list"]
        told = catalogs.current.snapshots["big"]
        assert (told.state, told.problem) == (UpstreamState.CONNECTING, "its 1 operations are being indexed")
        slow.go.set()
        await catalogs.connected("big", SOON)
        assert {hit.operation.id for hit in catalogs.current.index.search("list").hits} == {"small.list", "big.list"}


async def test_what_was_there_stays_until_what_is_new_is_indexed_and_a_view_never_changes() -> None:
    slow = Slow("big", anyio.Event())
    slow.go.set()
    big = SimulatedUpstream("big", (operation("big.list"),))
    async with indexed_slowly(slow, big) as catalogs:
        await catalogs.connected("big", SOON)
        before = catalogs.current
        slow.go = anyio.Event()
        big.change(UpstreamState.READY, (operation("big.send"),))
        await anyio.wait_all_tasks_blocked()
        assert catalogs.catalog.resolve("big.list") is not None
        assert catalogs.current.snapshots["big"].state is UpstreamState.READY
        slow.go.set()
        with anyio.fail_after(SOON):
            while catalogs.catalog.resolve("big.send") is None:
                await anyio.lowlevel.checkpoint()
        assert catalogs.catalog.resolve("big.list") is None
        assert [hit.operation.id for hit in before.index.search("list").hits] == ["big.list"]


async def test_a_search_that_is_under_way_ends_in_the_catalog_in_which_it_began() -> None:
    began, swapped = threading.Event(), threading.Event()

    def pausing(_: Operation) -> bool:
        began.set()
        return swapped.wait(SOON)

    up = SimulatedUpstream("up", (operation("up.list"),))
    async with living(up=up) as catalogs, anyio.create_task_group() as tasks:
        await catalogs.connected("up", SOON)
        found: list[str] = []

        def search() -> None:
            found.extend(hit.operation.id for hit in catalogs.current.index.search("list", allowed=pausing).hits)

        tasks.start_soon(anyio.to_thread.run_sync, search)
        await anyio.to_thread.run_sync(began.wait, SOON)
        up.change(UpstreamState.READY, (operation("up.list_again"),))
        with anyio.fail_after(SOON):
            while catalogs.catalog.resolve("up.list_again") is None:
                await anyio.lowlevel.checkpoint()
        assert [hit.operation.id for hit in catalogs.current.index.search("list").hits] == ["up.list_again"]
        swapped.set()
    assert found == ["up.list"]


async def test_a_state_that_changes_costs_no_new_index() -> None:
    slow = Slow("big", anyio.Event())
    slow.go.set()
    listed = (operation("big.list"),)
    big = SimulatedUpstream("big", listed)
    async with indexed_slowly(slow, big) as catalogs:
        await catalogs.connected("big", SOON)
        index = catalogs.current.index
        big.change(UpstreamState.FAILED, listed, "gone")
        with anyio.fail_after(SOON):
            while catalogs.current.snapshots["big"].state is not UpstreamState.FAILED:
                await anyio.lowlevel.checkpoint()
        assert catalogs.current.index is index
