"""The tokens of a login at work: kept sealed, renewed by one of several servers, and over when that is said."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from isthmus.config.model import OAuth, UpstreamConfig
from isthmus.credentials.logged_in import LoggedIn
from isthmus.credentials.oauth import logged_in, renewed
from isthmus.errors import PermissionDenied, UpstreamUnavailable
from isthmus.model import UpstreamState
from isthmus.redaction import Redactor
from isthmus.stores.box import Box
from isthmus.stores.logins import Login, LoginFile
from isthmus.upstreams.backoff import Backoff
from isthmus.upstreams.mcp import McpUpstream, Patience
from tests.simulators.authorization import (
    CANARY,
    AuthorizationServer,
    Browser,
    Protected,
    answer,
    authorizing,
    protecting,
)
from tests.simulators.http_upstream import Told
from tests.simulators.mcp_server import invoke, running

pytestmark = pytest.mark.anyio

KEY = Box(b"k" * 32)


@dataclass
class House:
    """An MCP server to log in to, its authorization server, and a folder for data that servers share."""

    data: Path
    server: AuthorizationServer
    protected: Protected
    time: float = 0.0
    redactor: Redactor = field(default_factory=Redactor)

    @property
    def url(self) -> str:
        return f"{self.protected.origin}/mcp"

    @property
    def file(self) -> LoginFile:
        return LoginFile(self.data, lambda: KEY, "tracker", self.url)

    async def log_in(self) -> Login:
        login = replace(await logged_in(self.url, OAuth(), "http://127.0.0.1:40404/callback", Browser()), got=self.time)
        self.file.write(login)
        return login

    def tokens(self, begins: Callable[[], None] = lambda: None) -> LoggedIn:
        """Those of one server; `begins` is called when it begins to renew them."""

        async def renew(login: Login) -> Login:
            begins()
            return replace(await renewed(self.url, login), got=self.time)

        def learn(secrets: Any) -> None:
            self.redactor.learn("tracker", secrets)

        return LoggedIn("tracker", self.file, renew, learn, lambda: self.time)


@asynccontextmanager
async def house(tmp_path: Path, **settings: Any) -> AsyncIterator[House]:
    async with authorizing(**settings) as server, protecting(server) as protected:
        yield House(tmp_path, server, protected)


async def test_a_login_is_kept_sealed_for_its_owner_its_upstream_and_its_address_alone(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        login = await at.log_in()
        (kept,) = (tmp_path / "logins").iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
        assert kept.parent.stat().st_mode & 0o777 == 0o700
        assert CANARY.encode() not in kept.read_bytes()
        assert at.file.read() == login
        assert LoginFile(tmp_path, lambda: KEY, "tracker", "https://elsewhere.example/mcp").read() is None
        assert LoginFile(tmp_path, lambda: Box(b"x" * 32), "tracker", at.url).read() is None
        other = LoginFile(tmp_path, lambda: KEY, "tracker", "https://elsewhere.example/mcp")
        other.write(login)
        moved = next(path for path in kept.parent.iterdir() if path != kept)
        kept.write_bytes(moved.read_bytes())
        assert at.file.read() is None  # what was made for another address does not open
        kept.write_text("no base64 \xff", encoding="latin-1")
        assert at.file.read() is None
        assert at.file.remove()
        assert not at.file.remove()


async def test_who_is_not_logged_in_is_told_what_to_run_and_a_login_made_meanwhile_counts(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        tokens = at.tokens()
        with pytest.raises(UpstreamUnavailable, match="not logged in") as raised:
            await tokens.token()
        assert "`isthmus login tracker`" in raised.value.hint
        assert not raised.value.sent
        login = await at.log_in()
        with anyio.fail_after(10):
            await tokens.changed()
        assert await tokens.token() == login.token


async def test_two_servers_renew_a_login_once_and_lose_no_refresh_token(tmp_path: Path) -> None:
    async with house(tmp_path, life=600) as at:
        await at.log_in()
        servers = [at.tokens(), at.tokens()]
        for round_ in range(1, 6):
            at.time = round_ * 590.0
            found: list[str] = []

            async def ask(tokens: LoggedIn, found: list[str] = found) -> None:
                found.append(await tokens.token())

            async with anyio.create_task_group() as tasks:
                for tokens in servers * 3:
                    tasks.start_soon(ask, tokens)
            assert len(found) == 6
            assert len(set(found)) == 1
            assert len(server_refreshes(at)) == round_
        assert len(at.server.refreshable) == 1


def server_refreshes(at: House) -> list[dict[str, str]]:
    return [asked for asked in at.server.asked("/token") if asked["grant_type"] == "refresh_token"]


async def test_what_was_given_is_kept_although_the_call_was_cancelled(tmp_path: Path) -> None:
    async with house(tmp_path, life=600) as at:
        old = await at.log_in()
        at.time = 600
        with anyio.CancelScope() as scope:
            await at.tokens(begins=scope.cancel).token()
        kept = at.file.read()
        assert kept is not None
        assert kept.refresh in at.server.refreshable
        assert kept.refresh != old.refresh


async def test_a_login_that_is_over_is_told_and_not_asked_for_again_until_there_is_another(tmp_path: Path) -> None:
    async with house(tmp_path, life=600) as at:
        await at.log_in()
        at.server.refreshable.clear()
        at.time, tokens = 600, at.tokens()
        for _ in range(3):
            with pytest.raises(UpstreamUnavailable, match=r"could not be renewed|does not count any longer") as raised:
                await tokens.token()
            assert "`isthmus login tracker`" in raised.value.hint
            assert CANARY not in str(raised.value)
        assert len(server_refreshes(at)) == 1
        login = await at.log_in()
        assert await tokens.token() == login.token


async def test_an_authorization_server_that_is_down_does_not_end_a_login(tmp_path: Path) -> None:
    async with house(tmp_path, life=600) as at:
        await at.log_in()
        at.time, tokens = 600, at.tokens()
        at.server.told["/token"] = lambda _: Told(503)
        with pytest.raises(UpstreamUnavailable, match="HTTP 503"):
            await tokens.token()
        at.server.told.clear()
        assert await tokens.token() in at.server.counting


async def test_a_login_without_a_refresh_token_ends_with_its_access_token(tmp_path: Path) -> None:
    async with house(tmp_path, life=600, granted={"refresh_token": None}) as at:
        login = await at.log_in()
        tokens = at.tokens()
        assert await tokens.token() == login.token
        at.time = 600
        with pytest.raises(UpstreamUnavailable, match="has expired, and cannot be renewed"):
            await tokens.token()


async def test_a_server_that_keeps_its_refresh_token_need_not_say_it_again(tmp_path: Path) -> None:
    async with house(tmp_path, life=600) as at:
        login = await at.log_in()
        at.server.granted["refresh_token"] = None
        at.time, tokens = 600, at.tokens()
        await tokens.token()
        kept = at.file.read()
        assert kept is not None
        assert kept.refresh == login.refresh


PATIENCE = Patience(connect=20, probe=5, settle=0, backoff=Backoff(first=3600, ceiling=3600))


async def test_an_upstream_connects_once_somebody_has_logged_in_and_renews_what_is_revoked(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        config = UpstreamConfig.model_validate({"url": at.url, "auth": {"oauth": {}}})
        upstream = McpUpstream(config, "tracker", tokens=at.tokens(), patience=PATIENCE)
        async with running(upstream) as watch:
            failed = await watch.until(lambda snapshot: snapshot.state is UpstreamState.FAILED)
            assert "not logged in" in failed.problem
            assert "isthmus login tracker" in failed.problem
            assert at.protected.came == []
            await at.log_in()
            ready = await watch.ready()
            at.time = 60
            at.server.counting.clear()
            assert (await invoke(upstream, ready, "list_issues")).value == "list_issues"
            assert len(server_refreshes(at)) == 1
            at.server.counting.clear()
            with pytest.raises(UpstreamUnavailable, match="refused") as raised:  # a new one is not to blame
                await invoke(upstream, ready, "list_issues")
            assert "isthmus login tracker" in raised.value.hint
            assert len(server_refreshes(at)) == 1


async def test_the_older_transport_says_so_too(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        config = UpstreamConfig.model_validate({"url": at.url, "transport": "sse", "auth": {"oauth": {}}})
        upstream = McpUpstream(config, "tracker", tokens=at.tokens(), patience=PATIENCE)
        async with running(upstream) as watch:
            failed = await watch.until(lambda snapshot: snapshot.state is UpstreamState.FAILED)
        assert failed.problem == "not logged in (the operator should run `isthmus login tracker`)"
        await at.log_in()
        upstream = McpUpstream(config, "tracker", tokens=at.tokens(), patience=PATIENCE)
        async with running(upstream) as watch:
            failed = await watch.until(lambda snapshot: snapshot.state is UpstreamState.FAILED)
        assert "HTTP 405" in failed.problem  # it was let in, and is none of that transport


async def test_a_call_that_lacks_a_scope_is_told_how_to_get_it(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.log_in()
        config = UpstreamConfig.model_validate({"url": at.url, "auth": {"oauth": {}}})
        upstream = McpUpstream(config, "tracker", tokens=at.tokens(), patience=PATIENCE)
        async with running(upstream) as watch:
            ready = await watch.ready()
            wanted = 'Bearer error="insufficient_scope", scope="read write"'
            at.protected.moved = lambda _: Told(403, headers={"WWW-Authenticate": wanted})
            with pytest.raises(PermissionDenied) as raised:
                await invoke(upstream, ready, "list_issues")
            assert "`isthmus login tracker --scope 'read write'`" in raised.value.hint
            for odd in ('scope="a` b\x1b"', 'scope=""', "scope=read", "error=invalid_token"):
                at.protected.moved = lambda _, odd=odd: Told(403, headers={"WWW-Authenticate": f"Bearer {odd}"})
                with pytest.raises(PermissionDenied) as raised:
                    await invoke(upstream, ready, "list_issues")
                assert "--scope" not in raised.value.hint


async def test_tokens_are_known_to_redaction_before_and_after_they_are_renewed(tmp_path: Path) -> None:
    async with house(tmp_path, life=600) as at:
        first = await at.log_in()
        at.protected.mcp.replies["tools/call"] = lambda _: {
            "content": [{"type": "text", "text": json.dumps(at.protected.tokens)}]
        }
        upstream = McpUpstream(
            UpstreamConfig.model_validate({"url": at.url}), "tracker", tokens=at.tokens(), patience=PATIENCE
        )
        async with running(upstream) as watch:
            ready = await watch.ready()
            assert first.token in str((await invoke(upstream, ready, "list_issues")).value)
            at.time = 600
            echoed = (await invoke(upstream, ready, "list_issues")).value
        second = at.file.read()
        assert second is not None
        everything = f"{echoed} {first.refresh} {second.refresh} {second.token} {list(second.secrets())}"
        assert first.token in everything
        assert CANARY not in at.redactor.text(everything)


def test_nothing_of_oauth_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys; from pathlib import Path; from isthmus.compose.access import access_tokens;"
        "from isthmus.config.model import Configuration; from isthmus.redaction import Redactor;"
        "said = {'upstreams': {'a': {'url': 'https://a', 'auth': {'bearer': 'token'}}}};"
        "access_tokens(Configuration.model_validate(said), Path(), Redactor())('a', 'local');"
        "print([name for name in sys.modules if name.startswith(('mcp', 'httpx2', 'isthmus.credentials'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_a_token_goes_to_no_other_origin(tmp_path: Path) -> None:
    async with house(tmp_path) as at, authorizing() as other:
        await at.log_in()
        elsewhere = f"{other.origin}/mcp"
        at.protected.mcp.replies.clear()

        def moved(_: Any) -> Told:
            return Told(307, headers={"Location": elsewhere})

        other.told["/mcp"] = lambda _: answer({})
        async with protecting(at.server) as second:
            second.moved = moved
            config = UpstreamConfig.model_validate({"url": f"{second.origin}/mcp"})
            upstream = McpUpstream(config, "tracker", tokens=at.tokens(), patience=PATIENCE)
            async with running(upstream) as watch:
                await watch.until(lambda snapshot: snapshot.state is UpstreamState.FAILED)
        assert other.heard == []
