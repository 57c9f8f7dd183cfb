"""A session over a wire, as its client meets it: both pipes real, the house behind it simulated."""

import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from isthmus.front.beginning import serve
from isthmus.front.wire import Wire
from isthmus.model import Principal, Question, Reply
from isthmus.render.results import Rendered
from tests.simulators.mcp_messages import ENVELOPE, call, initialize, request
from tests.simulators.waiting import SOON

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name == "nt", reason="pipes that can be polled")]

INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@dataclass
class House:
    """An application whose programs do what the test says, by their code."""

    programs: Mapping[str, Callable[[Callable[[str], Awaitable[None]] | None], Awaitable[str]]]
    waits_for: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    open: bool = False

    async def search(self, query: str | list[str], **_: Any) -> str:
        return f"found {query}"

    async def execute(self, code: str, *, printed: Any, **_: Any) -> Rendered:
        try:
            text = await self.programs[code](printed)
        except anyio.get_cancelled_exc_class():
            self.cancelled.append(code)
            raise
        return Rendered(text, is_error=False, facts={"ok": True})

    @property
    def key(self) -> bytes:
        return bytes(32)

    def questions(self, principal: Principal) -> Sequence[Question]:
        return ()

    def answer(self, replies: Mapping[str, Reply], principal: Principal) -> None:
        raise AssertionError("nothing was asked")

    async def settled(self, timeout: float) -> None:
        await anyio.lowlevel.checkpoint()

    def preparing(self) -> str:
        return self.waits_for.pop(0) if self.waits_for else ""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["House"]:
        self.open = True
        try:
            yield self
        finally:
            self.open = False


class Client:
    """Who is served."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._incoming, self._to_wire = os.pipe()
        self._from_wire, self._outgoing = os.pipe()
        self._answers = os.fdopen(self._from_wire, "rb")
        self.wire = Wire(self._incoming, self._outgoing)
        self._reader = self.wire.start()
        self._left = False

    def say(self, *messages: Any) -> None:
        for message in messages:
            os.write(self._to_wire, json.dumps(message).encode() + b"\n")

    async def hear(self) -> Any:
        with anyio.fail_after(SOON):
            return json.loads(await anyio.to_thread.run_sync(self._answers.readline, abandon_on_cancel=True))

    def leave(self) -> None:
        if not self._left:
            os.close(self._to_wire)
        self._left = True

    def deafen(self) -> None:
        """Listen no more, but stay."""
        self._answers.close()

    def close(self) -> None:
        """Leave, and wait until nobody reads any more: the number of a descriptor that is closed is given again."""
        self.leave()
        self._reader.join(SOON)
        self._answers.close()
        os.close(self._incoming)
        os.close(self._outgoing)


@asynccontextmanager
async def served(house: House, *, early: tuple[Any, ...] = ()) -> AsyncIterator[Client]:
    """A client whose server ends when it has left. `early` is said before there is a session."""
    client = Client(house)
    client.say(*early)
    try:
        with anyio.fail_after(SOON):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(serve, client.wire, house.opened)
                yield client
    finally:
        client.close()
    assert not house.open


async def done(_: Any) -> str:
    return "done"


async def test_a_conversation_that_began_early_goes_on_without_a_second_answer() -> None:
    house = House({"x": done})
    early = (initialize(), INITIALIZED, request("tools/list", {}, 2), call("x", 3))
    async with served(house, early=early) as client:
        heard = [await client.hear() for _ in range(3)]
        client.say(request("ping", {}, 4))
        heard.append(await client.hear())
        assert [each["id"] for each in heard] == ["init", 2, 3, 4]
        assert heard[2]["result"]["content"] == [{"type": "text", "text": "done"}]
        client.leave()


async def test_the_modern_era_goes_on_as_it_began() -> None:
    async with served(House({"x": done}), early=(request("server/discover", {"_meta": ENVELOPE}),)) as client:
        assert (await client.hear())["result"]["supportedVersions"] == ["2026-07-28"]
        client.say(call("x", 2, **ENVELOPE))
        assert (await client.hear())["result"]["content"][0]["text"] == "done"
        client.say(initialize())
        assert (await client.hear())["error"]["code"] == -32022
        client.leave()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (request("tools/call", {"name": "execute"}), -32602),  # nobody has shaken hands
        (request("no/such/method"), -32601),
        (
            request("tools/list", {"_meta": {**ENVELOPE, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}}),
            -32022,
        ),
    ],
)
async def test_a_first_request_that_does_not_fit_is_answered_by_the_sdk(message: Any, code: int) -> None:
    async with served(House({})) as client:
        client.say({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}, message)
        assert (await client.hear())["error"]["code"] == code
        client.leave()


async def test_an_unknown_revision_is_answered_with_the_latest_that_shakes_hands() -> None:
    async with served(House({})) as client:
        client.say(initialize("2099-01-01"))
        assert (await client.hear())["result"]["protocolVersion"] == "2025-11-25"
        client.leave()


async def test_a_request_that_is_cancelled_before_there_is_a_session_does_nothing() -> None:
    async def wait(_: Any) -> str:
        await anyio.sleep_forever()
        return ""

    house = House({"wait": wait, "x": done})
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}}
    async with served(house, early=(initialize(), INITIALIZED, call("wait", 3), cancel)) as client:
        assert (await client.hear())["id"] == "init"
        client.say(call("x", 4))
        assert (await client.hear())["id"] == 4
        client.leave()


async def test_a_request_that_is_cancelled_is_not_answered_and_its_program_ends() -> None:
    started = anyio.Event()

    async def wait(_: Any) -> str:
        started.set()
        await anyio.sleep_forever()
        return ""

    house = House({"wait": wait, "x": done})
    async with served(house, early=(initialize(), INITIALIZED, call("wait", 3))) as client:
        await client.hear()
        await started.wait()
        client.say({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}}, call("x", 4))
        assert (await client.hear())["id"] == 4
        assert house.cancelled == ["wait"]
        client.leave()


async def test_two_requests_of_one_id_are_both_answered() -> None:
    async with served(House({"x": done}), early=(initialize(), INITIALIZED, call("x", 3), call("x", 3))) as client:
        assert [(await client.hear())["id"] for _ in range(3)] == ["init", 3, 3]
        client.leave()


async def test_a_client_that_asked_hears_what_a_program_waits_for_and_what_it_prints() -> None:
    async def printing(printed: Any) -> str:
        while house.waits_for:
            await anyio.lowlevel.checkpoint()
        await printed("one\ntwo\n")
        await printed("three")
        return "done"

    house = House({"x": printing}, waits_for=["compiling", "compiling"])  # one look finds it so, the next one tells
    async with served(house, early=(initialize(), INITIALIZED, call("x", 3, progressToken="t"))) as client:
        assert (await client.hear())["id"] == "init"
        told = []
        while "id" not in (message := await client.hear()):
            assert message["method"] == "notifications/progress"
            assert message["params"]["progressToken"] == "t"
            told.append((message["params"]["message"], message["params"]["progress"]))
        assert re.fullmatch(r"compiling \(\d+ s so far\)", told[0][0])
        assert [text for text, _ in told[1:]] == ["two", "three"]
        assert [amount for _, amount in told] == sorted({amount for _, amount in told})
        client.leave()


async def test_an_answer_that_cannot_be_written_costs_its_own_request_only() -> None:
    async def broken(_: Any) -> str:
        return "half a pair: \ud800"

    async with served(House({"broken": broken, "x": done}), early=(initialize(), INITIALIZED)) as client:
        await client.hear()
        client.say(call("broken", 3))
        answer = await client.hear()
        assert (answer["id"], answer["error"]["code"]) == (3, -32603)
        client.say(call("x", 4))
        assert (await client.hear())["id"] == 4
        client.leave()


async def test_a_fault_of_our_own_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    async def faulty(_: Any) -> str:
        raise RuntimeError("s3cret")

    async with served(House({"x": faulty}), early=(initialize(), INITIALIZED, call("x", 3))) as client:
        await client.hear()
        result = (await client.hear())["result"]
        assert result["isError"]
        assert result["content"][0]["text"] == "Isthmus itself failed (RuntimeError); its log says more"
        client.leave()
    assert "s3cret" in caplog.text


async def test_a_long_answer_arrives_whole_and_others_are_served_meanwhile() -> None:
    long = "x" * 3_000_000

    async def talkative(_: Any) -> str:
        return long

    async with served(House({"long": talkative, "x": done}), early=(initialize(), INITIALIZED)) as client:
        await client.hear()
        client.say(call("long", 3), call("x", 4))
        answers = {answer["id"]: answer for answer in [await client.hear(), await client.hear()]}
        assert answers[3]["result"]["content"][0]["text"] == long
        assert answers[4]["result"]["content"][0]["text"] == "done"
        client.leave()


async def test_a_client_that_leaves_ends_its_programs() -> None:
    started = anyio.Event()

    async def wait(_: Any) -> str:
        started.set()
        await anyio.sleep_forever()
        return ""

    house = House({"wait": wait})
    async with served(house, early=(initialize(), INITIALIZED, call("wait", 3))) as client:
        await client.hear()
        await started.wait()
        client.leave()
    assert house.cancelled == ["wait"]


async def test_a_client_that_listens_no_more_is_gone() -> None:
    house = House({"x": done})
    async with served(house, early=(initialize(), INITIALIZED)) as client:
        await client.hear()
        client.deafen()
        client.say(call("x", 3))  # and does not leave: the server ends all the same
    client.leave()


async def test_a_client_that_said_everything_and_left_has_the_answers_that_need_nothing() -> None:
    async with served(House({}), early=(initialize(), INITIALIZED, request("tools/list", {}, 2))) as client:
        client.leave()
        assert [(await client.hear())["id"], (await client.hear())["id"]] == ["init", 2]
