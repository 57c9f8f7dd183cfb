"""A document that has been read, with its operations, as bytes; and back, in pieces, as they are asked for.

    read = unpacked(packed(document, compiled), "api.json")

A line of JSON says what is needed of all operations, and where the pieces lie that follow it: each path, and each
component, by itself. A catalog of thousands of operations opens by that line alone. An operation's parameters and its
output are read from the pieces that speak of it, when it is first shown or called, by the code that compiled it.
"""

from __future__ import annotations

import gc
import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain
from typing import Any

from isthmus.model import Dialect, Effect, Operation, Route, SchemaDocument
from isthmus.openapi.document import OpenApiDocument
from isthmus.openapi.operations import Compiled, operation_details

_TOGETHER = 64
"""Pieces of a mapping after which what was read is kept from the garbage collector, as the heads of operations are."""


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document and its operations. `key` says what they were made of; empty where they are not kept."""

    document: OpenApiDocument
    compiled: Compiled
    key: str = ""


class Pieces(Mapping[str, Any]):
    """A mapping whose values are read when they are first asked for, and kept. Any number of threads may ask.

    `ends` are where the values end in `content`, one behind the other, from `begin` on.
    """

    __slots__ = ("_content", "_ends", "_places", "_read")

    def __init__(self, content: bytes, begin: int, names: Sequence[str], ends: Sequence[int]) -> None:
        self._content = content
        self._places = {name: place for place, name in enumerate(names)}
        self._ends = array("Q", [begin, *(begin + end for end in ends)])
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name in self._read:
            return self._read[name]
        place = self._places[name]
        value = json.loads(self._content[self._ends[place] : self._ends[place + 1]])
        value = self._read.setdefault(name, value)
        if len(self._read) % _TOGETHER == 0:
            # They stay, and have no cycles. A look for some in all that was read would stop everybody for 50 ms.
            gc.freeze()
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def packed(document: OpenApiDocument, compiled: Compiled) -> bytes:
    """The bytes of a document and its operations.

    Raises:
        ValueError: something in it is no plain data.
    """
    root, divided = _divided(document.root)
    try:
        pieces = [list(map(_json, section.values())) for _, section in divided]
        head = {
            "version": document.version,
            "dialect": document.schemas.dialect.value,
            "root": root,
            "pieces": [
                [where, list(section), list(map(len, each))]
                for (where, section), each in zip(divided, pieces, strict=True)
            ],
            "operations": list(map(_row, compiled.operations)),
            "elsewhere": compiled.elsewhere,
            "places": sorted(compiled.places),
            "warnings": compiled.warnings,
        }
        return b"".join([_json(head), b"\n", *chain.from_iterable(pieces)])
    except (TypeError, RecursionError) as error:
        raise ValueError(f"no plain data: {error}") from None


def unpacked(content: bytes, source: str) -> ReadDocument:
    """What `packed` was given; `source` is where the document came from.

    Raises:
        ValueError: the bytes are none of `packed`.
    """
    begin = content.find(b"\n") + 1
    try:
        said = json.loads(content[:begin])
        root = _root(said["root"], said["pieces"], content, begin)
        document = SchemaDocument(root, Dialect(said["dialect"]), content)
        places = frozenset((location, name) for location, name in said["places"])
        operations = tuple(_operation(row, document, places) for row in said["operations"])
        compiled = Compiled(operations, tuple(said["warnings"]), tuple(said["elsewhere"]), places)
        return ReadDocument(OpenApiDocument(source, said["version"], document), compiled)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"no packed document: {type(error).__name__}") from None


def _divided(root: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[list[str], Mapping[str, Any]]]]:
    """The top level without what is kept in pieces, and that: the way to each mapping, and the mapping."""
    whole = dict(root)
    divided = [(["paths"], whole.pop("paths"))]
    components = whole.get("components")
    if isinstance(components, Mapping):
        sections = {name: section for name, section in components.items() if isinstance(section, Mapping)}
        divided += [(["components", name], section) for name, section in sections.items()]
        whole["components"] = {name: each for name, each in components.items() if name not in sections}
    return whole, divided


def _root(root: dict[str, Any], pieces: Sequence[Any], content: bytes, begin: int) -> dict[str, Any]:
    """The top level of a document, with all that was divided in its place."""
    for (*way, name), names, lengths in pieces:
        ends = list(accumulate(lengths))
        owner = root[way[0]] if way else root
        owner[name] = Pieces(content, begin, names, ends)
        begin += ends[-1] if ends else 0
    if begin != len(content):
        raise ValueError("its pieces do not fit together")
    return root


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _row(operation: Operation) -> tuple[Any, ...]:
    if operation.route is None:
        raise ValueError("no operation of a document")
    return (
        operation.id,
        operation.upstream,
        operation.original,
        operation.effect,
        operation.summary,
        operation.description,
        operation.route.method,
        operation.route.path,
        operation.tags,
        operation.deprecated,
        operation.accepts_more,
    )


_EFFECTS = {effect.value: effect for effect in Effect}


def _operation(row: Sequence[Any], document: SchemaDocument, places: frozenset[tuple[Any, str]]) -> Operation:
    id_, upstream, original, effect, summary, description, method, path, tags, deprecated, more = row
    route = Route(method, path)
    return Operation.late(
        partial(operation_details, document, route, places),
        id=id_,
        upstream=upstream,
        original=original,
        effect=_EFFECTS[effect],
        summary=summary,
        description=description,
        document=document,
        route=route,
        tags=tuple(tags),
        deprecated=deprecated,
        accepts_more=more,
    )
