"""Plain data on its way in and out: the JSON that crosses.

What goes out is checked against the bounds of `specs/guest.wit`. Arguments are strict: what does not fit raises,
naming the place. Results are lenient: what JSON cannot hold is shown as text, and a note says so.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any
from uuid import UUID

from guest.records import Record

MAX_DEPTH = 64
MAX_INTEGER = 2**63
MAX_REQUEST = 16 * 2**20
MAX_OUTCOME = 48 * 2**20
MAX_REQUEST_VALUES = 400_000
MAX_OUTCOME_VALUES = 900_000
VALUE_WEIGHT = 32  # what a value costs the host to read, in characters of text

json_text: Callable[[str], str] = json.encoder.encode_basestring_ascii
"""A text as JSON, in ASCII."""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_SUSPICIOUS = re.compile(r"\\ud|[0-9]{19}")  # in JSON text: perhaps a lone surrogate, or an integer beyond 64 bits
_PLAIN = frozenset({str, int, float, bool, type(None)})


def decode_events(text: str) -> list[list[Any]]:
    """Events as they came: objects are Records, and bytes stand where `blobs` says."""
    events: list[list[Any]] = json.loads(text, object_hook=Record)
    for event in events:
        if len(event) > 3 and event[3]:
            event[2] = _with_blobs(event[2], event[3])
    return events


def _with_blobs(value: Any, blobs: Sequence[Sequence[Any]]) -> Any:
    for path, text in blobs:
        data = base64.b64decode(text)
        if not path:
            return data
        place = value
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = data
    return value


@dataclasses.dataclass(frozen=True, slots=True)
class Encoded:
    """A value as JSON text, with the JSON text of its blobs and the remarks to make about it."""

    text: str
    blobs: str = "[]"
    notes: tuple[str, ...] = ()


def encode_arguments(arguments: dict[str, Any], positional: tuple[Any, ...]) -> tuple[Encoded, Encoded]:
    """Both kinds of arguments of a request, the blobs of both in the first.

    Raises:
        TypeError: something is no data, and cannot be taken for data; the message names the argument.
        ValueError: a bound is broken (see `specs/guest.wit`); the message names the argument.
    """
    if not arguments and not positional:
        return _NO_ARGUMENTS, _NO_POSITIONAL
    named = _encode_quickly(arguments)
    placed = _encode_quickly(positional) if positional else _NO_POSITIONAL
    if named is None or placed is None:
        walk = _Walk(lenient=False)
        tree = walk.arguments(arguments)
        places = [walk.plain(value, (index,)) for index, value in enumerate(positional)]
        named = Encoded(_dumps(tree), _dumps(walk.blobs))
        placed = Encoded(_dumps(places))
    if len(named.text) + len(placed.text) + len(named.blobs) > MAX_REQUEST:
        raise ValueError(_too_large(arguments, positional))
    if (values := count_values(named.text) + count_values(placed.text)) > MAX_REQUEST_VALUES:
        raise ValueError(
            f"the arguments hold {values:,} values, at most {MAX_REQUEST_VALUES:,} can be sent at once: "
            "send them in several calls"
        )
    return named, placed


def count_values(text: str) -> int:
    """How many values a JSON text has, or a few more: as the host counts them."""
    rough = text.count(",") + text.count("[") + text.count("{")
    if rough <= MAX_REQUEST_VALUES:
        return rough
    bare = _STRING.sub("", text)
    return bare.count(",") + bare.count("[") + bare.count("{")


def weight(text: str) -> int:
    """What a JSON text costs the host to read, in characters of plain text."""
    return len(text) + VALUE_WEIGHT * (text.count(",") + text.count("[") + text.count("{"))


def encode_result(value: Any) -> Encoded:
    """A program's result. What JSON cannot hold is shown as text, and noted.

    Raises:
        ValueError: it refers to itself, or nests deeper than 64, or is larger than an outcome may be.
    """
    encoded = _encode_quickly(value)
    if encoded is None:
        walk = _Walk(lenient=True)
        tree = walk.plain(value, ())
        encoded = Encoded(_dumps(tree), _dumps(walk.blobs), walk.notes())
    if len(encoded.text) + len(encoded.blobs) > MAX_OUTCOME:
        raise ValueError(
            f"the result is too large: {len(encoded.text):,} characters of JSON, at most {MAX_OUTCOME:,}; "
            "return a part of it, or write it to a file"
        )
    if (values := count_values(encoded.text)) > MAX_OUTCOME_VALUES:
        raise ValueError(
            f"the result is too large: it holds {values:,} values, at most {MAX_OUTCOME_VALUES:,}; "
            "return a part of it, or write it to a file"
        )
    return encoded


def is_data(value: Any) -> bool:
    """Whether a value can be sent as JSON, itself or by a conversion that keeps its meaning."""
    return isinstance(value, _DATA_TYPES) or (dataclasses.is_dataclass(value) and not isinstance(value, type))


_DATA_TYPES: tuple[type[Any], ...] = (
    *(str, int, float, type(None), list, tuple, dict, set, frozenset, bytes, bytearray),
    *(datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, enum.Enum, UUID, PathLike),
    type({}.keys()),
    type({}.values()),
    type({}.items()),
    Mapping,
    range,
)


class _NotPlain(Exception):
    """The quick way meets something for the careful way."""


def _refuse(value: Any) -> Any:
    raise _NotPlain(type(value).__name__)


_encode_plain = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_refuse).encode
_NO_ARGUMENTS, _NO_POSITIONAL = Encoded("{}"), Encoded("[]")


def _dumps(value: Any) -> str:
    return _encode_plain(value)


def _encode_quickly(value: Any) -> Encoded | None:
    """The JSON of what is plain beyond doubt, made in C; None for all else, good and bad."""
    if not _is_shallow(value):
        return None
    try:
        text = _encode_plain(value)
    except (_NotPlain, ValueError, TypeError, RecursionError):
        return None
    return None if _SUSPICIOUS.search(text) else Encoded(text)


def _is_shallow(value: Any) -> bool:
    """Whether containers are exact lists, tuples and dicts with text keys, nest at most 64 deep, and share little."""
    level, seen = [value], 0
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is list or kind is tuple:
                below += [child for child in item if type(child) not in _PLAIN]
            elif kind is dict or kind is Record:
                if not set(map(type, item)) <= {str}:
                    return False
                below += [child for child in dict.values(item) if type(child) not in _PLAIN]
            elif kind not in _PLAIN:
                return False
            if seen + len(below) > MAX_OUTCOME_VALUES:  # what is shared grows with each level
                return False
        if not below:
            return True
        seen += len(below)
        level = below
    return False


Path = tuple[str | int, ...]


class _Walk:
    """The careful way: one pass over a value that converts, checks, and knows the place of each thing."""

    def __init__(self, *, lenient: bool) -> None:
        self.blobs: list[list[Any]] = []
        self._lenient = lenient
        self._place = result_place if lenient else argument_place
        self._shown: list[str] = []
        self._above: set[int] = set()
        self._most = self._left = MAX_OUTCOME_VALUES if lenient else MAX_REQUEST_VALUES

    def notes(self) -> tuple[str, ...]:
        """What was shown as text, in one line: the first place, and how many more."""
        if not self._shown:
            return ()
        more = f", and {len(self._shown) - 1} more" if len(self._shown) > 1 else ""
        return (f"shown as text, for JSON cannot hold it: {self._shown[0]}{more}",)

    def arguments(self, named: dict[str, Any]) -> dict[str, Any]:
        """Arguments by name, as exact JSON types."""
        plain: dict[str, Any] = {}
        for key, value in named.items():
            if not isinstance(key, str) or has_surrogate(key):
                raise TypeError(f"{_short(key, 80)} is no name of an argument")
            plain[str.__str__(key)] = self.plain(value, (key,))
        return plain

    def plain(self, value: Any, path: Path) -> Any:
        """The value as exact JSON types, `None` in the places of bytes."""
        value = settled(value)
        if value is None or value is True or value is False:
            return value
        if isinstance(value, enum.Enum):
            return self.plain(value.value, path)
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, int):
            return self._integer(value, path)
        if isinstance(value, float):
            return self._float(value, path)
        if isinstance(value, (bytes, bytearray, memoryview)):
            self.blobs.append([list(path), base64.b64encode(value).decode()])
            return None
        return self._container(value, path)

    def _container(self, value: Any, path: Path) -> Any:
        members = _members(value)
        if members is None:
            return self._scalar(value, path)
        if id(value) in self._above:
            raise ValueError(f"{self._place(path)} refers to itself")
        if len(self._above) >= MAX_DEPTH:
            raise ValueError(f"{self._place(path[:8])}... nests more than {MAX_DEPTH} levels deep")
        self._left -= len(members)
        if self._left < 0:
            raise ValueError(f"{self._place(())} is too large: it holds more than {self._most:,} values")
        self._above.add(id(value))
        try:
            if isinstance(members, dict):
                return self._mapping(members, path)
            return [self.plain(item, (*path, index)) for index, item in enumerate(members)]
        finally:
            self._above.discard(id(value))

    def _mapping(self, members: dict[Any, Any], path: Path) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, item in dict.items(members):
            name = self._key(key, path)
            if name in plain:
                raise ValueError(f"{self._place(path)} has two keys that are both {name!r} in JSON")
            plain[name] = self.plain(item, (*path, name))
        return plain

    def _key(self, key: Any, path: Path) -> str:
        key = key.value if isinstance(key, enum.Enum) else key
        if isinstance(key, str):
            return self._text(key, path)
        if isinstance(key, int) and not -MAX_INTEGER <= key < MAX_INTEGER:
            return str(self._integer(key, path))
        if key is None or isinstance(key, (bool, int, float)):
            return json.dumps(key)
        text = _as_text(key)
        if text is not None:
            return self._text(text, path)
        if self._lenient:
            return self._as_repr(key, path)
        raise TypeError(f"{self._place(path)} has the key {_short(key)}: keys are text")

    def _text(self, value: str, path: Path) -> str:
        text = str.__str__(value)
        if not has_surrogate(text):
            return text
        if not self._lenient:
            raise ValueError(
                f"{self._place(path)} holds a lone surrogate, which is no character: decode or clean the text"
            )
        self._shown.append(f"{self._place(path)} (lone surrogates)")
        return text.encode("utf-8", "backslashreplace").decode()

    def _integer(self, value: int, path: Path) -> Any:
        number = int.__int__(value)
        if -MAX_INTEGER <= number < MAX_INTEGER:
            return number
        if not self._lenient:
            raise ValueError(
                f"{self._place(path)} is an integer beyond 64 bits: send it as text, if the operation takes text"
            )
        self._shown.append(f"{self._place(path)} (an integer beyond 64 bits)")
        return str(number) if number.bit_length() < 14_000 else hex(number)  # decimal digits are bounded by Python

    def _float(self, value: float, path: Path) -> Any:
        number = float.__float__(value)
        if math.isfinite(number):
            return number
        if not self._lenient:
            raise ValueError(f"{self._place(path)} is {number}, which JSON cannot hold: send None, or leave it out")
        self._shown.append(f"{self._place(path)} ({number})")
        return str(number)

    def _scalar(self, value: Any, path: Path) -> Any:
        if isinstance(value, decimal.Decimal):
            return self._decimal(value, path)
        text = _as_text(value)
        if text is not None:
            return self._text(text, path)
        if self._lenient:
            return self._as_repr(value, path)
        raise TypeError(f"{self._place(path)} is {_article(value)}, which is no data: {_remedy(value)}")

    def _decimal(self, value: decimal.Decimal, path: Path) -> Any:
        if value.is_finite() and value == value.to_integral_value() and abs(value) < MAX_INTEGER:
            return int(value)
        number = float(value) if value.is_finite() else math.nan
        return (
            number if math.isfinite(number) and decimal.Decimal(repr(number)) == value else self._text(str(value), path)
        )

    def _as_repr(self, value: Any, path: Path) -> str:
        text = _short(value, 2000)
        self._shown.append(f"{self._place(path)} ({_article(value)})")
        return text.encode("utf-8", "backslashreplace").decode()


def has_surrogate(text: str) -> bool:
    """Whether a text cannot be written as UTF-8. Asks `str` itself: a subclass may lie about what it holds."""
    return not str.isascii(text) and any("\ud800" <= character <= "\udfff" for character in str.__iter__(text))


def settled(value: Any) -> Any:
    """What a call came to, where `value` is a call; anything else as it is."""
    ask = getattr(type(value), "__isthmus_value__", None)
    return value if ask is None else ask(value)


def _members(value: Any) -> dict[Any, Any] | list[Any] | tuple[Any, ...] | None:
    """The members of a container, or of what stands for one; None for anything else."""
    if isinstance(value, (dict, list, tuple)):
        return value
    if isinstance(value, (set, frozenset)):
        return _sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value.items())
    if isinstance(value, (Sequence, type({}.keys()), type({}.values()), type({}.items()))) and not isinstance(
        value, range
    ):
        return list(value)
    return list(value) if isinstance(value, range) and len(value) <= 10_000_000 else None


def _sorted(value: set[Any] | frozenset[Any]) -> list[Any]:
    """The members of a set in an order of their own: hashes would give another order in another guest."""
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=lambda item: (type(item).__name__, _short(item)))


def _as_text(value: Any) -> str | None:
    """ISO 8601 for dates and times, the usual text for identifiers and paths; None for what has no usual text."""
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, datetime.timedelta):
        return str(value)
    if isinstance(value, PathLike):
        path = value.__fspath__()
        return path if isinstance(path, str) else None
    return None


def argument_place(path: Path) -> str:
    """A path into the arguments of a call, as a program would write it.

    >>> argument_place(("body", "items", 3, "first name"))
    "body.items[3]['first name']"
    """
    if not path:
        return "what is sent"
    first = f"argument {path[0] + 1}" if isinstance(path[0], int) else path[0]
    return first + _steps(path[1:])


def result_place(path: Path) -> str:
    """A path into a result, as a program would write it.

    >>> result_place((0, "title"))
    'result[0].title'
    """
    return f"result{_steps(path)}"


def _steps(path: Path) -> str:
    return "".join(
        f".{key}" if isinstance(key, str) and key.isidentifier() and len(key) < 80 else f"[{_short(key, 80)}]"
        for key in path
    )


def _article(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _short(value: Any, length: int = 200) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 (a repr of the program's own may raise anything)
        text = object.__repr__(value)
    return text if len(text) <= length else f"{text[:length]}... ({len(text) - length} more characters)"


def _remedy(value: Any) -> str:
    if hasattr(value, "__await__"):
        return "write await before it"
    if hasattr(value, "__next__") or hasattr(value, "__iter__"):
        return "make a list of it"
    return "send text, numbers, lists or dicts" + (", such as vars(...) of it" if hasattr(value, "__dict__") else "")


def _too_large(arguments: dict[str, Any], positional: tuple[Any, ...]) -> str:
    parts: list[tuple[Path, Any]] = [((key,), value) for key, value in arguments.items()]
    parts += [((index,), value) for index, value in enumerate(positional)]
    sizes = [(len(repr(value)), argument_place(path)) for path, value in parts]
    size, name = max(sizes)
    return (
        f"the arguments are too large: at most {MAX_REQUEST:,} characters of JSON in one call, and {name} has {size:,}"
    )
