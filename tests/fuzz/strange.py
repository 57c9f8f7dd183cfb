"""Strange Python values out of bytes: whatever a program or an upstream's library could hand over as data.

The same bytes give the same value, so that a fuzzer's bytes can be kept and told. Any bytes give some value.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import struct
import uuid
from collections import OrderedDict, UserDict, UserList, deque
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, NoReturn


class Spring:
    """Numbers out of bytes: zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """The next byte."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, most: int) -> int:
        """A number from 0, less than `most`, which is at most 256."""
        return self.byte() % most

    def take(self, length: int) -> bytes:
        """So many of the next bytes, or fewer."""
        taken = self._data[self._at : self._at + length]
        self._at += length
        return taken

    @property
    def dry(self) -> bool:
        """Whether all bytes are used up."""
        return self._at >= len(self._data)


class Level(enum.IntEnum):
    """A number that is none of the plain ones."""

    LOW = 1
    HIGH = 2**70


class Colour(enum.Enum):
    """A member whose value is no text."""

    RED = ("r", 1)
    LOST = "\ud800"


class Text(str):
    """A text that lies about itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "another text"

    def isascii(self) -> bool:
        return True


class Number(float):
    """A number that lies about itself."""

    __slots__ = ()

    def __float__(self) -> float:
        return math.nan

    def __repr__(self) -> str:
        return "]"


class Hostile:
    """An object all of whose methods fail."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("\ud800")

    __repr__ = __str__

    def __iter__(self) -> NoReturn:
        raise RuntimeError


class Endless(UserList[Any]):
    """A sequence that gives other members than it has."""

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Any]:
        return iter([math.inf, "\udfff"])


@dataclasses.dataclass
class Pair:
    """A dataclass, which stands for a dict."""

    left: Any
    right: Any


def value_of(data: bytes) -> Any:
    """A value, of at most a few thousand parts."""
    return _Maker(Spring(data)).value(0)


def text_of(data: bytes) -> str:
    """A text of a few characters, or what is none."""
    return _Maker(Spring(data[::-1])).text()


class _Maker:
    """Makes one value, and remembers its parts, so that it can share them and hold itself."""

    def __init__(self, spring: Spring) -> None:
        self._spring = spring
        self._made: list[Any] = []

    def value(self, depth: int) -> Any:
        spring = self._spring
        if spring.dry or depth > 200:
            return None
        makers = _LEAVES if depth > 180 else _LEAVES + _CONTAINERS
        return makers[spring.below(len(makers))](self, depth)

    def text(self) -> str:
        """A text of any code points, lone surrogates among them."""
        kind, length = self._spring.below(4), self._spring.below(12)
        raw = self._spring.take(length)
        if kind == 0:
            return raw.decode("latin-1")
        if kind == 1:
            return raw.decode("utf-8", "surrogateescape")
        if kind == 2:
            return raw.decode("utf-16-le", "surrogatepass") if len(raw) % 2 == 0 else "\udc80"
        return '\\ud800"\u202e\x00' + raw.decode("ascii", "replace")

    def key(self, depth: int) -> Any:
        """A key of a dict."""
        keys: tuple[Callable[[], Any], ...] = (
            *(self.text, self.text, self.text, self.text),
            *(lambda: None, lambda: True, self.integer, self.float, lambda: Level.HIGH, lambda: Colour.RED),
            *(
                lambda: Colour.LOST,
                lambda: Text(self.text()),
                lambda: (1, self.text()),
                lambda: self.text().encode("utf-8", "replace"),
            ),
            *(lambda: datetime.date(2026, 1, 2), lambda: frozenset({1, "a"}), lambda: PurePosixPath("/\udcff")),
            *(Hostile, lambda: uuid.UUID(int=5), lambda: decimal.Decimal("NaN")),
        )
        return keys[self._spring.below(len(keys))]()

    def integer(self) -> int:
        """An integer, of up to 5,000 digits."""
        kind = self._spring.below(6)
        if kind < 3:
            return int.from_bytes(self._spring.take(kind + 1), "little", signed=True)
        sign = -1 if self._spring.byte() & 1 else 1
        return sign * (2**63 + self._spring.below(3) - 1 if kind < 5 else 10**5000)

    def float(self) -> float:
        """A float, finite or not."""
        return float(struct.unpack("<d", self._spring.take(8).ljust(8, b"\0"))[0])

    def part(self) -> Any:
        """A part that is there already: shared, or a cycle."""
        return self._made[self._spring.below(len(self._made))] if self._made else None

    def list(self, depth: int) -> list[Any]:
        made: list[Any] = []
        self._made.append(made)
        made.extend(self.value(depth + 1) for _ in range(self._spring.below(6)))
        return made

    def dict(self, depth: int) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        self._made.append(made)
        for _ in range(self._spring.below(6)):
            key = self.key(depth)
            try:
                made[key] = self.value(depth + 1)
            except RuntimeError:  # a hostile key that is compared
                continue
        return made

    def nested(self, depth: int) -> Any:
        """A value deep within lists and dicts."""
        value = self.value(depth + 1)
        for _ in range(self._spring.byte()):
            value = [value] if self._spring.byte() & 1 else {"a": value}
        return value


_LEAVES: list[Callable[[_Maker, int], Any]] = [
    lambda _maker, _depth: None,
    lambda _maker, _depth: True,
    lambda maker, _depth: maker.integer(),
    lambda maker, _depth: maker.integer(),
    lambda maker, _depth: maker.float(),
    lambda maker, _depth: maker.text(),
    lambda maker, _depth: maker.text(),
    lambda maker, _depth: maker._spring.take(maker._spring.below(9)),
    lambda maker, _depth: bytearray(maker._spring.take(3)),
    lambda maker, _depth: memoryview(b"abc"),
    lambda maker, _depth: Text(maker.text()),
    lambda maker, _depth: Number(maker.float()),
    lambda _maker, _depth: Level.HIGH,
    lambda _maker, _depth: Colour.LOST,
    lambda _maker, _depth: Hostile(),
    lambda _maker, _depth: Endless([1]),
    lambda maker, _depth: decimal.Decimal(maker.integer() % 10**30).scaleb(-3),
    lambda _maker, _depth: decimal.Decimal("sNaN"),
    lambda _maker, _depth: datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    lambda _maker, _depth: datetime.timedelta(days=-1),
    lambda _maker, _depth: uuid.UUID(int=7),
    lambda maker, _depth: PurePosixPath(maker.text()),
    lambda maker, _depth: range(maker.integer() % 7),
    lambda _maker, _depth: object(),
    lambda _maker, _depth: complex(1, 2),
    lambda maker, _depth: maker.part(),
]
_CONTAINERS: list[Callable[[_Maker, int], Any]] = [
    *([lambda maker, depth: maker.list(depth)] * 8),
    *([lambda maker, depth: maker.dict(depth)] * 8),
    lambda maker, depth: maker.nested(depth),
    lambda maker, depth: tuple(maker.list(depth)),
    lambda maker, depth: deque(maker.list(depth)),
    lambda maker, depth: UserList(maker.list(depth)),
    lambda maker, depth: UserDict(maker.dict(depth)),
    lambda maker, depth: OrderedDict(maker.dict(depth)),
    lambda maker, depth: MappingProxyType(maker.dict(depth)),
    lambda maker, depth: maker.dict(depth).keys(),
    lambda maker, depth: Pair(maker.value(depth + 1), maker.value(depth + 1)),
    lambda maker, _depth: {maker.integer() % 100, "a", None},
    lambda maker, _depth: frozenset({maker.text(), 2}),
]
