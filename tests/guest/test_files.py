"""/servers, as programs see it through open, os, pathlib and glob."""

import textwrap
from pathlib import Path

import pytest

from tests.simulators.guest_host import Request, Sandbox, sandbox

_TREE = {
    "/servers": [["github", True, 0], ["README.md", False, 5]],
    "/servers/github": [["__init__.py", False, 9], ["issues", True, 0]],
    "/servers/github/issues": [["create.py", False, 12]],
}
_FILES = {
    "/servers/README.md": "hello",
    "/servers/github/__init__.py": "# github\n",
    "/servers/github/issues/create.py": "def create()",
}


def answer(found: object) -> list[tuple[str, object]]:
    return [("error", {"type": "NotFound", "message": "no such file"})] if found is None else [("value", found)]


@pytest.fixture
def stubs(box: Sandbox) -> Sandbox:
    def listed(request: Request) -> list[tuple[str, object]]:
        return answer(_TREE.get(request.arguments["path"]))

    def read(request: Request) -> list[tuple[str, object]]:
        return answer(_FILES.get(request.arguments["path"]))

    box.host.answers["isthmus.files.list"] = listed
    box.host.answers["isthmus.files.read"] = read
    return box


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("open('/servers/README.md').read()", "hello"),
        ("open('/servers/README.md', 'rb').read() == b'hello'", True),
        ("[line for line in open('/servers/github/__init__.py')]", ["# github\n"]),
        ("pathlib.Path('/servers/github/issues/create.py').read_text()", "def create()"),
        ("pathlib.Path('/servers', 'github', '..', 'README.md').read_text()", "hello"),
        ("sorted(os.listdir('/servers'))", ["README.md", "github"]),
        ("sorted(p.name for p in pathlib.Path('/servers').iterdir())", ["README.md", "github"]),
        ("[os.path.exists(p) for p in ('/servers', '/servers/github/issues', '/servers/no', '/servers/no/no')]", [True, True, False, False]),  # noqa: E501 (a program in one line)
        ("[os.path.isdir('/servers/github'), os.path.isfile('/servers/README.md'), os.path.isfile('/servers')]", [True, True, False]),  # noqa: E501 (a program in one line)
        ("pathlib.Path('/servers/github').is_dir() and pathlib.Path('/servers/README.md').is_file()", True),
        ("os.path.getsize('/servers/README.md')", 5),
        ("sorted(glob.glob('/servers/**/*.py', recursive=True))", ["/servers/github/__init__.py", "/servers/github/issues/create.py"]),  # noqa: E501 (a program in one line)
        ("sorted(str(p) for p in pathlib.Path('/servers').rglob('*.py'))", ["/servers/github/__init__.py", "/servers/github/issues/create.py"]),  # noqa: E501 (a program in one line)
        ("sorted(str(p) for p in pathlib.Path('/servers').glob('*/*.py'))", ["/servers/github/__init__.py"]),
        ("[sorted(f) for _, _, f in os.walk('/servers')]", [["README.md"], ["__init__.py"], ["create.py"]]),
        ("sorted(e.name for e in os.scandir('/servers') if e.is_dir())", ["github"]),
        ("[os.access('/servers/README.md', os.R_OK), os.access('/servers/x', os.R_OK)]", [True, False]),
    ],
)  # fmt: skip
def test_stubs_are_listed_opened_and_searched(stubs: Sandbox, expression: str, value: object) -> None:
    assert stubs.value(f"import os, pathlib, glob\n{expression}") == value


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        *(("open('/servers/x', 'w')", "PermissionError"), ("open('/servers/README.md', 'a')", "PermissionError")),
        *(("os.mkdir('/servers/x')", "PermissionError"), ("os.remove('/servers/README.md')", "PermissionError")),
        ("os.rename('/servers/README.md', 'x')", "PermissionError"),
        ("pathlib.Path('/servers/x').write_text('')", "PermissionError"),
        *(("open('/servers/no.py')", "FileNotFoundError"), ("open('/servers/github')", "IsADirectoryError")),
        *(("os.listdir('/servers/README.md')", "NotADirectoryError"), ("os.stat('/servers/no')", "FileNotFoundError")),
        ("open('/servers/README.md').write('x')", "UnsupportedOperation"),
    ],
)
def test_stubs_can_only_be_read(stubs: Sandbox, statement: str, kind: str) -> None:
    error = stubs.error(f"import os, pathlib\n{statement}")
    assert (error["type"], error["line"]) == (kind, 2)


def test_other_paths_go_to_the_real_file_system(tmp_path: Path) -> None:
    source = textwrap.dedent(f"""
        import os, pathlib
        path = pathlib.Path({str(tmp_path)!r}) / "a.txt"
        path.write_text("text")
        with open(path, "rb") as file: data = file.read()
        [data == b"text", os.listdir(path.parent), path.stat().st_size]
    """)
    with sandbox() as box:
        assert box.value(source) == [True, ["a.txt"], 4]
        assert box.host.requests == []


def test_the_workspace_is_the_current_directory_and_holds_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = textwrap.dedent("""
        import os, tempfile
        open("here.txt", "w").close()
        with open("/tmp/there.txt", "w") as file: file.write("x")
        with tempfile.NamedTemporaryFile() as file: name = file.name
        [sorted(os.listdir(".")), os.listdir("/tmp"), name.startswith(os.getcwd()), tempfile.gettempdir()]
    """)
    with sandbox(str(tmp_path)) as box:
        assert box.value(source) == [["here.txt", "tmp"], ["there.txt"], True, f"{tmp_path}/tmp"]
    assert (tmp_path / "tmp" / "there.txt").read_text() == "x"
