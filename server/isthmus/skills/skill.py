"""A skill: a function that was saved with a description, its versions, and the record of its use."""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
from dataclasses import dataclass, field

from isthmus.errors import InvalidArguments

MAX_DESCRIPTION = 300
"""Characters of a description."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})
_TAKEN = frozenset(
    {*dir(builtins), "call", "isthmus", "save_skill", "search", "simulate", "skills", "upstreams", "uses"}
)


@dataclass(frozen=True, slots=True)
class Skill:
    """One version of a saved function. `source` is a module: imports, and the one function that bears the name.

    `saved_at` is a time in ISO 8601, `saved_in` the execution that saved it, `saved_by` its principal; all are empty
    for a file that a person wrote. `reviewed` is the hash of what a person has agreed to.
    """

    name: str
    description: str
    source: str
    version: int = 1
    uses: tuple[str, ...] = ()  # ids of operations
    example: str = ""  # a call of it, as a program wrote it
    saved_at: str = ""
    saved_in: str = ""
    saved_by: str = ""
    reviewed: str = ""
    stated: str = ""  # the hash that its file states; empty where it states none

    @property
    def hash(self) -> str:
        """The hash of what it is: description and source."""
        text = f"{self.description}\n{self.source}"
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:32]}"

    @property
    def is_reviewed(self) -> bool:
        """Whether a person has agreed to exactly this."""
        return self.reviewed == self.hash

    @property
    def is_edited(self) -> bool:
        """Whether its file was changed by hand since it was saved."""
        return bool(self.stated) and self.stated != self.hash


@dataclass(frozen=True, slots=True)
class Kept:
    """A skill as a store has it: with the contracts of its operations as a lock's text, and where it stands.

    `team`: it stands in the folder that the configuration names, not in the principal's own.
    """

    skill: Skill
    lock: str = ""
    team: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What became of a skill's calls. `last` is seconds since the epoch, 0 for never.

    `loads` counts programs that imported it, and `ends` those of them that came to an end by themselves.
    """

    loads: int = 0
    ends: int = 0
    calls: int = 0
    failures: int = 0
    last: float = 0.0

    @property
    def successes(self) -> int:
        """Calls that returned."""
        return self.calls - self.failures

    @property
    def stopped(self) -> int:
        """Programs that imported it and were stopped, or still run."""
        return max(0, self.loads - self.ends)


@dataclass(frozen=True, slots=True)
class Listed:
    """A skill as it is offered: what it is, how it was used, and why it is broken, if it is."""

    kept: Kept
    usage: Usage = Usage()
    broken: tuple[str, ...] = ()
    writes: tuple[str, ...] = field(default=())  # those of its operations that change the world

    @property
    def skill(self) -> Skill:
        """What it is."""
        return self.kept.skill


def is_name(name: str) -> bool:
    """Whether a skill could be called so."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """The name, where it is one that a skill may have.

    Raises:
        InvalidArguments: it is not.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArguments(
            f"{name[:80]!r} is no name of a skill",
            hint="a small letter, then small letters, digits and underscores, at most 64 in all",
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _TAKEN or name in _DEVICES:
        raise InvalidArguments(f"{name!r} means something else already", hint="name the function by what it does")
    return name


def check_description(text: str) -> str:
    """The description on one line, of characters that can be seen.

    Raises:
        InvalidArguments: there is none, or it is too long.
    """
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    if not line:
        raise InvalidArguments("the description is empty", hint="say in a sentence what the function does")
    if len(line) > MAX_DESCRIPTION:
        raise InvalidArguments(
            f"the description has {len(line):,} characters, more than {MAX_DESCRIPTION}", hint="say it in a sentence"
        )
    return line
