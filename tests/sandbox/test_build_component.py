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


_TYPE, _OTHER, _MAP = 0x400, 0x440, 0x2000


def _number(value: int) -> bytes:
    """LEB128, signed or not: with a byte of zeros at its end it is both."""
    low = bytearray()
    while value:
        low.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*low, 0])


def _section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + _number(len(content)) + content


def _component(segments: dict[int, bytes]) -> bytearray:
    data = b"".join(b"\0\x41" + _number(at) + b"\x0b" + _number(len(each)) + each for at, each in segments.items())
    module = b"\0asm\1\0\0\0" + _section(1, b"types") + _section(11, _number(len(segments)) + data)
    return bytearray(b"\0asm\x0d\0\1\0" + _section(0, b"custom") + _section(1, module))


def _head(references: int, kind: int) -> bytes:
    return references.to_bytes(4, "little") + kind.to_bytes(4, "little")


def _marks(hook: ModuleType, *addresses: int) -> bytes:
    marks = bytearray(max(addresses) // 64 + 1)
    for address in addresses:
        marks[address // 64] |= 1 << address // 8 % 8
    return bytes(hook._MAGIC) + marks


def _counts(hook: ModuleType, component: bytearray, *addresses: int) -> list[int]:
    return [hook.Image(component)._word(address) for address in addresses]


def test_marked_objects_become_immortal_and_the_map_is_blank_afterwards(hook: ModuleType) -> None:
    objects = _head(7, _TYPE) + bytes(0x38) + _head(3, _TYPE)
    component = _component({_TYPE: objects, _MAP: _marks(hook, _TYPE, _OTHER)})
    length = len(component)
    assert hook.Image(component).make_objects_immortal() == 2
    assert _counts(hook, component, _TYPE, _OTHER) == [5 << 28, 5 << 28]
    assert len(component) == length
    assert hook._MAGIC not in component


def test_what_is_not_marked_or_no_object_any_more_is_left(hook: ModuleType) -> None:
    freed = _head(_TYPE, _TYPE)  # the address of the next free block stands where the count was
    dead = _head(0, _TYPE)
    untyped = _head(1, _OTHER)
    component = _component(
        {_TYPE: _head(7, _TYPE) + freed + dead + untyped + _head(2, _TYPE), _MAP: _marks(hook, 0x408, 0x410, 0x418)}
    )
    before = _counts(hook, component, 0x400, 0x408, 0x410, 0x418, 0x420)
    assert hook.Image(component).make_objects_immortal() == 0
    assert _counts(hook, component, 0x400, 0x408, 0x410, 0x418, 0x420) == before


def test_a_component_without_a_map_is_refused(hook: ModuleType) -> None:
    with pytest.raises(SystemExit, match="no map"):
        hook.Image(_component({_TYPE: bytes(8)})).make_objects_immortal()


def test_a_segment_of_another_kind_is_refused(hook: ModuleType) -> None:
    component = _component({_TYPE: bytes(8)})
    component[component.index(b"\0\x41")] = 1  # passive
    with pytest.raises(SystemExit, match="another kind"):
        hook.Image(component)
