"""What would send a secret of OAuth astray is found before anything is sent."""

import pytest

from tests.config.conftest import Faults


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
