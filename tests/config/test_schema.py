"""The JSON Schema agrees with the loader, and the published file with the model."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from isthmus.config.faults import InvalidConfiguration
from isthmus.config.schema import PUBLISHED, schema, text
from tests.config.conftest import Load

ROOT = Path(__file__).resolve().parents[2]

VALID = [
    "upstreams: {x: {openapi: 'https://e/x.json', auth: {api_key: {name: k, in: query, value: v}}}}",
    "upstreams: {x: {command: [npx, -y, z], env: {A: b}, allow: [read, destructive]}}",
    "mcpServers: {x: {command: npx, args: [-y, z]}}",
    "servers: {x: {type: http, url: 'https://e', headers: {A: b}}}",
    "policy: {allow: [read, 'x.*'], approve: [write], deny: ['x.y']}",
    "limits: {wall: 0.5, calls: 10}",
]
INVALID = [
    "upstreams: {x: {}}",
    "upstreams: {x: {url: 'https://e', openapi: 'https://e'}}",
    "upstreams: {x: {url: 'https://e', nope: 1}}",
    "upstreams: {x: {command: []}}",
    "upstreams: {x: {command: [1]}}",
    "upstreams: {x: {url: 'https://e', auth: oath}}",
    "upstreams: {x: {url: 'https://e', auth: {oauth: {port: 80}}}}",
    "polciy: {}",
    "policy: {allow: [reed]}",
    "limits: {wall: 0}",
    "limits: {wall: fast}",
    "limits: {calls: 1.5}",
]


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema_rs.validator_for(schema())


def test_the_published_schema_is_current() -> None:
    assert (ROOT / PUBLISHED).read_text(encoding="utf-8") == text(), "python -m isthmus.config.schema writes it"


@pytest.mark.parametrize("document", VALID)
def test_what_the_loader_takes_the_schema_takes(document: str, loaded: Load, validator: Any) -> None:
    loaded(document)
    assert validator.is_valid(yaml.safe_load(document))


@pytest.mark.parametrize("document", INVALID)
def test_what_the_schema_refuses_the_loader_refuses(document: str, loaded: Load, validator: Any) -> None:
    assert not validator.is_valid(yaml.safe_load(document))
    with pytest.raises(InvalidConfiguration):
        loaded(document)


def test_every_setting_is_described_for_editors() -> None:
    described = json.loads(text())
    bare = [
        f"{name}.{key}"
        for name, model in described["$defs"].items()
        for key, setting in model.get("properties", {}).items()
        if "description" not in setting and "$ref" not in setting
    ]
    assert bare in ([], ["Basic.username"])
