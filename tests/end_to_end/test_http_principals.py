"""Two users of one server over HTTP: what is one's is "not found" to the other."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import anyio
import pytest

from tests.simulators.served import Served, simulator
from tests.simulators.served_http import serving_http

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Two:
    """Clients of two users, of either era."""

    alice: Served
    bob: Served


@pytest.fixture(scope="module", params=["2026-07-28", "legacy"])
async def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    folder = tmp_path_factory.mktemp("two")
    witness = {**simulator("mcp_server_witness", str(folder / "witness.jsonl")), "shared": True}
    policy = {"approve": ["witness.quarrel"], "patience": 20}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serving_http({"upstreams": {"witness": witness}, "policy": policy}, folder)
        )
        clients = [await stack.enter_async_context(server.client(user, request.param)) for user in ("alice", "bob")]
        yield Two(*clients)


async def session_of(client: Served, code: str = "secret = 42") -> str:
    """The handle of a session in which a program has run."""
    told = await client.execute(code)
    assert not told.is_error, told.text
    handle = str(told.facts["session"])
    assert told.text.startswith(f"session: {handle}\n")
    return handle


async def test_a_session_that_is_not_named_is_a_new_one_and_its_handle_is_told(two: Two) -> None:
    first = await session_of(two.alice)
    assert first != await session_of(two.alice)
    assert (await two.alice.execute("secret", session=first)).value == 42


async def test_another_users_session_is_not_found(two: Two) -> None:
    handle = await session_of(two.alice, "secret = 42; open('/workspace/kept', 'w').write('private')")
    of_another = await two.bob.execute("secret", session=handle)
    of_nobody = await two.bob.execute("secret", session="s-0123456789abcdef")
    assert of_another.is_error
    assert "there is no session" in of_another.text
    assert of_another.text.replace(handle, "?") == of_nobody.text.replace("s-0123456789abcdef", "?")
    assert (await two.alice.execute("open('/workspace/kept').read()", session=handle)).text == "result: private"


async def test_another_users_execution_is_not_found(two: Two) -> None:
    failed = await two.alice.execute("secret = 1\n1 / 0")
    execution = failed.facts["execution"]
    of_another = await two.bob.execute("1", session=execution)
    of_nobody = await two.bob.execute("1", session="x-0123456789abcdef")
    assert of_another.is_error
    assert "there is no execution" in of_another.text
    assert of_another.text.replace(execution, "?") == of_nobody.text.replace("x-0123456789abcdef", "?")
    assert not (await two.alice.execute("2", session=execution)).is_error


async def test_an_artifact_of_another_is_not_there(two: Two) -> None:
    long = await two.alice.execute("'row ' * 200_000")
    [artifact] = [each["path"] for each in long.facts["artifacts"]]
    handle = long.facts["session"]
    read = f"len(open({artifact!r}).read())"
    assert (await two.alice.execute(read, session=handle)).value == 800_000
    assert (await two.bob.execute(read, session=handle)).is_error
    elsewhere = await two.bob.execute(f"import os\nos.path.exists({artifact!r})")
    assert elsewhere.text.endswith("result: false")


async def test_what_answers_have_taught_is_shown_to_who_was_answered_alone(two: Two) -> None:
    assert not (await two.alice.execute("witness.rows()")).is_error
    assert "observed" in await two.alice.search("witness.rows", detail="full")
    assert "observed" not in await two.bob.search("witness.rows", detail="full")
    within = await two.bob.execute("print(help(witness.rows))")
    assert "observed" not in within.text


async def test_programs_of_two_users_run_at_the_same_time_in_workers_of_their_own(two: Two) -> None:
    told: dict[str, str] = {}

    async def run(name: str, client: Served) -> None:
        code = f"import asyncio\nmine = {name!r}\nawait asyncio.sleep(0.3)\nmine"
        told[name] = (await client.execute(code)).text

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, "alice", two.alice)
        tasks.start_soon(run, "bob", two.bob)
    assert anyio.current_time() - began < 5
    assert {name: text.rpartition("\n")[2] for name, text in told.items()} == {
        "alice": "result: alice",
        "bob": "result: bob",
    }


async def test_a_skill_is_its_principals_alone(two: Two) -> None:
    saved = await two.alice.execute(
        "def alices_double(number):\n    return 2 * number\nsave_skill(alices_double, 'Double a number of apples')"
    )
    assert not saved.is_error, saved.text
    assert (await two.alice.execute("from skills import alices_double\nalices_double(4)")).text.endswith("result: 8")
    of_another = await two.bob.execute("from skills import alices_double")
    of_nobody = await two.bob.execute("from skills import nobodys_double")
    assert of_another.is_error
    texts = [each.text.partition("\n")[2].replace("nobodys", "alices") for each in (of_another, of_nobody)]
    assert texts[0] == texts[1]  # but for the sessions that they began
    assert "alices_double" in await two.alice.search("double apples")
    assert "alices_double" not in await two.bob.search("double apples")


async def test_a_question_is_its_principals_alone(two: Two) -> None:
    asked = await two.alice.execute("witness.quarrel()\n'whole'")
    assert "approv" in asked.text, asked.text
    execution = asked.facts["execution"]
    of_another = await two.bob.execute("", session=execution)
    of_nobody = await two.bob.execute("", session="x-0123456789abcdef")
    assert "there is no execution" in of_another.text
    assert of_another.text.replace(execution, "?") == of_nobody.text.replace("x-0123456789abcdef", "?")
