"""No message repeats what may be a secret, wherever it was put by mistake."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.config.faults import InvalidConfiguration
from isthmus.config.loader import load
from tests.config.conftest import Faults

CANARY = "canary7f3A9c1e"


@pytest.mark.parametrize(
    "text",
    [
        "upstreams: {x: {url: 'https://e', auth: CANARY}}",
        "upstreams: {x: {url: 'https://e', auth: [CANARY]}}",
        "upstreams: {x: {url: 'https://e', auth: {bearer: [CANARY]}}}",
        "upstreams: {x: {url: 'https://e', auth: {CANARY}}}",
        "upstreams: {x: {url: 'https://e', auth: {CANARY: 1}}}",
        "upstreams: {x: {url: 'https://e', auth: {bearer: {CANARY: 1}}}}",
        "upstreams: {x: {url: 'https://e', auth: {headers: {'Authorization:CANARY'}}}}",
        "upstreams: {x: {url: 'https://e', auth: {headers: {'Authorization:CANARY': x, y: 1}}}}",
        "upstreams: {x: {url: 'https://e', auth: {api_key: {value: CANARY}}}}",
        "upstreams: {x: {url: 'https://e', auth: {oauth2: CANARY}}}",
        "upstreams: {x: {url: 'https://e', auth: {oauth2: {CANARY: 1}}}}",
        "upstreams: {x: {url: 'https://e', auth: {oauth2: {client_secret: [CANARY], token_url: 'CANARY://e'}}}}",
        "upstreams: {x: {url: 'https://user:CANARY@e/'}}",
        "upstreams: {x: {url: 'CANARY://e'}}",
        "upstreams: {x: {url: CANARY}}",
        "upstreams: {x: {url: 'http://e/?key=CANARY', auth: {bearer: CANARY}}}",
        "upstreams: {x: {openapi: CANARY.json}}",
        "upstreams: {x: {command: '--token CANARY'}}",
        "upstreams: {x: {command: [x, 1, --token=CANARY]}}",
        "upstreams: {x: {command: [x], env: CANARY}}",
        "upstreams: {x: {command: [x], env: {CANARY}}}",
        "upstreams: {x: {command: [x], env: {'TOKEN=CANARY': ''}}}",
        "upstreams: {x: {command: [x], env: {TOKEN: !CANARY y}}}",
        "upstreams: {x: {command: [x], env: {TOKEN: *CANARY}}}",
        "upstreams: {x: {command: [x], env: {TOKEN: @CANARY}}}",
        "upstreams: {x: {command: [x], env: {TOKEN: 'CANARY}}}",
        "upstreams: {x: {command: [x], env: {TOKEN: CANARY: y}}}",
        "upstreams: {x: {command: [x], env: {TOKEN: '${SECRET}${'}}}",
        "upstreams: {x: {url: '${SECRET}', timeout: '${SECRET}', allow: ['${SECRET}'], auth: '${SECRET}'}}",
        "limits: {wall: CANARY}",
        "CANARY",
        "[CANARY]",
        "%CANARY\n---\na: 1",
    ],
)
def test_a_secret_in_a_wrong_place_is_not_repeated(text: str, faults: Faults) -> None:
    told = faults(text.replace("CANARY", CANARY), SECRET=CANARY)
    assert told
    assert CANARY not in "\n".join(told)


def test_pydantics_own_error_does_not_ride_along(tmp_path: Path) -> None:
    path = tmp_path / "isthmus.yaml"
    path.write_text(f"limits: {{wall: {CANARY}}}")
    with pytest.raises(InvalidConfiguration) as raised:
        load(path, {})
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


_keys = st.sampled_from(
    [
        *("upstreams", "policy", "limits", "mcpServers", "servers", "x", "allow", "deny", "only", "effects", "wall"),
        *("url", "openapi", "command", "args", "env", "auth", "headers", "bearer", "basic", "api_key", "schemes"),
        *("type", "calls", "timeout", "name", "in", "value"),
    ]
)
_scalars = st.sampled_from(["CANARY", "'CANARY'", "${SECRET}", "x", "https://e/CANARY", "1", "~", "no", "read", "x.y"])
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(_keys, inner), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.tuples(_keys, _values), min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_where_it_is_loaded_or_refused_without_a_value(
    tmp_path: Path, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path / "isthmus.yaml"
    text = "\n".join(f"{key}: {value}" for key, value in pairs)
    path.write_text(text.replace("CANARY", CANARY))
    assert CANARY not in told_of(path)


def told_of(path: Path) -> str:
    try:
        return "\n".join(load(path, {"SECRET": CANARY}).warnings)
    except InvalidConfiguration as error:
        return str(error)
