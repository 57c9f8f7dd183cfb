"""What operations give that others take: the identifiers in their answers, by what they identify.

    GET /zones                answers {"result": [{"id": ..., "name": ...}]}      gives `zone`: id, name in result[]
    GET /search               answers {"albums": {"items": [{"id": ...}]}}        gives `album`: id in albums.items[]
    find_papers, untyped                                                          gives `paper`: fields unknown

Only what looks is read: operations that read, or whose name says that they find. An answer is looked into as far as its
first lists, never into the things listed: what an issue says of its author is no way to find authors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from isthmus.catalog.names import words
from isthmus.model import Effect, Operation, Parameter, SchemaDocument
from isthmus.render.schemas import Resolved, alternatives, properties, resolved, types
from isthmus.render.text import literal

IDENTIFYING = frozenset(
    words("id ids identifier identifiers uuid guid gid sid iid key keys slug number sha arn urn uid name")
)
"""Words that a field ends in which tells one thing from another."""

_ENDS = re.compile(
    rf"(?:^|[^A-Za-z])(?i:{'|'.join(IDENTIFYING)})$|(?<=[a-z0-9])(?:{'|'.join(map(str.title, IDENTIFYING))}|IDs?)$"
)

_ENVELOPES = frozenset(
    words(
        "data result results item items value values record records entry entries list content contents "
        "response payload objects object resources resource rows hits matches collection collections page "
        "children"
    )
)
"""Names of fields that say nothing of what is in them."""

_ASKED = frozenset(words("query q search term text keyword keywords filter"))
_FINDERS = frozenset(words("list search find query browse lookup discover get fetch read show retrieve"))
_SELF = frozenset(words("me self current user account viewer myself whoami identity"))
_FIELDS = 80
"""Fields of one object that are looked at."""

_DEEPEST = 3
"""Objects within objects, above the first list."""


@dataclass(frozen=True, slots=True)
class Finder:
    """An operation that looks, and what it wants for that."""

    operation: Operation
    needs: tuple[tuple[str, bool], ...]  # its required parameters by wire name, and whether each identifies something
    asks: bool  # whether it takes words to search by

    @classmethod
    def read(cls, operation: Operation) -> Finder:
        """The finder that an operation is."""
        needs = tuple((each.wire, is_identifier(each)) for each in operation.parameters if each.required)
        return cls(operation, needs, any(each.name in _ASKED for each in operation.parameters))


@dataclass(frozen=True, slots=True)
class Producer:
    """Where identifiers of something stand in an operation's answer.

    `place` leads to the thing: `.result[]`, `.albums.items[]`, or empty for the answer itself. `fields` are its
    identifying ones; None where the answer's type is not known.
    """

    finder: Finder
    place: str
    fields: frozenset[str] | None
    nested: bool = False  # it stands under a name of its own, beside other things

    @property
    def operation(self) -> Operation:
        """The operation that finds it."""
        return self.finder.operation


def producers(operation: Operation) -> Iterator[tuple[str, Producer]]:
    """What an operation gives, by the noun that it identifies; of an untyped one, what it lists by its path or name."""
    if not is_finder(operation) or _is_of_one(operation):
        return
    nouns, finder = own_nouns(operation), Finder.read(operation)
    if operation.output is None:
        if operation.route is not None or verb_of(operation) in {"list", "search", "find"}:
            yield from ((noun, Producer(finder, "", None)) for noun in nouns)
        return
    for found in _things(operation.output, operation.document):
        thing = Producer(finder, found.place, found.fields, bool(found.name))
        if found.many:
            yield from ((noun, thing) for noun in (phrases(found.name) if found.name else nouns))
        elif not finder.needs and _SELF.intersection(nouns[:1]):
            yield from ((noun, thing) for noun in dict.fromkeys([*nouns, "user"]))


def is_identifier(parameter: Parameter) -> bool:
    """Whether a parameter says which thing is meant, by its place or its name."""
    return parameter.location == "path" or (words(parameter.wire) or [""])[-1] in IDENTIFYING


def is_finder(operation: Operation) -> bool:
    """Whether an operation only looks, as far as is known."""
    return operation.declared is Effect.READ or verb_of(operation) in _FINDERS


def _is_of_one(operation: Operation) -> bool:
    """Whether a path ends in an identifier: what is there is one thing, which was known before."""
    return operation.route is not None and operation.route.path.rstrip("/").removesuffix(".json").endswith("}")


def own_nouns(operation: Operation) -> tuple[str, ...]:
    """What an operation is about: the last fixed part of its path (`zones` -> `zone`), or the end of its name."""
    if operation.route is not None:
        fixed = [part for part in segments(operation.route.path) if not part.startswith("{")]
        return phrases(fixed[-1]) if fixed else ()
    name = words(operation.id.rpartition(".")[2])
    while name and name[0] in _FINDERS | {"all", "my", "for"}:
        name = name[1:]
    return phrases("_".join(name))


@lru_cache(maxsize=4096)
def phrases(text: str) -> tuple[str, ...]:
    """The singular of a name, and of its ends: `dns_records` -> `dns record`, `record`."""
    parts = words(text)
    if not parts:
        return ()
    parts[-1] = singular(parts[-1])
    return tuple(" ".join(parts[start:]) for start in range(len(parts)))


def singular(word: str) -> str:
    """
    >>> [singular(each) for each in ("zones", "policies", "addresses", "status", "series")]
    ['zone', 'policy', 'address', 'status', 'series']
    """
    if word.endswith("ies") and len(word) > 4 and word != "series":
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is", "ies")) and len(word) > 2:
        return word[:-1]
    return word


def segments(path: str) -> list[str]:
    """The parts of a path template, without what only says a format: `Messages/{Sid}.json` -> `Messages`, `{Sid}`."""
    return [part.removesuffix(".json") for part in path.split("/") if part]


@dataclass(frozen=True, slots=True)
class _Thing:
    """Something that an answer holds: where, under which telling name, its identifying fields, one or many."""

    place: str
    name: str
    fields: frozenset[str] | None
    many: bool


def _things(schema: Any, document: SchemaDocument) -> Iterator[_Thing]:
    """What stands in an answer: itself, where it is a thing; else the members of its lists, however wrapped."""
    pending: list[tuple[Any, str, str, int]] = [(schema, "", "", 0)]
    while pending:
        node, place, name, depth = pending.pop(0)
        found = _first(resolved(node, document), document)
        if "array" in types(found):
            item = _first(resolved(found.get("items"), document), document)
            if not item or types(item) in ((), ("object",)):
                fields = _identifying(item, document) if properties(item) else None
                yield _Thing(f"{place}[]", name, fields, many=True)
            continue
        inner = properties(found)
        if depth == 0 and "id" in inner:
            yield _Thing("", "", _identifying(found, document), many=False)
            return
        for field, each in list(inner.items())[:_FIELDS] if depth < _DEEPEST else ():
            if _may_hold(each):
                telling = name if field.lower() in _ENVELOPES else field
                pending.append((each, f"{place}{step(field)}", telling, depth + 1))


def step(field: str) -> str:
    """The way into a field: `.items`, or `["a-b"]` where that is no name; the field is the upstream's own text."""
    plain = field.isascii() and field.isidentifier() and len(field) <= 60
    return f".{field}" if plain else f"[{literal(field, 60) or '...'}]"


def _may_hold(schema: Any) -> bool:
    """Whether a field may be a list or an object, as far as can be told without following it."""
    if not isinstance(schema, Mapping):
        return False
    return "type" not in schema or bool({"array", "object"}.intersection(types(schema)))


def _identifying(item: Mapping[str, Any], document: SchemaDocument) -> frozenset[str]:
    """The identifying fields of an object; those of its `metadata` count as its own (Kubernetes)."""
    fields = properties(item)
    found = {name for name in list(fields)[:_FIELDS] if _ENDS.search(name)}
    if "metadata" in fields and not found:
        inner = properties(resolved(fields["metadata"], document).schema)
        found = {f"metadata.{name}" for name in inner if name in ("name", "id", "uid")}
    return frozenset(found)


def _first(found: Resolved, document: SchemaDocument) -> Mapping[str, Any]:
    """A schema, or the first of its alternatives that says anything."""
    if properties(found.schema) or "items" in found.schema:
        return found.schema
    for member in alternatives(found.schema)[:4]:
        inner = resolved(member, document).schema
        if properties(inner) or "items" in inner:
            return inner
    return found.schema


def verb_of(operation: Operation) -> str:
    """The first word of an operation's own name."""
    return (words(operation.id.rpartition(".")[2]) or [""])[0]
