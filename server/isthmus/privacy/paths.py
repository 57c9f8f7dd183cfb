"""JSONPath, as much of it as names fields: `$`, `.name`, `['name']`, `[0]`, `.*`, `[*]`, lists of these, and `..`.

    parse("$.items[*].owner.email")       the `email` of the `owner` of every member of `items`
    parse("$..['full name','nick']")      every `full name` and every `nick`, however deep

These mean what RFC 9535 says. Filters, slices and places counted from the end are not known here, and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Key = str | int
"""A name in an object, or a place in a list."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step down. `keys` of None: any. `deep`: from the node itself, or from any below it."""

    keys: frozenset[Key] | None
    deep: bool = False

    def takes(self, key: Key) -> bool:
        """Whether it leads to the child of that key."""
        return self.keys is None or key in self.keys


Path = tuple[Step, ...]
"""No steps: the whole."""

State = tuple[int, int]
"""Which path, and how many of its steps were taken."""


class Unreadable(ValueError):
    """The text is no path that is known here; the message says why."""


_NAME = re.compile(r"[^\W\d][\w]*")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_UNKNOWN = {
    "?": "filters ([?...]) are not known here",
    "-": "places from the end ([-1]) are not known here",
    "(": "expressions are not known here",
    ":": "slices ([1:3]) are not known here",
}


def parse(text: str) -> Path:
    """The steps of a path.

    Raises:
        Unreadable: it is none, or uses more than is known here.
    """
    if not text.startswith("$"):
        raise Unreadable("a path begins with $, the whole result")
    steps: list[Step] = []
    at = 1
    while at < len(text):
        deep = text.startswith("..", at)
        at += 2 if deep else 0
        if text.startswith("[", at):
            keys, at = _bracket(text, at + 1)
        elif deep or text[at] == ".":
            keys, at = _dotted(text, at if deep else at + 1)
        else:
            raise Unreadable(f"{text[at:][:20]!r} cannot follow {text[:at]!r}")
        steps.append(Step(keys, deep))
    return tuple(steps)


def _dotted(text: str, at: int) -> tuple[frozenset[Key] | None, int]:
    if text.startswith("*", at):
        return None, at + 1
    if match := _NAME.match(text, at):
        return frozenset({match[0]}), match.end()
    raise Unreadable(f"a name or * has to follow {text[:at]!r}; other names are written ['so']")


def _bracket(text: str, at: int) -> tuple[frozenset[Key] | None, int]:
    keys: set[Key] = set()
    every = False
    while True:
        at = _blank(text, at)
        if text.startswith("*", at):
            every, at = True, at + 1
        elif match := _QUOTED.match(text, at):
            keys.add(re.sub(r"\\(.)", r"\1", match[1] if match[1] is not None else match[2]))
            at = match.end()
        elif match := _INDEX.match(text, at):
            keys.add(int(match[0]))
            at = match.end()
        else:
            raise Unreadable(
                _UNKNOWN.get(text[at : at + 1], f"a name in quotes, a number or * has to follow {text[:at]!r}")
            )
        at = _blank(text, at)
        if text.startswith("]", at):
            return None if every else frozenset(keys), at + 1
        if not text.startswith(",", at):
            raise Unreadable(_UNKNOWN.get(text[at : at + 1], f"a bracket is not closed after {text[:at]!r}"))
        at += 1


def _blank(text: str, at: int) -> int:
    while text[at : at + 1] == " ":
        at += 1
    return at


def last_name(path: Path) -> str:
    """A name by which what the path leads to can be called; empty where it has none."""
    for step in reversed(path):
        names = sorted(key for key in step.keys or () if isinstance(key, str))
        if names:
            return names[0]
    return ""


def below(paths: Sequence[Path], states: Iterable[State], key: Key) -> tuple[list[State], list[int]]:
    """One step down to the child of that key: where each path stands there, and which paths lead right to it."""
    standing: list[State] = []
    reached: list[int] = []
    for number, taken in states:
        step = paths[number][taken]
        if step.deep:
            standing.append((number, taken))
        if step.takes(key):
            if taken + 1 == len(paths[number]):
                reached.append(number)
            else:
                standing.append((number, taken + 1))
    return (standing if len(standing) < 2 else list(dict.fromkeys(standing))), reached
