"""Whose credential an upstream is called with."""

import pytest

from isthmus.config.model import UpstreamConfig
from isthmus.credentials.static import StaticCredentials
from isthmus.errors import PermissionDenied
from isthmus.model import Credential, Principal

pytestmark = pytest.mark.anyio

LOCAL, ALICE, BOB = Principal(), Principal("alice"), Principal("bob")
AUTH = {"auth": {"bearer": "operators"}}


def credentials(**more: object) -> StaticCredentials:
    return StaticCredentials({"x": UpstreamConfig.model_validate({"url": "https://x.example/mcp", **more})})


def bearer(token: str) -> Credential:
    return Credential(headers={"Authorization": f"Bearer {token}"})


async def test_the_operators_credential_is_his_own() -> None:
    found = credentials(**AUTH)
    assert await found.credential("x", LOCAL) == bearer("operators")
    with pytest.raises(PermissionDenied, match="x has no credential for alice") as refused:
        await found.credential("x", ALICE)
    assert "auth_for" in refused.value.hint


async def test_it_is_everybodys_where_it_is_shared() -> None:
    assert await credentials(**AUTH, shared=True).credential("x", ALICE) == bearer("operators")


async def test_a_principal_has_his_own_and_no_other() -> None:
    found = credentials(**AUTH, auth_for={"alice": {"bearer": "of-alice"}})
    assert await found.credential("x", ALICE) == bearer("of-alice")
    assert await found.credential("x", LOCAL) == bearer("operators")
    with pytest.raises(PermissionDenied):
        await found.credential("x", BOB)
    assert {"of-alice", "operators"} <= found.secrets()


async def test_where_there_is_nothing_of_anybodys_nobody_is_refused() -> None:
    assert await credentials().credential("x", ALICE) is None
    command = StaticCredentials({"x": UpstreamConfig(command=["true"])})
    assert await command.credential("x", LOCAL) is None
    with pytest.raises(PermissionDenied):
        await command.credential("x", ALICE)
