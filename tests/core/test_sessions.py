"""Sessions: one guest and one workspace each, worth nothing to another principal."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from isthmus.errors import NotFound
from isthmus.model import Principal
from isthmus.service.sessions import Sessions
from tests.simulators.guest import ScriptedSandbox, steps

pytestmark = pytest.mark.anyio

ALICE, BOB = Principal("alice"), Principal("bob")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """Sessions over a scripted sandbox, with a clock that the test moves."""

    folder: Path
    most: int = 8
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        numbers = count(1)
        self.sandbox = ScriptedSandbox(steps(), self.folder)
        self.sessions = Sessions(self.sandbox, self.most, 60.0, self.clock, lambda: f"s{next(numbers)}")


async def test_a_principals_own_session_is_the_same_each_time(tmp_path: Path) -> None:
    sessions = House(tmp_path).sessions
    assert await sessions.find(ALICE, None) is await sessions.find(ALICE, None)


async def test_new_is_a_session_that_nobody_has_used(tmp_path: Path) -> None:
    sessions = House(tmp_path).sessions
    own = await sessions.find(ALICE, None)
    other = await sessions.find(ALICE, "new")
    assert other is not own
    assert await sessions.find(ALICE, other.handle) is other


async def test_another_principals_handle_does_not_exist(tmp_path: Path) -> None:
    sessions = House(tmp_path).sessions
    of_alice = await sessions.find(ALICE, "new")
    with pytest.raises(NotFound) as of_another:
        await sessions.find(BOB, of_alice.handle)
    with pytest.raises(NotFound) as of_nobody:
        await sessions.find(BOB, "s999")
    assert of_another.value.message.replace(of_alice.handle, "?") == of_nobody.value.message.replace("s999", "?")


async def test_a_session_that_is_idle_too_long_is_ended_with_its_workspace(tmp_path: Path) -> None:
    house = House(tmp_path)
    session = await house.sessions.find(ALICE, "new")
    guest = await session.enter(house.sandbox)
    house.clock.now = 61.0
    with pytest.raises(NotFound):
        await house.sessions.find(ALICE, session.handle)
    assert not guest.alive
    assert not guest.workspace.exists()


async def test_an_own_session_that_was_ended_is_replaced_and_says_so(tmp_path: Path) -> None:
    house = House(tmp_path)
    before = await house.sessions.find(ALICE, None)
    house.clock.now = 61.0
    after = await house.sessions.find(ALICE, None)
    assert after is not before
    assert "session_idle" in after.dropped


async def test_too_many_live_sessions_cost_the_longest_unused_its_variables_and_not_its_files(tmp_path: Path) -> None:
    house = House(tmp_path, most=2)
    opened = []
    for second in range(3):
        house.clock.now = float(second)
        session = await house.sessions.find(ALICE, "new")
        opened.append(await session.enter(house.sandbox))
    assert [guest.alive for guest in opened] == [False, True, True]
    assert opened[0].workspace.exists()
    assert "sessions" in (await house.sessions.find(ALICE, "s1")).dropped


async def test_a_session_under_way_is_never_dropped(tmp_path: Path) -> None:
    house = House(tmp_path, most=1)
    busy = await house.sessions.find(ALICE, "new")
    guest = await busy.enter(house.sandbox)
    async with busy.turn:
        await (await house.sessions.find(ALICE, "new")).enter(house.sandbox)
        assert guest.alive


async def test_a_lost_guest_is_replaced_on_the_same_workspace(tmp_path: Path) -> None:
    house = House(tmp_path)
    session = await house.sessions.find(ALICE, "new")
    first = await session.enter(house.sandbox)
    await session.drop("a limit")
    second = await session.enter(house.sandbox)
    assert second is not first
    assert second.workspace == first.workspace


async def test_closing_leaves_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    guest = await (await house.sessions.find(ALICE, "new")).enter(house.sandbox)
    await house.sessions.close()
    assert not guest.alive
    assert list(tmp_path.iterdir()) == []
