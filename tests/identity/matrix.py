"""Two users of one server over HTTP: for each thing that is one's, what the other gets who knows its name.

A row holds when the owner has the thing, and the other is told what he is told of a thing that nobody has.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp.client.client import ConnectMode

from isthmus.front.consent import ONCE
from tests.simulators.http_upstream import Asked, Told, http_server
from tests.simulators.mcp_server import SimulatedServer, text, tool
from tests.simulators.openapi_service import OpenApiService
from tests.simulators.openapi_service import serving as service_on_a_port
from tests.simulators.served import Served, simulator
from tests.simulators.served_http import serving_http

ERAS: tuple[ConnectMode, ...] = ("2026-07-28", "legacy")

NOBODYS_SESSION, NOBODYS_EXECUTION = "s-0123456789abcdef", "x-0123456789abcdef"

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Letters", "version": "1"},
    "paths": {"/letters": {"get": {"operationId": "list", "responses": {"200": {"description": "ok"}}}}},
}
READS = {"readOnlyHint": True}


class Tracker:
    """An MCP server over HTTP that remembers, for each of its sessions, what it was told; and who came with what."""

    def __init__(self) -> None:
        self.server = SimulatedServer(
            [tool("remember", {"text": {"type": "string"}}, annotations=READS), tool("recall", annotations=READS)]
        )
        self.numbers = count(1)
        self.remembered: defaultdict[str, list[str]] = defaultdict(list)
        self.came: defaultdict[str, set[str]] = defaultdict(set)  # sessions, by credential

    async def __call__(self, asked: Asked) -> Told:
        if asked.method != "POST":
            return Told(405)
        message = json.loads(asked.body)
        session = asked.headers.get("mcp-session-id", "")
        if message.get("method") == "initialize":
            session = f"session-{next(self.numbers)}"
        if message.get("method") == "tools/call":
            self.came[asked.headers.get("authorization", "")].add(session)
            if given := message["params"].get("arguments"):
                self.remembered[session].append(given["text"])
            self.server.replies["tools/call"] = lambda _: text(" ".join(self.remembered[session]))
        answer = self.server.reply(message)
        if answer is None:
            return Told(202)
        return Told(200, json.dumps(answer).encode(), headers={"Mcp-Session-Id": session})


@dataclass(frozen=True)
class Two:
    """Clients of two users, and the services behind their server."""

    alice: Served
    bob: Served
    tracker: Tracker
    letters: OpenApiService


@asynccontextmanager
async def two_users(era: ConnectMode, folder: Path) -> AsyncIterator[Two]:
    """One server; each user with credentials of his own where the configuration says so."""
    (folder / "letters.json").write_text(json.dumps(DOCUMENT))
    tracker, letters = Tracker(), OpenApiService(DOCUMENT)
    theirs = {name: {"bearer": f"upstream-token-of-{name}"} for name in ("alice", "bob")}
    async with http_server(tracker) as at:
        with service_on_a_port(letters) as origin:
            believed = {"believe": True}
            upstreams = {
                "witness": {**simulator("mcp_server_witness", str(folder / "w.jsonl")), "shared": True, **believed},
                "tracker": {"url": f"{at}/mcp", "auth": {"bearer": "operators"}, "auth_for": theirs, **believed},
                "letters": {"openapi": "letters.json", "base_url": origin, "auth_for": {"alice": theirs["alice"]}},
            }
            policy = {"approve": ["witness.quarrel"], "patience": 20}
            async with (
                serving_http({"upstreams": upstreams, "policy": policy}, folder) as server,
                server.client("alice", era, person=_unasked) as alice,
                server.client("bob", era, person=_unasked) as bob,
            ):
                yield Two(alice, bob, tracker, letters)


async def _unasked(context: Any, params: Any) -> types.ElicitResult:
    """A person who answers nothing: clients only have to be able to ask."""
    raise AssertionError("nobody is asked here")


@dataclass(frozen=True)
class Row:
    """A thing of alice's, how bob tried to have it, what he was told, and why the row does not hold, if so."""

    thing: str
    tried: str
    told: str
    wrong: list[str] = field(default_factory=list)


def row(thing: str, tried: str, told: str, **must: bool) -> Row:
    """A row; of what `must` be so, what is not makes it wrong."""
    plain = " ".join(told.split())
    return Row(thing, tried, plain, [name for name, so in must.items() if not so])


async def of_session(two: Two) -> Row:
    """Its variables and files, by its handle."""
    made = await two.alice.execute("secret = 42; open('/workspace/kept', 'w').write('private'); secret")
    handle = made.facts["session"]
    own = await two.alice.execute("secret", session=handle)
    told, none = [(await two.bob.execute("secret", session=each)).text for each in (handle, NOBODYS_SESSION)]
    same = told.replace(handle, NOBODYS_SESSION) == none
    return row("session", "its handle", told, owner=own.value == 42, same=same)


async def of_workspace(two: Two) -> Row:
    """Its files, by path, from a session of the other's own."""
    made = await two.alice.execute("open('/workspace/kept', 'w').write('private')")
    own = await two.alice.execute("open('/workspace/kept').read()", session=made.facts["session"])
    code = "import os; [os.path.exists('/workspace/kept'), 'kept' in os.listdir('/workspace')]"
    told = (await two.bob.execute(code)).text
    alone = "[false,false]" in told
    return row("workspace", "its path", told.partition("\n")[2], owner=own.text == "result: private", alone=alone)


async def of_artifact(two: Two) -> Row:
    """What did not fit into a result, by the path that the result names."""
    made = await two.alice.execute("'row ' * 200_000")
    [path] = [each["path"] for each in made.facts["artifacts"]]
    read = f"len(open({path!r}).read())"
    own = await two.alice.execute(read, session=made.facts["session"])
    there = await two.bob.execute(read, session=made.facts["session"])
    here = await two.bob.execute(read)
    missing = "FileNotFoundError" in here.text
    refused = there.is_error and "there is no session" in there.text
    return row("artifact", "its path", here.text.partition("\n")[2], owner=own.value == 800_000, a=missing, b=refused)


async def of_execution(two: Two) -> Row:
    """A failed one, to be continued, and its journal with it."""
    execution = (await two.alice.execute("secret = 1\n1 / 0")).facts["execution"]
    told, none = [(await two.bob.execute("1", session=each)).text for each in (execution, NOBODYS_EXECUTION)]
    own = await two.alice.execute("2", session=execution)
    same = told.replace(execution, NOBODYS_EXECUTION) == none
    return row("execution, journal", "its id, with code", told, owner=not own.is_error, same=same)


async def of_outcome(two: Two) -> Row:
    """What an execution came to, which its id and no code tell again."""
    execution = (await two.alice.execute("'a private result'")).facts["execution"]
    told, none = [(await two.bob.execute("", session=each)).text for each in (execution, NOBODYS_EXECUTION)]
    own = await two.alice.execute("", session=execution)
    same = told.replace(execution, NOBODYS_EXECUTION) == none
    return row("outcome", "its id, without code", told, owner="a private result" in own.text, same=same)


async def of_skill(two: Two) -> Row:
    """By import."""
    code = "def alices_double(number):\n    return 2 * number\nsave_skill(alices_double, 'Double a number of apples')"
    await two.alice.execute(code)
    own = await two.alice.execute("from skills import alices_double\nalices_double(4)")
    told, none = [
        (await two.bob.execute(f"from skills import {name}")).text.partition("\n")[2]
        for name in ("alices_double", "nobodys_double")
    ]
    same = told == none.replace("nobodys", "alices")
    return row("skill", "import", told, owner=own.text.endswith("result: 8"), same=same)


async def of_skills_in_search(two: Two) -> Row:
    """By search."""
    own, told = [await each.search("double apples") for each in (two.alice, two.bob)]
    return row("skill", "search", told, owner="alices_double" in own, same="alices_double" not in told)


async def of_approval(two: Two) -> Row:
    """A question, with the state that only its owner's client was given, or by the execution that waits."""
    arguments = {"code": "witness.quarrel()"}
    asked = await two.alice.client.session.call_tool("execute", arguments, allow_input_required=True)
    if isinstance(asked, types.InputRequiredResult):
        replies: types.InputResponses = {
            name: types.ElicitResult(action="accept", content={"answer": ONCE}) for name in asked.input_requests or {}
        }
        answered = [
            await each.client.session.call_tool(
                "execute",
                arguments,
                input_responses=replies,
                request_state=asked.request_state,
                allow_input_required=True,
            )
            for each in (two.bob, two.alice)
        ]
        told, own = [_text(each) for each in answered]
        return row("approval", "its sealed state", told, owner="no: {" in own, same="no: {" not in told)
    execution = (asked.meta or {})["isthmus"]["execution"]
    told, none = [(await two.bob.execute("", session=each)).text for each in (execution, NOBODYS_EXECUTION)]
    same = told.replace(execution, NOBODYS_EXECUTION) == none
    return row("approval", "the execution's id", told, owner="approv" in _text(asked), same=same)


def _text(result: types.CallToolResult | types.InputRequiredResult) -> str:
    if isinstance(result, types.InputRequiredResult):
        return "asked again"
    return "".join(each.text for each in result.content if isinstance(each, types.TextContent))


async def of_learned(two: Two) -> Row:
    """The types that search has learned from one's answers."""
    await two.alice.execute("witness.rows()")
    own, told = [await each.search("witness.rows", detail="full") for each in (two.alice, two.bob)]
    return row("learned types", "search", told, owner="observed" in own, same="observed" not in told)


async def of_connection(two: Two) -> Row:
    """The session of an upstream, which remembers what it was told."""
    await two.alice.execute("tracker.remember(text='a secret of alice')")
    own, told = [(await each.execute("tracker.recall()")).text for each in (two.alice, two.bob)]
    came = two.tracker.came
    alices, bobs = came["Bearer upstream-token-of-alice"], came["Bearer upstream-token-of-bob"]
    return row(
        "upstream connection",
        "the same tool",
        told.partition("\n")[2],
        owner="a secret of alice" in own,
        other="a secret" not in told,
        sessions=bool(alices and bobs and not alices & bobs) and "Bearer operators" not in came,
    )


async def of_credential(two: Two) -> Row:
    """A credential of one's own, where the other has none."""
    own = await two.alice.execute("letters.list(); 'read'")
    sent = [each.headers.get("authorization") for each in two.letters.requests]
    told = (await two.bob.execute("letters.list()")).text
    return row(
        "credential",
        "an operation",
        told.partition("\n")[2],
        owner="result: read" in own.text,
        sent=sent == ["Bearer upstream-token-of-alice"],
        unsent=len(two.letters.requests) == 1,
    )


async def of_worker(two: Two) -> Row:
    """The interpreter: what one has changed in a module is not so in the other's, at the same time."""
    made = await two.alice.execute("import json; json.mark = 'of alice'")
    own = await two.alice.execute("json.mark", session=made.facts["session"])
    told = (await two.bob.execute("import json; json.mark")).text.partition("\n")[2]
    return row("worker", "a changed module", told, owner="of alice" in own.text, other="AttributeError" in told)


ROWS: tuple[Callable[[Two], Awaitable[Row]], ...] = (
    of_session,
    of_workspace,
    of_artifact,
    of_execution,
    of_outcome,
    of_skill,
    of_skills_in_search,
    of_approval,
    of_learned,
    of_connection,
    of_credential,
    of_worker,
)
