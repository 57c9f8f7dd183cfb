"""An MCP server to which each principal has a connection of his own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
from tests.simulators.operations import operations_of_tools
from tests.simulators.waiting import SOON

from isthmus.errors import UpstreamUnavailable
from isthmus.model import Answer, Call, Credential, Principal, UpstreamSnapshot
from isthmus.ports import Publish
from isthmus.upstreams.by_principal import ByPrincipal

pytestmark = pytest.mark.anyio

[GET] = operations_of_tools("x", [{"name": "get", "inputSchema": {"type": "object"}}])
LOCAL, ALICE, BOB = Principal(), Principal("alice"), Principal("bob")


@dataclass
class Connection:
    """An upstream that answers with whose it is, and how many calls it has had."""

    whose: str
    calls: int = 0
    live: anyio.Event = field(default_factory=anyio.Event)
    closed: anyio.Event = field(default_factory=anyio.Event)
    name: str = "x"

    async def run(self, publish: Publish) -> None:
        self.live.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.closed.set()

    async def call(self, call: Call, credential: Credential | None) -> Answer:
        self.calls += 1
        return Answer([self.whose, self.calls])


@dataclass
class World:
    upstream: ByPrincipal
    opened: list[Connection]

    async def call(self, principal: Principal) -> list[object]:
        answer = await self.upstream.call(Call(GET, {}, principal), None)
        value: list[object] = answer.value
        return value


@asynccontextmanager
async def running(idle: float = 600.0, most: int = 200) -> AsyncIterator[World]:
    opened: list[Connection] = []

    def connected(principal: Principal) -> Connection:
        opened.append(Connection(principal.name))
        return opened[-1]

    world = World(ByPrincipal(Connection("operator"), connected, idle, most), opened)
    heard: list[UpstreamSnapshot] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.upstream.run, heard.append)
        with anyio.fail_after(SOON):
            await world.upstream._listed.live.wait()  # type: ignore[attr-defined]
        yield world
        tasks.cancel_scope.cancel()
    assert all(each.closed.is_set() for each in opened if each.live.is_set())


async def test_each_principal_has_one_connection_and_the_operator_his_own() -> None:
    async with running() as world:
        told = [await world.call(each) for each in (ALICE, BOB, ALICE, LOCAL)]
        assert told == [["alice", 1], ["bob", 1], ["alice", 2], ["operator", 1]]


async def test_a_connection_that_nobody_uses_is_closed_and_made_again_when_it_is_wanted() -> None:
    async with running(idle=0.01) as world:
        await world.call(ALICE)
        with anyio.fail_after(SOON):
            await world.opened[0].closed.wait()
        assert await world.call(ALICE) == ["alice", 1]


async def test_the_longest_unused_makes_room_for_another() -> None:
    async with running(most=2) as world:
        for principal in (ALICE, BOB, ALICE, Principal("carol")):
            await world.call(principal)
        assert (await world.call(ALICE))[1] == 3
        assert (await world.call(BOB))[1] == 1


async def test_what_is_not_running_is_told_and_nothing_is_sent() -> None:
    upstream = ByPrincipal(Connection("operator"), lambda each: Connection(each.name))
    with pytest.raises(UpstreamUnavailable) as refused:
        await upstream.call(Call(GET, {}, ALICE), None)
    assert not refused.value.sent
