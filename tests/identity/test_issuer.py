"""Tokens of an issuer: what is accepted, what is refused, and how often the issuer is asked."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import anyio
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.identity.issuer import Expected, Issuer, judged
from isthmus.identity.keys import KEPT, PAUSE, STALE, Keys, metadata_urls
from isthmus.identity.verdicts import IssuerUnavailable, NotEnough, Unidentified
from tests.simulators.issuer import GOOD, NOW, URL, Issued

pytestmark = pytest.mark.anyio

EXPECTED = Expected(URL, "https://isthmus.example/mcp", ("isthmus",))


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    issued: Issued
    clock: Clock
    issuer: Issuer


@pytest.fixture(scope="module")
def issued() -> Issued:
    found = Issued()
    found.add("one")
    found.add("two", "ES256")
    return found


@pytest.fixture
def world(issued: Issued) -> World:
    own, clock = Issued(dict(issued.keys)), Clock()
    return World(own, clock, Issuer(EXPECTED, Keys(URL, None, own, clock), lambda: NOW))


async def test_a_good_token_is_its_subjects(world: World) -> None:
    assert (await world.issuer.principal(world.issued.token())).name == "oidc:alice"
    assert (await world.issuer.principal(world.issued.token("two", "ES256"))).name == "oidc:alice"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"iss": "https://evil.example"}, "another issuer's"),
        ({"iss": f"{URL}/"}, "another issuer's"),
        ({"aud": "https://other.example/mcp"}, "for another server"),
        ({"aud": None}, "for another server"),
        ({"aud": {"https://isthmus.example/mcp": 1}}, "for another server"),
        ({"exp": NOW - 60}, "has expired"),
        ({"exp": None}, "until when"),
        ({"exp": True}, "until when"),
        ({"nbf": NOW + 60}, "not good yet"),
        ({"sub": None}, "whose it is"),
        ({"sub": ""}, "whose it is"),
        ({"sub": "a\nb"}, "whose it is"),
    ],
)
async def test_a_token_that_is_not_for_us_and_now_is_refused(world: World, claims: dict[str, Any], said: str) -> None:
    # Signed without the checks of the library, which would not sign some of these.
    payload = {name: value for name, value in {**GOOD, **claims}.items() if value is not None}
    token = jwt.PyJWS().encode(json.dumps(payload).encode(), world.issued.keys["one"], "RS256", {"kid": "one"})
    with pytest.raises(Unidentified, match=said):
        await world.issuer.principal(token)


async def test_a_token_that_lacks_a_scope_is_told_which(world: World) -> None:
    with pytest.raises(NotEnough, match="lacks the scope isthmus"):
        await world.issuer.principal(world.issued.token(scope="openid"))
    assert await world.issuer.principal(world.issued.token(scope=None, scp=["isthmus"]))


async def test_a_signature_by_anybody_else_is_refused(world: World) -> None:
    stranger = Issued()
    stranger.add("one")
    with pytest.raises(Unidentified, match="signature"):
        await world.issuer.principal(stranger.token())


async def test_a_token_without_a_signature_or_with_a_shared_secret_is_refused(world: World) -> None:
    public = world.issued._public("one", world.issued.keys["one"])
    secret = base64.urlsafe_b64decode(public["n"] + "==")
    for token in (jwt.encode(GOOD, "", "none"), jwt.encode(GOOD, secret, "HS256", headers={"kid": "one"})):
        with pytest.raises(Unidentified, match="algorithm"):
            await world.issuer.principal(token)


async def test_an_algorithm_of_another_kind_than_the_key_is_refused(world: World) -> None:
    token = jwt.encode(GOOD, world.issued.keys["two"], "ES256", headers={"kid": "one"})
    with pytest.raises(Unidentified, match="key is not known"):
        await world.issuer.principal(token)


@given(
    st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode() + ".e30.x")
)
async def test_what_strangers_send_is_refused_and_breaks_nothing(token: str) -> None:
    issuer = Issuer(EXPECTED, Keys(URL, None, Issued(), Clock()), lambda: NOW)
    with pytest.raises((Unidentified, IssuerUnavailable)):
        await issuer.principal(token)


@given(
    st.dictionaries(st.sampled_from([*GOOD, "nbf", "scp"]), st.recursive(st.none() | st.floats() | st.text(), st.lists))
)
def test_whatever_claims_say_the_verdict_is_one_of_ours(claims: dict[str, Any]) -> None:
    try:
        principal = judged({**GOOD, **claims}, EXPECTED, NOW)
    except (Unidentified, NotEnough):
        return
    assert principal.name.startswith("oidc:")


async def test_keys_are_asked_for_once_and_again_when_they_have_changed(world: World) -> None:
    for _ in range(3):
        await world.issuer.principal(world.issued.token())
    assert len(world.issued.asked) == 2  # the metadata, and the keys
    world.issued.add("three", "ES256")
    world.clock.now += PAUSE
    await world.issuer.principal(world.issued.token("three", "ES256"))
    assert len(world.issued.asked) == 3
    del world.issued.keys["one"]
    world.clock.now += KEPT + 1
    token = jwt.encode(GOOD, Issued().keys.get("x") or world.issued.keys["two"], "ES256", headers={"kid": "one"})
    with pytest.raises(Unidentified, match="key is not known"):
        await world.issuer.principal(token)


async def test_made_up_names_of_keys_do_not_make_us_ask_again_and_again(world: World) -> None:
    await world.issuer.principal(world.issued.token())
    world.clock.now += PAUSE
    token = jwt.encode(GOOD, world.issued.keys["one"], "RS256", headers={"kid": "made up"})
    async with anyio.create_task_group() as tasks:

        async def refused() -> None:
            with pytest.raises(Unidentified, match="key is not known"):
                await world.issuer.principal(token)

        for _ in range(20):
            tasks.start_soon(refused)
    assert len(world.issued.asked) == 3


async def test_keys_are_believed_for_a_day_while_the_issuer_is_down(world: World) -> None:
    await world.issuer.principal(world.issued.token())
    world.issued.down = True
    world.clock.now += STALE - 1
    assert await world.issuer.principal(world.issued.token())
    world.clock.now += PAUSE + 2
    with pytest.raises(IssuerUnavailable):
        await world.issuer.principal(world.issued.token())


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"issuer": "https://evil.example", "jwks_uri": f"{URL}/keys"},
        {"issuer": URL, "jwks_uri": "http://id.example/keys"},
    ],
)
async def test_metadata_that_is_not_the_issuers_own_is_not_believed(world: World, metadata: dict[str, Any]) -> None:
    world.issued.metadata = metadata
    with pytest.raises(IssuerUnavailable):
        await world.issuer.principal(world.issued.token())
    assert f"{URL}/keys" not in world.issued.asked


def test_metadata_is_looked_for_in_both_places() -> None:
    assert metadata_urls("https://id.example/t/") == (
        "https://id.example/t/.well-known/openid-configuration",
        "https://id.example/.well-known/oauth-authorization-server/t",
    )
