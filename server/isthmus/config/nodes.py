"""A configuration as read: plain data in which every value knows its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from isthmus.config.faults import Path, Place

MAX_DEPTH = 32
"""Containers within containers. The model needs six."""

MAX_NODES = 50_000
"""Values in a file, each alias counted as all that it stands for."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its place. `size` counts the nodes in it, itself included; `depth` the levels below it."""

    value: bool | int | float | str | tuple[Node, ...] | Mapping[str, Node] | None
    place: Place
    size: int = field(default=1, compare=False)
    depth: int = field(default=0, compare=False)

    @property
    def entries(self) -> Mapping[str, Node]:
        """The entries of a mapping; none where it is something else."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> tuple[Node, ...]:
        """The items of a list; none where it is something else."""
        return self.value if isinstance(self.value, tuple) else ()

    def with_entries(self, entries: Mapping[str, Node]) -> Node:
        """The same place with other entries."""
        return replace(self, value=dict(entries))


def kind(node: Node) -> str:
    """What a node is, in a reader's words."""
    match node.value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case tuple():
            return "a list"
        case _:
            return "a mapping"


def plain(node: Node) -> Any:
    """The node as plain Python data."""
    if isinstance(node.value, Mapping):
        return {key: plain(part) for key, part in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain(part) for part in node.value]
    return node.value


def walk(node: Node) -> Iterator[Node]:
    """The node and all nodes in it, parents first."""
    yield node
    for part in (*node.entries.values(), *node.items):
        yield from walk(part)


def place_of(node: Node, path: Path) -> Place:
    """Where the value at `path` stands; for one that is missing, where it would stand."""
    for position, key in enumerate(path):
        part = _part(node, key)
        if part is None:
            place = node.place
            for missing in path[position:]:
                place = place.below(missing)
            return place
        node = part
    return node.place


def node_at(node: Node, path: Path) -> Node | None:
    """The node at `path`, where there is one."""
    for key in path:
        part = _part(node, key)
        if part is None:
            return None
        node = part
    return node


def _part(node: Node, key: str | int) -> Node | None:
    if isinstance(key, str):
        return node.entries.get(key)
    return node.items[key] if key < len(node.items) else None
