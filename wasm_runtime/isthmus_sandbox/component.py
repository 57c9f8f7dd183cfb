"""The guest as a file: where it is, and all that decides about its compiled form."""

from __future__ import annotations

import hashlib
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from isthmus_sandbox.cache_files import sha256_of
from isthmus_sandbox.protocol import SandboxUnavailable
from isthmus_sandbox.settings import MIB

WASM_STACK = 64 * MIB
"""What guest code may use of the thread's stack: enough for Python's own limits to be met first in most recursions.

CPython counts its shadow stack in linear memory, of which there is 1 MB; a level of its C code can take up fifty times
as much here. Memory is taken by those who recurse so deeply, and by nobody else.
"""

THREAD_STACK = 96 * MIB
"""What the thread that enters the guest must have: host functions run on the rest of it."""

FEATURES_OFF = (
    "wasm_threads",
    "shared_memory",
    "wasm_memory64",
    "wasm_relaxed_simd",
    "wasm_stack_switching",
    "wasm_wide_arithmetic",
    "wasm_custom_page_sizes",
    "epoch_interruption",
    "consume_fuel",
)
"""Switches of Wasmtime's configuration."""


def shipped() -> Path:
    """The component that came with this package.

    Raises:
        SandboxUnavailable: it was not built.
    """
    path = Path(__file__).resolve().with_name("guest.wasm")
    if not path.is_file():
        raise SandboxUnavailable(
            f"the guest component is missing ({path}); remedy: python wasm_runtime/build_component.py, "
            "or install the package again"
        )
    return path


def compiled_name(component: Path) -> str:
    """The name under which the compiled component is kept: a hash of all that decides about it. Reads the file.

    Raises:
        SandboxUnavailable: it cannot be read.
    """
    try:
        source = sha256_of(component)
    except OSError as error:
        raise SandboxUnavailable(f"the guest component {component} cannot be read: {error.strerror}") from None
    parts = [source, version("wasmtime"), str(WASM_STACK), *FEATURES_OFF, sys.platform, platform.machine()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32] + ".cwasm"
