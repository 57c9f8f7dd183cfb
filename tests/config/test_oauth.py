"""Access tokens in the configuration: the words for a login, and what would send a secret astray."""

import pytest

from isthmus.config.model import Auth, OAuth
from tests.config.conftest import Faults, Load


@pytest.mark.parametrize(
    ("oauth2", "words"),
    [
        ("{client_id: a, client_secret: b}", "token_url: the key is missing"),
        ("{token_url: 'http://id.example/t', client_id: a, client_secret: b}", "over plain http"),
        ("{token_url: 'ftp://id.example/t', client_id: a, client_secret: b}", "no http or https URL"),
        ("{token_url: 'https://u:p@id.example/t', client_id: a, client_secret: b}", "user name or password"),
        ("{token_url: 'https://id.example/t', client_id: a, client_secret: b}, bearer: x", "stands beside 'oauth2'"),
    ],
)
def test_what_would_send_a_secret_astray_is_a_fault(oauth2: str, words: str, faults: Faults) -> None:
    told = "\n".join(faults(f"upstreams: {{x: {{url: 'https://x', auth: {{oauth2: {oauth2}}}}}}}"))
    assert words in told


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("auth: oauth", OAuth()),
        ("auth: {oauth: {}}", OAuth()),
        ("auth: {oauth: {client_id: us, port: 4567}}", OAuth(client_id="us", port=4567)),
        ("oauth: {}", OAuth()),
        ("oauth: {clientId: us, callbackPort: 4567, scopes: all}", OAuth(client_id="us", port=4567)),
    ],
)
def test_a_login_is_said_in_a_word_or_as_another_client_says_it(said: str, means: OAuth, loaded: Load) -> None:
    found = loaded(f"upstreams: {{x: {{url: 'https://x', {said}}}}}")
    assert found.configuration.upstreams["x"].auth == Auth(oauth=means)
    assert len(found.warnings) == ("scopes" in said)


@pytest.mark.parametrize(
    ("upstream", "words"),
    [
        ("{openapi: 'https://x/a.json', auth: oauth}", "only MCP servers over HTTP tell how to log in"),
        ("{command: [x], auth: oauth}", "'auth' means nothing"),
        ("{url: 'http://x', auth: oauth}", "over plain http"),
        ("{url: 'https://x', auth: oauht}", "or auth: oauth"),
        ("{url: 'https://x', auth: {oauth: {}, basic: {username: a, password: b}}}", "stands beside 'oauth'"),
        ("{url: 'https://x', auth: {oauth: {}, oauth2: {}}}", "stands beside 'oauth'"),
        ("{url: 'https://x', auth_for: {alice: oauth}}", "logs in whoever runs it"),
        ("{url: 'https://x', auth_for: {alice: {oauth: {}}}}", "logs in whoever runs it"),
        ("{url: 'https://x', auth: {oauth: {client: us}}}", "an unknown key"),
    ],
)
def test_a_login_where_there_can_be_none_is_a_fault(upstream: str, words: str, faults: Faults) -> None:
    assert words in "\n".join(faults(f"upstreams: {{x: {upstream}}}"))


def test_a_login_is_shared_with_others_by_the_operators_word_alone(faults: Faults, loaded: Load) -> None:
    http = "http: {tokens: [{principal: alice, sha256: '" + "a" * 64 + "'}]}"
    (fault,) = faults(f"upstreams: {{x: {{url: 'https://x', auth: oauth}}}}\n{http}")
    assert "shared: true" in fault
    assert loaded(f"upstreams: {{x: {{url: 'https://x', auth: oauth, shared: true}}}}\n{http}")
