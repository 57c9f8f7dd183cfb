"""Sessions: one guest and one workspace each, worth nothing to another principal."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from isthmus.errors import NotFound
from isthmus.model import Principal
from isthmus.service.sessions import Bounds, Session, Sessions
from isthmus.stores.workspace import Kept, Workspaces
from tests.simulators.guest import ScriptedGuest, ScriptedSandbox, steps
from tests.simulators.waiting import SOON

pytestmark = pytest.mark.anyio

ALICE, BOB = Principal("alice"), Principal("bob")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


ROOMY = Bounds(sessions=8, sessions_each=8, sessions_mb=100, session_idle=60.0)


@dataclass
class House:
    """Sessions over a scripted sandbox, with a clock that the test moves."""

    folder: Path
    bounds: Bounds = ROOMY
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.sandbox = ScriptedSandbox(steps(), self.folder / "run")
        self.sessions = self.server()

    def server(self) -> Sessions:
        """The sessions of one server more, on the same data."""
        numbers = count(1)
        workspaces = Workspaces(self.folder / "sessions", Kept(1000.0, 100, 100), self.clock)
        return Sessions(workspaces, self.bounds, self.clock, lambda: f"s{next(numbers)}")

    async def used(self, principal: Principal = ALICE, handle: str | None = "new", mb: int = 0) -> Session:
        """A session in which a program has just run; its worker takes so much memory."""
        session = await self.sessions.find(principal, handle)
        async with session.turn:
            guest = await session.enter(self.sandbox)
            assert isinstance(guest, ScriptedGuest)
            guest.memory_bytes = mb << 20
        self.sessions.rest(session)
        self.clock.now += 1
        return session


async def closed(sessions: Sessions) -> None:
    """Let `run` close what was evicted."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sessions.run)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


def alive(*sessions: Session) -> list[bool]:
    return [session.guest is not None and session.guest.alive for session in sessions]


async def test_a_principals_own_session_is_the_same_each_time(tmp_path: Path) -> None:
    sessions = House(tmp_path).sessions
    assert await sessions.find(ALICE, None) is await sessions.find(ALICE, None)
    assert await sessions.find(ALICE, None) is not await sessions.find(BOB, None)


async def test_new_is_a_session_that_nobody_has_used(tmp_path: Path) -> None:
    sessions = House(tmp_path).sessions
    own = await sessions.find(ALICE, None)
    other = await sessions.find(ALICE, "new")
    assert other is not own
    assert await sessions.find(ALICE, other.handle) is other


@pytest.mark.parametrize("restarted", [False, True])
async def test_another_principals_handle_does_not_exist(tmp_path: Path, restarted: bool) -> None:
    house = House(tmp_path)
    of_alice = await house.used(ALICE)
    sessions = house.server() if restarted else house.sessions
    with pytest.raises(NotFound) as of_another:
        await sessions.find(BOB, of_alice.handle)
    with pytest.raises(NotFound) as of_nobody:
        await sessions.find(BOB, "s999")
    assert of_another.value.message.replace(of_alice.handle, "?") == of_nobody.value.message.replace("s999", "?")


async def test_a_session_that_rests_for_too_long_costs_its_variables_and_not_its_files(tmp_path: Path) -> None:
    house = House(tmp_path)
    session = await house.used()
    (session.workspace / "kept").write_text("x")
    guest = session.guest
    house.clock.now += 60.0
    await house.sessions.tend()
    assert guest is not None
    await closed(house.sessions)
    assert not guest.alive
    again = await house.sessions.find(ALICE, session.handle)
    assert "session_idle" in again.dropped
    assert (await again.enter(house.sandbox)).workspace == session.workspace
    assert (session.workspace / "kept").read_text() == "x"


async def test_too_many_live_sessions_cost_the_longest_unused_its_variables(tmp_path: Path) -> None:
    house = House(tmp_path, Bounds(2, 9, 100, 60.0))
    first, second, third = [await house.used() for _ in range(3)]
    assert alive(first, second, third) == [False, True, True]
    assert first.dropped == "more than 2 sessions were live (limit `sessions`)"
    await house.used(ALICE, second.handle)
    await house.used(ALICE, first.handle)
    assert alive(first, second, third) == [True, True, False]


async def test_one_principal_with_many_sessions_gives_up_its_own(tmp_path: Path) -> None:
    house = House(tmp_path, Bounds(3, 9, 100, 60.0))
    bobs = await house.used(BOB)
    alices = [await house.used(ALICE) for _ in range(4)]
    assert alive(bobs, *alices) == [True, False, False, True, True]


async def test_a_principal_has_a_share_of_its_own(tmp_path: Path) -> None:
    house = House(tmp_path, Bounds(9, 2, 100, 60.0))
    bobs = await house.used(BOB)
    alices = [await house.used(ALICE) for _ in range(3)]
    assert alive(bobs, *alices) == [True, False, True, True]
    assert "sessions of yours were live (limit `sessions_each`)" in alices[0].dropped


async def test_too_much_memory_costs_the_longest_unused_of_who_has_most_of_it(tmp_path: Path) -> None:
    house = House(tmp_path, Bounds(9, 9, 100, 60.0))
    small = await house.used(BOB, mb=5)
    large = [await house.used(ALICE, mb=40) for _ in range(3)]
    assert alive(small, *large) == [True, False, True, True]
    assert large[0].dropped == "live sessions took more than 100 MiB of memory (limit `sessions_mb`)"


async def test_one_session_alone_may_not_rest_with_more_memory_than_all_may_have(tmp_path: Path) -> None:
    house = House(tmp_path, Bounds(9, 9, 100, 60.0))
    assert alive(await house.used(mb=101)) == [False]


async def test_a_session_under_way_is_never_evicted(tmp_path: Path) -> None:
    house = House(tmp_path, Bounds(1, 1, 1, 60.0))
    busy = await house.used()
    async with busy.turn:
        await house.used(mb=50)
        await house.used(BOB)
        house.clock.now += 1000.0
        await house.sessions.tend()
        assert alive(busy) == [True]
        assert busy.workspace.exists()


async def test_a_worker_that_was_ended_from_outside_is_told(tmp_path: Path) -> None:
    house = House(tmp_path)
    session = await house.used()
    assert session.guest is not None
    await session.guest.close()
    await session.enter(house.sandbox)
    assert "ended from outside" in session.dropped


async def test_who_enters_while_the_guest_ends_keeps_the_new_one(tmp_path: Path) -> None:
    house = House(tmp_path)
    session = await house.used()
    ending = anyio.Event()

    class Slow(ScriptedGuest):
        async def close(self) -> None:
            await super().close()
            await ending.wait()

    session.guest = Slow(steps(), session.workspace)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.drop, "a limit")
        await anyio.lowlevel.checkpoint()
        guest = await session.enter(house.sandbox)
        ending.set()
    assert session.guest is guest
    assert guest.alive


async def test_a_later_server_finds_the_files_by_the_handle(tmp_path: Path) -> None:
    house = House(tmp_path)
    session = await house.used()
    (session.workspace / "kept").write_text("x")
    await house.sessions.close()
    later = await house.server().find(ALICE, session.handle)
    assert (later.workspace, later.dropped) == (session.workspace, "the server was restarted")
    assert (later.workspace / "kept").read_text() == "x"


async def test_a_handle_expires_with_its_files_but_for_the_principals_own(tmp_path: Path) -> None:
    house = House(tmp_path)
    own, other = await house.used(ALICE, None), await house.used()
    house.clock.now += 1001.0
    await house.sessions.tend()
    await house.used(BOB)
    house.clock.now += 1.0
    await house.used(ALICE)
    await house.sessions.tend()
    assert not other.workspace.exists()
    with pytest.raises(NotFound):
        await house.sessions.find(ALICE, other.handle)
    assert await house.sessions.find(ALICE, None) is own


async def test_closing_ends_every_guest(tmp_path: Path) -> None:
    house = House(tmp_path)
    sessions = [await house.used() for _ in range(3)]
    await house.sessions.close()
    assert alive(*sessions) == [False, False, False]
    assert not any(guest.alive for guest in house.sandbox.guests)


async def test_a_session_that_went_on_in_another_server_is_not_taken_up_where_this_one_left_it(tmp_path: Path) -> None:
    house = House(tmp_path)
    session = await house.used()
    there = await house.server().find(ALICE, session.handle)
    house.clock.now += 1
    async with there.turn:
        assert there.turn.others
    async with session.turn:
        await session.revisit()
    assert (session.guest, session.dropped) == (None, "the session went on in another server")
    assert session.may_hold("anything")  # what it holds by now, only its journal knows


async def test_a_session_that_only_this_server_used_keeps_its_guest(tmp_path: Path) -> None:
    house = House(tmp_path)
    session = await house.used()
    guest = session.guest
    await house.used(handle=session.handle)
    async with session.turn:
        await session.revisit()
    assert session.guest is guest


async def test_a_program_waits_while_another_server_runs_one_in_the_session(tmp_path: Path) -> None:
    house = House(tmp_path)
    session = await house.used()
    there = await house.server().find(ALICE, session.handle)
    await there.turn.acquire()
    with anyio.move_on_after(0.05) as waiting:
        await session.turn.acquire()
    assert waiting.cancelled_caught
    assert not session.turn.locked()
    there.turn.release()
    with anyio.fail_after(SOON):
        await session.turn.acquire()
    session.turn.release()
