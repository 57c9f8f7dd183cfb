"""Where several principals are at work, each has one request at a time on its way in."""

from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup

from isthmus.front.http_turns import ALONE, AT_LEAST, Turns
from isthmus.model import Principal
from tests.simulators.waiting import LEAPING

pytestmark = pytest.mark.anyio

CROWD, QUIET = Principal("crowd"), Principal("quiet")


@pytest.fixture
def anyio_backend() -> object:
    return LEAPING


@dataclass
class Street:
    """Requests that enter, and stay until they are told to go on."""

    turns: Turns
    tasks: TaskGroup
    inside: list[Principal] = field(default_factory=list)
    go: anyio.Event = field(default_factory=anyio.Event)

    async def come(self, principal: Principal, count: int = 1) -> None:
        for _ in range(count):
            self.tasks.start_soon(self._enter, principal)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()

    async def _enter(self, principal: Principal) -> None:
        async with self.turns.turn(principal) as may_enter:
            assert may_enter
            self.inside.append(principal)
            await self.go.wait()


async def test_who_is_alone_is_hardly_held_up() -> None:
    async with anyio.create_task_group() as tasks:
        street = Street(Turns(each=100), tasks)
        await street.come(CROWD, 20)
        assert len(street.inside) == ALONE
        street.go.set()
    assert street.turns.under_way() == 0


async def test_where_another_has_come_each_has_one_on_its_way_and_waits_for_none_of_the_others() -> None:
    async with anyio.create_task_group() as tasks:
        street = Street(Turns(each=100), tasks)
        await street.come(QUIET)
        await street.come(CROWD, 20)
        await street.come(QUIET)
        assert street.inside == [QUIET, CROWD]  # the second of the quiet one waits for his own first
        street.go.set()
    assert street.inside.count(CROWD) == 20
    assert street.turns.under_way() == 0


async def test_a_single_request_does_not_wait_for_one_of_many_and_these_wait_for_it() -> None:
    async with anyio.create_task_group() as tasks:
        street = Street(Turns(each=100), tasks)
        await street.come(Principal("another"))
        await street.come(CROWD, 20)
        await street.come(QUIET)
        assert street.inside[1:] == [CROWD, QUIET]
        with anyio.fail_after(10):
            while street.inside.count(CROWD) < 3:  # noqa: ASYNC110 - they enter when the quiet one's time is over
                await anyio.sleep(0.005)
        street.go.set()
    assert street.turns.under_way() == 0


async def test_who_has_many_comes_in_now_and_then_however_many_others_have_one() -> None:
    others = [Principal(f"p{number}") for number in range(200)]
    async with anyio.create_task_group() as tasks:
        street = Street(Turns(each=100), tasks)
        await street.come(QUIET)
        await street.come(CROWD, 3)
        began = anyio.current_time()
        for other in others:  # each has entered before the next but one has
            await street.come(other)
            await anyio.sleep(0.005)
            if street.inside.count(CROWD) == 3:
                break
        assert street.inside.count(CROWD) == 3
        assert anyio.current_time() - began > AT_LEAST
        street.go.set()


async def test_a_request_that_waits_for_something_lets_the_next_one_in() -> None:
    async with anyio.create_task_group() as tasks:
        street = Street(Turns(each=100), tasks)
        await street.come(QUIET)
        await street.come(CROWD, 3)
        with anyio.fail_after(10):
            while street.inside.count(CROWD) < 3:  # noqa: ASYNC110 - they enter when their time is over
                await anyio.sleep(0.005)
        street.go.set()


async def test_who_leaves_while_he_waits_leaves_nothing_taken() -> None:
    turns = Turns(each=2)
    async with turns.turn(QUIET), turns.turn(CROWD) as first, anyio.create_task_group() as tasks:
        assert first

        async def wait() -> None:
            async with turns.turn(CROWD):
                pytest.fail("it was cancelled")

        tasks.start_soon(wait)
        await anyio.lowlevel.checkpoint()
        assert turns.under_way(CROWD) == 2
        async with turns.turn(CROWD) as third:
            assert not third
        tasks.cancel_scope.cancel()
    assert turns.under_way() == 0
    async with turns.turn(CROWD) as again:
        assert again
