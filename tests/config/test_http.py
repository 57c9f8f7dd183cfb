"""`http:` in the configuration: what does not start, and why."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from isthmus.config.faults import InvalidConfiguration
from isthmus.config.http import HttpConfig
from isthmus.config.loader import load
from tests.conftest import ROOT

TOKEN = {"principal": "alice", "sha256": "a" * 64}
OIDC = {"issuer": "https://id.example"}
URL = "https://isthmus.example/mcp"


def loaded(folder: Path, http: dict[str, Any], upstreams: dict[str, Any] | None = None) -> HttpConfig:
    path = folder / "isthmus.json"
    path.write_text(json.dumps({"upstreams": upstreams or {}, "http": http}))
    path.chmod(0o600)
    found = load(path, {}).configuration.http
    assert found is not None
    return found


@pytest.mark.parametrize(
    "http",
    [
        {},
        {"host": "127.0.0.1", "port": 0},
        {"host": "::1"},
        {"host": "localhost"},
        {"host": "0.0.0.0", "url": URL, "tokens": [TOKEN]},
        {"host": "0.0.0.0", "hosts": ["isthmus.internal:8931"], "tokens": [TOKEN]},
        {"url": URL, "oidc": OIDC},
        {"tokens": [{**TOKEN, "expires": "2027-01-31"}], "origins": ["https://app.example:8443"]},
    ],
)
def test_it_starts(tmp_path: Path, http: dict[str, Any]) -> None:
    loaded(tmp_path, http)


@pytest.mark.parametrize(
    ("http", "said"),
    [
        ({"host": "0.0.0.0"}, "http.host: whoever reaches this address could run programs"),
        ({"host": "10.1.2.3"}, "http.host: whoever reaches this address could run programs"),
        ({"host": "::"}, "http.host: whoever reaches this address could run programs"),
        ({"url": URL}, "http.url: whoever reaches this address could run programs"),
        ({"hosts": ["isthmus.internal"]}, r"http.hosts\[0\]: whoever reaches this address could run programs"),
        ({"host": "0.0.0.0", "tokens": []}, "whoever reaches this address could run programs"),
        ({"host": "0.0.0.0", "tokens": [TOKEN]}, "http.host: by which names this server is reached is not said"),
        ({"tokens": [TOKEN, {**TOKEN, "principal": "bob"}]}, "another entry has this token"),
        ({"tokens": [{**TOKEN, "principal": "local"}]}, "whoever uses Isthmus over stdio"),
        ({"tokens": [{**TOKEN, "principal": "oidc:alice"}]}, r"http.tokens\[0\].principal"),
        ({"tokens": [{**TOKEN, "sha256": "secret"}]}, r"http.tokens\[0\].sha256"),
        ({"oidc": OIDC}, "http.oidc: clients of an issuer ask for tokens by this server's URL"),
        ({"url": URL, "oidc": {"issuer": "http://id.example"}}, "http.oidc.issuer: this is no URL from which keys"),
        ({"url": "http://isthmus.example/mcp", "tokens": [TOKEN]}, "http.url: tokens would travel over plain http"),
        ({"url": "https://isthmus.example", "tokens": [TOKEN]}, "http.url: the URL has no path of its own"),
        ({"origins": ["*"]}, r"http.origins\[0\]: this is no origin"),
        ({"origins": ["https://app.example/"]}, r"http.origins\[0\]: this is no origin"),
        ({"hosts": ["https://x"]}, r"http.hosts\[0\]: this is no name of a host"),
    ],
)
def test_it_does_not_start(tmp_path: Path, http: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said) as refused:
        loaded(tmp_path, http)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("upstream", "said"),
    [
        ({"command": ["true"]}, "one process, with your own files and credentials, would serve every principal"),
        ({"url": "https://x.example/mcp", "auth": {"bearer": "t0k3n"}}, "one credential would serve every principal"),
    ],
)
def test_what_all_would_share_is_shared_by_the_operators_word_alone(
    tmp_path: Path, upstream: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=said) as refused:
        loaded(tmp_path, {"tokens": [TOKEN]}, {"x": upstream})
    assert "shared: true" in str(refused.value)
    assert "t0k3n" not in str(refused.value)
    loaded(tmp_path, {"tokens": [TOKEN]}, {"x": {**upstream, "shared": True}})
    loaded(tmp_path, {}, {"x": upstream})  # there is one principal


def test_the_configuration_that_the_documentation_shows_loads(tmp_path: Path) -> None:
    [shown] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "http.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "isthmus.yaml").write_text(shown, encoding="utf-8")
    (tmp_path / "weather.yaml").write_text("openapi: 3.1.0", encoding="utf-8")
    found = load(tmp_path / "isthmus.yaml", dict.fromkeys(re.findall(r"\$\{(\w+)", shown), "x"))
    assert found.warnings == ()
