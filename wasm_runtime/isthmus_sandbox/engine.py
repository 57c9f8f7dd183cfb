"""Wasmtime: the one module that knows it.

The engine has no epochs and no fuel, since a guest is stopped by ending its process, and the fewest features that
the component needs. Its settings are part of the key of the compiled component.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import wasmtime
from wasmtime import _ffi as ffi  # the size of the asynchronous stack has no other setter
from wasmtime import component as wasm

from isthmus_sandbox.component import FEATURES_OFF, WASM_STACK
from isthmus_sandbox.crossing import Export, add_import
from isthmus_sandbox.exits import Exit
from isthmus_sandbox.settings import MIB
from isthmus_sandbox.wall import WallClock
from isthmus_sandbox.wire import end

Exchange = Callable[[str], str]
"""Takes a step's JSON text, gives the events'. Never raises: it ends the process instead."""

GUEST_WORKSPACE = "/workspace"

_RANDOM = "wasi:random/random@"
_VERSIONS = ("0.2.0", "0.2.9")
_MOST_RANDOM = 64 * 1024  # bytes at once: each costs a microsecond here
_WALL = "wasi:clocks/wall-clock@"


def make_engine(*, compiling: bool = False) -> wasmtime.Engine:
    """The engine. Only the process that compiles has threads."""
    config = wasmtime.Config()
    for feature in FEATURES_OFF:
        setattr(config, feature, False)
    config.parallel_compilation = compiling
    # An engine refuses a stack larger than its asynchronous one, though nothing asynchronous is used here.
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), ctypes.c_size_t(WASM_STACK + 2 * MIB))
    config.max_wasm_stack = WASM_STACK
    return wasmtime.Engine(config)


def compile_component(source: Path) -> bytes:
    """Machine code for this processor, as `load` takes it. Takes several seconds and all processors."""
    return bytes(wasm.Component.from_file(make_engine(compiling=True), source).serialize())


class Guest:
    """One instance of the component."""

    __slots__ = ("_imported", "_run", "_store", "exchange", "wall")

    def __init__(self, compiled: Path, *, memory_bytes: int, workspace: Path, exchange: Exchange) -> None:
        """Open a compiled component, which is trusted, and instantiate it.

        Raises:
            RuntimeError: it cannot be opened, or does not fit in the memory.
        """
        self.exchange = exchange
        self.wall = WallClock()
        engine = make_engine()
        try:
            opened = wasm.Component.deserialize_file(engine, str(compiled))
            self._store = _store(engine, memory_bytes, workspace)
            instance = self._linker(engine).instantiate(self._store, opened)
        except wasmtime.WasmtimeError as error:
            raise RuntimeError(str(error)) from None
        run = instance.get_func(self._store, "run")
        if run is None:
            raise RuntimeError("the component has no export named run")
        self._run = Export(run, self._store)

    def run(self, program: str) -> str:
        """Enter the guest. Ends the process if the guest traps."""
        try:
            return self._run(program)
        except MemoryError:
            end(Exit.MEMORY)
        except wasmtime.ExitTrap:
            end(Exit.EXITED)
        except wasmtime.WasmtimeError as error:
            end(Exit.STACK if "call stack exhausted" in str(error) else Exit.TRAP)

    def _linker(self, engine: wasmtime.Engine) -> wasm.Linker:
        linker = wasm.Linker(engine)
        linker.add_wasip2()
        linker.allow_shadowing = True
        with linker.root() as root:
            self._imported = add_import(root, "exchange", lambda step: self.exchange(step))  # noqa: PLW0108 - it changes
            for each in _VERSIONS:
                with root.add_instance(_RANDOM + each) as random:
                    random.add_func("get-random-bytes", _random_bytes)
                    random.add_func("get-random-u64", _random_u64)
                with root.add_instance(_WALL + each) as clock:
                    clock.add_func("now", self._now)
                    clock.add_func("resolution", lambda _store: _moment(1))
        return linker

    def _now(self, _store: wasmtime.StoreContext) -> wasm.Record:
        return _moment(self.wall.read())


def _moment(ms: int) -> wasm.Record:
    """WASI's record `datetime`."""
    moment = wasm.Record()
    vars(moment).update(seconds=ms // 1000, nanoseconds=ms % 1000 * 1_000_000)
    return moment


def _store(engine: wasmtime.Engine, memory_bytes: int, workspace: Path) -> wasmtime.Store:
    wasi = wasmtime.WasiConfig()  # no arguments, environment or input; what is written to its streams is dropped
    wasi.preopen_dir(str(workspace), GUEST_WORKSPACE)
    store = wasmtime.Store(engine)
    store.set_wasi(wasi)
    store.set_limits(memory_size=memory_bytes, table_elements=100_000, instances=100, tables=100, memories=20)
    return store


def _random_bytes(_store: wasmtime.StoreContext, length: int) -> bytes:
    """The system's, asked anew each time. WASI's own generator is seeded once, and a fork would share its state."""
    if length > _MOST_RANDOM:
        end(Exit.TRAP)
    return os.urandom(length)


def _random_u64(_store: wasmtime.StoreContext) -> int:
    return int.from_bytes(os.urandom(8), "little")
