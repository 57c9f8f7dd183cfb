"""What is wrong with a configuration, said without repeating what it holds.

A configuration is where secrets stand, so no value of it is ever quoted in a message: a fault names the place (file,
line, keys), says what is wrong and what to do, and quotes only our own vocabulary. Keys are quoted, but for those
that may be a secret put in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from isthmus.errors import ConfigurationError

Path = tuple[str | int, ...]
"""The keys and indices that lead to a value, as the file has them."""

SECRET_SECTIONS = frozenset({"auth", "auth_for", "env", "headers", "schemes"})
"""Below these keys, and in what they hold, secrets are at home."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]{0,63}", re.ASCII)
_WORD_KEY = re.compile(r"[a-z_]{1,20}|oauth2")
_NAME_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a line that counts from 1 (0: the file as a whole), and the keys that lead there."""

    line: int = 0
    path: Path = ()

    def below(self, key: str | int, line: int | None = None) -> Place:
        """The place of a part of what stands here."""
        return Place(self.line if line is None else line, (*self.path, key))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and what to do about it."""

    place: Place
    problem: str
    remedy: str

    def shown(self, file: str) -> str:
        """`file:line: keys: problem`, and the remedy on a line of its own."""
        return f"{_prefix(file, self.place)}{self.problem}\n  remedy: {self.remedy}"


@dataclass(slots=True)
class Findings:
    """What has been found so far while one file is read: faults, and remarks that do not stop it."""

    faults: list[Fault] = field(default_factory=list)
    remarks: list[tuple[Place, str]] = field(default_factory=list)

    def fault(self, place: Place, problem: str, remedy: str) -> None:
        """Note a fault; only the first at one place, since what follows from it would mislead."""
        if all(fault.place != place for fault in self.faults):
            self.faults.append(Fault(place, problem, remedy))

    def remark(self, place: Place, text: str) -> None:
        """Note what the operator should know of."""
        self.remarks.append((place, text))

    def warnings(self, file: str) -> tuple[str, ...]:
        """The remarks as lines, in the order of the file."""
        ordered = sorted(self.remarks, key=lambda remark: remark[0].line)
        return tuple(f"{_prefix(file, place)}{text}" for place, text in ordered)


class InvalidConfiguration(ConfigurationError):
    """Everything that is wrong with one file, at once. `faults` stand in the order of their lines."""

    def __init__(self, file: str, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.place.line))
        first = self.faults[0]
        super().__init__(
            f"{_keys(first.place)}{first.problem}", file=file, line=first.place.line or None, remedy=first.remedy
        )

    def __str__(self) -> str:
        """Each fault with its file, line, keys and remedy."""
        return "\n".join(fault.shown(self.file) for fault in self.faults)


class Unreadable(Exception):
    """A fault that ends the reading of a file. It never leaves `isthmus.config`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.problem)
        self.fault = fault


def unreadable(problem: str, remedy: str, line: int = 0, path: Path = ()) -> Unreadable:
    """The exception for a fault that ends the reading."""
    return Unreadable(Fault(Place(line, path), problem, remedy))


def _prefix(file: str, place: Place) -> str:
    return ":".join(str(part) for part in (file, place.line) if part) + f": {_keys(place)}"


def _keys(place: Place) -> str:
    return f"{shown_path(place.path)}: " if place.path else ""


def shown_path(path: Path) -> str:
    """The keys as a reader would write them: `upstreams.github.only[0]`; what may be a secret is left out."""
    return "".join(_shown_parts(path)).removeprefix(".")


def _shown_parts(path: Path) -> Iterator[str]:
    for position, key in enumerate(path):
        if isinstance(key, int):
            yield f"[{key}]"
        elif not may_show(path[: position + 1]):
            yield ".(a key that is not shown)"
        else:
            yield f".{key}" if _PLAIN_KEY.fullmatch(key) else f".{quoted(key)}"


def may_show(path: Path) -> bool:
    """Whether the last key of a path can be no secret.

    Under `auth` the keys are ours: words. Under `env`, `headers` and `schemes` they are names, short and plain.
    """
    *above, key = path
    if isinstance(key, int) or not SECRET_SECTIONS.intersection(above):
        return True
    return bool((_WORD_KEY if above[-1] in ("auth", "oauth", "oauth2") else _NAME_KEY).fullmatch(key))


def quoted(text: str) -> str:
    """A key or glob for a message: escaped, so that it cannot act on a terminal, and at most 64 characters."""
    return ascii(text) if len(text) <= 64 else f"{ascii(text[:61])[:-1]}...'"


def nearest(word: str, known: Sequence[str], cutoff: float = 0.6) -> str | None:
    """The known word that is meant, most likely; None where none is near."""
    found = get_close_matches(word[:200], known, n=1, cutoff=cutoff)
    return found[0] if found else None


def meant(word: str, known: Sequence[str], otherwise: str) -> str:
    """The remedy for an unknown word: `did you mean 'policy'?` or else what is said."""
    near = nearest(word, known)
    return f"did you mean {near!r}?" if near else otherwise
