"""What other clients write is understood as they mean it."""

import json

import pytest

from tests.config.conftest import Faults, Load, secrets

DESKTOP = {
    "globalShortcut": "Ctrl+Space",
    "mcpServers": {
        "files": {"command": "npx", "args": ["-y", "server-files", "a b"], "env": {"TOKEN": "${TOKEN}"}},
        "off": {"command": "x", "env": {"A": "${NOT_SET}"}, "disabled": True},
    },
}
CLAUDE_CODE = {
    "mcpServers": {
        "tracker": {"type": "http", "url": "https://e/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}},
        "old-one": {"type": "sse", "url": "${OLD:-https://e/sse}", "alwaysLoad": True},
        "local": {"type": "stdio", "command": "/opt/my tools/x", "args": []},
    }
}
VS_CODE = {
    "inputs": [{"id": "k", "type": "promptString"}],
    "servers": {"a": {"type": "http", "url": "https://e/mcp"}, "b": {"command": "x", "args": ["${env:TOKEN}"]}},
}


def test_claude_desktops_file_is_understood(loaded: Load) -> None:
    found = loaded(json.dumps(DESKTOP), name="claude_desktop_config.json", TOKEN="t")
    assert list(found.configuration.upstreams) == ["files"]
    files = found.configuration.upstreams["files"]
    assert (files.command, secrets(files.env)) == (["npx", "-y", "server-files", "a b"], {"TOKEN": "t"})
    assert [warning.partition(": ")[2] for warning in found.warnings] == [
        "globalShortcut: a key of another client, ignored",
        "mcpServers.off: the upstream 'off' is disabled here, and left out",
    ]


def test_claude_codes_file_is_understood(loaded: Load) -> None:
    upstreams = loaded(json.dumps(CLAUDE_CODE), name=".mcp.json", TOKEN="t").configuration.upstreams
    tracker, old, local = (upstreams[name] for name in ("tracker", "old_one", "local"))
    assert tracker.auth is not None
    assert secrets(tracker.auth.headers) == {"Authorization": "Bearer t"}
    assert (tracker.transport, old.transport, old.url) == ("http", "sse", "https://e/sse")
    assert local.command == ["/opt/my tools/x"]


def test_vs_codes_file_is_understood(loaded: Load) -> None:
    upstreams = loaded(json.dumps(VS_CODE), name="mcp.json", TOKEN="t").configuration.upstreams
    assert upstreams["a"].url == "https://e/mcp"
    assert upstreams["b"].command == ["x", "t"]


@pytest.mark.parametrize(
    "text",
    [
        "mcpServers: {x: {command: y, args: [z]}}",
        "upstreams: {mcpServers: {x: {command: y, args: [z]}}}",
        "upstreams: {servers: {x: {command: y, args: [z]}}}",
        "upstreams: {x: {command: y, args: [z]}}",
    ],
)
def test_their_servers_may_stand_in_the_place_of_ours_or_under_it(text: str, loaded: Load) -> None:
    assert loaded(text).configuration.upstreams["x"].command == ["y", "z"]


def test_theirs_and_ours_are_joined(loaded: Load) -> None:
    found = loaded("upstreams: {a: {url: 'https://e'}}\nmcpServers: {b: {command: y, allow: [write]}}")
    assert list(found.configuration.upstreams) == ["a", "b"]


def test_an_upstream_may_be_called_servers(loaded: Load) -> None:
    assert list(loaded("upstreams: {servers: {url: 'https://e'}}").configuration.upstreams) == ["servers"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mcpServers: {x: {command: y}}\npolciy: {}", "2: polciy: an unknown key -> did you mean 'policy'?"),
        ("mcpServers: {x: {command: y}}\ndeny: [x.y]", "2: deny: the key does not belong here"),
        ("mcpServers: {x: {command: y, args: [1]}}", "1: mcpServers.x.args[0]: text is wanted, and this is a number"),
        ("mcpServers: {x: {command: y, args: z}}", "mcpServers.x.args: a list is wanted, and this is text"),
        ("mcpServers: {x: {args: [z], url: 'https://e'}}", "mcpServers.x.args: 'args' belongs to a 'command'"),
        ("mcpServers: {x: {type: http, command: y}}", "x.type: a server of this type has a 'url', and there is none"),
        ("mcpServers: {x: {type: websocket, url: 'https://e'}}", "mcpServers.x.type: an unknown type of server"),
        ("mcpServers: {x: {command: y, envFile: .env}}", "envFile is not taken over from other clients"),
        ("mcpServers: {x: {command: y, disabledTools: [a]}}", "name them in policy.deny"),
        ("mcpServers: {x: {url: 'https://e', oauth: yes please}}", "a mapping is wanted, and this is text"),
        (
            "mcpServers: {x: {url: 'https://e', oauth: {}, headers: {A: b}}}",
            "'oauth' stands here, and other credentials",
        ),
        ("mcpServers: {x: {command: y, env: {A: '${input:a}'}}}", "VS Code asks its user for an ${input:...}"),
        (
            "mcpServers: {x: {url: 'https://e', headers: {A: b}, auth: {headers: {C: d}}}}",
            "'headers' stands here and under 'auth' too",
        ),
        ("upstreams: {x: {url: 'https://e'}}\nmcpServers: {x: {command: y}}", "two upstreams are called x in programs"),
        ("servers: [a]", "servers: a mapping of upstreams is wanted, and this is a list"),
    ],
)
def test_what_cannot_be_taken_over_is_told_in_the_words_of_the_file(text: str, told: str, faults: Faults) -> None:
    (only,) = faults(text)
    assert told in only
