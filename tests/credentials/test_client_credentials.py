"""Access tokens by client credentials, in front of both kinds of upstreams."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from isthmus.compose.access import access_tokens
from isthmus.config.model import Configuration, OAuth2, UpstreamConfig
from isthmus.credentials.client_credentials import ANSWER_BYTES, ClientCredentials
from isthmus.credentials.static import StaticCredentials
from isthmus.errors import ConfigurationError, PermissionDenied, UpstreamError, UpstreamUnavailable
from isthmus.model import Call, Credential, Principal, UpstreamSnapshot, UpstreamState
from isthmus.redaction import Redactor
from isthmus.upstreams.http import HttpUpstream
from isthmus.upstreams.mcp import McpUpstream
from tests.simulators.authorization import CANARY, AuthorizationServer, answer, authorizing, protecting
from tests.simulators.http_upstream import Asked, Told, http_server
from tests.simulators.mcp_server import invoke, running

pytestmark = pytest.mark.anyio

SECRET = f"secret-{CANARY}-0"


class Client:
    """Client credentials of one upstream, on a clock of its own."""

    def __init__(self, server: AuthorizationServer, **more: Any) -> None:
        said = {"token_url": f"{server.origin}/token", "client_id": "us & them", "client_secret": SECRET, **more}
        server.clients["us & them"] = {"client_secret": SECRET}
        self.time = 0.0
        self.learned: list[list[str]] = []
        self.tokens = ClientCredentials(
            "api", OAuth2.model_validate(said), lambda secrets: self.learned.append(list(secrets)), lambda: self.time
        )


async def test_a_token_is_had_once_and_renewed_shortly_before_it_expires() -> None:
    async with authorizing(life=600) as server:
        client = Client(server, scope="read write", audience="https://api.example", resource="https://r.example")
        first = await client.tokens.token()
        client.time = 539
        assert await client.tokens.token() == first
        client.time = 541
        second = await client.tokens.token()
        assert second != first
        asked = {"scope": "read write", "audience": "https://api.example", "resource": "https://r.example"}
        assert server.asked("/token") == [{"grant_type": "client_credentials", **asked}] * 2
        assert client.learned == [[first], [second, first]]
        assert CANARY not in repr(client.tokens)


async def test_many_at_once_ask_once() -> None:
    async with authorizing() as server:
        client, found = Client(server), list[str]()

        async def ask() -> None:
            found.append(await client.tokens.token())

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)
        assert len(server.asked("/token")) == 1
        assert len(set(found)) == 1


async def test_a_refused_token_is_replaced_once_for_all_who_had_it_and_a_new_one_is_not() -> None:
    async with authorizing(life=None) as server:
        client = Client(server)
        first = await client.tokens.token()
        assert await client.tokens.other(first) is None
        client.time = 11
        second = await client.tokens.other(first)
        assert second not in (None, first)
        assert await client.tokens.other(first) == second
        assert len(server.asked("/token")) == 2
        client.time = 1e9
        assert await client.tokens.token() == second


async def test_a_server_that_wants_the_secret_in_the_body_is_asked_so_from_then_on() -> None:
    async with authorizing(life=0, in_body=True) as server:
        client = Client(server)
        await client.tokens.token()
        await client.tokens.token()
        assert ["client_secret" in asked for asked in server.asked("/token")] == [False, True, True]


def refusing(status: int, body: bytes) -> Callable[[Asked], Told]:
    return lambda _: Told(status, body)


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        (
            lambda _: answer({"error": "invalid_scope", "error_description": "no\nsuch"}, 400),
            PermissionDenied,
            "no such",
        ),
        (lambda _: answer({"token_type": "Bearer"}), PermissionDenied, "no access token"),
        (lambda _: answer({"access_token": "a\r\nX: y"}), PermissionDenied, "no access token"),
        (lambda _: answer({"access_token": "abcd", "token_type": "mac"}), PermissionDenied, "of the kind mac"),
        (refusing(200, b"[" * 100_000), PermissionDenied, "no access token"),
        (refusing(200, b"x" * (ANSWER_BYTES + 1)), UpstreamUnavailable, "more than"),
        (refusing(503, b""), UpstreamUnavailable, "HTTP 503"),
        (lambda _: Told(302, headers={"Location": "http://127.0.0.1:1/token"}), PermissionDenied, "HTTP 302"),
    ],
)
async def test_an_answer_without_a_token_is_told_and_bounded(told: Any, kind: type[UpstreamError], words: str) -> None:
    async with authorizing(told={"/token": told}) as server:
        with pytest.raises(kind, match=words) as raised:
            await Client(server).tokens.token()
        assert getattr(raised.value, "sent", False) is False
        assert f"{server.origin}/token" in str(raised.value)
        assert len(str(raised.value)) < 600


async def test_a_server_that_is_not_there_is_told() -> None:
    async with authorizing() as server:
        client = Client(server)
    with pytest.raises(UpstreamUnavailable, match="no access token from"):
        await client.tokens.token()


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Things"},
    "paths": {"/things": {"post": {"operationId": "make", "responses": {"200": {"description": "ok"}}}}},
}


@asynccontextmanager
async def service(server: AuthorizationServer, tmp_path: Path) -> AsyncIterator[tuple[Any, list[str]]]:
    """A call of an OpenAPI service that accepts the server's tokens alone, and the tokens that came."""
    came: list[str] = []

    async def things(asked: Asked) -> Told:
        came.append(asked.headers.get("authorization", "").removeprefix("Bearer "))
        return answer({"made": came[-1]}) if came[-1] in server.counting else answer({"you said": came[-1]}, 401)

    (tmp_path / "document.json").write_text(json.dumps(DOCUMENT))
    async with http_server(things) as origin:
        said = {"token_url": f"{server.origin}/token", "client_id": "us", "client_secret": SECRET}
        auth = {"oauth2": said}
        config = UpstreamConfig.model_validate(
            {"openapi": str(tmp_path / "document.json"), "base_url": origin, "auth": auth}
        )
        redactor, configs = Redactor(), {"api": config}
        tokens = access_tokens(Configuration(upstreams=configs), tmp_path, redactor)
        credentials = StaticCredentials(configs, tokens)
        upstream, ready = HttpUpstream("api", config), anyio.Event()
        snapshots: list[UpstreamSnapshot] = []

        def publish(snapshot: UpstreamSnapshot) -> None:
            snapshots.append(snapshot)
            if snapshot.state is UpstreamState.READY:
                ready.set()

        async def call() -> Any:
            credential = await credentials.credential("api", Principal())
            made = await upstream.call(Call(snapshots[-1].operations[0], {}, Principal()), credential)
            return redactor.data(made.value)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream.run, publish)
            with anyio.fail_after(10):
                await ready.wait()
            yield call, came
            tasks.cancel_scope.cancel()


async def test_an_openapi_service_is_called_with_a_token_which_no_answer_repeats(tmp_path: Path) -> None:
    async with authorizing() as server, service(server, tmp_path) as (call, came):
        assert await call() == {"made": "[redacted]"}
        assert await call() == {"made": "[redacted]"}
        assert len(set(came)) == len(server.asked("/token")) == 1


async def test_a_refused_token_that_is_new_stays_refused_and_is_not_asked_for_again(tmp_path: Path) -> None:
    async with authorizing() as server, service(server, tmp_path) as (call, came):
        await call()
        server.counting.clear()
        with pytest.raises(PermissionDenied):
            await call()
        assert len(came) == 2
        assert len(server.asked("/token")) == 1


async def test_an_mcp_server_is_connected_and_called_with_a_token() -> None:
    async with authorizing() as server, protecting(server) as protected:
        client = Client(server)
        upstream = McpUpstream(UpstreamConfig(url=f"{protected.origin}/mcp"), "api", tokens=client.tokens)
        async with running(upstream) as watch:
            snapshot = await watch.ready()
            client.time = 11
            server.counting.clear()
            assert (await invoke(upstream, snapshot, "list_issues")).value == "list_issues"
        assert len(server.asked("/token")) == 2
        assert len(set(protected.tokens)) == 2


async def test_an_mcp_server_whose_token_cannot_be_had_says_so() -> None:
    async with authorizing(told={"/token": refusing(401, b"{}")}) as server, protecting(server) as protected:
        upstream = McpUpstream(UpstreamConfig(url=f"{protected.origin}/mcp"), "api", tokens=Client(server).tokens)
        async with running(upstream) as watch:
            failed = await watch.until(lambda snapshot: snapshot.state is UpstreamState.FAILED)
        assert "no access token" in failed.problem
        assert "auth.oauth2" in failed.problem
        assert protected.came == []


async def test_each_principal_has_a_client_of_his_own() -> None:
    def own(who: str) -> dict[str, Any]:
        return {"oauth2": {"token_url": "https://id.example/t", "client_id": who, "client_secret": f"secret-of-{who}"}}

    said = {"url": "https://x.example/mcp", "auth": own("operator"), "auth_for": {"alice": own("alice")}}
    configs = {"x": UpstreamConfig.model_validate(said)}
    source = access_tokens(Configuration(upstreams=configs), Path(), Redactor())
    credentials = StaticCredentials(configs, source)
    of_alice, of_operator = source("x", "alice"), source("x", "local")
    assert None is not of_alice is not of_operator is not None
    assert await credentials.credential("x", Principal("alice")) == Credential(tokens=of_alice)
    assert await credentials.credential("x", Principal()) == Credential(tokens=of_operator)
    assert {"secret-of-operator", "secret-of-alice"} <= credentials.secrets()
    with pytest.raises(PermissionDenied):
        await credentials.credential("x", Principal("bob"))


def test_a_header_of_the_same_name_is_refused() -> None:
    auth = {
        "headers": {"authorization": "x"},
        "oauth2": {"token_url": "https://i/t", "client_id": "a", "client_secret": "b"},
    }
    config = UpstreamConfig.model_validate({"url": "https://x", "auth": auth})
    with pytest.raises(ConfigurationError, match="two credentials"):
        StaticCredentials({"x": config})
