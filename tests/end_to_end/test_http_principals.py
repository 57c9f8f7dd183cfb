"""Two users of one server over HTTP: what is one's is "not found" to the other."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.identity.matrix import ERAS, ROWS, Row, Two, two_users
from tests.simulators.together import run_together

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=ERAS)
async def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    async with two_users(request.param, tmp_path_factory.mktemp("two")) as there:
        yield there


async def test_a_session_that_is_not_named_is_a_new_one_and_its_handle_is_told(two: Two) -> None:
    first = await two.alice.execute("secret = 42")
    handle = str(first.facts["session"])
    assert first.text.startswith(f"session: {handle}\n")
    assert handle != (await two.alice.execute("secret = 42")).facts["session"]
    assert (await two.alice.execute("secret", session=handle)).value == 42


@pytest.mark.parametrize("made", ROWS, ids=lambda made: made.__name__)
async def test_what_is_one_users_does_not_exist_for_the_other(two: Two, made: Callable[[Two], Awaitable[Row]]) -> None:
    row = await made(two)
    assert row.wrong == [], row.told


async def test_programs_of_two_users_run_at_the_same_time(two: Two) -> None:
    await run_together((two.alice, {}), (two.bob, {}))
