"""Resources, resource templates and prompts of MCP servers: found, called, and harmless whatever they are."""

import ast
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulators.mcp_server import (
    EAGER,
    SILENCE,
    UNKNOWN,
    Error,
    Reply,
    SimulatedServer,
    invoke,
    running,
    tool,
    upstream_of,
)
from tests.simulators.stub_reader import ReadStub
from tests.simulators.waiting import SOON

from isthmus.coercion import coerced
from isthmus.config.model import UpstreamConfig
from isthmus.errors import InvalidArguments, NotFound, UpstreamError
from isthmus.model import Effect, Operation, UpstreamSnapshot
from isthmus.render.stubs import BRIEF, FILE, FULL, NORMAL, header, stub
from isthmus.upstreams.mcp import McpUpstream
from isthmus.upstreams.mcp_beside import Beside, operations_beside, request_of
from isthmus.upstreams.mcp_listing import MAX_BESIDE
from isthmus.upstreams.mcp_tools import operations_of
from isthmus.validation import Validation

pytestmark = pytest.mark.anyio

REAL = Path(__file__).parent.parent / "simulators" / "mcp_server_real.py"
README = {"uri": "file:///a/readme.md", "name": "readme.md", "description": "What to know.", "mimeType": "text/plain"}
LOG = {"uriTemplate": "file:///logs/{day}.txt{?from,to}", "name": "log"}
REVIEW = {
    "name": "review",
    "arguments": [{"name": "style"}, {"name": "code", "required": True, "description": "Code."}],
}


def library(**replies: Any) -> SimulatedServer:
    """A server of one tool, one resource, one template and one prompt."""
    server = SimulatedServer([tool("echo")])
    capabilities = {
        "tools": {"listChanged": True},
        "resources": {"listChanged": True},
        "prompts": {"listChanged": True},
    }
    server.replies |= {
        "initialize": lambda _: server.greeting(capabilities=capabilities),
        "resources/list": lambda _: {"resources": [README]},
        "resources/templates/list": lambda _: {"resourceTemplates": [LOG]},
        "prompts/list": lambda _: {"prompts": [REVIEW]},
        "resources/read": lambda params: {"contents": [{"uri": params["uri"], "text": "hello"}]},
        "prompts/get": lambda params: {"messages": [{"role": "user", "content": {"type": "text", "text": "look"}}]},
    }
    server.replies |= {name.replace("__", "/"): reply for name, reply in replies.items()}
    return server


def ids(snapshot: UpstreamSnapshot) -> list[str]:
    return [operation.id for operation in snapshot.operations if operation.method]


def beside(*, resources: Any = (), templates: Any = (), prompts: Any = (), tools: Any = ()) -> list[Operation]:
    named = operations_of("up", [tool(name) for name in tools]).operations
    return list(operations_beside("up", Beside(resources, templates, prompts), named).operations)


async def test_what_a_server_has_beside_tools_is_operations_that_read() -> None:
    async with running(upstream_of(library())) as watch:
        snapshot = await watch.ready()
    assert ids(snapshot) == [
        "up.resources.read",
        "up.resources.list",
        "up.resources.log",
        "up.resources.readme_md",
        "up.prompts.review",
    ]
    assert {one.effect for one in snapshot.operations if one.method} == {Effect.READ}
    headers = [header(one) for one in snapshot.operations]
    assert headers[3] == "# up.resources.log [read] resources/read file:///logs/{day}.txt{?from,to}"
    assert headers[5] == "# up.prompts.review [read] prompts/get review"
    assert "async def review(code: str, *, style: str = ...) -> PromptMessages:" in stub(snapshot.operations[5]).text
    assert "async def log(day: str, *, from_: str = ..., to: str = ...)" in stub(snapshot.operations[3]).text


async def test_each_of_them_is_called_with_its_own_request() -> None:
    server = library()
    upstream = upstream_of(server)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        for original, arguments in (
            ("resources/read file:///a/readme.md", {}),
            ("resources/read", {"uri": "file:///b"}),
            (f"resources/read {LOG['uriTemplate']}", {"day": "1/2 x", "from_": "3"}),
            ("prompts/get review", {"code": "1 + 1"}),
        ):
            await invoke(upstream, snapshot, original, **arguments)
    asked = [
        (one["method"], one["params"]) for one in server.received if one.get("method", "").endswith(("/read", "/get"))
    ]
    assert asked == [
        ("resources/read", {"uri": "file:///a/readme.md"}),
        ("resources/read", {"uri": "file:///b"}),
        ("resources/read", {"uri": "file:///logs/1%2F2%20x.txt?from=3"}),
        ("prompts/get", {"name": "review", "arguments": {"code": "1 + 1"}}),
    ]


async def test_texts_stay_texts_and_blobs_are_bytes() -> None:
    contents = [{"uri": "a", "mimeType": "application/json", "text": "[1]"}, {"uri": "b", "blob": "AAE="}]
    picture = {"type": "image", "data": "AAE=", "mimeType": "image/png"}
    messages = [{"role": "user", "content": {"type": "text", "text": "{}"}}, {"role": "assistant", "content": picture}]
    upstream = upstream_of(
        library(resources__read=lambda _: {"contents": contents}, prompts__get=lambda _: {"messages": messages}),
        problems=Validation().answer_problems,
    )
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        read = await invoke(upstream, snapshot, "resources/read", uri="a")
        prompt = await invoke(upstream, snapshot, "prompts/get review", code="x")
    assert read.value == [{"uri": "a", "mime_type": "application/json", "text": "[1]"}, {"uri": "b", "data": b"\0\1"}]
    shown = [{"role": "user", "content": "{}"}, {"role": "assistant"}]
    shown[1]["content"] = {"type": "image", "mime_type": "image/png", "data": b"\0\1"}  # type: ignore[assignment]
    assert prompt.value == {"messages": shown}
    assert read.warnings == prompt.warnings == ()


async def test_the_list_of_resources_is_all_pages_as_they_are_now() -> None:
    pages: dict[Any, Reply] = {
        None: {"resources": [README], "nextCursor": "2"},
        "2": {"resources": [{"uri": "file:///b", "name": "b", "size": 3, "icons": []}, {"name": "no uri"}]},
    }
    upstream = upstream_of(library(resources__list=lambda params: pages[params.get("cursor")]))
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        assert "up.resources.b" in ids(snapshot)
        listed = (await invoke(upstream, snapshot, "resources/list")).value
    assert [(one["uri"], one.get("mime_type"), one.get("size")) for one in listed] == [
        ("file:///a/readme.md", "text/plain", None),
        ("file:///b", None, 3),
    ]


@pytest.mark.parametrize("kind", ["resources", "prompts"])
async def test_a_change_of_them_is_seen(kind: str) -> None:
    server = library()
    async with running(upstream_of(server)) as watch:
        await watch.ready()
        server.replies["resources/list"] = lambda _: {"resources": [README, {"uri": "x:new", "name": "new"}]}
        server.replies["prompts/list"] = lambda _: {"prompts": [REVIEW, {"name": "new"}]}
        await server.say({"jsonrpc": "2.0", "method": f"notifications/{kind}/list_changed"})
        await watch.until(lambda snapshot: f"up.{kind}.new" in ids(snapshot))


async def test_nobody_is_asked_for_what_it_does_not_say_that_it_has() -> None:
    server = library(initialize=lambda _: SimulatedServer.greeting())
    async with running(upstream_of(server)) as watch:
        assert ids(await watch.ready()) == []
    assert not [one for one in server.received if one.get("method", "").startswith(("resources/", "prompts/"))]


async def test_a_server_without_any_has_nothing_to_read_either() -> None:
    empty = library(
        resources__list=lambda _: {"resources": []},
        resources__templates__list=lambda _: {"resourceTemplates": []},
        prompts__list=lambda _: {"prompts": []},
    )
    async with running(upstream_of(empty)) as watch:
        snapshot = await watch.ready()
    assert (ids(snapshot), snapshot.warnings) == ([], ())


@pytest.mark.parametrize(
    ("reply", "remark"),
    [
        (lambda _: UNKNOWN, "its prompts were not listed: Method not found"),
        (lambda _: Error(-32000, "no \u202e\nway"), "its prompts were not listed: no "),
        (lambda _: {"prompts": "many"}, "its list of prompts is cut: a page of it is no list"),
        (
            lambda _: {"prompts": [], "nextCursor": "again"},
            "its list of prompts is cut: its pages go round in a circle",
        ),
        (lambda _: {"prompts": [{"name": f"p{n}"} for n in range(3000)]}, "its list of prompts is cut after 2,000"),
        (lambda _: SILENCE, "its prompts were not listed within 0.1 s"),
    ],
)
async def test_a_server_that_lies_about_having_some_keeps_its_tools(reply: Any, remark: str) -> None:
    patience = replace(EAGER, beside=0.1) if reply({}) is SILENCE else EAGER
    async with running(upstream_of(library(prompts__list=reply), patience=patience)) as watch:
        snapshot = await watch.ready()
    assert "up.echo" in [one.id for one in snapshot.operations]
    assert "up.resources.readme_md" in ids(snapshot)
    assert [one for one in snapshot.warnings if one.startswith(remark)], snapshot.warnings
    assert len(ids(snapshot)) <= MAX_BESIDE + 4


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (lambda _: {"contents": "x"}, UpstreamError, "was answered without a list of contents"),
        (lambda _: {}, UpstreamError, "was answered without a list of contents"),
        (lambda _: Error(-32002, "Resource not found"), NotFound, "Resource not found"),
        (lambda _: Error(-32602, "Resource x not found"), NotFound, "Resource x not found"),
        (lambda _: Error(-32602, "uri must be a string"), InvalidArguments, "uri must be"),
        (lambda _: {"resultType": "input_required", "inputRequests": {}}, UpstreamError, "asks its user for more"),
    ],
)
async def test_a_resource_that_cannot_be_read_is_an_error(reply: Any, kind: type[UpstreamError], said: str) -> None:
    upstream = upstream_of(library(resources__read=reply))
    async with running(upstream) as watch:
        with pytest.raises(kind, match=said):
            await invoke(upstream, await watch.ready(), "resources/read", uri="x")


@pytest.mark.parametrize(
    "contents",
    [[None], ["x"], [{"blob": "***"}], [{"blob": 5}], [{"text": "\ud800"}], [{"uri": 1e999}], [[[]]], [{"blob": None}]],
)
async def test_odd_contents_come_as_plain_data(contents: Any) -> None:
    upstream = upstream_of(library(resources__read=lambda _: {"contents": contents}))
    async with running(upstream) as watch:
        answer = await invoke(upstream, await watch.ready(), "resources/read", uri="x")
    assert len(answer.value) == 1
    json.dumps(answer.value, allow_nan=False).encode()


def test_resources_of_one_name_are_told_apart_by_their_uris() -> None:
    same = [{"uri": f"file:///{folder}/readme.md", "name": "readme.md"} for folder in "ab"]
    assert [one.id for one in beside(resources=same)][2:] == [
        "up.resources.file_a_readme_md",
        "up.resources.file_b_readme_md",
    ]


def test_tools_keep_their_names_whatever_is_beside_them() -> None:
    found = beside(
        tools=["resources/readme_md", "resources.read", "prompts/get review"], resources=[README], prompts=[REVIEW]
    )
    assert [one.id for one in found[2:]] == ["up.resources.file_a_readme_md"]
    assert found[0].original == "resources/read"
    assert found[0].id.startswith("up.resources.read_")


def test_numbers_are_texts_in_uris_and_prompts() -> None:
    log, *_ = [one for one in beside(templates=[LOG], prompts=[REVIEW]) if one.id == "up.resources.log"]
    arguments = coerced(log, {"day": 5, "to": 1.5})
    assert Validation().arguments_problems(log, arguments) == []
    assert request_of(log, arguments) == ("resources/read", {"uri": "file:///logs/5.txt?to=1.5"})


@pytest.mark.parametrize("template", ["file:///{", "x:{a}{b}", "x:{a:3}", "x:{" + ",".join("abcdefgh" * 40) + "}"])
def test_a_template_that_cannot_be_filled_is_left_out_and_told(template: str) -> None:
    made = operations_beside("up", Beside(templates=[{"uriTemplate": template, "name": "t"}]), ())
    assert [one.id for one in made.operations] == ["up.resources.read", "up.resources.list"]
    assert "read(uri) takes whole URIs" in made.remarks[0]


WILD = st.text(max_size=20) | st.sampled_from(
    ["readme.md", "x:{a}", "class", "resources/read", "a'''b", "\u202e", "\ud800"]
)
ANY = st.recursive(st.none() | st.integers() | WILD, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
ITEM = ANY | st.dictionaries(
    st.sampled_from(["uri", "uriTemplate", "name", "title", "description", "mimeType", "arguments", "required"]), ANY
)
PROMPT = ITEM | st.fixed_dictionaries({"name": WILD, "arguments": st.lists(ITEM, max_size=4)})
NAMED = st.fixed_dictionaries({"uri": WILD, "uriTemplate": WILD}, optional={"name": WILD, "description": WILD})


@given(
    resources=st.lists(ITEM | NAMED, max_size=6),
    templates=st.lists(ITEM | NAMED, max_size=4),
    prompts=st.lists(PROMPT, max_size=4),
    names=st.lists(WILD.filter(lambda name: name.isprintable() and name.strip() != ""), unique=True, max_size=4),
)
def test_whatever_a_server_lists_has_ids_of_its_own_and_stubs_that_define_and_do_nothing(
    resources: Any, templates: Any, prompts: Any, names: Any
) -> None:
    tools = operations_of("up", [tool(name) for name in names]).operations
    made = operations_beside("up", Beside(resources, templates, prompts), tools)
    every = [*tools, *made.operations]
    assert len({one.id for one in every}) == len({one.original for one in every}) == len(every)
    again = operations_beside("up", Beside(resources[::-1], templates[::-1], prompts[::-1]), tools)
    if len({one.original for one in made.operations}) == len(made.operations) and not made.remarks:
        assert {one.original: one.id for one in again.operations} == {one.original: one.id for one in made.operations}
    for one in made.operations:
        for depth in (BRIEF, NORMAL, FILE, FULL):
            ReadStub.of(stub(one, depth).text)
        assert ast.parse(header(one)).body == []


@pytest.mark.parametrize("mode", ["stdio", "modern"])
async def test_the_official_server_of_either_era_lists_answers_and_changes(mode: str, tmp_path: Path) -> None:
    config = UpstreamConfig(command=[sys.executable, str(REAL), "stdio"], timeout=20)
    patience = replace(EAGER, connect=30, probe=20 if mode == "modern" else 0.0)
    upstream = McpUpstream(config, "up", patience=patience, problems=Validation().answer_problems)
    async with running(upstream) as watch:
        snapshot = await watch.ready()
        assert ids(snapshot) == [
            "up.resources.read",
            "up.resources.list",
            "up.resources.log",
            "up.resources.greeting",
            "up.resources.picture_png",
            "up.prompts.review",
        ]
        greeting = await invoke(upstream, snapshot, "resources/read note://greeting")
        assert greeting.value[0]["text"] == '{"hello": "world"}'
        picture = await invoke(upstream, snapshot, "resources/read note://picture")
        assert picture.value[0]["data"] == b"\x89PNG"
        log = await invoke(upstream, snapshot, "resources/read note://{day}/log", day="monday")
        assert log.value[0]["text"] == "quiet on monday"
        review = await invoke(upstream, snapshot, "prompts/get review", code="x = 1")
        assert review.value["messages"] == [{"role": "user", "content": "Review in a kind way: x = 1"}]
        with pytest.raises(NotFound):
            await invoke(upstream, snapshot, "resources/read", uri="note://missing")
        with anyio.fail_after(SOON):
            await invoke(upstream, snapshot, "learn")
            await watch.until(lambda now: {"up.resources.second", "up.prompts.second_review"} <= set(ids(now)))
