"""Upstreams against the reference servers, in Node and Python, of both eras of the protocol, at work for real."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from isthmus.config.model import UpstreamConfig
from isthmus.errors import InvalidArguments, NotFound, PermissionDenied, UpstreamError
from isthmus.model import Effect, UpstreamSnapshot
from isthmus.upstreams.mcp import McpUpstream
from isthmus.validation import Validation
from tests.simulators.mcp_server import invoke, running

pytestmark = pytest.mark.anyio


class Running:
    """A server at work, and what it said of itself."""

    def __init__(self, upstream: McpUpstream, snapshot: UpstreamSnapshot) -> None:
        self._upstream = upstream
        self.snapshot = snapshot

    def effects(self) -> dict[str, Effect]:
        """What its tools say of themselves."""
        return {operation.original: operation.declared for operation in self.snapshot.operations}

    async def call(self, original: str, **arguments: Any) -> Any:
        """The answer's value; it has to fit the output schema."""
        answer = await invoke(self._upstream, self.snapshot, original, **arguments)
        assert answer.warnings == ()
        return answer.value


@asynccontextmanager
async def serving(*command: str, **environment: str) -> AsyncIterator[Running]:
    config = UpstreamConfig(command=list(command), env={key: SecretStr(text) for key, text in environment.items()})
    upstream = McpUpstream(config, "real", problems=Validation().answer_problems)
    async with running(upstream) as watch:
        yield Running(upstream, await watch.ready())


@pytest.fixture
def servers() -> Path:
    folder = os.environ.get("ISTHMUS_TEST_SERVERS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no real servers: run tests/real_servers/install.py, and set ISTHMUS_TEST_SERVERS to its folder")
    return Path(folder)


def node(servers: Path, name: str) -> tuple[str, str]:
    script = servers / "node_modules" / "@modelcontextprotocol" / f"server-{name}" / "dist" / "index.js"
    program = shutil.which("node")
    if program is None or not script.exists():
        pytest.skip(f"server-{name} is not installed in {servers}")
    return program, str(script)


def python(servers: Path, name: str) -> str:
    script = servers / "venv" / "bin" / f"mcp-server-{name}"
    if not script.exists():
        pytest.skip(f"mcp-server-{name} is not installed in {servers}")
    return str(script)


async def test_everything(servers: Path) -> None:
    async with serving(*node(servers, "everything"), "stdio") as server:
        assert await server.call("echo", message="hi") == "Echo: hi"
        assert "sum of 1 and 2 is 3" in await server.call("get-sum", a=1, b=2)
        weather = await server.call("get-structured-content", location="New York")
        assert set(weather) == {"temperature", "conditions", "humidity"}
        image = next(block for block in await server.call("get-tiny-image") if isinstance(block, dict))
        assert image["mime_type"] == "image/png"
        assert image["data"].startswith(b"\x89PNG")
        links = await server.call("get-resource-links", count=2)
        assert [block["type"] for block in links if isinstance(block, dict)] == ["resource_link", "resource_link"]
        assert "PATH" in await server.call("get-env")
        with pytest.raises(InvalidArguments):
            await server.call("get-sum", a="one", b=2)
        assert "completed" in await server.call("trigger-long-running-operation", duration=0.2, steps=4)


async def test_everything_beside_tools(servers: Path) -> None:
    async with serving(*node(servers, "everything"), "stdio") as server:
        named = [operation.id for operation in server.snapshot.operations if operation.method]
        assert {"real.resources.architecture_md", "real.resources.dynamic_blob_resource"} <= set(named)
        assert {"real.prompts.simple_prompt", "real.prompts.args_prompt"} <= set(named)
        document = "demo://resource/static/document/architecture.md"
        (read,) = await server.call(f"resources/read {document}")
        assert read == (await server.call("resources/read", uri=document))[0]
        assert (read["mime_type"], read["text"][:1]) == ("text/markdown", "#")
        blob = await server.call("resources/read demo://resource/dynamic/blob/{resourceId}", resource_id="1")
        assert blob[0]["data"].startswith(b"Resource 1")
        prompt = await server.call("prompts/get args-prompt", city="Bern")
        assert "Bern" in prompt["messages"][0]["content"]
        assert document in [one["uri"] for one in await server.call("resources/list")]
        with pytest.raises(NotFound):
            await server.call("resources/read", uri="demo://nowhere")


async def test_filesystem(servers: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    async with serving(*node(servers, "filesystem"), str(tmp_path)) as server:
        assert server.effects()["read_text_file"] is Effect.READ
        assert server.effects()["write_file"] is Effect.DESTRUCTIVE
        assert await server.call("read_text_file", path=str(tmp_path / "a.txt")) == {"content": "hello"}
        await server.call("write_file", path=str(tmp_path / "b.txt"), content="x" * 3_000_000)
        assert (tmp_path / "b.txt").stat().st_size == 3_000_000
        big = await server.call("read_text_file", path=str(tmp_path / "b.txt"))
        assert len(big["content"]) == 3_000_000
        with pytest.raises(NotFound):
            await server.call("read_text_file", path=str(tmp_path / "none.txt"))
        with pytest.raises(PermissionDenied):
            await server.call("read_text_file", path="/etc/passwd")


async def test_memory(servers: Path, tmp_path: Path) -> None:
    async with serving(*node(servers, "memory"), MEMORY_FILE_PATH=str(tmp_path / "memory.jsonl")) as server:
        entity = {"name": "Ada", "entityType": "person", "observations": ["wrote the first program"]}
        await server.call("create_entities", entities=[entity])
        graph = await server.call("read_graph")
        assert [found["name"] for found in graph["entities"]] == ["Ada"]
        assert server.effects()["delete_entities"] is Effect.DESTRUCTIVE


async def test_git(servers: Path, tmp_path: Path) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    repository = [git, "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "m"]):
        await anyio.run_process([*repository, *arguments])
    async with serving(python(servers, "git"), "--repository", str(tmp_path)) as server:
        assert "nothing to commit" in await server.call("git_status", repo_path=str(tmp_path))
        assert "Message: m" in await server.call("git_log", repo_path=str(tmp_path))
        with pytest.raises(UpstreamError, match="nope"):
            await server.call("git_show", repo_path=str(tmp_path), revision="nope")


async def test_time(servers: Path) -> None:
    async with serving(python(servers, "time")) as server:
        assert (await server.call("get_current_time", timezone="Europe/Berlin"))["timezone"] == "Europe/Berlin"
        with pytest.raises(UpstreamError, match="X/Y"):
            await server.call("get_current_time", timezone="X/Y")


async def test_fifty_calls_at_once_to_a_real_server(servers: Path) -> None:
    async with serving(*node(servers, "everything"), "stdio") as server:
        answers: dict[int, str] = {}

        async def ask(number: int) -> None:
            answers[number] = await server.call("echo", message=str(number))

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(ask, number)
    assert answers == {number: f"Echo: {number}" for number in range(50)}
