"""Settle the addresses of the libraries in a component: see `settle_addresses`. And the binary format that this needs.

What a module consists of is defined in https://webassembly.github.io/spec/core/binary, what a component in
https://github.com/WebAssembly/component-model, Binary.md, and what the linker does in
https://github.com/WebAssembly/tool-conventions, DynamicLinking.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

CORE_MODULE, _CORE_INSTANCE, _ALIAS = 1, 2, 6  # sections of a component
_IMPORT, _GLOBAL, _EXPORT, _START, _CODE = 2, 6, 7, 8, 10  # sections of a module
_FUNCTIONS, _TABLES, _GLOBALS = 0, 1, 3  # kinds of what a module imports and exports
_I32_CONST, _I32_ADD, _GLOBAL_GET, _GLOBAL_SET, _BR_TABLE, _END = 0x41, 0x6A, 0x23, 0x24, 0x0E, 0x0B

_GOT = ("GOT.mem", "GOT.func")
"""Modules by the names of which libraries import addresses of data, and places of functions in the table."""
_BASES = (("env", "__memory_base"), ("env", "__table_base"))

_LEB = rb"[\x80-\xff]*+[\x00-\x7f]"
_PLAIN = re.compile(
    rb"(?:"
    rb"[\x00\x01\x05\x0b\x0f\x1a\x1b\x45-\xc4\xd1]"  # nothing follows: control, drop, select, arithmetic
    rb"|[\x02-\x04\x0c\x0d\x10\x12\x20-\x22\x25\x26\x3f-\x42\xd0\xd2]" + _LEB +  # blocks, calls, locals, constants
    rb"|[\x11\x13\x28-\x3e]" + _LEB + _LEB +  # indirect calls, loads, stores
    rb"|\x43.{4}|\x44.{8}|\x1c\x01."  # floating-point constants, select with a type
    rb"|\xfc(?:[\x00-\x07]|[\x09\x0b\x0d\x0f-\x11]" + _LEB + rb"|[\x08\x0a\x0c\x0e]" + _LEB + _LEB + rb")"
    rb")++",
    re.DOTALL,
)  # fmt: skip
"""A run of instructions: all but `global.get`, `global.set`, `br_table`, and some that the libraries do not contain."""


def settle_addresses(component: bytes) -> bytes:
    """Write addresses into the libraries' code, in place of the variables that it reads them from.

    The libraries are made to be loaded at any address, and read each from a variable that the linker sets. In this
    component the linker's work is done and part of the image. What the compiler sees as a constant needs no load, and
    folds into what is computed with it.

    Raises:
        SystemExit: the component is not what it is thought to be.
    """
    try:
        addresses = _Wiring(component).addresses()
    except (LookupError, RecursionError):
        raise SystemExit("the libraries in the component are linked in another way than componentize-py does") from None
    settled, made = iter(addresses), bytearray(component[:8])
    for kind, start, end in sections(component, 8, len(component)):
        content = component[start:end]
        made += _section(kind, _settled(content, next(settled)) if kind == CORE_MODULE else content)
    return bytes(made)


def _settled(module: bytes, addresses: dict[int, int]) -> bytes:
    """A core module in whose code the globals of these indices are the values that they have."""
    if not addresses:
        return module
    constants = {index: bytes([_I32_CONST]) + _signed(value) for index, value in addresses.items()}
    made = bytearray(module[:8])
    for kind, start, end in sections(module, 8, len(module)):
        if kind != _CODE:
            made += _section(kind, module[start:end])
            continue
        count, at = number_at(module, start)
        code = bytearray(_unsigned(count))
        for _ in range(count):
            length, at = number_at(module, at)
            body = _settled_body(module, at, at + length, constants)
            code += _unsigned(len(body)) + body
            at += length
        made += _section(kind, code)
    return bytes(made)


def _settled_body(module: bytes, start: int, end: int, constants: dict[int, bytes]) -> bytes:
    """The body of one function: its variables, then its instructions."""
    count, at = number_at(module, start)
    for _ in range(count):
        at = number_at(module, at)[1] + 1  # so many, of a type
    body = bytearray(module[start:at])
    while at < end:
        first, opcode = at, module[at]
        if plain := _PLAIN.match(module, at, end):
            at = plain.end()
        elif opcode == _GLOBAL_GET:
            index, at = number_at(module, at + 1)
            if index in constants:
                body += constants[index]
                continue
        elif opcode == _GLOBAL_SET:
            index, at = number_at(module, at + 1)
            if index in constants:
                raise SystemExit("a library in the component changes an address that the linker has set")
        elif opcode == _BR_TABLE:
            labels, at = number_at(module, at + 1)
            for _ in range(labels + 1):
                _, at = number_at(module, at)
        else:
            raise SystemExit(f"the component contains an instruction that is not known here: {opcode:#x}")
        body += module[first:at]
    return bytes(body)


@dataclass(frozen=True, slots=True)
class _Global:
    """A global that a module defines: its first value is an expression."""

    changes: bool
    expression: bytes


class _Module:
    """What a core module says of its globals. Imported ones have the first indices."""

    def __init__(self, binary: bytes, start: int, end: int) -> None:
        self.globals: list[tuple[str, str] | _Global] = []
        self.exports: dict[str, int] = {}
        for kind, at, _ in sections(binary, start + 8, end):
            if kind == _IMPORT:
                self.globals += _imported_globals(binary, at)
            elif kind == _GLOBAL:
                self.globals += _defined_globals(binary, at)
            elif kind == _EXPORT:
                self.exports = dict(_exported_globals(binary, at))
            elif kind == _START:
                raise SystemExit("a module of the component starts by itself: its linking is not done")


class _Wiring:
    """How the globals of a component's core modules are joined: which instance has what from which."""

    def __init__(self, component: bytes) -> None:
        self._modules: list[_Module] = []
        self._instances: list[int | dict[str, int]] = []  # of a module; or globals under other names
        self._arguments: dict[int, dict[str, int]] = {}  # of a module's instance: names of instances
        self._aliases: list[tuple[int, str]] = []  # global of an instance
        for kind, start, end in sections(component, 8, len(component)):
            if kind == CORE_MODULE:
                self._modules.append(_Module(component, start, end))
            elif kind == _CORE_INSTANCE:
                self._read_instances(component, start)
            elif kind == _ALIAS:
                self._aliases += _aliased_globals(component, start)

    def addresses(self) -> list[dict[int, int]]:
        """For each module, the globals that are addresses: by index, their values."""
        return [
            {index: self._value(number, index) for index, each in enumerate(module.globals) if _is_address(each)}
            for number, module in enumerate(self._modules)
        ]

    def _value(self, module: int, index: int) -> int:
        found = self._modules[module].globals[index]
        if isinstance(found, _Global):
            return self._computed(module, found.expression)
        instance, name = found
        return self._exported(self._arguments[module][instance], name)

    def _exported(self, instance: int, name: str) -> int:
        made = self._instances[instance]
        if isinstance(made, int):
            return self._value(made, self._modules[made].exports[name])
        return self._exported(*self._aliases[made[name]])

    def _computed(self, module: int, expression: bytes) -> int:
        """The value of constants and globals that are added."""
        stack: list[int] = []
        at = 0
        while (opcode := expression[at]) != _END:
            if opcode == _I32_ADD:
                stack.append(stack.pop() + stack.pop())
                at += 1
                continue
            number, at = number_at(expression, at + 1, signed=opcode == _I32_CONST)
            stack.append(number if opcode == _I32_CONST else self._value(module, number))
        return stack.pop() % 2**32

    def _read_instances(self, component: bytes, at: int) -> None:
        count, at = number_at(component, at)
        for _ in range(count):
            of_module, at = component[at] == 0, at + 1
            module, at = number_at(component, at) if of_module else (0, at)
            parts, at = number_at(component, at)
            named: dict[str, int] = {}
            for _ in range(parts):
                name, at = _name(component, at)
                kind, (number, at) = component[at], number_at(component, at + 1)
                if of_module or kind == _GLOBALS:
                    named[name] = number
            if of_module:
                if module in self._arguments:
                    raise SystemExit("a module of the component has two instances")
                self._arguments[module] = named
            self._instances.append(module if of_module else named)


def _is_address(each: tuple[str, str] | _Global) -> bool:
    """Whether a global is an address that the linker has set, or is computed from such and never changes."""
    if isinstance(each, _Global):
        return not each.changes
    return each[0] in _GOT or each in _BASES


def _imported_globals(module: bytes, at: int) -> Iterator[tuple[str, str]]:
    count, at = number_at(module, at)
    for _ in range(count):
        origin, at = _name(module, at)
        name, at = _name(module, at)
        kind, at = module[at], at + 1
        if kind == _GLOBALS:
            yield origin, name
            at += 2  # type, whether it changes
        elif kind == _FUNCTIONS:
            _, at = number_at(module, at)
        else:
            at += kind == _TABLES
            bounded = module[at] & 1
            for _ in range(2 + bounded):
                _, at = number_at(module, at)  # flags, fewest, most


def _defined_globals(module: bytes, at: int) -> Iterator[_Global]:
    count, at = number_at(module, at)
    for _ in range(count):
        changes, start = module[at + 1] == 1, at + 2
        end = start
        while module[end] != _END:
            end = end + 1 if module[end] == _I32_ADD else number_at(module, end + 1)[1]
        yield _Global(changes, module[start : end + 1])
        at = end + 1


def _exported_globals(module: bytes, at: int) -> Iterator[tuple[str, int]]:
    count, at = number_at(module, at)
    for _ in range(count):
        name, at = _name(module, at)
        kind, (index, at) = module[at], number_at(module, at + 1)
        if kind == _GLOBALS:
            yield name, index


def _aliased_globals(component: bytes, at: int) -> Iterator[tuple[int, str]]:
    """An alias has a kind (of the core: two bytes), then 0 or 1, an instance and a name; or else 2 and two numbers."""
    count, at = number_at(component, at)
    for _ in range(count):
        core = component[at] == 0
        is_global = core and component[at + 1] == _GLOBALS
        at += 1 + core
        named, (instance, at) = component[at] < 2, number_at(component, at + 1)
        if named:
            name, at = _name(component, at)
            if is_global:
                yield instance, name
        else:
            _, at = number_at(component, at)


def sections(binary: bytes | bytearray, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Kind, start and end of each section of a component or module."""
    while at < end:
        length, start = number_at(binary, at + 1)
        yield binary[at], start, start + length
        at = start + length


def _section(kind: int, content: bytes | bytearray) -> bytes:
    return bytes([kind]) + _unsigned(len(content)) + content


def _name(binary: bytes, at: int) -> tuple[str, int]:
    """A text, and where it ends."""
    length, at = number_at(binary, at)
    return binary[at : at + length].decode(), at + length


def _unsigned(value: int) -> bytes:
    """A number in LEB128."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _signed(value: int) -> bytes:
    """A word of 32 bits in LEB128: one that is written with a sign."""
    value, made = (value ^ 2**31) - 2**31, bytearray()
    while not -0x40 <= value < 0x40:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value & 0x7F])


def number_at(binary: bytes | bytearray, at: int, *, signed: bool = False) -> tuple[int, int]:
    """A number in LEB128, and where it ends."""
    value = shift = 0
    while True:
        byte = binary[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return (value - (1 << shift) if signed and byte & 0x40 else value), at
