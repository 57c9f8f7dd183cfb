"""Logging in to an MCP server: the code flow whole, and what hostile metadata and answers come to."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from isthmus.config.model import OAuth
from isthmus.credentials.oauth import logged_in, renewed, revoked
from isthmus.credentials.oauth_wire import ANSWER_BYTES, Wire
from isthmus.errors import PermissionDenied, UpstreamError, UpstreamUnavailable
from tests.simulators.authorization import CANARY, METADATA, Browser, answer, authorizing, protecting
from tests.simulators.http_upstream import Asked, Told, http_server

pytestmark = pytest.mark.anyio

REDIRECT = "http://127.0.0.1:40404/callback"
RESOURCE = "/.well-known/oauth-protected-resource/mcp"


async def test_a_client_is_registered_and_proves_that_it_has_asked() -> None:
    async with authorizing() as server, protecting(server) as protected:
        browser, url = Browser(), f"{protected.origin}/mcp"
        login = await logged_in(url, OAuth(), REDIRECT, browser)
        assert server.asked("/register")[0]["redirect_uris"] == [REDIRECT]
        assert browser.asked["code_challenge_method"] == "S256"
        assert browser.asked["resource"] == url
        assert browser.asked["scope"] == "read"
        assert browser.expects == browser.asked["state"]
        (redeemed,) = server.asked("/token")
        assert redeemed["code_verifier"]
        assert redeemed["redirect_uri"] == REDIRECT
        assert login.private
        assert login.token in server.counting
        assert login.refresh in server.refreshable
        assert protected.tokens == [login.token]  # it was tried
        assert CANARY not in repr(login)
        assert sorted(each.partition("-")[0] for each in login.secrets()) == ["access", "refresh", "secret"]


async def test_each_login_has_a_state_and_a_proof_of_its_own() -> None:
    async with authorizing() as server, protecting(server) as protected:
        browser = Browser()
        for _ in range(2):
            await logged_in(f"{protected.origin}/mcp", OAuth(), REDIRECT, browser)
        first, second = (Browser(visited=[each]).asked for each in browser.visited)
        assert first["state"] != second["state"]
        assert first["code_challenge"] != second["code_challenge"]


@pytest.mark.parametrize("lenient", [False, True])
async def test_more_scopes_are_asked_for_beside_those_that_the_server_names(lenient: bool) -> None:
    async with authorizing() as server, protecting(server, lenient=lenient) as protected:
        browser = Browser()
        await logged_in(f"{protected.origin}/mcp", OAuth(), REDIRECT, browser, ["read", "write", "admin:x"])
        assert browser.asked["scope"] == "read write admin:x"
        assert browser.asked["resource"] == f"{protected.origin}/mcp"


@pytest.mark.parametrize(
    ("methods", "place"),
    [(None, "header"), (["client_secret_post"], "body"), (["client_secret_post", "client_secret_basic"], "header")],
)
async def test_a_client_that_was_registered_by_hand_registers_nothing(methods: Any, place: str) -> None:
    metadata = {"token_endpoint_auth_methods_supported": methods, "registration_endpoint": None}
    async with authorizing(metadata=metadata) as server, protecting(server) as protected:
        server.clients["by-hand"] = {"client_secret": "shown"}
        said = OAuth.model_validate({"client_id": "by-hand", "client_secret": "shown"})
        login = await logged_in(f"{protected.origin}/mcp", said, REDIRECT, Browser())
        assert server.asked("/register") == []
        assert ("client_secret" in server.asked("/token")[0]) is (place == "body")
        assert (await renewed(f"{protected.origin}/mcp", login)).token in server.counting


async def test_a_server_that_refuses_only_calls_can_be_logged_in_to() -> None:
    async with authorizing() as server, protecting(server, lenient=True) as protected:
        login = await logged_in(f"{protected.origin}/mcp", OAuth(), REDIRECT, Browser())
        assert login.token in server.counting


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "another"}, "no answer to the login that was begun"),
        ({"state": None}, "no answer to the login that was begun"),
        ({"iss": "https://evil.example"}, "iss mismatch"),
        ({"iss": None}, "missing iss"),
        ({"code": None}, "No authorization code"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"error": "access_denied", "error_description": "not\x1b[2J you"}, r"refused: access_denied: not\[2J you"),
    ],
)
async def test_an_answer_that_is_not_as_it_must_be_ends_the_login(changes: dict[str, Any], words: str) -> None:
    async with authorizing() as server, protecting(server) as protected:
        with pytest.raises(PermissionDenied, match=words):
            await logged_in(f"{protected.origin}/mcp", OAuth(), REDIRECT, Browser(changes))
        assert server.counting == set()


def saying(body: bytes) -> Callable[[Asked], Told]:
    return lambda _: Told(200, body)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metadata": {"issuer": "https://other.example"}}, "issuer mismatch"),
        ({"metadata": {"authorization_endpoint": "http://log.in.example/"}}, "leads to http://log.in.example/"),
        ({"metadata": {"token_endpoint": "http://tokens.example/"}}, "leads to http://tokens.example/"),
        ({"metadata": {"registration_endpoint": "http://169.254.169.254/"}}, "leads to http://169.254"),
        ({"metadata": {"registration_endpoint": "https://169.254.169.254/"}}, "leads astray: .*metadata address"),
        ({"metadata": {"code_challenge_methods_supported": ["plain"]}}, "no PKCE with S256"),
        ({"told": {"/register": saying(b"<html>")}}, "Invalid registration"),
        ({"told": {"/register": lambda _: Told(403, b"nobody\x1b[2J " + b"x" * 9000)}}, "Registration failed: 403"),
        ({"told": {"/token": saying(b"{}")}}, "Invalid token response"),
        ({"told": {"/token": saying(b"x" * (ANSWER_BYTES + 1))}}, "more than 262,144 bytes"),
        ({"told": {METADATA: saying(b"x" * (ANSWER_BYTES + 1))}}, "more than 262,144 bytes"),
        ({"told": {METADATA: lambda _: Told(503)}}, "failed"),
        ({"granted": {"token_type": "mac"}}, "token"),
    ],
)
async def test_hostile_metadata_ends_the_login(changes: dict[str, Any], words: str) -> None:
    async with authorizing(**changes) as server, protecting(server) as protected:
        with pytest.raises(UpstreamError, match=words) as raised:
            await logged_in(f"{protected.origin}/mcp", OAuth(), REDIRECT, Browser())
        assert len(str(raised.value)) < 600
        assert "\x1b" not in str(raised.value)
        assert protected.tokens == []


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ({"resource": "https://other.example/mcp"}, "does not match"),
        ({"authorization_servers": ["http://10.0.0.1/"]}, "leads to http://10.0.0.1/"),
        ({"authorization_servers": ["https://[fe80::1]/"]}, "leads astray"),
        ({"authorization_servers": []}, "failed"),
    ],
)
async def test_a_server_that_leads_astray_is_not_followed(resource: dict[str, Any], words: str) -> None:
    async with authorizing() as server, protecting(server, resource=resource) as protected:
        with pytest.raises(UpstreamError, match=words):
            await logged_in(f"{protected.origin}/mcp", OAuth(), REDIRECT, Browser())
        assert server.heard == []


async def test_metadata_is_not_followed_to_another_origin() -> None:
    reached: list[Asked] = []

    async def elsewhere(asked: Asked) -> Told:
        reached.append(asked)
        return Told(404)

    async with http_server(elsewhere) as other, authorizing() as server, protecting(server) as protected:
        server.told[METADATA] = lambda _: Told(302, headers={"Location": f"{other}/metadata"})
        with pytest.raises(PermissionDenied):
            await logged_in(f"{protected.origin}/mcp", OAuth(), REDIRECT, Browser())
    assert reached == []


@pytest.mark.parametrize(
    "address",
    ["http://example.com/", "https://127.0.0.1:1/", "https://10.0.0.1/", "https://localhost:1/", "file:///etc/passwd"],
)
async def test_a_public_server_leads_neither_to_this_machine_nor_into_its_network(address: str) -> None:
    wire = Wire("https://public.example/mcp")
    with pytest.raises(PermissionDenied, match="leads"):
        await wire.send(httpx2.Request("GET", address))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told(404), "answered HTTP 404"),
        (Told(500), "answered HTTP 500"),
        (Told(307, headers={"Location": "https://new.example/mcp?key=1"}), "redirects to https://new.example/mcp"),
    ],
)
async def test_a_url_that_leads_to_no_server_is_told(told: Told, words: str) -> None:
    async def answered(_: Asked) -> Told:
        return told

    async with http_server(answered) as origin:
        with pytest.raises(UpstreamUnavailable, match=words):
            await logged_in(f"{origin}/mcp", OAuth(), REDIRECT, Browser())


async def test_a_token_that_the_server_does_not_accept_is_no_login() -> None:
    async with authorizing() as server, protecting(server) as protected:
        server.granted["access_token"] = "of-somebody-else"
        with pytest.raises(PermissionDenied, match="does not accept the access token"):
            await logged_in(f"{protected.origin}/mcp", OAuth(), REDIRECT, Browser())


async def test_a_login_is_renewed_at_the_server_that_gave_it() -> None:
    async with authorizing() as server, protecting(server) as protected:
        url = f"{protected.origin}/mcp"
        login = await logged_in(url, OAuth(), REDIRECT, Browser())
        server.granted["scope"] = None
        again = await renewed(url, login)
        assert again.token != login.token
        assert again.refresh != login.refresh
        assert again.tokens["scope"] == "read"
        assert server.asked("/token")[-1]["resource"] == url
        with pytest.raises(PermissionDenied, match="HTTP 400"):
            await renewed(url, login)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (lambda _: answer({"error": "invalid_grant"}, 400), PermissionDenied),
        (lambda _: answer({"error": "invalid_client"}, 401), PermissionDenied),
        (lambda _: Told(429), UpstreamUnavailable),
        (lambda _: Told(502), UpstreamUnavailable),
        (saying(b"{}"), UpstreamUnavailable),
        (lambda _: Told(307, headers={"Location": "https://elsewhere.example/"}), UpstreamUnavailable),
    ],
)
async def test_a_login_that_is_not_renewed_is_over_only_if_that_is_said(told: Any, kind: type[UpstreamError]) -> None:
    async with authorizing() as server, protecting(server) as protected:
        login = await logged_in(f"{protected.origin}/mcp", OAuth(), REDIRECT, Browser())
        server.told["/token"] = told
        with pytest.raises(kind) as raised:
            await renewed(f"{protected.origin}/mcp", login)
        assert type(raised.value) is kind
        assert CANARY not in str(raised.value)


async def test_tokens_are_revoked_where_the_server_knows_that() -> None:
    async with authorizing() as server, protecting(server) as protected:
        url = f"{protected.origin}/mcp"
        login = await logged_in(url, OAuth(), REDIRECT, Browser())
        assert await revoked(url, login)
        assert server.counting == server.refreshable == set()
        server.metadata["revocation_endpoint"] = None
        assert not await revoked(url, await logged_in(url, OAuth(), REDIRECT, Browser()))
