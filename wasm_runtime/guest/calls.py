"""Calls as programs see them: awaitable, and without `await` as good as the data they come to.

A `Call` waits when it is touched: compared, indexed, printed, iterated, asked for its class. Three things of
Python cannot be overridden by an object, and the program's compiler helps there (see `program`): `is`, the
subject of `match`, and being a statement of its own (a call that is made for its effect alone ends where it
stands). Where C code insists on a true str (`", ".join(calls)`), only `await` helps; the hint says so.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

from guest.loop import Pending
from guest.values import settled

_MACHINERY = frozenset(
    {
        *("asyncio.base_futures", "asyncio.coroutines", "asyncio.futures", "asyncio.locks", "asyncio.queues"),
        *("asyncio.runners", "asyncio.taskgroups", "asyncio.tasks", "asyncio.timeouts", "inspect", __name__),
        *("guest.loop", "guest.values", "guest.patches"),
    }
)
"""Modules that ask what an object is in order to await it. They are told the truth: a Call."""


class Call:
    """A call that was made. `await` it, or use it as the data that it comes to."""

    __slots__ = ("_pending",)
    _pending: Pending

    def __init__(self, pending: Pending) -> None:
        object.__setattr__(self, "_pending", pending)

    def __await__(self) -> Generator[Any, None, Any]:
        return pending_of(self).wait()

    def __aiter__(self) -> AsyncIterator[Any]:
        return Items(pending_of(self))

    def __isthmus_value__(self) -> Any:
        return pending_of(self).result()

    def __isthmus_abandon__(self) -> None:
        pending_of(self).abandon()

    @property  # type: ignore[misc]  # the class of what it comes to, read only
    def __class__(self) -> type:
        if _asked_by_machinery():
            return Call
        return type(pending_of(self).result())

    def __hash__(self) -> int:
        if _asked_by_machinery():
            return object.__hash__(self)
        return hash(pending_of(self).result())

    def __getattr__(self, name: str) -> Any:
        return getattr(pending_of(self).result(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(pending_of(self).result(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(pending_of(self).result(), name)

    def __repr__(self) -> str:
        return repr(pending_of(self).result())

    def __dir__(self) -> list[str]:
        return dir(pending_of(self).result())

    def __reduce_ex__(self, protocol: Any) -> Any:
        return settled, (pending_of(self).result(),)

    def __copy__(self) -> Any:
        return pending_of(self).result()

    def __deepcopy__(self, memo: Any) -> Any:
        from copy import deepcopy

        return deepcopy(pending_of(self).result(), memo)

    def __iter__(self) -> Iterator[Any]:
        return iter(pending_of(self).result())


pending_of: Callable[[Call], Pending] = vars(Call)["_pending"].__get__
"""What stands behind a call; reading it does not wait."""


class Items:
    """The elements of a call as they come, for `async for`. Left before its end, it abandons the call."""

    def __init__(self, pending: Pending) -> None:
        self._pending = pending

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return await self._pending.next_item()

    def __del__(self) -> None:
        self._pending.abandon()


def _asked_by_machinery() -> bool:
    """Whether the code that touches a Call wants to await it, rather than to use it as data."""
    frame = sys._getframe(2)  # noqa: SLF001 (who asks is the question)
    name = frame.f_globals.get("__name__")
    if name == "abc" and frame.f_back is not None:  # `isinstance` with an abstract class
        name = frame.f_back.f_globals.get("__name__")
    return name in _MACHINERY


_UNARY: dict[str, Callable[[Any], Any]] = {
    **{f"__{name}__": function for name, function in (("len", len), ("str", str), ("bytes", bytes), ("bool", bool))},
    **{f"__{name}__": function for name, function in (("int", int), ("float", float), ("complex", complex))},
    **{f"__{name}__": getattr(operator, name) for name in ("neg", "pos", "invert", "abs", "index")},
    **{f"__{name}__": getattr(math, name) for name in ("trunc", "floor", "ceil")},
    "__reversed__": reversed,
    "__next__": next,
    "__length_hint__": operator.length_hint,
    "__fspath__": lambda value: value.__fspath__() if hasattr(value, "__fspath__") else _text_path(value),
    "__sizeof__": sys.getsizeof,
}
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    **{f"__{name}__": getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "contains")},
    "__getitem__": operator.getitem,
    "__delitem__": operator.delitem,
    "__round__": round,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")},
    **{name: getattr(operator, name) for name in ("lshift", "rshift", "matmul")},
    **{name: getattr(operator, f"{name}_") for name in ("and", "or")},
    "xor": operator.xor,
    "divmod": divmod,
}


def _text_path(value: Any) -> str | bytes:
    if isinstance(value, (str, bytes)):
        return value
    raise TypeError(f"expected str, bytes or os.PathLike object, not {type(value).__name__}")


def _unary(function: Callable[[Any], Any]) -> Callable[[Call], Any]:
    return lambda self: function(pending_of(self).result())


def _binary(function: Callable[[Any, Any], Any]) -> Callable[[Call, Any], Any]:
    return lambda self, other: function(pending_of(self).result(), settled(other))


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Call, Any], Any]:
    return lambda self, other: function(settled(other), pending_of(self).result())


def _round(self: Call, digits: int | None = None) -> Any:
    return round(pending_of(self).result(), digits)


def _format(self: Call, specification: str) -> str:
    return format(pending_of(self).result(), specification)


def _set_item(self: Call, key: Any, value: Any) -> None:
    pending_of(self).result()[settled(key)] = value


def _buffer(self: Call, _flags: int) -> memoryview:
    return memoryview(pending_of(self).result())


def _forward_special_methods() -> None:
    for name, one in _UNARY.items():
        setattr(Call, name, _unary(one))
    for name, two in _BINARY.items():
        setattr(Call, name, _binary(two))
    for name, two in _ARITHMETIC.items():
        setattr(Call, f"__{name}__", _binary(two))
        setattr(Call, f"__r{name}__", _reflected(two))
    for name, special in (("round", _round), ("format", _format), ("setitem", _set_item), ("buffer", _buffer)):
        setattr(Call, f"__{name}__", special)


_forward_special_methods()


def identical(value: Any) -> Any:
    """What a call came to: the compiler puts this around what objects cannot do for themselves (see `program`)."""
    return pending_of(value).result() if type(value) is Call else value
