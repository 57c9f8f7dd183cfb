"""`isthmus import` takes the servers of another client over, and `isthmus install` tells a client of Isthmus."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.cli import main
from isthmus.cli.clients import BACKUP, CLIENTS, ClientFile, files_of, is_ours
from isthmus.cli.init import LOGIN
from isthmus.config.loader import load
from isthmus.config.model import OAuth

FILES = {"command": "npx", "args": ["-y", "@scope/server-files", "/tmp/a b"], "env": {"TOKEN": "abc: #def"}}
TRACKER = {"type": "http", "url": "https://mcp.example.com/mcp", "headers": {"Authorization": "Bearer ${env:TRACKER}"}}
OURS = {"command": "/venv/bin/isthmus", "args": ["serve", "--config", "/old.yaml"]}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a working folder in it, of their own; on Linux, where `sys.platform` is taken from."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TRACKER", "t-1")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def written(file: ClientFile, servers: object, **more: object) -> ClientFile:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_text(json.dumps({**more, file.collection: servers}))
    return file


def of(client: str, home: Path) -> ClientFile:
    return files_of(client, home / "work", {"HOME": str(home)}, "linux")[0]


@pytest.mark.parametrize("client", CLIENTS)
def test_the_servers_of_a_client_become_upstreams(client: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(of(client, home), {"my-files": FILES, "tracker": TRACKER, "isthmus": OURS}, theme="dark")
    assert main(["import", client]) == 0
    found = load(Path("isthmus.yaml"), os.environ).configuration.upstreams
    assert set(found) == {"my_files", "tracker"}
    assert found["my_files"].command == ["npx", "-y", "@scope/server-files", "/tmp/a b"]
    assert {name: value.get_secret_value() for name, value in found["my_files"].env.items()} == {"TOKEN": "abc: #def"}
    auth = found["tracker"].auth
    assert auth is not None
    assert auth.headers["Authorization"].get_secret_value() == "Bearer t-1"
    assert not any(upstream.believe for upstream in found.values())
    told = capsys.readouterr()
    assert "'my-files' is called my_files" in told.err
    assert "next: isthmus doctor" in told.out


def test_where_one_may_have_to_log_in_the_words_for_it_stand_ready(home: Path) -> None:
    login = {"url": "https://b.example/mcp", "oauth": {"clientId": "us"}}
    written(of("cursor", home), {"notes": {"url": "https://a.example/mcp"}, "board": login, "tracker": TRACKER})
    assert main(["import"]) == 0
    text = Path("isthmus.yaml").read_text()
    assert text.count(LOGIN) == 1
    Path("isthmus.yaml").write_text(text.replace(LOGIN, LOGIN.removeprefix("# ")))
    found = load(Path("isthmus.yaml"), os.environ).configuration.upstreams
    assert {name: each.auth and each.auth.oauth for name, each in found.items()} == {
        "notes": OAuth(),
        "board": OAuth(client_id="us"),
        "tracker": None,
    }


def test_what_is_taken_over_may_be_secret_and_is_for_its_owner_alone(home: Path) -> None:
    written(of("cursor", home), {"files": FILES})
    assert main(["import"]) == 0
    assert stat.S_IMODE(Path("isthmus.yaml").stat().st_mode) == 0o600


def test_a_configuration_that_is_there_is_not_replaced_unasked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(of("cursor", home), {"files": FILES})
    Path("isthmus.yaml").write_text("upstreams: {}")
    assert main(["import"]) == 2
    assert "--force" in capsys.readouterr().err
    assert Path("isthmus.yaml").read_text() == "upstreams: {}"
    assert main(["import", "--force"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["import"], ["several files", "mcp.json (files)", "claude_desktop_config.json (tracker)", "name one"]),
        (["import", "vscode"], ["there is no server", "Code/User/mcp.json", "isthmus init"]),
        (["import", "nowhere.json"], ["there is no server", "nowhere.json"]),
        (["import", "broken.json"], ["broken.json", "not plain JSON", "comments"]),
        (["import", "odd.json"], ["odd.json:1", "envFile", "env"]),
    ],
)
def test_what_cannot_be_taken_over_is_told_with_its_place(
    arguments: list[str], words: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(of("cursor", home), {"files": FILES})
    written(of("claude-desktop", home), {"tracker": TRACKER})
    Path("broken.json").write_text("{// a comment\n}")
    Path("odd.json").write_text('{"servers": {"a": {"command": "a", "envFile": ".env"}}}')
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert [word for word in words if word not in told] == []
    assert not Path("isthmus.yaml").exists()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_is_told_of_isthmus_and_all_else_stays_as_it_is(client: str, home: Path) -> None:
    Path("isthmus.yaml").write_text("upstreams: {my_files: {command: [server]}}")
    file = written(of(client, home), {"my-files": FILES, "other": TRACKER}, theme="dark", nested={"a": [1, None]})
    before = file.path.read_bytes()
    assert main(["install", client]) == 0
    assert main(["install", client]) == 0, "twice is as once"
    content = json.loads(file.path.read_text())
    assert (content["theme"], content["nested"]) == ("dark", {"a": [1, None]})
    servers = content[file.collection]
    assert (servers.pop("my-files"), servers.pop("other")) == (FILES, TRACKER)
    [(name, ours)] = servers.items()
    assert (name, ours["command"]) == ("isthmus", sys.executable)
    assert ours["args"] == ["-m", "isthmus", "serve", "--config", str(home / "work/isthmus.yaml")]
    assert file.path.with_name(file.path.name + BACKUP).read_bytes() == before


def test_what_the_configuration_has_can_be_taken_out_of_the_client(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(of("claude-desktop", home), {"my-files": FILES, "tracker": TRACKER, "old": OURS})
    assert main(["import"]) == 0
    assert main(["install", "claude-desktop", "--replace"]) == 0
    assert list(file.servers()) == ["isthmus"]
    assert "taken out there" in capsys.readouterr().out


def test_a_client_without_a_file_gets_one_and_a_look_changes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("isthmus.yaml").write_text("upstreams: {}")
    assert main(["install", "vscode", "--print"]) == 0
    file = of("vscode", home)
    assert not file.path.exists()
    shown = json.loads(capsys.readouterr().out)
    assert main(["install", "vscode"]) == 0
    assert json.loads(file.path.read_text()) == shown
    assert shown["servers"]["isthmus"]["type"] == "stdio"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"mcpServers": {"isthmus": {"command": "x"}}}', ["another server", "--name"]),
        ('{"mcpServers": []}', ["no mapping 'mcpServers'"]),
        ("// hand-made\n{}", ["not plain JSON", "by hand"]),
        ("\x00", ["not plain JSON"]),
    ],
)
def test_a_file_that_is_not_understood_is_left_as_it_is(
    content: str, words: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("isthmus.yaml").write_text("upstreams: {}")
    file = Path("theirs.json")
    file.write_text(content)
    assert main(["install", "cursor", "--file", str(file)]) == 2
    told = capsys.readouterr().err
    assert [word for word in words if word not in told] == []
    assert [path.name for path in Path().iterdir() if path.name.startswith("theirs")] == ["theirs.json"]
    assert file.read_text() == content


def test_only_isthmus_itself_is_taken_for_it() -> None:
    assert is_ours({"command": "uvx", "args": ["isthmus", "serve"]})
    assert is_ours({"command": r"C:\venv\Scripts\isthmus.exe", "args": ["serve"]})
    assert not is_ours({"command": "npx", "args": ["server-files", "/home/me/isthmus"]})
    assert not is_ours({"command": "isthmus", "args": ["mock", "shop"]})


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_has_a_place_on_every_system(client: str, platform: str, home: Path) -> None:
    environ = {"HOME": str(home), "APPDATA": str(home / "roaming")}
    for file in files_of(client, home / "work", environ, platform):
        assert file.path.is_relative_to(home)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(servers=st.dictionaries(st.text(), JSON), more=st.dictionaries(st.text(), JSON))
def test_whatever_else_stands_there_stays(servers: dict[str, Any], more: dict[str, Any], home: Path) -> None:
    file = written(ClientFile("cursor", home / "mcp.json"), {}, **more)
    file.write(servers)
    assert file.content() == {**more, "mcpServers": servers}
