"""Plain data, made safe: what may cross between the server, its guests and the libraries beside them.

Plain is None, bool, int (64 bits, signed), float (finite), str (no lone surrogate), list, dict with str keys, and
bytes anywhere. Containers nest at most `MAX_DEPTH` deep: 1 for `[]`, 2 for `[[]]`.

`check` refuses what is not plain, and says where it stands; `clean` mends it:

    >>> check({"a": [1, float("nan")]}, "arguments")
    Traceback (most recent call last):
    ValueError: arguments["a"][1]: nan is not a finite number
    >>> clean({"a": [1, float("nan")], 2: "b"})
    {'a': [1, 'nan'], '2': 'b'}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from isthmus_sandbox.protocol import MAX_DEPTH

MAX_VALUES = 5_000_000
"""Values in one piece of data, counted as they are met: shared parts count again, as they would in JSON."""

FOREIGN = 20
"""Values for which `clean` counts one of a foreign class: it takes so many times as long to mend."""

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_TEXT_ONLY: frozenset[type] = frozenset({str})
_TEXT_OF_OBJECT = 10_000  # characters kept of an object that is no data


def check(value: Any, name: str = "value", *, wrapping: int = 0) -> None:
    """See that a value is plain. So many containers around it as `wrapping` says are not counted in its depth.

    Raises:
        ValueError: it is not; the message begins with the place, such as `arguments["a"][3]`.
    """
    try:
        _Checker().visit(value, -wrapping)
    except _Fault as fault:
        place = "".join(_subscript(key) for key in reversed(fault.path))
        raise ValueError(f"{name}{place}: {fault.problem}") from None


def clean(value: Any) -> Any:
    """The value made plain. What is plain already is returned as it is, without a copy.

    A lone surrogate becomes an escape in the text, a number that does not fit its text, a key its text; what is
    too deep, a cycle, or beyond `MAX_VALUES` becomes a marker in angle brackets. Never raises.
    """
    return _Cleaner().clean(value, 1)


def is_large(value: Any, most: int = 20_000) -> bool:
    """Whether a value holds more than so many values, or texts of a thousand times as many characters.

    To read or to write such a one takes long enough to be noticed by others.
    """
    waiting, seen = [value], 0
    for item in waiting:  # which grows meanwhile
        kind = type(item)
        if kind is dict or kind is list:
            seen += len(item)
            if seen > most:
                return True
            waiting.extend(item.values() if kind is dict else item)
        elif (kind is str or kind is bytes) and len(item) >= 1_000:
            seen += len(item) // 1_000
    return seen > most


def clean_text(text: str) -> str:
    """The text with each lone surrogate written as an escape."""
    if text.isascii() or not _has_surrogate(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _has_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _subscript(key: str | int) -> str:
    return f"[{key}]" if isinstance(key, int) else f'["{clean_text(key[:80])}"]'


class _Fault(Exception):
    """Something is not plain. The path grows from the inside out while the fault rises."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str | int] = []


class _Checker:
    """One pass over one piece of data."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def visit(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind is str:
            if not value.isascii() and _has_surrogate(value):
                raise _Fault("the text holds a lone surrogate")
        elif kind is dict or kind is list:
            self._enter(value, depth + 1)
            (self._visit_dict if kind is dict else self._visit_list)(value, depth + 1)
        elif kind is int:
            if not _SMALLEST <= value <= _LARGEST:
                raise _Fault("the integer does not fit in 64 bits")
        elif kind is float:
            if not isfinite(value):
                raise _Fault(f"{value} is not a finite number")
        elif value is not None and kind is not bool and kind is not bytes:
            raise _Fault(f"{kind.__name__} is not plain data")

    def _enter(self, value: dict[Any, Any] | list[Any], depth: int) -> None:
        self._left -= len(value)
        if depth > MAX_DEPTH:
            raise _Fault(f"nested more than {MAX_DEPTH} deep")
        if self._left < 0:
            raise _Fault(f"more than {MAX_VALUES} values")

    def _visit_list(self, value: list[Any], depth: int) -> None:
        for place, item in enumerate(value):
            try:
                self.visit(item, depth)
            except _Fault as fault:
                fault.path.append(place)
                raise

    def _visit_dict(self, value: dict[Any, Any], depth: int) -> None:
        plain_keys = _are_texts(value)
        for key, item in value.items():
            if plain_keys and type(item) is str and item.isascii():  # most values are: a call less for each
                continue
            if type(key) is not str:
                raise _Fault(f"the key {_text_of(key)[:80]!r} is not a text")
            if not key.isascii() and _has_surrogate(key):
                raise _Fault("a key holds a lone surrogate")
            try:
                self.visit(item, depth)
            except _Fault as fault:
                fault.path.append(key)
                raise


class _Cleaner:
    """One pass over one piece of data."""

    __slots__ = ("_above", "_left")

    def __init__(self) -> None:
        self._left = MAX_VALUES
        self._above: set[int] = set()  # identities of the containers that hold the one at hand

    def clean(self, value: Any, depth: int) -> Any:
        """`depth` is what a container at this place would have."""
        kind = type(value)
        if kind is str:
            return clean_text(value)
        if value is None or kind is bool or kind is bytes:
            return value
        if kind is int:
            return value if _SMALLEST <= value <= _LARGEST else _text_of(value)
        if kind is float:
            return value if isfinite(value) else str(value)
        if kind is dict or kind is list:
            return self._clean_container(value, depth)
        return self._clean_foreign(value, depth)

    def _clean_container(self, value: dict[Any, Any] | list[Any], depth: int) -> Any:
        if depth > MAX_DEPTH:
            return f"<nested more than {MAX_DEPTH} deep>"
        if id(value) in self._above:
            return "<a part of itself>"
        self._left -= len(value)
        if self._left < 0:
            return f"<more than {MAX_VALUES} values>"
        self._above.add(id(value))
        try:
            return self._clean_dict(value, depth) if isinstance(value, dict) else self._clean_list(value, depth)
        finally:
            self._above.discard(id(value))

    def _clean_list(self, value: list[Any], depth: int) -> list[Any]:
        changed: list[Any] | None = None
        for place, item in enumerate(value):
            if type(item) is str and item.isascii():  # most values are: a call less for each
                continue
            plain = self.clean(item, depth + 1)
            if plain is not item:
                changed = list(value) if changed is None else changed
                changed[place] = plain
        return value if changed is None else changed

    def _clean_dict(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        if not _are_texts(value):
            value = _with_text_keys(value)
        changed: dict[str, Any] | None = None
        for key, item in value.items():
            if type(item) is str and item.isascii():  # most values are: a call less for each
                continue
            plain = self.clean(item, depth + 1)
            if plain is not item:
                changed = dict(value) if changed is None else changed
                changed[key] = plain
        return value if changed is None else changed

    def _clean_foreign(self, value: Any, depth: int) -> Any:
        """Subclasses of plain types, other containers, and objects that are no data."""
        self._left -= FOREIGN
        if self._left < 0:
            return f"<more than {MAX_VALUES} values>"
        try:
            if isinstance(value, str):
                return clean_text(str.__str__(value))
            if isinstance(value, int | float):
                return self.clean(int(value) if isinstance(value, int) else float(value), depth)
            if isinstance(value, bytearray | memoryview | bytes):
                return bytes(value)
            if isinstance(value, Mapping):
                return self.clean(dict(value), depth)
            if isinstance(value, Sequence | set | frozenset):
                return self.clean(list(value), depth)
        except Exception:  # noqa: BLE001 - the object's own code failed: it is shown by its class
            return f"<{kind_name(value)}>"
        return clean_text(_text_of(value)[:_TEXT_OF_OBJECT])


def kind_name(value: object) -> str:
    """The name of a value's class, for a message."""
    return clean_text(type(value).__name__[:80])


def _are_texts(keys: Iterable[Any]) -> bool:
    if not _TEXT_ONLY.issuperset(map(type, keys)):
        return False
    return all(map(str.isascii, keys)) or not any(map(_has_surrogate, keys))


def _with_text_keys(value: dict[Any, Any]) -> dict[str, Any]:
    """A key that becomes the same text as another gets a `~2`, `~3`, ... behind it."""
    result: dict[str, Any] = {}
    for key, item in value.items():
        text = clean_text(key) if type(key) is str else clean_text(_key_text(key))
        unique, count = text, 1
        while unique in result:
            count += 1
            unique = f"{text}~{count}"
        result[unique] = item
    return result


def _key_text(key: object) -> str:
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return _text_of(key)[:_TEXT_OF_OBJECT]


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - its own code failed, or it is an integer too long for decimal digits
        return hex(value) if isinstance(value, int) else f"<{kind_name(value)}>"
