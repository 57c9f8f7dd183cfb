"""Admission: places, shares, turns and bounds, without a sandbox."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import LimitExceeded
from isthmus.model import Principal
from isthmus.service.admission import ALONE, PAUSE, START, Admission, Bounds, Ticket
from tests.simulators.guest import ScriptedGuest, steps
from tests.simulators.waiting import LEAPING

pytestmark = pytest.mark.anyio

ALICE, BOB, CAROL = Principal("alice"), Principal("bob"), Principal("carol")
SOON = 5.0


@pytest.fixture
def anyio_backend() -> object:
    return LEAPING


async def quiet() -> None:
    """Let every task go as far as it can now."""
    for _ in range(200):
        await anyio.lowlevel.checkpoint()


@dataclass
class House:
    """Executions that run until they are told to end, and the order in which they began."""

    admission: Admission
    began: list[str] = field(default_factory=list)
    failed: list[LimitExceeded] = field(default_factory=list)
    ends: dict[str, anyio.Event] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)

    async def run(self, principal: Principal, name: str, turn: anyio.Lock | None = None, seconds: float = SOON) -> None:
        end = self.ends[name] = anyio.Event()
        try:
            with self.admission.join(principal) as ticket:
                async with ticket.place(turn or anyio.Lock(), seconds):
                    self.tickets[name] = ticket
                    self.began.append(name)
                    ticket.settle()
                    await end.wait()
        except LimitExceeded as error:
            self.failed.append(error)

    async def begin(self, tasks: TaskGroup, principal: Principal, *names: str) -> None:
        for name in names:
            tasks.start_soon(self.run, principal, name)
            await quiet()

    async def end(self, *names: str) -> None:
        for name in names:
            self.ends[name].set()
            await quiet()

    @property
    def is_empty(self) -> bool:
        return not self.admission.running() and not self.admission.waiting()


def house(executions: int = 2, each: int = 2, queue: int = 100, queue_each: int = 100, starts: int = 4) -> House:
    return House(Admission(Bounds(executions, each, queue, queue_each, starts)))


async def test_as_many_run_as_there_are_places_and_the_next_when_one_ends() -> None:
    there = house(executions=2)
    async with anyio.create_task_group() as tasks:
        await there.begin(tasks, ALICE, "a1", "a2", "a3")
        assert there.began == ["a1", "a2"]
        assert (there.admission.running(ALICE), there.admission.waiting(ALICE)) == (2, 1)
        await there.end("a2")
        assert there.began == ["a1", "a2", "a3"]
        await there.end("a1", "a3")
    assert there.is_empty


async def test_principals_take_turns_however_many_each_has_waiting() -> None:
    there = house(executions=1)
    async with anyio.create_task_group() as tasks:
        await there.begin(tasks, ALICE, "a1", "a2", "a3", "a4")
        await there.begin(tasks, BOB, "b1", "b2")
        await there.begin(tasks, CAROL, "c1")
        for name in ("a1", "a2", "b1", "c1", "a3", "b2", "a4"):
            await there.end(name)
    assert there.began == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]
    assert there.is_empty


async def test_one_principal_never_has_more_than_its_share_of_places() -> None:
    there = house(executions=4, each=3)
    async with anyio.create_task_group() as tasks:
        await there.begin(tasks, ALICE, "a1", "a2", "a3", "a4")
        await there.begin(tasks, BOB, "b1")
        assert there.began == ["a1", "a2", "a3", "b1"]
        await there.end("b1")
        assert there.admission.waiting(ALICE) == 1
        await there.end("a1", "a2", "a3", "a4")


async def test_the_last_start_is_kept_for_another_principal() -> None:
    admission, turns = Admission(Bounds(100, 100, 100, 100, starts=2)), [anyio.Lock() for _ in range(3)]
    with admission.join(ALICE) as first, admission.join(ALICE) as second, admission.join(BOB) as other:
        async with first.place(turns[0], SOON), anyio.create_task_group() as tasks:
            second_is_in = anyio.Event()

            async def enter() -> None:
                async with second.place(turns[1], SOON):
                    second_is_in.set()

            tasks.start_soon(enter)
            await quiet()
            assert not second_is_in.is_set()
            async with other.place(turns[2], SOON):
                assert admission.running(BOB) == 1
            first.settle()
            await second_is_in.wait()
    assert (admission.running(), admission.waiting()) == (0, 0)


async def test_one_that_only_computes_stops_counting_as_starting_after_its_moments() -> None:
    admission, guest = Admission(Bounds(100, 100, 100, 100, starts=2)), ScriptedGuest(steps(), Path())
    with admission.join(ALICE) as first, admission.join(ALICE) as second:
        async with first.place(anyio.Lock(), SOON):
            first.entered(guest)
            async with second.place(anyio.Lock(), SOON):
                assert second.waited >= START * 0.9
            assert not first.starting


async def test_one_that_only_computes_gives_way_where_others_run_too() -> None:
    admission = Admission(Bounds(100, 100, 100, 100))
    hog, caller = ScriptedGuest(steps(), Path()), ScriptedGuest(steps(), Path())
    with admission.join(ALICE) as computing, admission.join(BOB) as calling:
        async with computing.place(anyio.Lock(), SOON), calling.place(anyio.Lock(), SOON):
            calling.entered(caller)
            calling.settle()
            computing.entered(hog)
            await anyio.sleep(START * 1.5)
    assert (hog.gave_way, caller.gave_way) == (True, False)


@pytest.mark.parametrize("another", [None, BOB])
async def test_a_second_execution_gives_way_from_its_start_where_another_principal_is_about(
    another: Principal | None,
) -> None:
    admission = Admission(Bounds(100, 100, 100, 100))
    guests = [ScriptedGuest(steps(), Path()) for _ in range(2)]
    if another is not None:
        with admission.join(another):
            pass
    with admission.join(ALICE) as first, admission.join(ALICE) as second:
        async with first.place(anyio.Lock(), SOON):
            first.entered(guests[0])
            first.settle()
            async with second.place(anyio.Lock(), SOON):
                second.entered(guests[1])
                second.settle()
                assert [guest.gave_way for guest in guests] == [False, another is not None]


async def test_one_that_waits_for_its_guest_goes_on_counting_as_starting() -> None:
    """Else, the busier the machine, the more would be started at once."""
    admission = Admission(Bounds(100, 100, 100, 100, starts=2))
    with admission.join(ALICE) as first, admission.join(ALICE) as second:
        async with first.place(anyio.Lock(), SOON):
            with pytest.raises(LimitExceeded) as raised:
                async with second.place(anyio.Lock(), START * 1.5):
                    raise AssertionError("it was started beside one that has not started")
            assert "busy with starting others" in raised.value.message


async def test_what_follows_at_once_upon_another_of_the_same_principal_is_behind_as_what_runs_beside_it_is() -> None:
    admission = Admission(Bounds(100, 100, 100, 100))
    with admission.join(BOB):
        pass

    async def ran(beside: bool) -> bool:
        with admission.join(ALICE) as ticket:
            async with ticket.place(anyio.Lock(), SOON):
                ticket.settle()
                return await ran(beside=False) if beside else ticket.behind

    assert not await ran(beside=False)
    assert await ran(beside=False)
    await anyio.sleep(PAUSE * 1.1)
    assert not await ran(beside=False)
    await anyio.sleep(PAUSE * 1.1)
    assert await ran(beside=True)


async def test_where_several_are_there_one_principal_starts_one_at_a_time() -> None:
    admission = Admission(Bounds(100, 100, 100, 100, starts=4))
    with admission.join(BOB):
        pass
    with admission.join(ALICE) as first, admission.join(ALICE) as second:
        async with first.place(anyio.Lock(), SOON):
            with pytest.raises(LimitExceeded):
                async with second.place(anyio.Lock(), 0.02):
                    raise AssertionError("the first had not started")


@pytest.mark.parametrize(("another", "most"), [(None, ALONE), (BOB, 1)])
async def test_as_many_of_a_principal_compute_as_there_are_processors_and_more_while_he_is_alone(
    another: Principal | None, most: int
) -> None:
    admission = Admission(Bounds(100, 100, 100, 100, processors=1))
    if another is not None:
        with admission.join(another):
            pass
    async with AsyncExitStack() as stack:
        running = []
        for _ in range(most):
            ticket = stack.enter_context(admission.join(ALICE))
            await stack.enter_async_context(ticket.place(anyio.Lock(), SOON))
            ticket.entered(ScriptedGuest(steps(), Path()))
            ticket.settle()
            running.append(ticket)
        await anyio.sleep(START * 1.2)
        with admission.join(ALICE) as late, pytest.raises(LimitExceeded):
            async with late.place(anyio.Lock(), 0.02):
                raise AssertionError("as many compute as may")
        with admission.join(CAROL) as other:
            async with other.place(anyio.Lock(), SOON):
                other.settle()
        with admission.join(ALICE) as next_one, anyio.fail_after(SOON):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_waits_soon, running[:1] if another else running)
                async with next_one.place(anyio.Lock(), SOON):
                    next_one.settle()


async def _waits_soon(tickets: list[Ticket]) -> None:
    """Their guests wait for an upstream; what would be started learns of it."""
    await quiet()
    for ticket in tickets:
        ticket.waits()


async def test_one_that_computes_again_counts_from_then() -> None:
    admission = Admission(Bounds(100, 100, 100, 100, processors=1))
    with admission.join(BOB):
        pass
    with admission.join(ALICE) as first, admission.join(ALICE) as second:
        async with first.place(anyio.Lock(), SOON):
            first.entered(ScriptedGuest(steps(), Path()))
            first.settle()
            await anyio.sleep(START * 1.2)
            first.waits()
            first.computes()
            async with second.place(anyio.Lock(), SOON):
                second.settle()


@pytest.mark.parametrize(
    ("bounds", "limit", "told"),
    [
        (Bounds(1, 1, 10, 2), "queue_each", "beside the 1 executions of yours that may run, 2 are waiting"),
        (Bounds(1, 1, 2, 10), "queue", "beside the 1 executions that may run, 2 are waiting"),
    ],
)
async def test_a_full_queue_refuses_at_once_and_names_the_limit_and_the_remedy(
    bounds: Bounds, limit: str, told: str
) -> None:
    there = House(Admission(bounds))
    async with anyio.create_task_group() as tasks:
        await there.begin(tasks, ALICE, "a1", "a2", "a3", "a4")
        [error] = there.failed
        assert error.limit == limit
        assert told in error.message
        assert f"`{limit}`" in error.message
        assert f"raise limits.{limit}" in error.hint
        await there.end("a1", "a2", "a3")
    assert there.is_empty


async def test_one_principals_full_queue_is_not_anothers() -> None:
    there = house(executions=1, each=1, queue_each=1)
    async with anyio.create_task_group() as tasks:
        await there.begin(tasks, ALICE, "a1", "a2", "a3")
        assert len(there.failed) == 1
        await there.begin(tasks, BOB, "b1")
        assert len(there.failed) == 1
        await there.end("a1", "a2", "b1")
    assert there.began == ["a1", "a2", "b1"]


async def test_those_for_whom_there_are_places_are_not_refused_for_coming_all_at_once() -> None:
    there = house(executions=50, each=50, queue=1, queue_each=1, starts=2)
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(there.run, ALICE, f"a{number}")
        await quiet()
        assert (len(there.began), there.failed) == (50, [])
        await there.end(*there.ends)


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        (Bounds(9, 1, 9, 9), "1 executions of yours are running (limit `executions_each`)"),
        (Bounds(1, 9, 9, 9), "1 executions are running (limit `executions`)"),
    ],
)
async def test_one_that_has_waited_its_time_is_told_which_limit_kept_it_out(bounds: Bounds, told: str) -> None:
    there = House(Admission(bounds))
    async with anyio.create_task_group() as tasks:
        await there.begin(tasks, ALICE, "a1")
        await there.run(ALICE, "a2", seconds=0.05)
        await there.end("a1")
    assert told in there.failed[0].message
    assert there.is_empty


async def test_one_that_waits_for_its_session_holds_no_place_and_is_told_when_its_time_is_up() -> None:
    there, turn = house(), anyio.Lock()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(there.run, ALICE, "a1", turn)
        await quiet()
        tasks.start_soon(there.run, ALICE, "a2", turn, 0.05)
        await quiet()
        assert (there.admission.running(), there.admission.waiting()) == (1, 1)
        await there.run(ALICE, "a3", turn, 0.05)
        assert len(there.failed) == 2
        await there.end("a1")
    assert "the session was busy" in there.failed[0].message
    assert 'session="new"' in there.failed[0].hint
    assert there.is_empty
    assert not turn.locked()


@pytest.mark.parametrize("moment", ["waiting for its session", "waiting for a place", "running"])
async def test_a_cancelled_one_leaves_nothing_taken(moment: str) -> None:
    there, turn = house(executions=1), anyio.Lock()
    async with anyio.create_task_group() as others:
        if moment == "waiting for a place":
            await there.begin(others, BOB, "b1")
        if moment == "waiting for its session":
            await turn.acquire()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(there.run, ALICE, "a1", turn)
            await quiet()
            tasks.cancel_scope.cancel()
        assert (there.admission.running(ALICE), there.admission.waiting(ALICE)) == (0, 0)
        assert turn.locked() == (moment == "waiting for its session")
        others.cancel_scope.cancel()
    assert there.is_empty


async def test_one_that_is_cancelled_in_the_moment_of_its_grant_gives_the_place_back() -> None:
    there = house(executions=1)
    async with anyio.create_task_group() as tasks:
        await there.begin(tasks, ALICE, "a1")
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as inner:
                inner.start_soon(there.run, BOB, "b1")
                await quiet()
                there.ends["a1"].set()
                while there.admission.running(BOB) == 0:
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
    assert there.is_empty


Comings = st.lists(st.tuples(st.sampled_from([ALICE, BOB, CAROL]), st.integers(0, 3)), max_size=40)


@settings(max_examples=60)
@given(Comings, st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.integers(2, 5))
async def test_whatever_comes_and_goes_the_bounds_are_kept_and_nothing_is_left_taken(
    comings: list[tuple[Principal, int]], executions: int, each: int, queue: int, starts: int
) -> None:
    """Each comer runs for some turns of the event loop, or is cancelled after some."""
    admission = Admission(Bounds(executions, each, queue, queue, starts))
    most, most_each, ran, refused = 0, 0, 0, 0

    async def come(principal: Principal, turns: int) -> None:
        nonlocal most, most_each, ran, refused
        try:
            with admission.join(principal) as ticket:
                async with ticket.place(anyio.Lock(), SOON):
                    most, most_each = max(most, admission.running()), max(most_each, admission.running(principal))
                    for _ in range(turns):
                        await anyio.lowlevel.checkpoint()
                    ran += 1
        except LimitExceeded:
            refused += 1

    with anyio.fail_after(SOON):
        async with anyio.create_task_group() as tasks:
            for principal, turns in comings:
                tasks.start_soon(come, principal, turns)
                if turns == 3:
                    await anyio.lowlevel.checkpoint()
    assert (most <= executions, most_each <= each) == (True, True)
    assert ran + refused == len(comings)
    assert (admission.running(), admission.waiting()) == (0, 0)
