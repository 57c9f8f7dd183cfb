"""Rules, a veil whose vault is kept in memory, and operations, as the tests of this folder use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from isthmus.model import Call, Effect, Operation, Principal
from isthmus.privacy.paths import parse
from isthmus.privacy.rules import Field, Release, Rules
from isthmus.privacy.vault import Met
from isthmus.privacy.veil import Veil


@dataclass(eq=False)
class Memory:
    """Keeps what a vault learns for as long as the test runs."""

    met: list[Met] = field(default_factory=list)
    changed: bool = False

    def read(self) -> Sequence[Met]:
        return tuple(self.met)

    def append(self, met: Sequence[Met]) -> None:
        self.met.extend(met)


def everywhere(*kinds: str, sealed: bool = True) -> Field:
    return Field(kinds=frozenset(kinds), sealed=sealed)


def at(path: str, operations: str = "*", *, sealed: bool = True, kinds: tuple[str, ...] = ()) -> Field:
    return Field((operations,), parse(path), frozenset(kinds), sealed=sealed)


def veil(*fields: Field, releases: tuple[Release, ...] = (), values: int = 1000, kept: Memory | None = None) -> Veil:
    return Veil.opened(Rules(fields, releases, values), kept or Memory())


def operation(name: str) -> Operation:
    upstream, _, original = name.partition(".")
    return Operation(name, upstream, original, Effect.WRITE, ())


def call(name: str, **arguments: Any) -> Call:
    return Call(operation(name), arguments, Principal())
