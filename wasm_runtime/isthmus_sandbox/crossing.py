"""One text in, one text out: how the border of a guest is crossed, in both directions.

wasmtime-py can do it for any type, at a price: it asks for the function's type, and makes a class of ctypes for each
length of text, every time. Guests know one kind of function, so this is all that they need.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import component as wasm

from isthmus_sandbox.exits import Exit
from isthmus_sandbox.wire import end

_Value = ffi.wasmtime_component_val_t
_Texts = ffi.wasm_byte_vec_t
_IN_VALUE = _Value.of.offset
_STRING = ffi.WASMTIME_COMPONENT_STRING.value

_WORD, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_Callback = ctypes.CFUNCTYPE(_SIZE, _WORD, _WORD, _WORD, _WORD, _SIZE, _WORD, _SIZE)


def _function(name: str, result: type | None, *arguments: type) -> Callable[..., int]:
    """A function of Wasmtime's C API, with types of our own: pointers are plain addresses."""
    found = ffi.dll[name]
    found.restype, found.argtypes = result, arguments
    return found


_new_bytes = _function("wasm_byte_vec_new", None, _WORD, _SIZE, ctypes.c_char_p)
_delete_bytes = _function("wasm_byte_vec_delete", None, _WORD)
_call = _function("wasmtime_component_func_call", _WORD, _WORD, _WORD, _WORD, _SIZE, _WORD, _SIZE)
_add = _function(
    "wasmtime_component_linker_instance_add_func", _WORD, _WORD, ctypes.c_char_p, _SIZE, _Callback, _WORD, _WORD
)


class Export:
    """A function of a component that takes a text and gives a text."""

    __slots__ = ("_addresses", "_argument", "_function", "_result")

    def __init__(self, function: wasm.Func, store: wasmtime.Store) -> None:
        self._function = function
        self._argument, self._result = _Value(), _Value()
        addresses = map(ctypes.addressof, (function._func, store._context().contents, self._argument, self._result))  # noqa: SLF001 - there is no other way to them
        self._addresses = tuple(addresses)

    def __call__(self, text: str) -> str:
        """Enter the component. Raises what wasmtime-py raises of a trap."""
        function, store, argument, result = self._addresses
        _put(argument, text)
        error = _call(function, store, argument, 1, result, 1)
        _delete_bytes(argument + _IN_VALUE)
        if error:
            raise wasmtime.WasmtimeError._from_ptr(ctypes.cast(error, ctypes.POINTER(ffi.wasmtime_error_t)))  # noqa: SLF001 - as wasmtime-py does
        return _take(result)


def add_import(instance: wasm.LinkerInstance, name: str, function: Callable[[str], str]) -> object:
    """Let a component import a function that takes a text and gives a text. If `function` raises, this process ends.

    Returns: what must live as long as the component.
    """

    def answer(_data: int, _store: int, _type: int, arguments: int, _n: int, results: int, _m: int) -> int:
        try:
            _put(results, function(_take(arguments)))
        except MemoryError:
            end(Exit.MEMORY)
        except BaseException:  # noqa: BLE001 - there is nobody to raise it to
            end(Exit.FAULT)
        return 0

    callback = _Callback(answer)
    encoded = name.encode()
    error = _add(ctypes.addressof(instance.ptr().contents), encoded, len(encoded), callback, None, None)
    if error:
        raise wasmtime.WasmtimeError._from_ptr(ctypes.cast(error, ctypes.POINTER(ffi.wasmtime_error_t)))  # noqa: SLF001 - as wasmtime-py does
    return callback


def _put(value: int, text: str) -> None:
    """Make a value, of which nothing was there, a text."""
    data = text.encode("utf-8")
    ctypes.c_uint8.from_address(value).value = _STRING
    _new_bytes(value + _IN_VALUE, len(data), data)


def _take(value: int) -> str:
    """The text that a value is; the value is empty then."""
    found = _Texts.from_address(value + _IN_VALUE)
    text = ctypes.string_at(found.data, found.size).decode("utf-8")
    _delete_bytes(value + _IN_VALUE)
    return text
