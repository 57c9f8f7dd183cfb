"""JSON objects as programs see them: dicts whose fields answer to attributes too."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

_LEVELS = 3
_LOOKED_AT = 100
"""How deep, and at how many fields of each level, one looks for a name that is missing."""


class MissingKey(KeyError):
    """The KeyError of a Record, which knows the keys that there are."""

    def __init__(self, key: Any, record: Mapping[Any, Any]) -> None:
        super().__init__(key)
        self.record = record


MissingKey.__name__ = MissingKey.__qualname__ = "KeyError"  # programs need not know of it


class Record(dict[str, Any]):
    """A JSON object whose fields answer to attributes too: `issue.title` is `issue["title"]`.

    It is a dict in all else: equal to one, serialised as one, and copied and pickled to a plain one. A field called
    as a method of dict wins over the method where `items`, `keys` or `values` are concerned, and can still be called.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(missing_field(name, self), name=name, obj=self) from None

    def __missing__(self, key: Any) -> Any:
        raise MissingKey(key, self)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(missing_field(name, self), name=name, obj=self) from None

    def __dir__(self) -> list[str]:
        return [*(key for key in self if isinstance(key, str) and key.isidentifier()), *dir(dict)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (), None, None, iter(list(dict.items(self)))

    @property
    def items(self) -> Any:
        """The field `items` where there is one (Kubernetes, Google), callable as dict.items; else that method."""
        return _field_or_method(self, "items")

    @property
    def keys(self) -> Any:
        """The field `keys` where there is one, callable as dict.keys; else that method."""
        return _field_or_method(self, "keys")

    @property
    def values(self) -> Any:
        """The field `values` where there is one (Google Sheets), callable as dict.values; else that method."""
        return _field_or_method(self, "values")


class _CallableList(list[Any]):
    def __init__(self, value: Any, method: Callable[[], Any]) -> None:
        super().__init__(value)
        self._method = method

    def __call__(self) -> Any:
        return self._method()


class _CallableRecord(Record):
    __slots__ = ("_method",)

    def __init__(self, value: Any, method: Callable[[], Any]) -> None:
        super().__init__(value)
        object.__setattr__(self, "_method", method)

    def __call__(self) -> Any:
        return self._method()


class _CallableText(str):
    _method: Callable[[], Any]

    def __new__(cls, value: Any, method: Callable[[], Any]) -> _CallableText:
        text = super().__new__(cls, value)
        text._method = method
        return text

    def __call__(self) -> Any:
        return self._method()


class _CallableInteger(int):
    _method: Callable[[], Any]

    def __new__(cls, value: Any, method: Callable[[], Any]) -> _CallableInteger:
        number = super().__new__(cls, value)
        number._method = method
        return number

    def __call__(self) -> Any:
        return self._method()


class _CallableNothing:
    """Stands for None and booleans, which have no subclasses: as true, equal and empty as they are."""

    def __init__(self, value: Any, method: Callable[[], Any]) -> None:
        self._value = value
        self._method = method

    def __call__(self) -> Any:
        return self._method()

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return bool(self._value == other)

    def __hash__(self) -> int:
        return hash(self._value)

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __repr__(self) -> str:
        return repr(self._value)

    def __isthmus_value__(self) -> Any:
        return self._value


_CALLABLE: Mapping[type, Callable[[Any, Callable[[], Any]], Any]] = {
    list: _CallableList,
    dict: _CallableRecord,
    Record: _CallableRecord,
    str: _CallableText,
    int: _CallableInteger,
}


def _field_or_method(record: Record, name: str) -> Any:
    method: Callable[[], Any] = getattr(super(Record, record), name)
    if name not in record:
        return method
    value = record[name]
    return _CALLABLE.get(type(value), _CallableNothing)(value, method)


def missing_field(name: object, record: Mapping[Any, Any]) -> str:
    """The message for a field that is not there: where it stands deeper, or the nearest name; and those there are."""
    names = [key for key in dict.keys(record) if isinstance(key, str)] if isinstance(record, dict) else []
    deeper = [place] if isinstance(name, str) and (place := _deeper(name, record)) else []
    near = deeper or difflib.get_close_matches(str(name), names[:1000], n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    return f"no field {str(name)[:100]!r}{guess} (there are: {shown or 'none'})"


def _deeper(name: str, record: Mapping[Any, Any]) -> str:
    """Where a field of this very name stands within the fields of a record, as `user.login`; empty if nowhere near."""
    level: list[tuple[str, Any]] = [("", record)]
    for _ in range(_LEVELS):
        inner = [pair for place, value in level for pair in _inside(place, value)][:_LOOKED_AT]
        for place, _value in inner:
            if place.rpartition(".")[2] == name and "." in place:
                return place
        level = inner
    return ""


def _inside(place: str, value: Any) -> list[tuple[str, Any]]:
    """What stands in a record, or in the first of a list of records, under the path that leads there."""
    if isinstance(value, list) and value:
        place, value = f"{place}[0]", value[0]
    if not isinstance(value, dict):
        return []
    dot = "." if place else ""
    fields = islice(dict.items(value), _LOOKED_AT)
    return [(f"{place}{dot}{key}", each) for key, each in fields if isinstance(key, str) and len(key) <= 60]
