"""Which parts of which answers are private, and where what they hold may go: the operator's word. Pure.

rules = Rules((Field(path=parse("$..name")), Field(kinds=frozenset({"email"}))))
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

from isthmus.model import Operation
from isthmus.privacy.kinds import KINDS
from isthmus.privacy.paths import Path, last_name

EVERYTHING: tuple[str, ...] = ("*",)
UNNAMED = "PRIVATE"
TEXT = "TEXT"
"""The kind of what only looks like a token, and is an upstream's own text. It may go anywhere."""


@dataclass(frozen=True, slots=True)
class Field:
    """What is private in the answers of some operations (globs of ids).

    With `kinds`: whatever is of them, within what the path leads to. Without: all that the path leads to, under the
    name `name`. No path: the whole answer. `sealed`: programs get tokens; else they get values, and the model tokens.
    """

    operations: tuple[str, ...] = EVERYTHING
    path: Path = ()
    kinds: frozenset[str] = frozenset()
    name: str = ""
    sealed: bool = True

    @property
    def called(self) -> str:
        """The kind of the tokens, where the field's own name or its path gives it."""
        return self.name or named_after(self.path)

    @property
    def everywhere(self) -> bool:
        """Whether it is about every text of every answer."""
        return self.operations == EVERYTHING and not self.path


@dataclass(frozen=True, slots=True)
class Release:
    """Values of some kinds (globs, as tokens write them) may go to some operations (globs of ids)."""

    to: tuple[str, ...]
    kinds: tuple[str, ...] = EVERYTHING


@dataclass(frozen=True, slots=True)
class Rules:
    """All that the operator said. `values` is how many private values one session may meet."""

    fields: tuple[Field, ...] = ()
    releases: tuple[Release, ...] = ()
    values: int = 20_000

    def of(self, operation: Operation) -> tuple[Field, ...]:
        """The fields that are about answers of an operation."""
        return tuple(each for each in self.fields if _fits(each.operations, operation))

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that are private wherever they are met."""
        return frozenset().union(*(each.kinds for each in self.fields if each.everywhere))

    @property
    def masks(self) -> bool:
        """Whether programs compute on private values."""
        return not all(each.sealed for each in self.fields)

    @property
    def names(self) -> frozenset[str]:
        """What tokens may be called."""
        named = (each.called for each in self.fields if not each.kinds)
        return frozenset({TEXT, *named, *(kind.upper() for kind in KINDS)})

    def permits(self, kinds: Collection[str], origins: Collection[str], operation: Operation) -> bool:
        """Whether a value of these kinds, which came from these upstreams, may be given to an operation.

        An origin of "" is the program itself, which cannot be told what it knew.
        """
        if operation.upstream in origins or "" in origins:
            return True
        open_to = [each.kinds for each in self.releases if _fits(each.to, operation)]
        return all(any(fnmatchcase(kind, glob) for globs in open_to for glob in globs) for kind in kinds)


def named_after(path: Path) -> str:
    """The kind of tokens for what a path leads to: `$..fullName` gives `FULL_NAME`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last_name(path))
    return re.sub(r"[^A-Z0-9]+", "_", words.upper()).strip("_0123456789")[:30] or UNNAMED


def _fits(globs: tuple[str, ...], operation: Operation) -> bool:
    names = (operation.id, f"{operation.upstream}.{operation.original}")
    return any(fnmatchcase(name, glob) for glob in globs for name in names)
