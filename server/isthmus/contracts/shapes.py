"""What a schema says of a value, gathered into one conjunction, through `$ref` and `allOf`; nothing is inlined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.contracts.normal import UNREADABLE, Schema, escaped, value_key

KINDS = frozenset({"null", "boolean", "object", "array", "integer", "fraction", "string"})
"""The kinds of values. JSON Schema's `number` is `integer` and `fraction` together."""

_OPAQUE = (
    *("not", "contains", "minContains", "maxContains", "propertyNames", "dependentRequired", "dependentSchemas"),
    *("patternProperties", "unevaluatedProperties", "unevaluatedItems", UNREADABLE),
)

Definitions = Mapping[str, Schema]


@dataclass(frozen=True, slots=True)
class Part:
    """A schema that stands somewhere: `pointer` is the JSON pointer to it in the lock file."""

    pointer: str
    schema: Schema


@dataclass(slots=True)
class Shape:
    """What holds of a value all at once.

    `additional`: what keys beyond `properties` hold; None where the schema says nothing of them, so that none are sent.
    `alternatives`: of each of these lists, one schema fits. `opaque`: keywords that can only be the same or not.
    """

    kinds: frozenset[str] = KINDS
    values: dict[tuple[str, Any], Any] | None = None  # `enum`, by `value_key`
    lowest: dict[str, float] = field(default_factory=dict)  # bounds from below, by keyword
    highest: dict[str, float] = field(default_factory=dict)
    exact: dict[str, frozenset[Any]] = field(default_factory=dict)  # pattern, format, multipleOf, uniqueItems
    properties: dict[str, Part] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    additional: Part | None = None
    prefix: list[Part] = field(default_factory=list)
    items: Part | None = None
    alternatives: list[list[Part]] = field(default_factory=list)
    opaque: list[tuple[str, Any]] = field(default_factory=list)
    default: tuple[Any, ...] = ()

    @property
    def is_union(self) -> bool:
        """Whether it is nothing but a choice between alternatives."""
        return len(self.alternatives) == 1 and not self.says_more

    @property
    def says_more(self) -> bool:
        """Whether it says anything but its alternatives."""
        own = (self.values is not None, self.lowest, self.highest, self.exact, self.properties, self.required)
        return self.kinds != KINDS or any(own) or any((self.additional, self.prefix, self.items, self.opaque))


def shape_of(part: Part, definitions: Definitions) -> Shape:
    """The shape of a schema."""
    shape = Shape()
    gathered = list(_conjuncts(part, definitions, set()))
    objects = [one for one in gathered if isinstance(one.schema, Mapping) and _is_object(one.schema)]
    lists = [
        one for one in gathered if isinstance(one.schema, Mapping) and one.schema.keys() & {"items", "prefixItems"}
    ]
    for one in gathered:
        if isinstance(one.schema, Mapping):
            _add_scalars(shape, one.schema)
            _add_opaque(shape, one.schema)
            if "anyOf" in one.schema:
                branches = enumerate(one.schema["anyOf"])
                shape.alternatives.append([Part(f"{one.pointer}/anyOf/{place}", each) for place, each in branches])
        else:
            shape.kinds = frozenset()
    _add_objects(shape, objects)
    _add_lists(shape, lists)
    _add_kinds_of_values(shape)
    return shape


def _add_kinds_of_values(shape: Shape) -> None:
    """Values and kinds restrict each other; null, true and false are all the values of their kinds."""
    if shape.values is None and shape.kinds and shape.kinds <= {"null", "boolean"}:
        finite: list[bool | None] = [None] if "null" in shape.kinds else []
        finite += [True, False] if "boolean" in shape.kinds else []
        shape.values = {value_key(value): value for value in finite}
    if shape.values is not None:
        shape.values = {key: value for key, value in shape.values.items() if kind_of(value) in shape.kinds}
        shape.kinds &= frozenset(map(kind_of, shape.values.values()))


def kind_of(value: Any) -> str:
    """The kind of a JSON value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, int | float):
        return "integer" if value == int(value) else "fraction"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def declared(part: Part, definitions: Definitions) -> frozenset[str]:
    """The names of all properties that a schema declares for one value, in whatever branch."""
    found: set[str] = set()
    waiting: list[Schema] = [part.schema]
    seen: set[str] = set()
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, Mapping):
            continue
        found.update(schema.get("properties", ()))
        reference = schema.get("$ref")
        if reference is not None and reference not in seen:
            seen.add(reference)
            waiting.append(definitions.get(reference, {}))
        waiting.extend(schema[key] for key in ("not", "if", "then", "else") if key in schema)
        waiting.extend(each for key in ("allOf", "anyOf") for each in schema.get(key, ()))
        waiting.extend(schema.get("dependentSchemas", {}).values())
    return frozenset(found)


def reference_of(schema: Schema) -> str | None:
    """The name of the definition that a schema is, where it is nothing else."""
    return schema["$ref"] if isinstance(schema, Mapping) and "$ref" in schema and len(schema) == 1 else None


def _conjuncts(part: Part, definitions: Definitions, seen: set[str]) -> Iterator[Part]:
    """All that holds of a value together, without `$ref` and `allOf`. A cycle adds nothing."""
    waiting = [part]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one.schema, Mapping):
            yield one
            continue
        if (name := one.schema.get("$ref")) is not None:
            if name not in seen:
                seen.add(name)
                waiting.insert(0, Part(definition_pointer(one.pointer, name), definitions.get(name, {})))
            continue
        yield one
        inner = enumerate(one.schema.get("allOf", ()))
        waiting[:0] = [Part(f"{one.pointer}/allOf/{place}", each) for place, each in inner]


def definition_pointer(pointer: str, name: str) -> str:
    """Where a definition stands that is referred to from somewhere in the same upstream, on the same side.

    >>> definition_pointer("/upstreams/shop/operations/shop.orders.list/output/items", "Order")
    '/upstreams/shop/schemas/output/Order'
    """
    steps = pointer.split("/")
    side = steps[4] if steps[3] == "schemas" else steps[5]
    return "/".join([*steps[:3], "schemas", side, escaped(name)])


def _is_object(schema: Mapping[str, Any]) -> bool:
    return bool(schema.keys() & {"properties", "additionalProperties", "patternProperties"})


def _add_scalars(shape: Shape, schema: Mapping[str, Any]) -> None:
    if "type" in schema:
        shape.kinds &= _kinds(schema["type"])
    if "enum" in schema:
        values = {value_key(value): value for value in schema["enum"]}
        known = shape.values
        shape.values = values if known is None else {key: value for key, value in known.items() if key in values}
    for keyword in ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum"):
        if keyword in schema:
            shape.lowest[keyword] = max(schema[keyword], shape.lowest.get(keyword, schema[keyword]))
    for keyword in ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"):
        if keyword in schema:
            shape.highest[keyword] = min(schema[keyword], shape.highest.get(keyword, schema[keyword]))
    for keyword in ("pattern", "format", "multipleOf", "uniqueItems"):
        if keyword in schema:
            shape.exact[keyword] = shape.exact.get(keyword, frozenset()) | {schema[keyword]}
    shape.required |= frozenset(schema.get("required", ()))
    shape.default = (schema["default"],) if "default" in schema else shape.default


def _kinds(types: str | list[str]) -> frozenset[str]:
    named = [types] if isinstance(types, str) else types
    return frozenset(named) - {"number"} | (frozenset({"integer", "fraction"}) if "number" in named else frozenset())


def _add_opaque(shape: Shape, schema: Mapping[str, Any]) -> None:
    shape.opaque += [(keyword, schema[keyword]) for keyword in _OPAQUE if keyword in schema]
    if "if" in schema:
        shape.opaque.append(("if", {key: schema[key] for key in ("if", "then", "else") if key in schema}))


def _add_objects(shape: Shape, parts: list[Part]) -> None:
    """Properties of one part, or of several that leave other keys alone; what cannot be joined is opaque."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        if not isinstance(part.schema, Mapping):
            continue
        for name, schema in part.schema.get("properties", {}).items():
            found.setdefault(name, []).append(Part(f"{part.pointer}/properties/{escaped(name)}", schema))
        if "additionalProperties" not in part.schema:
            continue
        more = part.schema["additionalProperties"]
        if len(parts) == 1:
            shape.additional = Part(f"{part.pointer}/additionalProperties", {} if more is True else more)
        elif more is not True:
            shape.opaque.append(("additionalProperties", [sorted(part.schema.get("properties", ())), more]))
    shape.properties = {name: joined(same) for name, same in found.items()}


def _add_lists(shape: Shape, parts: list[Part]) -> None:
    schemas = [(part.pointer, part.schema) for part in parts if isinstance(part.schema, Mapping)]
    if len(schemas) > 1 and any("prefixItems" in schema for _, schema in schemas):
        shape.opaque += [("items", {key: s[key] for key in ("items", "prefixItems") if key in s}) for _, s in schemas]
        return
    for pointer, schema in schemas:
        shape.prefix = [
            Part(f"{pointer}/prefixItems/{n}", each) for n, each in enumerate(schema.get("prefixItems", ()))
        ]
    items = [Part(f"{pointer}/items", schema["items"]) for pointer, schema in schemas if "items" in schema]
    shape.items = joined(items) if items else None


def joined(parts: list[Part]) -> Part:
    """Several schemas of one value as one; it stands where the first does."""
    different = [part for place, part in enumerate(parts) if part.schema not in [one.schema for one in parts[:place]]]
    return different[0] if len(different) == 1 else Part(parts[0].pointer, {"allOf": [one.schema for one in different]})
