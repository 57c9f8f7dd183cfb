"""Tokens of the configuration, known by their hashes."""

from datetime import date

import pytest

from isthmus.config.http import TokenConfig
from isthmus.identity.tokens import Tokens, digest_of
from isthmus.identity.verdicts import Unidentified

pytestmark = pytest.mark.anyio

TODAY = date(2026, 11, 22)


def entry(principal: str, token: str, expires: date | None = None) -> TokenConfig:
    return TokenConfig(principal=principal, sha256=digest_of(token), expires=expires)


async def test_a_token_is_its_principals_and_several_may_be_one_principals() -> None:
    tokens = Tokens([entry("alice", "a"), entry("bob", "b"), entry("alice", "c")], lambda: TODAY)
    assert [(await tokens.principal(each)).name for each in "abc"] == ["alice", "bob", "alice"]


@pytest.mark.parametrize("token", ["", "A", "a ", digest_of("a"), "\udc80"])
async def test_what_is_no_token_is_nobodys(token: str) -> None:
    with pytest.raises(Unidentified, match="not known"):
        await Tokens([entry("alice", "a")], lambda: TODAY).principal(token)


async def test_a_token_is_good_through_its_last_day() -> None:
    tokens = Tokens([entry("alice", "a", TODAY), entry("bob", "b", date(2026, 11, 21))], lambda: TODAY)
    assert (await tokens.principal("a")).name == "alice"
    with pytest.raises(Unidentified, match="expired"):
        await tokens.principal("b")
