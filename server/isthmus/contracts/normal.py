"""The normal form of schemas: what a contract is about, without words, examples and spellings.

    Normaliser("input").schema({"type": "string", "nullable": True, "title": "x"}, document)
    {"type": ["null", "string"]}

References become `{"$ref": name}`, where `name` is a key of `definitions`. `nullable` and exclusive bounds of OpenAPI
3.0 are written as JSON Schema has them, `const` as an `enum` of one, and `oneOf` as `anyOf`: alternatives that overlap
are a common slip of documents, and arguments are checked so, too. Nothing that restricts a value is dropped: what is
too deep, or refers to nothing, is kept as a digest under `unreadable`, so that a change of it is seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

from isthmus.model import SchemaDocument, digest
from isthmus.openapi.schema import is_binary

Side = Literal["input", "output"]
"""Which way a value travels: to the operation, or from it."""

Schema = Mapping[str, Any] | bool
"""A schema in normal form: a mapping, or False, which nothing fits."""

TYPES = ("null", "boolean", "object", "array", "number", "integer", "string")
UNREADABLE = "unreadable"
MAX_DEPTH = 100

_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_COUNTS_OF_CONTENTS = ("minContains", "maxContains")
_ONE = (
    *("not", "if", "then", "else", "contains", "propertyNames", "items"),
    *("unevaluatedItems", "unevaluatedProperties", "additionalProperties"),
)
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas")
_NUMERIC = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *_COUNTS,
    *_COUNTS_OF_CONTENTS,
)
_COMBINED = frozenset({"$ref", "allOf", "anyOf", "not", "if"})
_PREFIXES = (
    *("#/components/schemas/", "#/$defs/", "#/definitions/"),
    *("#/outputSchema/$defs/", "#/outputSchema/definitions/"),
)
KEPT = frozenset(
    {
        *("$ref", "type", "enum", "const", "format", "nullable", "required", "pattern", "uniqueItems", "multipleOf"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "dependentRequired", "additionalItems"),
        *_COUNTS,
        *_COUNTS_OF_CONTENTS,
        *_ONE,
        *_MANY,
        *_NAMED,
        *("readOnly", "writeOnly", "default", "$defs", "definitions"),
    }
)
"""The keywords that a contract is about, and those that hold definitions. All others are words about a value."""


@dataclass(slots=True)
class Normaliser:
    """Makes normal forms for one side of one upstream, and collects the definitions that they refer to."""

    side: Side
    definitions: dict[str, Schema] = field(default_factory=dict)
    _names: dict[tuple[int, str], str] = field(default_factory=dict)  # by document and reference
    _waiting: list[tuple[str, str, SchemaDocument, str]] = field(default_factory=list)

    def schema(self, node: object, document: SchemaDocument, prefix: str = "") -> Schema:
        """The normal form of a schema. `prefix` keeps the definitions of different documents apart."""
        result = self._schema(node, document, prefix, 0)
        while self._waiting:
            name, reference, owner, own_prefix = self._waiting.pop()
            self.definitions[name] = self._schema(owner.resolve(reference), owner, own_prefix, 0)
        return result

    def _schema(self, node: object, document: SchemaDocument, prefix: str, depth: int) -> Schema:
        if node is False:
            return False
        if not isinstance(node, Mapping):
            return {}
        if depth > MAX_DEPTH:
            return {UNREADABLE: digest(node)}
        own = self._keywords(node, document, prefix, depth)
        if isinstance(reference := node.get("$ref"), str):
            target = self._reference(reference, document, prefix)
            own.pop("default", None)
            # OpenAPI 3.0 has no siblings of `$ref` but, in practice, `nullable`
            combined = {"allOf": [target, own]} if own and document.dialect == "json-schema" else target
            return _nullable(combined, node)
        return _nullable(own, node)

    def _reference(self, reference: str, document: SchemaDocument, prefix: str) -> dict[str, Any]:
        key = (id(document.root), reference)
        if key not in self._names:
            try:
                document.resolve(reference)
            except LookupError:
                return {UNREADABLE: reference[:200]}
            self._names[key] = name = self._name(reference, prefix)
            self._waiting.append((name, reference, document, prefix))
        return {"$ref": self._names[key]}

    def _name(self, reference: str, prefix: str) -> str:
        short = next((reference.removeprefix(each) for each in _PREFIXES if reference.startswith(each)), "")
        name = prefix + (short or reference)
        return name if name not in self._names.values() else prefix + reference

    def _keywords(self, node: Mapping[str, Any], document: SchemaDocument, prefix: str, depth: int) -> dict[str, Any]:
        result = _assertions(node)
        if self.side == "input" and "default" in node:
            result["default"] = node["default"]
        for keyword in _ONE:
            if isinstance(node.get(keyword), Mapping | bool):
                own = self._schema(node[keyword], document, prefix, depth + 1)
                if own == {} and keyword == "additionalProperties":
                    result[keyword] = True
                elif own != {} or keyword not in _IDLE:
                    result[keyword] = own
        for keyword in _MANY:
            if isinstance(node.get(keyword), list) and node[keyword]:
                result[keyword] = [self._schema(part, document, prefix, depth + 1) for part in node[keyword]]
        if isinstance(node.get("items"), list):  # how tuples were written before 2020-12
            result["prefixItems"] = [self._schema(part, document, prefix, depth + 1) for part in node["items"]]
            if "additionalItems" in node:
                result["items"] = self._schema(node["additionalItems"], document, prefix, depth + 1)
        for keyword in _NAMED:
            if isinstance(node.get(keyword), Mapping):
                result[keyword] = {
                    str(name): self._schema(part, document, prefix, depth + 1) for name, part in node[keyword].items()
                }
        self._keep_what_travels(node, result, document)
        _without_one_of(result)
        return result

    def _keep_what_travels(self, node: Mapping[str, Any], result: dict[str, Any], document: SchemaDocument) -> None:
        """Take out the properties that are never sent this way: read-only ones of input, write-only ones of output."""
        properties = node.get("properties")
        known = properties if isinstance(properties, Mapping) else {}
        gone = {str(name) for name, part in known.items() if self._never_travels(part, document)}
        if gone:
            result["properties"] = {name: part for name, part in result["properties"].items() if name not in gone}
        wanted = node.get("required")
        names = [each for each in wanted if isinstance(each, str)] if isinstance(wanted, list) else []
        if required := sorted(set(names) - gone):
            result["required"] = required

    def _never_travels(self, schema: object, document: SchemaDocument) -> bool:
        keyword = "readOnly" if self.side == "input" else "writeOnly"
        for _ in range(8):
            if not isinstance(schema, Mapping):
                return False
            if schema.get(keyword) is True:
                return True
            if not isinstance(reference := schema.get("$ref"), str):
                return False
            try:
                schema = document.resolve(reference)
            except LookupError:
                return False
        return False


_IDLE = ("unevaluatedProperties", "unevaluatedItems", "items", "propertyNames")
"""Keywords that say nothing where their schema allows everything."""


def words_of(node: object, depth: int = 0) -> Iterator[str]:
    """The words in a schema that are no part of a contract (descriptions, titles, examples, extensions), in order."""
    if depth > MAX_DEPTH:
        return
    if isinstance(node, list):
        for item in node:
            yield from words_of(item, depth + 1)
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        if key in _NAMED or key in ("$defs", "definitions", "dependentRequired"):
            for part in value.values() if isinstance(value, Mapping) else ():
                yield from words_of(part, depth + 1)
        elif key in _ONE or key in _MANY or key in ("outputSchema", "additionalItems"):
            yield from words_of(value, depth + 1)
        elif key not in KEPT:
            yield f"{key}: {value if isinstance(value, str) else digest(value)}"


def children(schema: object) -> Iterator[tuple[str, Schema]]:
    """The subschemas of a normal form, each with its JSON pointer from there: `("/properties/name", {...})`."""
    if not isinstance(schema, Mapping):
        return
    for keyword in _ONE:
        if isinstance(schema.get(keyword), Mapping | bool):
            yield f"/{keyword}", schema[keyword]
    for keyword in _MANY:
        yield from ((f"/{keyword}/{place}", part) for place, part in enumerate(schema.get(keyword, ())))
    for keyword in _NAMED:
        for name, part in schema.get(keyword, {}).items():
            yield f"/{keyword}/{escaped(name)}", part


def escaped(name: str) -> str:
    """A name as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def references(schema: object) -> Iterator[str]:
    """The names of the definitions that a normal form refers to directly, as often as they stand in it."""
    stack = [schema]
    while stack:
        each = stack.pop()
        if isinstance(each, Mapping) and "$ref" in each:
            yield each["$ref"]
        stack.extend(part for _, part in children(each))


def is_well_formed(schema: object, depth: int = 0) -> bool:
    """Whether a value is a schema whose keywords have the kinds of values that a normal form gives them.

    What follows may then rely on them, whoever wrote the text that it came from.
    """
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict) or depth > MAX_DEPTH * 2:
        return False
    wanted = all(_fits(keyword, value) for keyword, value in schema.items())
    return wanted and all(is_well_formed(part, depth + 1) for _, part in children(schema))


def _fits(keyword: str, value: Any) -> bool:
    if keyword in ("$ref", "format", "pattern", UNREADABLE):
        return isinstance(value, str)
    if keyword == "type":
        named = value if isinstance(value, list) else [value]
        return bool(named) and all(each in TYPES for each in named if isinstance(each, str)) and _texts(named)
    if keyword in _ONE:
        return isinstance(value, dict | bool)
    if keyword in (*_MANY, "enum"):
        return isinstance(value, list)
    if keyword in (*_NAMED, "dependentRequired"):
        return isinstance(value, dict)
    if keyword == "required":
        return isinstance(value, list) and _texts(value)
    if keyword == "uniqueItems":
        return value is True
    return keyword == "default" or (keyword in _NUMERIC and _is_number(value))


def _texts(values: list[Any]) -> bool:
    return all(isinstance(each, str) for each in values)


def with_names(schema: Any, names: Mapping[str, str]) -> Any:
    """A normal form with its references under other names."""
    if not isinstance(schema, Mapping):
        return schema
    result = dict(schema)
    if "$ref" in result:
        result["$ref"] = names.get(result["$ref"], result["$ref"])
    for keyword in _ONE:
        if keyword in result:
            result[keyword] = with_names(result[keyword], names)
    for keyword in _MANY:
        if keyword in result:
            result[keyword] = [with_names(part, names) for part in result[keyword]]
    for keyword in _NAMED:
        if keyword in result:
            result[keyword] = {name: with_names(part, names) for name, part in result[keyword].items()}
    return result


def unchanged(before: Mapping[str, Schema], after: Mapping[str, Schema]) -> frozenset[str]:
    """The names of the definitions that are the same on both sides, with all that they refer to."""
    same = {name for name, schema in before.items() if name in after and after[name] == schema}
    users: dict[str, set[str]] = {}
    for name in same:
        for other in set(references(before[name])):
            users.setdefault(other, set()).add(name)
    waiting = [name for name in users if name not in same]
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user in same:
                same.remove(user)
                waiting.append(user)
    return frozenset(same)


def value_key(value: Any) -> tuple[str, Any]:
    """What tells JSON values apart: 1 and 1.0 are one value, 1 and true are two."""
    if isinstance(value, bool) or value is None:
        return "literal", str(value)
    if isinstance(value, int | float):
        return "number", value
    return ("text", value) if isinstance(value, str) else ("json", digest(_numbers_alike(value)))


def _numbers_alike(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_numbers_alike(item) for item in value]
    return {key: _numbers_alike(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _assertions(node: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that hold no schemas."""
    result: dict[str, Any] = {}
    if types := _types(node.get("type")):
        result["type"] = types[0] if len(types) == 1 else types
    values = [node["const"]] if "const" in node else node.get("enum")
    if isinstance(values, list) and values:
        different = {value_key(value): value for value in values}
        result["enum"] = [different[key] for key in sorted(different, key=repr)]
    if isinstance(node.get("format"), str):
        result["format"] = node["format"]
    elif is_binary(node):
        result["format"] = "binary"
    for keyword in (*_COUNTS, *_COUNTS_OF_CONTENTS):
        if _is_number(count := node.get(keyword)) and count == int(count) and (count or keyword[:3] == "max"):
            result[keyword] = int(count)
    if node.get("minContains") == 0:
        result["minContains"] = 0
    if isinstance(node.get("pattern"), str):
        result["pattern"] = node["pattern"]
    if node.get("uniqueItems") is True:
        result["uniqueItems"] = True
    if isinstance(others := node.get("dependentRequired"), Mapping):
        result["dependentRequired"] = {
            str(name): sorted({one for one in names if isinstance(one, str)})
            for name, names in others.items()
            if isinstance(names, list)
        }
    result.update(_bounds(node))
    return result


def _types(value: object) -> list[str]:
    named = value if isinstance(value, list) else [value]
    found = sorted(kind for kind in TYPES if kind in named) if all(isinstance(each, str) for each in named) else []
    return [kind for kind in found if not (kind == "integer" and "number" in found)]


def _bounds(node: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for keyword, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if _is_number(node.get(keyword)):
            result[exclusive if node.get(exclusive) is True else keyword] = node[keyword]
        if _is_number(node.get(exclusive)):
            result[exclusive] = node[exclusive]
    if _is_number(step := node.get("multipleOf")) and step > 0:
        result["multipleOf"] = step
    return result


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _without_one_of(result: dict[str, Any]) -> None:
    alternatives = result.pop("oneOf", None)
    if alternatives is None:
        return
    if "anyOf" not in result:
        result["anyOf"] = alternatives
    else:
        result["allOf"] = [*result.get("allOf", ()), {"anyOf": alternatives}]


def _nullable(result: dict[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    """`nullable: true`, which 3.0 has and many a 3.1 document still uses."""
    if node.get("nullable") is not True or not result:
        return result
    if "type" not in result or result.keys() & _COMBINED:
        return {"anyOf": [result, {"type": "null"}]}
    types = result["type"] if isinstance(result["type"], list) else [result["type"]]
    widened = {**result, "type": sorted({*types, "null"})}
    if "enum" in result and None not in result["enum"]:
        widened["enum"] = [None, *result["enum"]]
    return widened
