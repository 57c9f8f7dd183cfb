"""Which properties an object schema has, through `$ref`, `allOf`, `anyOf` and `oneOf`, without inlining anything.

Each schema is visited once, however often it is referred to, so neither cycles nor `allOf` bombs cost anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.model import JsonSchema, SchemaDocument
from isthmus.openapi.nodes import schema_of

MAX_SCHEMAS = 2_000
"""Schemas that one listing looks at."""

_MAX_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Listing:
    """The properties of an object, in the order of their declaration, each with its schema as it stands.

    `open`: the schema says itself that there may be more. A property that several parts declare differently has
    all its schemas, under `allOf` where they hold together, under `anyOf` where they are alternatives.
    """

    properties: Mapping[str, JsonSchema]
    required: frozenset[str] = frozenset()
    open: bool = False


_NOTHING = Listing({})


def list_properties(schema: JsonSchema, document: SchemaDocument) -> Listing | None:
    """The properties of `schema`, or None where a value of it need not be an object.

    Of alternatives (`oneOf`, `anyOf`) all properties are listed, and only what all require is required.

    Raises:
        LookupError: a reference at the top, or in a combination of it, is remote or leads nowhere.
    """
    return _Lister(document).listing_of(schema, 0)


@dataclass(slots=True)
class _Lister:
    document: SchemaDocument
    known: dict[str, Listing | None] = field(default_factory=dict)
    seen: int = 0

    def listing_of(self, schema: JsonSchema, depth: int) -> Listing | None:
        self.seen += 1
        if self.seen > MAX_SCHEMAS or depth > _MAX_DEPTH or not _may_be_object(schema):
            return None
        parts: list[Listing | None] = [_own(schema)]
        if isinstance(reference := schema.get("$ref"), str):
            parts.append(self._referred(reference, depth))
        parts += [self.listing_of(part, depth + 1) for part in _subschemas(schema, "allOf")]
        for keyword in ("anyOf", "oneOf"):
            branches = [branch for branch in _subschemas(schema, keyword) if branch.get("type") != "null"]
            if branches:
                parts.append(_alternatives([self.listing_of(branch, depth + 1) for branch in branches]))
        return _together(parts)

    def _referred(self, reference: str, depth: int) -> Listing | None:
        if reference not in self.known:
            self.known[reference] = _NOTHING  # while it is being listed: a cycle adds nothing
            self.known[reference] = self.listing_of(schema_of(self.document.resolve(reference)), depth + 1)
        return self.known[reference]


def _may_be_object(schema: JsonSchema) -> bool:
    kind = schema.get("type")
    if isinstance(kind, list):
        return "object" in kind
    return kind in (None, "object")


def _own(schema: JsonSchema) -> Listing:
    properties = schema.get("properties")
    more = schema.get("additionalProperties")
    return Listing(
        {str(name): schema_of(value) for name, value in properties.items()} if isinstance(properties, Mapping) else {},
        frozenset(name for name in _list(schema.get("required")) if isinstance(name, str)),
        more is True or isinstance(more, Mapping) or bool(schema.get("patternProperties")),
    )


def _subschemas(schema: JsonSchema, keyword: str) -> Iterator[JsonSchema]:
    return (schema_of(part) for part in _list(schema.get(keyword)))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _together(parts: list[Listing | None]) -> Listing | None:
    present = [part for part in parts if part is not None]
    if len(present) < len(parts):
        return None
    return Listing(
        _union(present, "allOf"),
        frozenset().union(*(part.required for part in present)),
        any(part.open for part in present),
    )


def _alternatives(branches: list[Listing | None]) -> Listing | None:
    present = [branch for branch in branches if branch is not None]
    if len(present) < len(branches):
        return None
    common = frozenset.intersection(*(branch.required for branch in present))
    return Listing(_union(present, "anyOf"), common, any(branch.open for branch in present))


def _union(parts: list[Listing], keyword: str) -> dict[str, JsonSchema]:
    found: dict[str, list[JsonSchema]] = {}
    for part in parts:
        for name, schema in part.properties.items():
            schemas = found.setdefault(name, [])
            if not any(schema is known or schema == known for known in schemas):
                schemas.append(schema)
    return {name: schemas[0] if len(schemas) == 1 else {keyword: schemas} for name, schemas in found.items()}
