"""Five MCP servers that others wrote, in Node.js and Python, behind one server; a program uses four at once."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.simulators.served import Served, serving

pytestmark = pytest.mark.anyio


@dataclass
class House:
    """The server, and the folder in which its upstreams work."""

    server: Served
    files: Path
    repository: Path


@pytest.fixture(scope="module")
async def house(real_servers: Path, node: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("servers")
    files, repository = folder / "files", folder / "repository"
    files.mkdir()
    (files / "a.txt").write_text("three\nlines\nhere")
    _make_repository(repository)

    def script(name: str) -> str:
        return str(real_servers / "node_modules" / "@modelcontextprotocol" / f"server-{name}" / "dist" / "index.js")

    upstreams = {
        "everything": {"command": [node, script("everything"), "stdio"]},
        "filesystem": {"command": [node, script("filesystem"), str(files)], "allow": ["read", "write", "destructive"]},
        "memory": {"command": [node, script("memory")], "env": {"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}},
        "git": {"command": [str(real_servers / "venv" / "bin" / "mcp-server-git"), "--repository", str(repository)]},
        "time": {"command": [str(real_servers / "venv" / "bin" / "mcp-server-time")]},
    }
    configuration = {"upstreams": upstreams, "policy": {"allow": ["read", "write"]}}
    async with serving(configuration, folder) as server:
        yield House(server, files, repository)


def _make_repository(folder: Path) -> None:
    if (git := shutil.which("git")) is None:
        pytest.skip("git is not installed")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    author = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
    for arguments in (
        ["init", "-q", str(folder)],
        ["-C", str(folder), *author, "commit", "-qm", "first", "--allow-empty"],
    ):
        subprocess.run([git, *arguments], check=True, env=environment)


async def test_the_map_shows_all_five(house: House) -> None:
    told = await house.server.execute("[len(dir(u)) for u in (everything, filesystem, memory, git, time)]")
    assert told.value == [15, 14, 10, 12, 2]
    map_ = await house.server.search("")
    for line in ("everything: 28", "filesystem: 14", "memory: 12", "git: 12", "time: 2"):
        assert f"# {line} operations" in map_


async def test_one_program_uses_four_of_them_at_once(house: House) -> None:
    told = await house.server.execute(
        f"""import asyncio
text, now, log, echoed = await asyncio.gather(
    filesystem.read_text_file(path={str(house.files / "a.txt")!r}),
    time.get_current_time(timezone="Europe/Berlin"),
    git.git_log(repo_path={str(house.repository)!r}),
    everything.echo(message="hello"),
)
{{"lines": len(text.content.splitlines()), "zone": now.timezone, "first": "first" in str(log), "echoed": echoed}}"""
    )
    assert told.value == {"lines": 3, "zone": "Europe/Berlin", "first": True, "echoed": "Echo: hello"}
    assert {call["status"] for call in told.facts["calls"]} == {"done"}


async def test_what_one_server_says_is_written_with_another(house: House) -> None:
    target = house.files / "sum.txt"
    told = await house.server.execute(
        f"""said = everything.get_sum(a=20, b=22)
filesystem.write_file(path={str(target)!r}, content=said)
memory.create_entities(entities=[{{"name": "sum", "entityType": "number", "observations": [said]}}])
memory.read_graph().entities[0].name"""
    )
    assert not told.is_error, told.text
    assert told.text.startswith("result: sum\n")
    assert target.read_text() == "The sum of 20 and 22 is 42."


async def test_an_image_of_an_upstream_reaches_the_client_as_an_image(house: House) -> None:
    told = await house.server.execute("await everything.get_tiny_image()")
    (image,) = [block for block in told.result.content if block.type == "image"]
    assert image.mime_type == "image/png"


async def test_what_a_server_refuses_is_an_exception_with_its_words(house: House) -> None:
    told = await house.server.execute('await filesystem.read_text_file(path="/etc/hostname")')
    assert told.is_error
    assert "PermissionDenied" in told.text
    assert "allowed directories" in told.text
