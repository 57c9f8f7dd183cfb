"""A new user, from `auth: oauth` to a program's first call: the real commands, and a browser that is a script."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.simulators.authorization import CANARY, Browser, authorizing, protecting
from tests.simulators.http_upstream import Told
from tests.simulators.served import SOON, server_environment, serving

pytestmark = pytest.mark.anyio

BROWSER = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1]) as page:
    open(sys.argv[0] + ".seen", "w").write(page.read().decode() + page.headers["referrer-policy"])
"""


class Desk:
    """A configuration with one upstream to log in to, and the commands at work on it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.configuration = {"upstreams": {"tracker": {"url": url, "auth": "oauth", "effects": {"*": "read"}}}}
        self.config = folder / "isthmus.yaml"
        self.config.write_text(json.dumps({"data": str(folder / "data"), **self.configuration}))
        self.browser = folder / "browser.py"
        self.browser.write_text(BROWSER)

    async def run(self, *arguments: str, stdin: bytes = b"", **environment: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command."""
        command = [sys.executable, "-m", "isthmus", *arguments, "--config", str(self.config)]
        own = {"PATH": os.environ["PATH"], "BROWSER": f"{sys.executable} {self.browser} %s", **environment}
        with anyio.fail_after(SOON):
            done = await anyio.run_process(command, input=stdin, check=False, env=server_environment(**own))
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def kept(self) -> bytes:
        """All that lies in the folder for data."""
        return b"".join(path.read_bytes() for path in (self.folder / "data").rglob("*") if path.is_file())


async def test_a_login_with_a_browser_is_used_by_a_server_that_was_there_before(tmp_path: Path) -> None:
    async with authorizing(life=61) as server, protecting(server) as protected:
        desk = Desk(tmp_path, f"{protected.origin}/mcp")
        async with serving(desk.configuration, tmp_path) as served:
            assert "isthmus login tracker" in await served.search("issues")
            assert "isthmus login tracker" in (await served.execute("tracker.list_issues()")).text
            assert protected.came == []
            code, out, err = await desk.run("login")
            assert code == 0, err
            assert out.startswith(f"logged in to tracker, {protected.origin}/mcp, at {server.origin}; granted: read;")
            assert f"{server.origin}/authorize?" in err
            assert "You can close this window" in desk.browser.with_name("browser.py.seen").read_text()
            with anyio.fail_after(SOON):
                while "list_issues" not in await served.search("issues"):  # noqa: ASYNC110 - it looks once a second
                    await anyio.sleep(0.1)
            protected.mcp.replies["tools/call"] = lambda _: {
                "content": [{"type": "text", "text": f"{protected.tokens}"}]
            }
            told = await served.execute("[tracker.list_issues(), tracker.list_issues()]")
            assert "[redacted]" in told.text
            everything = served.wire() + served.log().encode() + desk.kept() + (out + err).encode()
        assert CANARY.encode() not in everything
        assert len(protected.tokens) > 2


async def test_an_address_is_pasted_where_the_browser_is_elsewhere_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    async with authorizing() as server, protecting(server) as protected:
        desk = Desk(tmp_path, f"{protected.origin}/mcp")
        code, _, err = await desk.run(
            "login", "tracker", "--no-browser", stdin=b"http://127.0.0.1:1/callback?code=x&state=y\n"
        )
        assert code == 1
        assert "no answer to the login that was begun" in err
        assert (tmp_path / "data").exists() is False or b"login" not in desk.kept()
        assert (await pasted(desk))[0] == 0
        assert server.counting
        assert (await desk.run("logout"))[:2] == (0, "tracker: logged out\n")
        assert server.counting == server.refreshable == set()


async def pasted(desk: Desk) -> tuple[int, str]:
    """Log in with a browser on another machine: read the address, agree, and paste where it ends."""
    command = [sys.executable, "-m", "isthmus", "login", "--no-browser", "--config", str(desk.config)]
    process = await anyio.open_process(command, env=server_environment())
    assert process.stdin
    assert process.stderr
    said = b""
    with anyio.fail_after(SOON):
        async with process:
            async for part in process.stderr:
                said += part
                if b"paste that address" in said:
                    break
            (address,) = [line for line in said.decode().split("\n") if "/authorize?" in line]
            await process.stdin.send(f"{await Browser(visited=[address]).answer()}\n".encode())
            code = await process.wait()
    return code, said.decode()


async def test_a_login_is_forgotten_though_the_server_cannot_be_told(tmp_path: Path) -> None:
    async with authorizing(told={"/revoke": lambda _: Told(503)}) as server, protecting(server) as protected:
        desk = Desk(tmp_path, f"{protected.origin}/mcp")
        assert (await desk.run("login"))[0] == 0
        code, _, err = await desk.run("logout")
        assert (code, "may accept the tokens still" in err) == (1, True)
        assert (await desk.run("logout"))[:2] == (0, "tracker: not logged in\n")


LOGIN = {"url": "https://unused.example", "auth": "oauth"}


@pytest.mark.parametrize(
    ("upstreams", "arguments", "words"),
    [
        ({}, [], "not exactly one upstream with auth: oauth"),
        ({"a": LOGIN, "b": LOGIN}, [], "name one of a, b"),
        ({"a": {"url": "https://a.example"}}, ["a"], "add to it: auth: oauth"),
        ({"a": {"command": ["true"]}}, ["a"], "no MCP server over HTTP"),
        ({"a": LOGIN}, ["b"], "there is no such upstream"),
    ],
)
async def test_what_cannot_be_logged_in_to_is_told(
    upstreams: Mapping[str, Any], arguments: list[str], words: str, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, "https://unused.example")
    desk.config.write_text(json.dumps({"upstreams": upstreams}))
    code, out, err = await desk.run("login", *arguments)
    assert (code, out) == (2, "")
    assert words in err
