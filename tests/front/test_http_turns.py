"""Requests enter one after the other, and principals take turns."""

import anyio
import anyio.lowlevel
import pytest

from isthmus.front.http_turns import Turn, Turns
from isthmus.model import Principal

pytestmark = pytest.mark.anyio

CROWD, QUIET = Principal("crowd"), Principal("quiet")


async def checkpoints() -> None:
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


async def test_who_comes_is_behind_at_most_one_of_each_others() -> None:
    turns, order, go = Turns(each=100), list[str](), anyio.Event()

    async def enter(principal: Principal) -> None:
        async with turns.turn(principal) as turn:
            assert turn is not None
            await go.wait()
            order.append(principal.name)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(enter, CROWD)
        await checkpoints()
        tasks.start_soon(enter, QUIET)
        await checkpoints()
        go.set()
    assert order.index("quiet") <= 2  # behind the one that was entering, and one that was next
    assert turns.under_way() == 0


async def test_a_request_has_entered_once_its_tool_begins_and_at_the_latest_after_a_while() -> None:
    turns = Turns(each=100)
    async with turns.turn(CROWD) as first:
        assert isinstance(first, Turn)
        with anyio.fail_after(5):
            async with turns.turn(QUIET) as second:  # the first has not said that it has entered
                assert second is not None
                second.settle()
                async with turns.turn(QUIET) as third:
                    assert third is not None


async def test_who_leaves_while_he_waits_leaves_nothing_taken() -> None:
    turns = Turns(each=2)
    async with turns.turn(CROWD) as first, anyio.create_task_group() as tasks:
        assert first is not None

        async def wait() -> None:
            async with turns.turn(CROWD):
                pytest.fail("it was cancelled")

        tasks.start_soon(wait)
        await checkpoints()
        assert turns.under_way(CROWD) == 2
        async with turns.turn(CROWD) as third:
            assert third is None
        tasks.cancel_scope.cancel()
    assert turns.under_way() == 0
    async with turns.turn(CROWD) as again:
        assert again is not None
