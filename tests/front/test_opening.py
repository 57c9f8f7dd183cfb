"""The first answers are those of the SDK, whoever gives them, and only those."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage
from mcp_types import version as sdk_versions

from isthmus.front.calls import Application, failure, found
from isthmus.front.messages import Message, result_line
from isthmus.front.opening import HANDSHAKE_VERSIONS, MODERN_VERSION, Opening, called
from isthmus.front.server import build
from isthmus.model import Principal
from tests.simulators.mcp_messages import ENVELOPE, PREFIX, initialize, request
from tests.simulators.waiting import SOON


async def closed() -> Application:
    raise AssertionError("no tool was called")


def pure() -> Server[Any]:
    """Our server without our spelling: what the SDK says of itself."""
    server = build(closed)
    del server.middleware[-1]
    return server


@asynccontextmanager
async def conversation(server: Server[Any]) -> AsyncIterator[Any]:
    to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](10)
    outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](10)

    async def ask(message: Message) -> bytes:
        await to_server.send(SessionMessage(mcp_types.jsonrpc_message_adapter.validate_python(message)))
        with anyio.fail_after(SOON):
            answer = await from_server.receive()
        return answer.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, incoming, outgoing, server.create_initialization_options())
        yield ask
        to_server.close()
    from_server.close()


async def sdk_answers(server: Server[Any], messages: Sequence[Message]) -> list[bytes]:
    async with conversation(server) as ask:
        return [await ask(message) for message in messages]


def early_answers(messages: Sequence[Message]) -> list[bytes | None]:
    opening = Opening()
    results = [opening.answer(message) for message in messages]
    return [
        None if result is None else result_line(message["id"], result)
        for message, result in zip(messages, results, strict=True)
    ]


HANDSHAKES = [
    [initialize(version), request("ping"), request("tools/list", {}, "two")] for version in HANDSHAKE_VERSIONS
]
MODERN = [
    [request("server/discover", {"_meta": ENVELOPE}), request("tools/list", {"_meta": ENVELOPE}, 2)],
    [request("tools/list", {"_meta": ENVELOPE})],
]


@pytest.mark.anyio
@pytest.mark.parametrize("messages", [*HANDSHAKES, *MODERN])
async def test_the_first_answers_are_those_of_the_sdk(messages: list[Message]) -> None:
    early = early_answers(messages)
    assert None not in early
    assert early == await sdk_answers(build(closed), messages)  # byte for byte
    assert [json.loads(line or "") for line in early] == [
        json.loads(line) for line in await sdk_answers(pure(), messages)
    ]


class House:
    """An application that finds what is asked for, if that is no fault."""

    async def search(self, query: str, **_: Any) -> str:
        if query == "fault":
            raise OSError("words of somebody")
        return f"found {query} \N{EURO SIGN}"


async def house() -> Any:
    return House()


def search(params: Message) -> Message:
    return request("tools/call", {"name": "search", **params}, 5)


SEARCHES: list[Any] = [{"query": "pets"}, {"query": "fault"}, {"quarry": "pets"}, {"query": "pets", "limit": 0}]


@pytest.mark.anyio
@pytest.mark.parametrize("arguments", SEARCHES)
@pytest.mark.parametrize("first", [initialize(), initialize("2024-11-05"), MODERN[1][0]])
async def test_a_search_is_answered_as_the_sdk_answers_it(first: Message, arguments: Message) -> None:
    modern = first["method"] != "initialize"
    message = search({"arguments": arguments, **({"_meta": ENVELOPE} if modern else {})})
    opening = Opening()
    assert opening.answer(first) is not None
    assert opening.answer(message) is None
    assert opening.is_search(message)
    try:
        text, is_error = await found(await house(), arguments, Principal()), False
    except Exception as error:  # noqa: BLE001 - as it is told
        text, is_error = failure("search", error), True
    early = result_line(message["id"], called(message["params"], text, is_error=is_error))
    assert early == (await sdk_answers(build(house), [first, message]))[1]
    assert b"somebody" not in early


@pytest.mark.parametrize(
    "message",
    [
        search({"arguments": ["pets"]}),
        search({"arguments": {}, "_meta": ENVELOPE}),  # of the other era
        search({"arguments": {}, "task": {"ttl": 5}}),
        search({"arguments": {}, "requestState": "x"}),
        request("tools/call", {"name": "execute", "arguments": {"code": "1"}}),
        request("tools/call", {"arguments": {}}),
        {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "search"}},
    ],
)
def test_a_search_that_is_not_understood_in_full_is_left_to_the_sdk(message: Message) -> None:
    opening = Opening()
    assert not opening.is_search(search({"arguments": {}}))  # nobody has shaken hands
    opening.answer(initialize())
    assert opening.is_search(search({"arguments": {}, "_meta": {"progressToken": 1}}))
    assert not opening.is_search(message)
    opening.close()
    assert not opening.is_search(search({"arguments": {}}))


def test_the_revisions_are_those_of_the_sdk() -> None:
    assert HANDSHAKE_VERSIONS == sdk_versions.HANDSHAKE_PROTOCOL_VERSIONS
    assert (MODERN_VERSION,) == sdk_versions.MODERN_PROTOCOL_VERSIONS


@pytest.mark.parametrize(
    "messages",
    [
        [request("ping"), request("tools/list")],  # nobody has shaken hands
        [request("tools/list"), initialize()],
        [initialize("2099-01-01"), request("ping")],
        [initialize(clientInfo={"name": "test"})],
        [initialize(capabilities={"roots": 5})],
        [request("server/discover"), request("tools/list", {"_meta": ENVELOPE})],
        [request("tools/list", {"_meta": {**ENVELOPE, f"{PREFIX}protocolVersion": "2099-01-01"}})],
        [request("tools/list", {"_meta": {f"{PREFIX}protocolVersion": MODERN_VERSION}})],
        [request("ping", {"_meta": ENVELOPE}, 1)],
        [request("tools/call", {"name": "search", "arguments": {"query": ""}})],
    ],
)
def test_what_is_not_understood_in_full_is_left_to_the_sdk_and_so_is_all_that_follows(messages: list[Message]) -> None:
    assert early_answers(messages) == [None] * len(messages)


@pytest.mark.parametrize(
    "message",
    [
        request("tools/call", {"name": "execute"}),
        request("tools/list", {"cursor": "x"}),
        request("tools/list", {"_meta": ENVELOPE}),  # of the other era
        request("resources/list"),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 5, "result": {}},
    ],
)
def test_what_needs_the_house_waits_and_what_does_not_is_still_answered(message: Message) -> None:
    opening = Opening()
    assert opening.answer(initialize()) is not None
    assert opening.answer(message) is None
    assert opening.answer(request("ping")) == {}


def test_a_second_handshake_and_all_that_follows_is_left_to_the_sdk() -> None:
    opening = Opening()
    assert opening.answer(initialize()) is not None
    assert opening.answer(initialize("2024-11-05")) is None
    assert opening.answer(request("ping")) is None


def test_once_closed_it_answers_nothing() -> None:
    opening = Opening()
    opening.close()
    assert opening.answer(initialize()) is None


odd: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just({}) | st.just([]) | st.just({"a": {}})
)
members = {
    "protocolVersion": st.sampled_from([*HANDSHAKE_VERSIONS, MODERN_VERSION, "x"]) | odd,
    "capabilities": odd
    | st.fixed_dictionaries(
        {},
        optional={
            "roots": odd | st.fixed_dictionaries({"listChanged": odd}),
            "sampling": odd | st.fixed_dictionaries({}, optional={"context": odd, "tools": odd}),
            "elicitation": odd | st.fixed_dictionaries({}, optional={"form": odd, "url": odd}),
            "experimental": odd | st.fixed_dictionaries({"x": odd}),
            "extensions": odd | st.fixed_dictionaries({"x/y": odd}),
            "tasks": odd,
            "unheard": odd,
        },
    ),
    "clientInfo": odd
    | st.fixed_dictionaries(
        {"name": st.just("a") | odd, "version": st.just("1") | odd},
        optional={
            "title": odd,
            "description": odd,
            "websiteUrl": odd,
            "unheard": odd,
            "icons": odd
            | st.lists(
                st.fixed_dictionaries({"src": st.just("https://x/y.png") | odd}, optional={"sizes": odd, "theme": odd}),
                max_size=2,
            ),
        },
    ),
}
opening_requests = st.one_of(
    st.fixed_dictionaries(members, optional={"_meta": odd, "unheard": odd}).map(
        lambda params: request("initialize", params)
    ),
    st.tuples(
        st.sampled_from(["server/discover", "tools/list", "ping"]),
        st.fixed_dictionaries(
            {
                f"{PREFIX}protocolVersion": st.just(MODERN_VERSION) | odd,
                f"{PREFIX}clientCapabilities": members["capabilities"],
            },
            optional={f"{PREFIX}clientInfo": members["clientInfo"], "progressToken": odd, "unheard": odd},
        ),
    ).map(lambda drawn: request(drawn[0], {"_meta": drawn[1]})),
)


@given(opening_requests)
@settings(max_examples=300)
def test_whatever_is_answered_early_the_sdk_would_have_answered_alike(message: Message) -> None:
    (early,) = early_answers([message])
    if early is not None:
        assert [early] == anyio.run(sdk_answers, build(closed), [message])
