"""The door of the HTTP server: requests as ASGI has them, and an endpoint that tells what came through."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.front.http_door import (
    PRINCIPAL,
    REFUSED_EVERY,
    VALUES,
    Door,
    Identify,
    Message,
    Names,
    Receive,
    Resource,
    Rules,
    Scope,
    Send,
    values_of,
)
from isthmus.front.http_turns import Turns
from isthmus.identity.verdicts import IssuerUnavailable, NotEnough, Unidentified
from isthmus.model import Principal
from tests.simulators.waiting import SOON

pytestmark = pytest.mark.anyio

NAMES = Names(frozenset({"isthmus.example", "127.0.0.1", "[::1]"}), frozenset({"https://app.example"}))
RESOURCE = Resource("https://isthmus.example/mcp", "https://id.example", ("isthmus", "extra"))
HEADERS = {"host": "isthmus.example", "authorization": "Bearer good"}


async def identify(token: str) -> Principal:
    """Knows one token, and what may be wrong with others."""
    match token:
        case "good":
            return Principal("alice")
        case "narrow":
            raise NotEnough("the token lacks the scope extra")
        case "down":
            raise IssuerUnavailable("down")
    raise Unidentified("the token is not known here")


@dataclass
class Inside:
    """What stands behind the door."""

    scopes: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"in"})


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def door(inside: Inside, who: Identify | None = identify, *, each: int = 10, problem: str = "") -> Door:
    return Door(Rules("/mcp", NAMES, 100, who, RESOURCE), inside, lambda: problem, Turns(each))


async def asked(
    at: Door, headers: Any = HEADERS, *, path: str = "/mcp", method: str = "POST", body: tuple[bytes, ...] = (b"{}",)
) -> Answer:
    given = list(headers.items() if isinstance(headers, dict) else headers)
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given]
    sent: list[Message] = []

    async def parts() -> AsyncIterator[Message]:
        for number, part in enumerate(body, 1):
            yield {"type": "http.request", "body": part, "more_body": number < len(body)}
        yield {"type": "http.disconnect"}

    coming = parts()

    async def receive() -> Message:
        return await anext(coming)

    async def send(message: Message) -> None:
        sent.append(message)

    await at({"type": "http", "path": path, "method": method, "headers": raw}, receive, send)
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], told, sent[1]["body"])


async def test_who_is_known_comes_in_as_a_principal_and_leaves_the_token_outside() -> None:
    inside = Inside()
    answer = await asked(door(inside), {**HEADERS, "cookie": "session=1", "mcp-protocol-version": "2026-07-28"})
    assert (answer.status, answer.body, inside.bodies) == (200, b"in", [b"{}"])
    [scope] = inside.scopes
    assert scope[PRINCIPAL] == Principal("alice")
    assert sorted(name for name, _ in scope["headers"]) == [b"host", b"mcp-protocol-version"]


@pytest.mark.parametrize(
    ("given", "status", "error"),
    [
        ([], 401, None),
        ([("authorization", "Bearer bad")], 401, "invalid_token"),
        ([("authorization", "Basic Z29vZA==")], 401, "invalid_request"),
        ([("authorization", "Bearer ")], 401, "invalid_request"),
        ([("authorization", "Bearer good"), ("authorization", "Bearer good")], 401, "invalid_request"),
        ([("authorization", "Bearer narrow")], 403, "insufficient_scope"),
    ],
)
async def test_who_is_not_known_is_told_how_to_be(given: list[tuple[str, str]], status: int, error: str | None) -> None:
    inside = Inside()
    answer = await asked(door(inside), [("host", "isthmus.example"), *given])
    assert (answer.status, inside.scopes) == (status, [])
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="isthmus"')
    assert 'resource_metadata="https://isthmus.example/.well-known/oauth-protected-resource/mcp"' in challenge
    assert 'scope="isthmus extra"' in challenge
    assert (f'error="{error}"' in challenge) if error else ("error" not in challenge)


async def test_an_issuer_that_does_not_answer_is_our_trouble_and_not_the_clients() -> None:
    answer = await asked(door(Inside()), {**HEADERS, "authorization": "Bearer down"})
    assert answer.status == 503
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("host", ["isthmus.example:8931", "ISTHMUS.example", "127.0.0.1:1", "[::1]", "[::1]:80"])
async def test_our_own_names_are_ours(host: str) -> None:
    assert (await asked(door(Inside()), {**HEADERS, "host": host})).status == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example", "isthmus.example.evil", "isthmus.example:80:80", "127.0.0.1.nip.io", "::1"]
)
async def test_other_names_are_not(host: str) -> None:
    inside = Inside()
    assert (await asked(door(inside, None), {"host": host})).status == 421
    assert (await asked(door(inside, None), [("host", "isthmus.example"), ("host", "isthmus.example")])).status == 421
    assert inside.scopes == []


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://isthmus.example", 200),
        ("https://app.example", 200),
        ("https://isthmus.example:8443", 403),
        ("https://app.example.evil", 403),
        ("null", 403),
        ("file://", 403),
    ],
)
async def test_pages_from_elsewhere_are_refused_before_anybody_is_known(origin: str, status: int) -> None:
    assert (await asked(door(Inside(), None), {"host": "isthmus.example", "origin": origin})).status == status


@pytest.mark.parametrize("body", [(b"x" * 101,), (b"x" * 60, b"x" * 60)])
async def test_a_body_that_is_too_large_stays_outside(body: tuple[bytes, ...]) -> None:
    inside = Inside()
    assert (await asked(door(inside), body=body)).status == 413
    assert (await asked(door(inside), {**HEADERS, "content-length": "9" * 40})).status == 413
    assert inside.scopes == []


async def test_a_body_of_too_many_values_stays_outside_and_what_stands_in_a_text_is_none() -> None:
    inside = Inside()
    at = Door(Rules("/mcp", NAMES, 10**6, identify), inside, str, Turns(10))
    values = b"[" + b"{}," * VALUES + b"1]"
    refused = await asked(at, body=(values,))
    assert (refused.status, inside.bodies) == (413, [])
    assert "values" in json.loads(refused.body)["error"]
    assert (await asked(at, body=(b'["' + values[:-1].replace(b'"', b"") + b'\\"[[["]',))).status == 200
    assert (await asked(at, body=(b'"' * (2 * VALUES + 2),))).status == 413


@given(
    st.recursive(
        st.none() | st.text() | st.text('\\"[,{:') | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_values_are_counted_as_json_has_them(value: Any) -> None:
    def values(of: Any) -> int:
        match of:
            case dict():
                return 1 + len(of) + max(0, len(of) - 1) + sum(map(values, of.values()))
            case list():
                return 1 + max(0, len(of) - 1) + sum(map(values, of))
        return isinstance(of, str)

    assert values_of(json.dumps(value).encode()) == values(value)


async def test_who_is_refused_waits_longer_the_more_there_are() -> None:
    at = door(Inside())
    ended: list[float] = []

    async def refused() -> None:
        assert (await asked(at, {**HEADERS, "authorization": "Bearer bad"})).status == 401
        ended.append(anyio.current_time() - began)

    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(refused)
        assert (await asked(at)).status == 200
        assert anyio.current_time() - began < REFUSED_EVERY * 20
    assert ended == sorted(ended)
    assert ended[-1] >= REFUSED_EVERY * 20 * 0.9


async def test_a_body_is_read_when_its_principal_has_his_turn_and_not_before() -> None:
    at = door(Inside(), each=1)

    async def never() -> Message:
        raise AssertionError("nothing of it is to be read")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    async with at._turns.turn(Principal("alice")):
        await at({"type": "http", "path": "/mcp", "method": "POST", "headers": headers}, never, send)
    assert sent[0]["status"] == 429


async def test_a_request_refused_for_its_body_is_under_way_until_it_is_told() -> None:
    turns = Turns(1)
    under_way: list[int] = []

    async def large() -> Message:
        return {"type": "http.request", "body": b" " * 101}

    async def send(_: Message) -> None:
        under_way.append(turns.under_way(Principal("alice")))

    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    at = Door(Rules("/mcp", NAMES, 100, identify), Inside(), str, turns)
    await at({"type": "http", "path": "/mcp", "method": "POST", "headers": headers}, large, send)
    assert under_way == [1, 1]
    assert turns.under_way() == 0


async def test_a_body_that_does_not_come_is_not_waited_for_for_ever() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def never() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    at = Door(Rules("/mcp", NAMES, 100, identify, body_seconds=0.01), Inside(), str, Turns(1))
    with anyio.fail_after(SOON):
        await at({"type": "http", "path": "/mcp", "method": "POST", "headers": headers}, never, send)
    assert sent[0]["status"] == 408


async def test_there_are_no_protocol_sessions_to_get_or_delete() -> None:
    for method in ("GET", "DELETE", "PUT", "OPTIONS"):
        answer = await asked(door(Inside()), method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_health_and_metadata_are_for_everybody() -> None:
    at = door(Inside(), problem="it is starting")
    assert (await asked(at, {}, path="/healthz", method="GET")).status == 200
    ready = await asked(at, {}, path="/readyz", method="GET")
    assert (ready.status, json.loads(ready.body)["reason"]) == (503, "it is starting")
    assert (await asked(door(Inside()), {}, path="/readyz", method="GET")).status == 200
    metadata = json.loads((await asked(at, {}, path=RESOURCE.place, method="GET")).body)
    assert metadata["resource"] == "https://isthmus.example/mcp"
    assert metadata["authorization_servers"] == ["https://id.example"]
    assert (await asked(at, {}, path="/elsewhere", method="GET")).status == 404


async def test_no_principal_has_more_requests_under_way_than_are_his() -> None:
    at = door(Inside(), each=1)
    async with at._turns.turn(Principal("alice")):
        assert (await asked(at)).status == 429
    assert (await asked(at)).status == 200


tokens = st.text(st.characters(max_codepoint=255), max_size=30)


@given(st.lists(st.tuples(st.sampled_from(["host", "origin", "authorization", "content-length", "x"]), tokens)), tokens)
async def test_whatever_strangers_send_is_answered_and_stays_outside(headers: Any, path: str) -> None:
    inside = Inside()
    answer = await asked(door(inside), headers, path=path or "/mcp")
    assert answer.status in {401, 403, 404, 405, 413, 421}
    assert inside.scopes == []
