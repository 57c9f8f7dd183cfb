import ast
from pathlib import Path

import pytest

from isthmus.catalog.catalog import Catalog
from isthmus.errors import NotFound
from isthmus.model import Effect, Operation
from isthmus.render.files import Files
from tests.simulators.operations import tool_lists


def operation(full: str, **more: object) -> Operation:
    upstream, _, local = full.partition(".")
    return Operation(full, upstream, local, Effect.READ, (), **more)  # type: ignore[arg-type]


CATALOG = Catalog.build(
    [
        operation("github.issues.create", summary="Create an issue"),
        operation("github.issues.comments.list"),
        operation("github.get_root"),
        operation("kube.list_pods", tags=("core_v1",)),
        operation("hidden.secret"),
    ]
)
FILES = Files(CATALOG, visible=lambda each: each.upstream != "hidden", mark=lambda _: "not allowed")


def names(path: str) -> list[str]:
    return [name for name, _, _ in FILES.list(path)]


def test_the_tree_mirrors_the_names_of_operations() -> None:
    assert names("") == names("/servers/") == ["README.md", "github", "kube"]
    assert names("github") == ["__init__.py", "issues", "issues.py"]
    assert names("/servers/github/issues") == ["comments.py"]
    assert names("kube") == ["core_v1.py"]


def test_a_file_holds_the_stubs_of_its_group_and_lists_with_its_size() -> None:
    text = FILES.read("/servers/github/issues.py")
    assert "# github.issues.create [read, not allowed]\nasync def create() -> Any:\n" in text
    assert ("issues.py", False, len(text.encode())) in FILES.list("github")


def test_the_readme_says_what_is_where() -> None:
    assert "/servers/github/issues.py: 1 operation\n" in FILES.read("README.md")
    assert "hidden" not in FILES.read("README.md")


@pytest.mark.parametrize("path", ["github/nothing.py", "github", "../secret", "hidden/__init__.py", "/etc/passwd"])
def test_what_is_not_there_is_refused_with_what_is(path: str) -> None:
    with pytest.raises(NotFound) as caught:
        FILES.read(path)
    assert "holds" in caught.value.hint


def test_every_file_of_real_servers_compiles(test_data: Path) -> None:
    files = Files(Catalog.build(tool_lists(test_data)))
    for upstream, is_directory, _ in files.list():
        if is_directory:
            for name, _, size in files.list(upstream):
                text = files.read(f"{upstream}/{name}")
                assert len(text.encode()) == size
                compile(ast.parse(text), name, "exec")
