"""The real server with an issuer of access tokens, which is simulated on this machine."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.issuer import Issued, answering
from tests.simulators.mcp_messages import call
from tests.simulators.served_http import serving_http, token_of

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
ENDPOINT = "https://isthmus.example/mcp"


async def test_users_of_an_issuer_are_principals_of_their_own(tmp_path: Path) -> None:
    issued = Issued()
    issued.add("one")
    with answering(issued) as issuer:
        oidc = {"issuer": issuer, "scopes": ["isthmus"]}
        async with serving_http({}, tmp_path, ["alice"], url=ENDPOINT, oidc=oidc, hosts=["127.0.0.1"]) as server:

            def token(**claims: Any) -> str:
                return issued.token(**{"iss": issuer, "exp": time.time() + 300, **claims})

            async with server.client("", token=token(sub="carol")) as carol:
                handle = str((await carol.execute("mine = 1")).facts["session"])
                assert (await carol.execute("mine", session=handle)).value == 1
            # Who is called alice by the issuer is not the alice of the configuration.
            async with server.client("alice") as ours, server.client("", token=token(sub="alice")) as theirs:
                handle = str((await ours.execute("mine = 1")).facts["session"])
                assert "there is no session" in (await theirs.execute("mine", session=handle)).text

            for refused, status in (
                (token(aud="https://other.example/mcp"), 401),
                (token(exp=time.time() - 100), 401),
                (token(scope="openid"), 403),
                ("a.b.c", 401),
            ):
                async with server.http(refused) as http:
                    answer = await http.post(server.url, json=call("1"), headers=JSON)
                    assert answer.status_code == status, answer.text
                    place = "https://isthmus.example/.well-known/oauth-protected-resource/mcp"
                    assert f'resource_metadata="{place}"' in answer.headers["www-authenticate"]
                    assert refused not in answer.text + server.log()

            async with server.http() as http:
                base = server.url.removesuffix("/mcp")
                metadata = (await http.get(f"{base}/.well-known/oauth-protected-resource/mcp")).json()
                assert (metadata["resource"], metadata["authorization_servers"]) == (ENDPOINT, [issuer])
    assert token_of("alice") not in (tmp_path / "isthmus.log").read_text()
