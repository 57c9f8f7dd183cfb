"""`isthmus init` writes a configuration that loads, and that says what can be in it."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isthmus.cli import main
from isthmus.cli.init import SCHEMA, scalar
from isthmus.config.faults import Findings
from isthmus.config.loader import Loaded, load
from isthmus.config.nodes import plain
from isthmus.config.schema import schema
from isthmus.config.yaml_reader import read_yaml


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(*arguments: str) -> Loaded:
    assert main(["init", *arguments]) == 0
    return load(Path("isthmus.yaml"), os.environ)


def test_without_arguments_it_begins_with_the_demos_support_desk(capsys: pytest.CaptureFixture[str]) -> None:
    found = written()
    assert found.configuration.upstreams["tickets"].command == [sys.executable, "-m", "isthmus.demo.tickets"]
    assert found.configuration.upstreams["tickets"].believe
    assert found.warnings == ()
    assert "next: isthmus doctor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "name", "key", "value"),
    [
        (["--openapi", "https://api.github.com/x.json"], "github", "openapi", "https://api.github.com/x.json"),
        (
            ["--openapi", "https://e.example/x.json", "--name", "my-api"],
            "my_api",
            "openapi",
            "https://e.example/x.json",
        ),
        (["--url", "https://mcp.example.com/mcp"], "example", "url", "https://mcp.example.com/mcp"),
        (
            ["--mcp", "npx -y @modelcontextprotocol/server-filesystem '/tmp/a b'"],
            "filesystem",
            "command",
            ["npx", "-y", "@modelcontextprotocol/server-filesystem", "/tmp/a b"],
        ),
        (
            ["--mcp", "uvx mcp-server-git --repository x"],
            "git",
            "command",
            ["uvx", "mcp-server-git", "--repository", "x"],
        ),
    ],
)
def test_it_begins_with_the_upstream_that_is_named(arguments: list[str], name: str, key: str, value: object) -> None:
    ((found, config),) = written(*arguments).configuration.upstreams.items()
    assert (found, getattr(config, key)) == (name, value)
    assert not config.believe


def test_an_openapi_file_is_named_relative_to_the_configuration(folder: Path) -> None:
    (folder / "pet-store.json").write_text("{}")
    ((name, config),) = written("--openapi", "pet-store.json").configuration.upstreams.items()
    assert (name, config.openapi) == ("pet_store", str(folder / "pet-store.json"))


def test_editors_are_led_to_the_schema_that_lies_beside_it(folder: Path) -> None:
    written()
    assert (folder / "isthmus.yaml").read_text().startswith(f"# yaml-language-server: $schema={SCHEMA}\n")
    assert json.loads((folder / SCHEMA).read_text()) == schema()


def test_the_examples_in_its_comments_load(folder: Path) -> None:
    written()
    lines = (folder / "isthmus.yaml").read_text().splitlines()
    examples = [line.replace("# ", "", 1) for line in lines if re.match(r"  #   |  # \w+:$", line)]
    (folder / "examples.yaml").write_text("\n".join(["upstreams:", *examples]))
    found = load(folder / "examples.yaml", {"GITHUB_TOKEN": "x", "TRACKER_TOKEN": "y", "HOME": "/home/ann"})
    assert list(found.configuration.upstreams) == ["github", "files", "tracker"]


def test_what_is_there_is_replaced_only_by_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "isthmus.yaml").write_text("mine")
    assert main(["init"]) == 2
    assert "use --force to replace it" in capsys.readouterr().err
    assert (folder / "isthmus.yaml").read_text() == "mine"
    assert written("--force").configuration.upstreams.keys() == {"tickets"}


@pytest.mark.parametrize(
    "arguments", [["--mcp", "'open"], ["--mcp", ""], ["--url", "ftp://x"], ["--config", "no/x.yaml"]]
)
def test_what_cannot_be_written_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", *arguments]) == 2
    assert "remedy: " in capsys.readouterr().err


@given(st.text())
def test_every_text_is_written_so_that_it_is_read_as_it_was(text: str) -> None:
    line = f"a: [{scalar(text)}, x]"
    assert yaml.safe_load(line) == {"a": [text, "x"]}
    findings = Findings()
    assert plain(read_yaml(line, findings)) == {"a": [text, "x"]}
    assert findings.faults == []
