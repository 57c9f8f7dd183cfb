"""An upstream against a simulated server: life, calls, failures. The server is in this process; nothing is patched."""

from dataclasses import replace
from typing import Any

import anyio
import pytest
from tests.simulators.mcp_server import (
    EAGER,
    HASTY,
    SILENCE,
    UNKNOWN,
    Error,
    Reply,
    SimulatedServer,
    invoke,
    running,
    text,
    tool,
    upstream_of,
)

from isthmus.errors import InvalidArguments, NotFound, UpstreamError, UpstreamUnavailable
from isthmus.model import Call, Operation, Principal, UpstreamState
from isthmus.upstreams.backoff import Backoff
from isthmus.upstreams.mcp import HURRIED, McpUpstream
from isthmus.upstreams.mcp_listing import MAX_PAGES

pytestmark = pytest.mark.anyio

PATIENT = replace(EAGER, backoff=Backoff(first=3600, ceiling=3600))
"""Never tries again by itself within a test."""


async def test_it_connects_lists_and_says_what_it_is_for() -> None:
    server = SimulatedServer([tool("read", annotations={"readOnlyHint": True}), tool("write")])
    server.replies["initialize"] = lambda _: server.greeting(instructions="# Title\n\nReads and writes.\nMore.")
    async with running(upstream_of(server)) as watch:
        snapshot = await watch.ready()
    assert [state.state for state in watch.snapshots[:2]] == [UpstreamState.CONNECTING, UpstreamState.READY]
    assert [operation.id for operation in snapshot.operations] == ["up.read", "up.write"]
    assert (snapshot.purpose, snapshot.problem) == ("Reads and writes.", "")


async def test_the_operators_description_goes_before_the_servers_own() -> None:
    upstream = upstream_of(SimulatedServer(), config={"description": "Ours"})
    async with running(upstream) as watch:
        assert (await watch.ready()).purpose == "Ours"


async def test_a_call_reaches_the_tool_under_its_own_names() -> None:
    asked: list[Any] = []

    def answer(name: str, arguments: Any) -> Reply:
        asked.append((name, arguments))
        return text("done")

    server = SimulatedServer([tool("doIt", {"issue-title": {"type": "string"}, "data": {}})], answer)
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        result = await invoke(upstream, await watch.ready(), "doIt", issue_title="t", data=[b"\x00\x01"], extra=1)
    assert result.value == "done"
    assert asked == [("doIt", {"issue-title": "t", "data": ["AAE="], "extra": 1})]


async def test_calls_run_at_once() -> None:
    server = SimulatedServer([tool("slow")], lambda *_: SILENCE)
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(invoke, upstream, snapshot, "slow")
            await server.until("tools/call", 50)  # all are under way before the first is answered
            for message in [item for item in server.received if item.get("method") == "tools/call"]:
                await server.say({"jsonrpc": "2.0", "id": message["id"], "result": text("x")})


@pytest.mark.parametrize(
    ("value", "place"),
    [("a\ud800", 'arguments["x"]'), ([{"y": float("nan")}], 'arguments["x"][0]["y"]'), (2**64, 'arguments["x"]')],
)
async def test_arguments_that_would_end_the_session_are_refused_with_their_place(value: Any, place: str) -> None:
    server = SimulatedServer([tool("t", {"x": {}})])
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        with pytest.raises(InvalidArguments) as caught:
            await invoke(upstream, snapshot, "t", x=value)
        assert place in caught.value.message
        assert (await invoke(upstream, snapshot, "t", x="fine")).value == "t"


async def test_a_call_that_is_not_answered_ends_in_time_and_is_cancelled_at_the_server() -> None:
    server = SimulatedServer([tool("hang")], lambda *_: SILENCE)
    upstream = upstream_of(server, timeout=0.5)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        with pytest.raises(UpstreamUnavailable, match=r"up\.hang did not answer within 0\.5 s"):
            await invoke(upstream, snapshot, "hang")
        cancelled = await server.until("notifications/cancelled")
    assert cancelled["params"]["requestId"] == (await server.until("tools/call"))["id"]


async def test_a_cancelled_caller_cancels_the_call_at_the_server() -> None:
    server = SimulatedServer([tool("hang")], lambda *_: SILENCE)
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(invoke, upstream, snapshot, "hang")
            await server.until("tools/call")
            tasks.cancel_scope.cancel()
        await server.until("notifications/cancelled")


async def test_a_connection_that_ends_during_a_call_leaves_the_call_unknown() -> None:
    server = SimulatedServer([tool("hang")], lambda *_: SILENCE)
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        async with anyio.create_task_group() as tasks:

            async def call() -> None:
                with pytest.raises(UpstreamUnavailable, match="ended before the answer came"):
                    await invoke(upstream, snapshot, "hang")

            tasks.start_soon(call)
            await server.until("tools/call")
            server.hang_up()
        await watch.ready(2)
    assert [item["method"] for item in server.received].count("tools/call") == 1  # it was not sent again


async def test_a_lost_connection_is_made_again_and_keeps_its_operations_meanwhile() -> None:
    server = SimulatedServer([tool("t")])
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        await watch.ready()
        server.hang_up()
        failed = await watch.failed()
        await watch.ready(2)
    assert [operation.original for operation in failed.operations] == ["t"]
    assert failed.problem == "the connection has ended"


async def test_a_call_that_finds_the_connection_dead_has_it_made_again_at_once() -> None:
    server = SimulatedServer([tool("t")])
    upstream = upstream_of(server, patience=PATIENT)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        server.hang_up()
        await watch.failed()
        assert (await invoke(upstream, snapshot, "t")).value == "t"
    assert server.connections == 2


async def test_calls_make_a_failed_upstream_try_again_but_once() -> None:
    server = SimulatedServer([tool("t")])
    upstream = upstream_of(server, patience=PATIENT)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        server.refuses_connections = True
        server.hang_up()
        await watch.failed()
        for _ in range(3):
            with pytest.raises(UpstreamUnavailable, match=r"up is not connected: it refuses \(ask nicely\)"):
                await invoke(upstream, snapshot, "t")
    assert server.connections == 2


async def test_a_server_that_dies_of_every_call_is_not_started_for_every_call() -> None:
    def die(*_: Any) -> Reply:
        server.hang_up()
        return SILENCE

    server = SimulatedServer([tool("t")], die)
    upstream = upstream_of(server, patience=PATIENT)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        for _ in range(10):
            with pytest.raises(UpstreamUnavailable):
                await invoke(upstream, snapshot, "t")
            await watch.until(lambda _: upstream._snapshot.state is UpstreamState.FAILED)
    assert server.connections == HURRIED + 1


async def test_a_server_that_no_longer_speaks_the_newer_protocol_is_asked_again() -> None:
    server = SimulatedServer([tool("t")])
    discovered = {"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"}
    server.replies["server/discover"] = lambda _: {**discovered, "ttlMs": 0, "cacheScope": "public"}
    async with running(upstream_of(server)) as watch:
        await watch.ready()
        server.replies["server/discover"] = lambda _: UNKNOWN
        server.hang_up()
        await watch.ready(2)
    assert [item for item in server.received if item.get("method") == "initialize"]


async def test_a_call_waits_for_the_first_connection() -> None:
    server = SimulatedServer([tool("t")])
    upstream = upstream_of(server)
    operation = Operation("up.t", "up", "t", effect="write", parameters=())  # type: ignore[arg-type]
    async with anyio.create_task_group() as tasks:
        answers: list[Any] = []

        async def call() -> None:
            answers.append((await upstream.call(Call(operation, {}, Principal()), None)).value)
            tasks.cancel_scope.cancel()

        tasks.start_soon(call)
        tasks.start_soon(upstream.run, lambda _: None)
    assert answers == ["t"]


async def test_a_call_to_what_never_connects_ends_in_time() -> None:
    upstream = upstream_of(SimulatedServer(), timeout=0.05)
    operation = Operation("up.t", "up", "t", effect="write", parameters=())  # type: ignore[arg-type]
    with pytest.raises(UpstreamUnavailable, match="up is not connected: it is still connecting"):
        await upstream.call(Call(operation, {}, Principal()), None)


async def test_attempts_are_spaced_by_the_backoff() -> None:
    server = SimulatedServer()
    server.refuses_connections = True
    delays = iter([0.0, 0.0, 1.0])
    upstream = McpUpstream(
        upstream_of(server)._config,
        "up",
        patience=replace(EAGER, backoff=Backoff(first=0.001, factor=1, ceiling=0.001)),
        open_channel=server.open_channel,
        chance=lambda: next(delays, 1.0),
    )
    async with running(upstream) as watch:
        await watch.until(lambda _: server.connections >= 4)
    assert all(state.problem == "it refuses (ask nicely)" for state in watch.snapshots[1:])


async def test_a_server_silent_on_what_it_does_not_know_is_asked_once_in_its_life() -> None:
    server = SimulatedServer([tool("t")])
    server.replies["server/discover"] = lambda _: SILENCE
    async with running(upstream_of(server, patience=HASTY)) as watch:
        await watch.ready()
        server.hang_up()
        await watch.ready(2)
    assert [item["method"] for item in server.received].count("server/discover") == 1


async def test_a_server_that_ends_for_being_asked_what_it_does_not_know_is_asked_the_old_way_at_once() -> None:
    server = SimulatedServer([tool("t")])

    def leave(_: Any) -> Reply:
        server.hang_up()
        return SILENCE

    server.replies["server/discover"] = leave
    async with running(upstream_of(server)) as watch:
        await watch.ready()
    assert UpstreamState.FAILED not in [snapshot.state for snapshot in watch.snapshots]
    assert server.connections == 2


async def test_a_slow_server_of_the_new_protocol_is_not_taken_for_an_old_one() -> None:
    server = SimulatedServer([tool("t")])
    asked = []

    def discover(_: Any) -> Reply:
        asked.append(1)
        if len(asked) == 1:
            return SILENCE
        return {
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "resultType": "complete",
            "ttlMs": 0,
            "cacheScope": "public",
        }

    server.replies["server/discover"] = discover
    server.replies["initialize"] = lambda _: Error(
        -32022, "Unsupported", {"supported": ["2026-07-28"], "requested": ""}
    )
    upstream = upstream_of(server, patience=HASTY)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        await invoke(upstream, snapshot, "t")
    called = await server.until("tools/call")
    assert called["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"


async def test_a_connect_that_hangs_is_given_up() -> None:
    server = SimulatedServer()
    server.replies["initialize"] = lambda _: SILENCE
    async with running(upstream_of(server, patience=replace(EAGER, connect=0.1))) as watch:
        assert (await watch.failed()).problem == "it did not connect within 0.1 s"


async def test_an_unknown_protocol_version_names_both_sides() -> None:
    server = SimulatedServer()
    server.replies["initialize"] = lambda _: server.greeting(protocolVersion="9999-99-99")
    async with running(upstream_of(server)) as watch:
        problem = (await watch.failed()).problem
    assert "'9999-99-99'" in problem
    assert "2025-11-25" in problem


async def test_a_greeting_with_odd_parts_is_enough() -> None:
    server = SimulatedServer([tool("t")])
    server.replies["initialize"] = lambda _: {"protocolVersion": "2024-11-05", "capabilities": "yes", "instructions": 7}
    async with running(upstream_of(server)) as watch:
        assert len((await watch.ready()).operations) == 1


async def test_all_pages_are_listed() -> None:
    server = SimulatedServer()
    pages: dict[str | None, Reply] = {None: {"tools": [tool("a")], "nextCursor": "2"}, "2": {"tools": [tool("b")]}}
    server.replies["tools/list"] = lambda params: pages[params.get("cursor")]
    async with running(upstream_of(server)) as watch:
        snapshot = await watch.ready()
    assert [operation.original for operation in snapshot.operations] == ["a", "b"]


async def test_pages_that_go_round_in_a_circle_are_listed_once() -> None:
    server = SimulatedServer()
    server.replies["tools/list"] = lambda params: {"tools": [tool(f"t{params.get('cursor')}")], "nextCursor": "again"}
    async with running(upstream_of(server)) as watch:
        snapshot = await watch.ready()
    assert len(snapshot.operations) == 2
    assert "circle" in snapshot.warnings[0]


async def test_pages_without_end_are_cut_and_the_cut_is_told() -> None:
    server = SimulatedServer()
    server.replies["tools/list"] = lambda params: {"tools": [], "nextCursor": str(int(params.get("cursor", 0)) + 1)}
    async with running(upstream_of(server)) as watch:
        assert f"after {MAX_PAGES:,} pages" in (await watch.ready()).warnings[0]


async def test_one_bad_tool_costs_that_tool_only() -> None:
    server = SimulatedServer([tool("good"), {"name": "odd", "inputSchema": {}}, {"description": "no name"}])
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        assert (await invoke(upstream, snapshot, "odd", anything=1)).value == "odd"
    assert [operation.original for operation in snapshot.operations] == ["good", "odd"]
    assert any("no name" in warning for warning in snapshot.warnings)


async def test_a_server_without_tools_is_ready_and_empty() -> None:
    server = SimulatedServer()
    server.replies["tools/list"] = lambda _: Error(-32601, "Method not found")
    async with running(upstream_of(server)) as watch:
        assert (await watch.ready()).operations == ()


async def test_a_list_that_is_refused_is_a_failure_that_says_why() -> None:
    server = SimulatedServer()
    server.replies["tools/list"] = lambda _: Error(-32603, "the database is down")
    async with running(upstream_of(server)) as watch:
        assert (await watch.failed()).problem == "the database is down"


async def test_a_change_of_the_tools_is_listed_and_none_becomes_milder() -> None:
    server = SimulatedServer([tool("t")])
    async with running(upstream_of(server)) as watch:
        await watch.ready()
        changed = [tool("t", annotations={"readOnlyHint": True}), tool("new")]
        server.replies["tools/list"] = lambda _: {"tools": changed}
        await server.say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        snapshot = await watch.until(lambda snapshot: len(snapshot.operations) == 2)
    assert [(operation.effect, operation.claim) for operation in snapshot.operations] == [("write", None)] * 2
    assert "first counted as a write" in snapshot.warnings[0]


async def test_changed_tools_that_cannot_be_listed_leave_the_former_ones() -> None:
    server = SimulatedServer([tool("t")])
    async with running(upstream_of(server)) as watch:
        await watch.ready()
        server.replies["tools/list"] = lambda _: Error(-32603, "not now")
        await server.say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        snapshot = await watch.until(lambda snapshot: bool(snapshot.warnings))
    assert (snapshot.state, len(snapshot.operations)) == (UpstreamState.READY, 1)
    assert "not now" in snapshot.warnings[0]


async def test_a_server_that_asks_for_sampling_is_told_no_and_goes_on() -> None:
    server = SimulatedServer([tool("t")])
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        await server.say({"jsonrpc": "2.0", "id": 5, "method": "roots/list"})
        await invoke(upstream, snapshot, "t")
        refusal = await server.until(lambda item: "error" in item)
    assert refusal["id"] == 5
    greeting = await server.until("initialize")
    assert greeting["params"]["capabilities"] == {}


async def test_errors_of_the_protocol_have_their_kinds() -> None:
    replies = {
        "arguments": Error(-32602, "Invalid arguments for tool x"),
        "unknown": Error(-32601, "no such tool"),
        "other": Error(-32050, "quota\ud800", {"n": float("inf")}),
    }
    server = SimulatedServer([tool(name) for name in replies], lambda name, _: replies[name])
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        with pytest.raises(InvalidArguments):
            await invoke(upstream, snapshot, "arguments")
        with pytest.raises(NotFound):
            await invoke(upstream, snapshot, "unknown")
        with pytest.raises(UpstreamError, match=r"quota\\ud800") as caught:
            await invoke(upstream, snapshot, "other")
    assert caught.value.body == {"n": "inf"}


async def test_breaches_of_the_output_schema_are_remarks() -> None:
    def problems(operation: Operation, value: Any) -> list[str]:
        return [f"{operation.id}: {value!r} does not fit"]

    server = SimulatedServer([tool("t")])
    upstream = upstream_of(server, problems=problems)
    async with running(upstream) as watch:
        answer = await invoke(upstream, await watch.ready(), "t")
    assert answer.warnings == ("up.t: 't' does not fit",)


async def test_secrets_of_the_configuration_are_not_in_a_problem() -> None:
    server = SimulatedServer()
    server.replies["initialize"] = lambda _: Error(-32603, "the key sk-12345 is wrong")
    async with running(upstream_of(server, config={"env": {"KEY": "sk-12345"}})) as watch:
        assert (await watch.failed()).problem == "the key *** is wrong"


async def test_an_answer_of_many_values_is_read_all_the_same() -> None:
    big = {"structuredContent": {"items": [{"id": number} for number in range(30_000)]}, "content": []}
    server = SimulatedServer([tool("t")], lambda *_: big)
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        assert len((await invoke(upstream, await watch.ready(), "t")).value["items"]) == 30_000
