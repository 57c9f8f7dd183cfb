"""The build hook: when it makes the component again, and what it notes in it. Making it is covered by every guest."""

import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT


@pytest.fixture
def hook() -> ModuleType:
    try:
        version("componentize-py"), version("tzdata"), version("hatchling")
    except PackageNotFoundError as missing:
        pytest.skip(f"{missing}: needed to build the component")
    spec = importlib.util.spec_from_file_location("build_component", ROOT / "wasm_runtime" / "build_component.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tree(root: Path) -> tuple[Path, Path]:
    (root / "guest").mkdir()
    (root / "guest" / "main.py").write_text("x = 1")
    (root / "guest.wit").write_text("world w {}")
    return root / "guest", root / "guest.wit"


def test_any_change_of_a_source_or_of_the_world_is_a_change_of_the_inputs(hook: ModuleType, tmp_path: Path) -> None:
    guest, wit = tree(tmp_path)
    seen = {hook.inputs_digest(guest, wit)}
    for path, text in ((guest / "main.py", "x = 2"), (wit, "world v {}"), (guest / "new.py", "")):
        path.write_text(text)
        seen.add(hook.inputs_digest(guest, wit))
    (guest / "new.py").rename(guest / "newer.py")
    seen.add(hook.inputs_digest(guest, wit))
    assert len(seen) == 5


def test_what_python_leaves_behind_is_no_input(hook: ModuleType, tmp_path: Path) -> None:
    guest, wit = tree(tmp_path)
    before = hook.inputs_digest(guest, wit)
    (guest / "__pycache__").mkdir()
    (guest / "__pycache__" / "main.pyc").write_bytes(b"x")
    assert hook.inputs_digest(guest, wit) == before


def test_the_component_that_is_there_notes_what_it_was_made_from(hook: ModuleType, component: Path) -> None:
    digest = hook.inputs_digest(ROOT / "wasm_runtime" / "guest", ROOT / "specs" / "guest.wit")
    content = component.read_bytes()
    assert content.startswith(b"\x00asm")
    assert content.endswith(b"isthmus-inputs" + digest.encode())
    assert hook.build(ROOT) == component  # at once: nothing is made


def test_a_component_cut_short_is_made_again(hook: ModuleType, tmp_path: Path) -> None:
    section = hook._custom_section("a" * 64)
    path = tmp_path / "guest.wasm"
    assert not hook._ends_with(path, section)
    path.write_bytes(b"short")
    assert not hook._ends_with(path, section)
    path.write_bytes(b"component" + section)
    assert hook._ends_with(path, section)
    path.write_bytes(b"component" + section[:-1])
    assert not hook._ends_with(path, section)
