"""A file becomes a configuration, or all of its faults at once."""

import os
import stat
from pathlib import Path

import pytest

from isthmus.config.faults import InvalidConfiguration
from isthmus.config.loader import load
from isthmus.config.model import Configuration
from isthmus.model import Effect
from tests.config.conftest import Faults, Load, secrets

FULL = """
upstreams:
  github:
    openapi: https://example.com/api.github.com.json
    base_url: https://api.github.com
    auth: {bearer: "${GITHUB_TOKEN}"}
    allow: [read, write]
    only: ["issues.*", "pulls.*"]
    effects: {"issues.lock": destructive}
    timeout: 10
  files:
    command: [npx, -y, "@modelcontextprotocol/server-filesystem", ~/Documents]
    env: {LEVEL: debug}
  tracker:
    url: https://mcp.example.com/mcp
    transport: sse
    auth:
      api_key: {name: X-Key, in: query, value: "${KEY:-none}"}
policy:
  allow: [read]
  approve: [destructive]
  deny: ["github.repos.delete"]
limits: {wall: 50, cpu: 20.5, memory_mb: 256}
"""


def test_everything_that_the_documentation_shows_is_understood(loaded: Load) -> None:
    found = loaded(FULL, GITHUB_TOKEN="canary", HOME="/home/ann")
    github, files, tracker = found.configuration.upstreams.values()
    assert github.auth is not None
    assert github.auth.bearer is not None
    assert github.auth.bearer.get_secret_value() == "canary"
    assert (github.allow, github.effects) == ([Effect.READ, Effect.WRITE], {"issues.lock": Effect.DESTRUCTIVE})
    assert (github.timeout, tracker.timeout) == (10.0, 30.0)
    assert files.command == ["npx", "-y", "@modelcontextprotocol/server-filesystem", "/home/ann/Documents"]
    assert files.cwd == str(found.base)
    assert tracker.transport == "sse"
    assert tracker.auth is not None
    assert tracker.auth.api_key is not None
    assert tracker.auth.api_key.location == "query"
    assert found.configuration.policy.deny == ["github.repos.delete"]
    assert found.configuration.limits.cpu == 20.5
    assert found.warnings == ()


def test_all_faults_are_told_at_once_in_the_order_of_the_file(faults: Faults) -> None:
    text = """
upstreams:
  github:
    openapi: https://example.com/x.json
    url: https://example.com/mcp
    allow: [reed, destructiv]
    timeout: 0
  github:
    url: ${NONE}
polciy: {deny: ["*"]}
limits: {wall: fast, sessions: 1.5}
"""
    assert [fault.partition(" -> ")[0] for fault in faults(text)] == [
        "8: upstreams.github: the key is there twice, first on line 3",
        "9: upstreams.github.url: the variable NONE is not set",
        "10: polciy: an unknown key",
        "11: limits.wall: a number is wanted, and this is text",
        "11: limits.sessions: a whole number is wanted, and this is a number, but not a whole one",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("policy: {alow: [read]}", "policy.alow: an unknown key -> did you mean 'allow'?"),
        (
            "policy: {allow: [reed]}",
            "policy.allow[0]: one of read, write, destructive is wanted -> did you mean 'read'?",
        ),
        ("deny: [x.y]", "deny: the key does not belong here -> it belongs under policy"),
        ("upstreams: {x: {url: 'https://e', wall: 3}}", "the key does not belong here -> it belongs under limits"),
        (
            "upstreams: {x: {url: 'https://e', auth: {barer: t}}}",
            "auth.barer: an unknown key -> did you mean 'bearer'?",
        ),
        ("upstreams: {x: {url: 'https://e', transport: ssh}}", "one of http, sse is wanted -> did you mean 'sse'?"),
        ("upstreams: {x: 5}", "upstreams.x: a mapping is wanted, and this is a number"),
        ("upstreams: {x: {}}", "upstreams.x: the upstream has none of openapi, command and url"),
        ("upstreams: {x: {openapi: ''}}", "upstreams.x.openapi: it is empty"),
        ("upstreams: {x: {command: ['']}}", "command[0]: the program to start has no name"),
        ("upstreams: {x: {command: npx -y thing}}", "upstreams.x.command: the command is one text of several words"),
        (
            "upstreams: {x: {command: [x, 8080]}}",
            "x.command[1]: text is wanted, and this is a number -> put it in quotes",
        ),
        (
            "upstreams: {x: {command: [x], auth: {bearer: t}}}",
            "x.auth: 'auth' means nothing for an upstream with 'command'",
        ),
        ("upstreams: {x: {url: 'https://e', env: {A: b}}}", "x.env: 'env' means nothing for an upstream with 'url'"),
        ("upstreams: {x: {url: 'https://e', cwd: /tmp}}", "x.cwd: 'cwd' means nothing for an upstream with 'url'"),
        (
            "upstreams: {x: {command: [x], base_url: 'https://e'}}",
            "x.base_url: 'base_url' means nothing for an upstream",
        ),
        ("upstreams: {x: {command: [x], url: 'https://e'}}", "x.url: 'url' stands beside 'command'"),
        ("upstreams: {x: {command: [x], cwd: nowhere}}", "x.cwd: there is no such directory"),
        ("upstreams: {x: {command: [x], env: {'A=B': c}}}", "this is no name of a variable"),
        (
            "upstreams: {x: {url: 'https://e', auth: {schemes: {k: v}}}}",
            "x.auth.schemes: an MCP server has no security",
        ),
        (
            "upstreams: {x: {url: 'http://example.com', auth: {bearer: t}}}",
            "the credential would travel over plain http",
        ),
        ("upstreams: {x: {url: 'https://e:99999/'}}", "x.url: this is no URL"),
        ("upstreams: {x: {url: 'https://e/#x'}}", "x.url: the URL has a fragment"),
        ("upstreams: {x: {openapi: 'file:///etc/passwd'}}", "x.openapi: this is no http or https URL"),
        ("upstreams: {x: {openapi: missing.json}}", "x.openapi: there is no such document"),
        ('upstreams: {x: {url: "https://e", auth: {bearer: "a\\nb"}}}', "x.auth.bearer: the value holds a line break"),
        ("upstreams: {x: {url: 'https://e', auth: {headers: {'A B': c}}}}", "this is no name of a header"),
        ("upstreams: {x: {url: 'https://e', auth: {api_key: {value: k}}}}", "x.auth.api_key.name: the key is missing"),
        ("upstreams: {class: {url: 'https://e'}}", "upstreams.class: programs use this name for something else"),
        ("upstreams: {search: {url: 'https://e'}}", "rename it, for example to search_api"),
        ("upstreams: {print: {url: 'https://e'}}", "upstreams.print: programs use this name for something else"),
        ("upstreams: {'!!': {url: 'https://e'}}", "an upstream's name has a letter in it"),
        ("upstreams: {a-b: {url: 'https://e'}, a_b: {url: 'https://f'}}", "two upstreams are called a_b in programs"),
        ("upstreams:", "upstreams: "),
        ("policy:\n", "policy: the key has no value -> give it one, or remove the key"),
        ("policy: {deny: [delete_all]}", "the rule would match nothing: it is no glob of operation ids"),
        ("limits: {session_idle: .inf}", "limits.session_idle: the number must be"),
        ("limits: {calls: 99999999999999999999999}", "limits.calls: the number must be at most 1000000"),
    ],
)
def test_each_fault_is_told_with_its_keys_and_its_remedy(text: str, told: str, faults: Faults) -> None:
    (only,) = faults(text)
    assert told in only


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080/mcp", "http://localhost/mcp", "http://[::1]/mcp"])
def test_a_credential_may_travel_over_plain_http_within_this_machine(address: str, loaded: Load) -> None:
    assert loaded(f"upstreams: {{x: {{url: '{address}', auth: {{bearer: t}}}}}}").configuration.upstreams["x"].url


def test_relative_documents_are_looked_for_beside_the_configuration(tmp_path: Path, loaded: Load) -> None:
    (tmp_path / "api.json").write_text("{}")
    assert loaded("upstreams: {x: {openapi: ./api.json}}").configuration.upstreams["x"].openapi == str(
        tmp_path / "api.json"
    )


def test_a_configuration_without_upstreams_is_one(loaded: Load) -> None:
    assert loaded("policy: {allow: [read]}").configuration == Configuration()


def test_names_that_are_no_identifiers_are_mapped_and_rules_follow_them(loaded: Load) -> None:
    found = loaded("upstreams: {my-server: {url: 'https://e'}}\npolicy: {deny: [my-server.delete, other.x]}")
    assert list(found.configuration.upstreams) == ["my_server"]
    assert found.configuration.policy.deny == ["my_server.delete", "other.x"]
    called, unmatched = found.warnings
    assert "the upstream 'my-server' is called my_server in programs and rules" in called
    assert "'other.x' matches nothing: there is no upstream 'other'; there are my_server" in unmatched


def test_operations_may_be_allowed_by_name_among_the_effects(loaded: Load) -> None:
    policy = loaded(
        "upstreams: {demo: {url: 'https://e'}}\npolicy: {allow: [read, demo.create], deny: ['demo.c*']}"
    ).configuration.policy
    assert (policy.allow, policy.allow_operations, policy.deny) == ([Effect.READ], ["demo.create"], ["demo.c*"])


def test_that_deny_wins_is_said_where_it_does(loaded: Load) -> None:
    (warning,) = loaded(
        "upstreams: {demo: {url: 'https://e'}}\npolicy: {allow: [demo.create], deny: ['demo.c*']}"
    ).warnings
    assert warning.endswith("'demo.create' is allowed here, and denied by 'demo.c*': deny wins")


def test_a_json_file_is_read_as_json_and_a_tab_does_no_harm(loaded: Load) -> None:
    found = loaded('{\n\t"upstreams": {"x": {"url": "https://e/\\u00e9"}},\n}', name="isthmus.json")
    assert found.configuration.upstreams["x"].url == "https://e/é"


def test_secrets_come_from_the_environment_as_they_are(loaded: Load) -> None:
    text = "upstreams: {x: {command: [x], env: {A: '${A}', B: '$${A}'}}}"
    assert secrets(loaded(text, A='x"}\n${B}').configuration.upstreams["x"].env) == {"A": 'x"}\n${B}', "B": "${A}"}


@pytest.mark.skipif(os.name != "posix", reason="pipes and permissions as POSIX has them")
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for path, words in [
        (tmp_path, "this is a directory, not a file"),
        (tmp_path / "pipe.yaml", "this is a pipe, not a file"),
        (tmp_path / "none.yaml", "there is no such file"),
        (Path("/dev/zero"), "this is a device, not a file"),
    ]:
        with pytest.raises(InvalidConfiguration, match=words):
            load(path, {})


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_a_file_that_everyone_can_write_is_told(tmp_path: Path) -> None:
    path = tmp_path / "isthmus.yaml"
    path.write_text("limits: {wall: 5}")
    path.chmod(path.stat().st_mode | stat.S_IWOTH)
    assert "every user of this machine can write this file" in load(path, {}).warnings[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfea\0", "1: the file is UTF-16"),
        (b"a: 1\nb: \xe9\n", "2: this is not UTF-8 text"),
        (b"a: 1\nb: \x1b[2J\n", "2: a control character (U+001B) stands here"),
        (b"", "1: the file is empty"),
        (b"a: x\n" * 300_000, " larger than 1,048,576 bytes"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, told: str, faults: Faults) -> None:
    (only,) = faults(content)
    assert told.strip() in only


def test_a_byte_order_mark_does_no_harm(loaded: Load) -> None:
    assert loaded("\ufefflimits: {wall: 5}").configuration.limits.wall == 5


def test_a_fault_is_one_of_ours_with_file_line_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "isthmus.yaml"
    path.write_text("\npolciy: {}\n")
    with pytest.raises(InvalidConfiguration) as raised:
        load(path, {})
    assert (raised.value.file, raised.value.line, raised.value.remedy) == (str(path), 2, "did you mean 'policy'?")
    assert raised.value.message == "polciy: an unknown key"


def test_the_folder_for_data_is_taken_from_the_files_own(loaded: Load) -> None:
    found = loaded("data: kept")
    assert found.configuration.data == str(found.base / "kept")
    assert loaded("data: ~/kept", HOME="/home/ann").configuration.data == "/home/ann/kept"


def test_an_empty_name_of_the_folder_for_data_is_a_fault(faults: Faults) -> None:
    assert faults("data: ''") == ["1: data: it is empty -> give it a value, or remove the key"]
