"""What the documents say of this repository is true: links lead somewhere, commands exist, examples load."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.cli import COMMANDS
from isthmus.config.loader import load

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "specs/*.md", "specs/decisions/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
    if ".venv" not in path.parts
)
FOLDERS = ("server", "wasm_runtime", "specs", "tests", ".ci")

_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(rf"({'|'.join(map(re.escape, FOLDERS))})/([\w.-]+/)*([\w-]+\.\w+)?")
_COMMAND = re.compile(r"(?:^|[\s/`])isthmus (?P<word>[a-z][a-z-]*)")


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(path: Path) -> str:
    return _BLOCK.sub("", text(path))


def anchors(path: Path) -> set[str]:
    """The fragments under which headings are found, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> Iterator[str]:
    for target in _LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, fragment = target.partition("#")
        found = path.parent / file if file else path
        if not found.exists():
            yield f"{target} is not there"
        elif fragment and fragment not in anchors(found):
            yield f"{target}: no such heading"


def missing_files(path: Path) -> Iterator[str]:
    """Files that are named in code style, from the root of the repository, and are not there."""
    for name in _CODE.findall(prose(path)):
        if re.fullmatch(_FILE, name) and not (ROOT / name).exists():
            yield name


def commands(path: Path) -> set[str]:
    """The words that follow `isthmus` in code."""
    code = [body for language, body in _BLOCK.findall(text(path)) if language in {"sh", "bash", "console", ""}]
    code += [span for span in _CODE.findall(prose(path)) if "isthmus " in span]
    return {found["word"] for piece in code for found in _COMMAND.finditer(piece)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_names_of_files_lead_somewhere(path: Path) -> None:
    assert [*broken_links(path), *missing_files(path)] == []


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "SECURITY.md"], ids=lambda path: path.name)
def test_the_commands_that_are_named_exist(path: Path) -> None:
    assert commands(path) - COMMANDS.keys() == set()


def test_the_readme_names_every_command_or_points_at_the_help() -> None:
    assert {"demo", "serve", "init", "doctor"} <= commands(ROOT / "README.md")


def test_the_configurations_that_are_shown_load(tmp_path: Path) -> None:
    shown = [body for language, body in _BLOCK.findall(text(ROOT / "README.md")) if language == "yaml"]
    assert shown
    for body in shown:
        (tmp_path / "isthmus.yaml").write_text(body, encoding="utf-8")
        variables = dict.fromkeys(re.findall(r"\$\{(\w+)", body), "x")
        assert load(tmp_path / "isthmus.yaml", variables).warnings == ()


def test_the_json_that_is_shown_is_json() -> None:
    for path in DOCUMENTS:
        for language, body in _BLOCK.findall(text(path)):
            if language == "json":
                json.loads(body)


def test_decisions_have_a_number_each() -> None:
    names = [path.name for path in (ROOT / "specs" / "decisions").glob("*.md") if path.name != "README.md"]
    assert [name for name in names if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)] == []
    assert [number for number, count in Counter(name[:4] for name in names).items() if count > 1] == []


def test_decisions_begin_with_their_title() -> None:
    for path in (ROOT / "specs" / "decisions").glob("[0-9]*.md"):
        assert re.match(r"# \S", text(path)), path.name
