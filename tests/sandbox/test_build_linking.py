"""Settling addresses: what becomes a constant in the libraries' code, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import build_linking

wasmtime = pytest.importorskip("wasmtime")


MAIN = """
(core module $main
  (memory (export "memory") 1)
  (global (export "__stack_pointer") (mut i32) (i32.const 4096))
  (global (export "lib:memory_base") i32 (i32.const 1000))
  (global (export "lib:data") (mut i32) (i32.const -2)))
"""

LIBRARY = """
(core module $library
  (import "env" "__memory_base" (global $base i32))
  (import "GOT.mem" "data" (global $data (mut i32)))
  (import "env" "__stack_pointer" (global $stack (mut i32)))
  (global $own i32 (i32.add (global.get $base) (i32.const 24)))
  (global $counter (mut i32) (i32.const 5))
  (func (export "run") (param i32) (result i32) (local i64 f64)
    (local.set 2 (f64.const 2.5))
    (local.set 1 (i64.extend_i32_s (i32.trunc_sat_f64_s (local.get 2))))
    (global.set $counter (i32.add (global.get $counter) (i32.const 1)))
    (block $a (block $b (block $c (br_table $a $b $c (local.get 0)))
      (return (global.get $base)))
      (return (global.get $data)))
    {body}))
"""

WIRED = """
(component
  {main}
  {library}
  (core instance $m (instantiate $main))
  (alias core export $m "lib:memory_base" (core global $memory_base))
  (alias core export $m "lib:data" (core global $data))
  (alias core export $m "__stack_pointer" (core global $stack))
  (core instance $env (export "__memory_base" (global $memory_base)) (export "__stack_pointer" (global $stack)))
  (core instance $got (export "data" (global $data)))
  (core instance $l (instantiate $library (with "env" (instance $env)) (with "GOT.mem" (instance $got))))
  (alias core export $l "run" (core func $run))
  (type $shape (func (param "case" u32) (result u32)))
  (func $lifted (type $shape) (canon lift (core func $run)))
  (export "run" (func $lifted)))
"""

SUM = "(i32.add (i32.add (global.get $own) (global.get $stack)) (global.get $counter))"


def component(body: str = SUM, main: str = MAIN) -> bytes:
    return bytes(wasmtime.wat2wasm(WIRED.format(main=main, library=LIBRARY.format(body=body))))


def answers(binary: bytes) -> list[int]:
    from wasmtime import component as wasm

    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    run = wasm.Linker(engine).instantiate(store, wasm.Component(engine, binary)).get_func(store, "run")
    assert run is not None
    found = []
    for case in (0, 1, 2, 0):
        found.append(run(store, case))
        run.post_return(store)
    return found


def reads_of_globals(binary: bytes) -> int:
    """How many there are in the library's code."""
    return binary[binary.index(b"run\x00") :].count(b"\x23")


def test_a_library_whose_addresses_are_settled_does_what_it_did() -> None:
    plain = component()
    settled = build_linking.settle_addresses(plain)
    assert answers(plain) == answers(settled) == [1024 + 4096 + 6, 2**32 - 2, 1000, 1024 + 4096 + 9]
    assert reads_of_globals(plain) - reads_of_globals(settled) == 3  # $base, $data, $own; not $stack or $counter


def test_settling_again_changes_nothing() -> None:
    settled = build_linking.settle_addresses(component())
    assert build_linking.settle_addresses(settled) == settled


def test_a_library_that_changes_an_address_is_refused() -> None:
    with pytest.raises(SystemExit, match="changes an address"):
        build_linking.settle_addresses(component("(global.set $data (i32.const 1)) (i32.const 0)"))


def test_an_instruction_that_is_not_known_is_refused() -> None:
    with pytest.raises(SystemExit, match="not known here: 0xfd"):
        build_linking.settle_addresses(component("(i32x4.extract_lane 0 (v128.const i32x4 1 2 3 4))"))


def test_a_module_that_still_has_to_start_is_refused() -> None:
    with pytest.raises(SystemExit, match="its linking is not done"):
        build_linking.settle_addresses(component(main=MAIN.replace("(memory", "(func $begin) (start $begin) (memory")))


@given(st.integers(-(2**31), 2**31 - 1))
def test_a_constant_is_written_as_it_is_read(value: int) -> None:
    written = build_linking._signed(value % 2**32)
    assert build_linking.number_at(written, 0, signed=True) == (value, len(written))


@given(st.integers(0, 2**32 - 1))
def test_a_length_is_written_as_it_is_read(value: int) -> None:
    written = build_linking._unsigned(value)
    assert build_linking.number_at(written, 0) == (value, len(written))
