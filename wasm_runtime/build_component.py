"""Make the guest component: Python and WIT in, `isthmus_sandbox/guest.wasm` out.

A hatchling build hook, so that installing the package is all the set-up, from a wheel or editable; and a script:

    python wasm_runtime/build_component.py [--force]

What it was made from is noted in the component itself, in a custom section at its end; as long as that agrees with
the sources, nothing is made again. Two builds of the same sources do not give the same bytes: the interpreter that is
frozen into the component has drawn random numbers by then.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))  # hatchling loads this file by its path alone
import build_linking
from build_linking import CORE_MODULE, number_at, sections, settle_addresses

_SECTION = b"isthmus-inputs"
_TOOLS = ("componentize-py", "tzdata")
_RUN_TOOL = "import componentize_py; componentize_py.script()"  # it has no __main__
_WORLD, _MODULE = "sandbox", "guest.main"

# As in guest/image.py.
_MAGIC = b"isthmus: objects to become immortal:"
_ALIGNMENT = 8
_MAP_BYTES = 128 * 2**20 // _ALIGNMENT // 8

_IMMORTAL = 5 << 28  # CPython's _Py_IMMORTAL_INITIAL_REFCNT where pointers have 32 bits
_FEWEST_OBJECTS = 50_000
_CUSTOM, _DATA = 0, 11  # sections


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs a wheel, editable ones included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the interface's
        """Make the component, and have it packed though version control ignores it."""
        component = build(Path(self.root))
        build_data["artifacts"].append(component.relative_to(self.root).as_posix())


def build(root: Path, *, force: bool = False) -> Path:
    """Make the component of the source tree at `root`, unless it is there and its inputs are the same.

    Returns: where it is.
    Raises:
        SystemExit: componentize-py failed; its own words went to stderr.
    """
    runtime = root / "wasm_runtime"
    target = runtime / "isthmus_sandbox" / "guest.wasm"
    wit = root / "specs" / "guest.wit"
    section = _custom_section(inputs_digest(runtime / "guest", wit))
    if not force and _ends_with(target, section):
        _say(f"{target.name} is up to date")
        return target
    _say("making the guest component (10 to 60 s)")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="isthmus-build-") as staging:
        made = _componentize(runtime / "guest", wit, Path(staging))
        component = bytearray(settle_addresses(made.read_bytes()))
        if (count := Image(component).make_objects_immortal()) < _FEWEST_OBJECTS:
            raise SystemExit(f"only {count} objects were found in the component; is its interpreter another one?")
        made.write_bytes(component + section)
        _replace(made, target)
    _say(f"made {target.name}, {target.stat().st_size / 1e6:.1f} MB, in {time.monotonic() - started:.0f} s")
    return target


def inputs_digest(guest: Path, wit: Path) -> str:
    """A hash of all that decides about the component: sources, world, versions of the tools, and how it is made."""
    digest = hashlib.sha256()
    for tool in _TOOLS:
        digest.update(f"{tool} {version(tool)}\n".encode())
    for path in (Path(__file__), Path(build_linking.__file__), wit, *_sources(guest)):
        digest.update(f"{path.name} {len(path.read_bytes())}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(guest: Path) -> list[Path]:
    return sorted(path for path in guest.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _componentize(guest: Path, wit: Path, staging: Path) -> Path:
    """Stage the guest and what it needs where nothing else is, and run componentize-py there."""
    source, nothing, made = staging / "source", staging / "nothing", staging / "guest.wasm"
    without = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(guest, source / "guest", ignore=without)
    shutil.copytree(_package("tzdata"), source / "tzdata", ignore=without)
    # Otherwise it would take the modules of whatever environment it runs in.
    (nothing / "lib" / "python3" / "site-packages").mkdir(parents=True)
    command = [sys.executable, "-c", _RUN_TOOL, "--quiet", "--wit-path", str(wit), "--world", _WORLD]
    command += ["componentize", _MODULE, "--python-path", str(source), "--output", str(made)]
    result = subprocess.run(  # noqa: S603 - our own arguments
        command, check=False, stdout=sys.stderr, env={**os.environ, "VIRTUAL_ENV": str(nothing)}
    )
    if result.returncode != 0:
        raise SystemExit(f"componentize-py failed with status {result.returncode}; its own words are above")
    return made


class Image:
    """The interpreter's memory as it stands in a component: the data segments of one of its core modules.

    Addresses are the guest's. Changes are made in place: no length changes.
    """

    def __init__(self, component: bytearray) -> None:
        self._bytes = component
        self._segments = sorted(_data_segments(component))
        self._starts = [address for address, _, _ in self._segments]

    def make_objects_immortal(self) -> int:
        """Give each object that `guest/image.py` has marked the count of references that CPython never changes.

        A mark may have outlived its object: what stands there then has no count and no type, and is left.

        Returns: how many there are.
        Raises:
            SystemExit: the component is not what it is thought to be.
        """
        start = self._map()
        count = 0
        for address in self._marked(start):
            if self._is_object(address):
                at = self._place(address)
                self._bytes[at : at + 4] = _IMMORTAL.to_bytes(4, "little")
                count += 1
        for _, at, length in self._parts(start - len(_MAGIC), len(_MAGIC) + _MAP_BYTES):
            self._bytes[at : at + length] = bytes(length)
        return count

    def _map(self) -> int:
        """The address of the map."""
        place = self._bytes.find(_MAGIC)
        for address, at, length in self._segments:
            if at <= place < at + length:
                return address + place - at + len(_MAGIC)
        raise SystemExit("the component holds no map of its objects")

    def _marked(self, start: int) -> Iterator[int]:
        for address, at, length in self._parts(start, _MAP_BYTES):
            for offset, byte in enumerate(self._bytes[at : at + length], address - start):
                for bit in range(8) if byte else ():
                    if byte >> bit & 1:
                        yield (offset * 8 + bit) * _ALIGNMENT

    def _is_object(self, address: int) -> bool:
        """Whether there are a count of references and a type. What was freed begins with an address, or with 0."""
        count = self._word(address)
        return 0 < count < self._starts[0] and self._is_type(self._word(address + 4))

    def _is_type(self, address: int) -> bool:
        """Whether an object's type, its type's type and so on end at `type`, which is its own."""
        for _ in range(4):
            above = self._word(address + 4)
            if above == address:
                return address > 0
            address = above
        return False

    def _word(self, address: int) -> int:
        at = self._place(address)
        return int.from_bytes(self._bytes[at : at + 4], "little") if at else 0

    def _place(self, address: int) -> int:
        """Where the word at an address stands in the component; 0 if nowhere, being 0 itself."""
        start, at, length = self._segments[bisect_right(self._starts, address) - 1]
        return at + address - start if start <= address <= start + length - 4 else 0

    def _parts(self, address: int, length: int) -> Iterator[tuple[int, int, int]]:
        """The parts of a range of memory that are in the component: address, place, length. The others are 0."""
        for start, at, size in self._segments:
            first, last = max(start, address), min(start + size, address + length)
            if first < last:
                yield first, at + first - start, last - first


def _data_segments(component: bytes | bytearray) -> Iterator[tuple[int, int, int]]:
    """Address, place in the file and length of each, in whatever module."""
    for kind, start, end in sections(component, 8, len(component)):
        if kind == CORE_MODULE:
            for inner, at, _ in sections(component, start + 8, end):
                if inner == _DATA:
                    yield from _segments_of(component, at)


def _segments_of(module: bytes | bytearray, at: int) -> Iterator[tuple[int, int, int]]:
    count, at = number_at(module, at)
    for _ in range(count):
        # Active, in the first memory, at the value of `i32.const`.
        if module[at : at + 2] != b"\x00\x41":
            raise SystemExit("the component has a data segment of another kind than componentize-py makes")
        address, at = number_at(module, at + 2, signed=True)
        length, at = number_at(module, at + 1)
        yield address % 2**32, at, length
        at += length


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"the package {name} is missing; remedy: pip install {name}")
    return Path(spec.origin).parent


def _custom_section(digest: str) -> bytes:
    """A section that WebAssembly ignores: its id (0), its length, the length of its name, its name, what is in it."""
    content = bytes([len(_SECTION)]) + _SECTION + digest.encode("ascii")
    return bytes([_CUSTOM, len(content)]) + content


def _ends_with(path: Path, section: bytes) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-len(section), os.SEEK_END)
            return file.read() == section
    except OSError:
        return False


def _replace(made: Path, target: Path) -> None:
    """At once and whole, though the two may be on different file systems."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(made, beside)
    beside.replace(target)


def _say(line: str) -> None:
    print(f"isthmus: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the progress of a build


if __name__ == "__main__":
    build(Path(__file__).resolve().parent.parent, force="--force" in sys.argv[1:])
