import base64
import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.config.model import Auth, UpstreamConfig
from isthmus.credentials.static import StaticCredentials, credential_from
from isthmus.errors import ConfigurationError
from isthmus.model import Credential, Principal, SchemaDocument
from isthmus.openapi.security import chosen_schemes, combined, expectation, requirements, security_schemes
from isthmus.redaction import MARK, Redactor


def auth(**parts: Any) -> Auth:
    return Auth.model_validate(parts)


def test_each_kind_of_credential_fills_its_place() -> None:
    assert credential_from(auth(bearer="t")).headers == {"Authorization": "Bearer t"}
    assert credential_from(auth(basic={"username": "u", "password": "p"})).headers == {"Authorization": "Basic dTpw"}
    assert credential_from(auth(api_key={"value": "k", "name": "X-Key"})).headers == {"X-Key": "k"}
    assert credential_from(auth(api_key={"value": "k", "name": "key", "in": "query"})).query == {"key": "k"}
    assert credential_from(auth(api_key={"value": "k", "name": "sid", "in": "cookie"})).cookies == {"sid": "k"}
    assert credential_from(auth(headers={"X-A": "1"}, schemes={"s": "v"})).schemes == {"s": "v"}


def test_a_place_that_is_filled_twice_or_a_value_that_cannot_be_sent_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match="filled twice"):
        credential_from(auth(bearer="t", headers={"authorization": "x"}))
    for value in ("canary\r\nX: y", "  ", "canary\0"):
        with pytest.raises(ConfigurationError) as caught:
            credential_from(auth(bearer="ok", schemes={"s": value}), "upstreams.x.auth")
        assert "canary" not in str(caught.value)
        assert "upstreams.x.auth" in str(caught.value)


@pytest.mark.anyio
async def test_the_source_knows_upstreams_by_name_and_all_that_is_secret() -> None:
    config = UpstreamConfig.model_validate(
        {
            "openapi": "a.json",
            "auth": {
                "basic": {"username": "ada", "password": "hunter22"},
                "headers": {"X-Token": "Token tttt", "X-Api-Version": "2022-11-28"},
                "schemes": {"s": "user:pass"},
            },
        }
    )
    source = StaticCredentials({"a": config, "b": UpstreamConfig(openapi="b.json")})
    assert await source.credential("b", Principal()) is None
    assert await source.credential("a", Principal()) is not None
    secrets = source.secrets()
    assert {"hunter22", "tttt", "pass", base64.b64encode(b"ada:hunter22").decode()} <= secrets
    assert "2022-11-28" not in secrets
    assert "hunter22" not in repr(source) + repr(await source.credential("a", Principal()))


SCHEMES = {
    "components": {
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "query", "name": "api_key"},
            "sid": {"type": "apiKey", "in": "cookie", "name": "session"},
            "basic": {"type": "http", "scheme": "basic"},
            "oauth": {"type": "oauth2", "flows": {}},
            "alias": {"$ref": "#/components/securitySchemes/key"},
            "broken": {"type": "apiKey"},
            "gone": {"$ref": "#/nowhere"},
        }
    }
}


def test_values_for_schemes_are_put_where_the_document_says() -> None:
    schemes = security_schemes(SchemaDocument(SCHEMES))
    assert set(schemes) == {"key", "sid", "basic", "oauth", "alias"}
    values = {"key": "K", "sid": "S", "basic": "u:p"}
    done = combined(Credential(headers={"X": "1"}, schemes=values), schemes, None)
    assert done.headers == {"X": "1", "Authorization": "Basic dTpw"}
    assert (done.query, done.cookies, done.schemes) == ({"api_key": "K"}, {"session": "S"}, {})
    assert combined(Credential(schemes={"oauth": "T"}), schemes, None).headers == {"Authorization": "Bearer T"}
    assert combined(None, schemes, None) == Credential()


def test_an_operation_gets_the_schemes_that_it_asks_for() -> None:
    both = ("key", "oauth")
    assert chosen_schemes(None, both) == both
    assert chosen_schemes([frozenset({"oauth"})], both) == ("oauth",)
    assert chosen_schemes([frozenset({"sid"}), frozenset({"key"})], both) == ("key",)
    assert chosen_schemes([frozenset({"key", "oauth"})], both) == both
    assert chosen_schemes([], both) == ()
    assert chosen_schemes([frozenset({"key", "sid"})], both) == ("key",)


def test_a_scheme_whose_place_is_a_required_parameter_is_filled_beside_the_chosen_one() -> None:
    schemes = security_schemes(SchemaDocument(SCHEMES))
    values = Credential(schemes={"sid": "S", "key": "K", "basic": "u:p"})
    done = combined(values, schemes, [frozenset({"sid"}), frozenset({"key"})], {("query", "api_key")})
    assert (done.query, done.cookies, done.headers) == ({"api_key": "K"}, {"session": "S"}, {})
    assert combined(values, schemes, [frozenset({"sid"}), frozenset({"key"})]).query == {}


def test_an_operations_own_requirements_replace_the_documents() -> None:
    root: dict[str, Any] = {"security": [{"key": []}]}
    assert requirements({}, root) == [frozenset({"key"})]
    assert requirements({"security": []}, root) == []
    assert requirements({}, {}) is None
    schemes = security_schemes(SchemaDocument(SCHEMES))
    assert expectation([frozenset({"key"}), frozenset({"oauth"})], schemes) == (
        "an API key in the query 'api_key' (scheme 'key') or an OAuth access token (scheme 'oauth')"
    )


SECRET = 's3cr3t/+ =ü"x'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(b"user:" + SECRET.encode()).decode(),
        base64.b64encode(b"ab" + SECRET.encode() + b"tail").decode(),
    ],
)
def test_a_secret_is_taken_out_in_every_form_in_which_it_travels(text: str) -> None:
    cleaned = Redactor([SECRET]).text(f"before {text} after")
    assert MARK in cleaned
    assert text not in cleaned
    assert cleaned.startswith("before ")


def test_secrets_are_taken_out_of_data_keys_and_bytes_and_the_rest_is_untouched() -> None:
    redactor = Redactor(["hunter22"])
    value = {"a": ["x hunter22"], "hunter22": b"..hunter22..", "n": 1, "plain": {"b": [None]}}
    assert redactor.data(value) == {"a": [f"x {MARK}"], MARK: b"..[redacted]..", "n": 1, "plain": {"b": [None]}}
    plain = {"b": [None, "text", b"bytes"]}
    assert redactor.data(plain) is plain
    assert "hunter22" not in repr(redactor)


def test_very_short_values_are_left_alone() -> None:
    assert Redactor(["", "abc"]).text("abc") == "abc"


@given(secret=st.text(min_size=4, max_size=20), before=st.text(max_size=10), after=st.text(max_size=10))
def test_no_text_keeps_the_secret(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    cleaned = redactor.data({"k": [before + secret + after]})["k"][0]
    assert secret not in cleaned.replace(MARK, "") or secret in MARK


@given(secret=st.binary(min_size=9, max_size=20), before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_no_base64_keeps_the_secret(secret: bytes, before: bytes, after: bytes) -> None:
    text = secret.hex()
    encoded = base64.b64encode(before + text.encode() + after).decode()
    assert MARK in Redactor([text]).text(encoded)
