"""A schema cut out of its document: self-contained, in JSON Schema 2020-12, and certain to compile.

    standalone({"type": "string", "nullable": True}, document, for_request=True)    {"type": ["string", "null"]}

What a validator does not need is left out (descriptions, examples, extensions, identifiers). What it would not accept
is dropped, so that one bad keyword costs that keyword only. References become `#/$defs/...`, each definition once;
remote ones are never followed: they allow everything, and a warning says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from isthmus.model import Dialect, JsonSchema, SchemaDocument

MAX_SCHEMAS = 20_000
"""Subschemas in one result; beyond that, everything is allowed, and a warning says so."""

MAX_DEPTH = 100
"""Subschemas within subschemas, where no reference stands between them."""

MAX_EVALUATIONS = 20_000
"""Subschemas that one place of a value may be held against: `allOf` that doubles forty times is cut there."""

_MAX_PEEK = 8
_MAX_BRANCHES = 50
_TYPES = ("null", "boolean", "object", "array", "number", "integer", "string")
_COUNTS = (
    "maxItems",
    "minItems",
    "maxProperties",
    "minProperties",
    "minContains",
    "maxContains",
)
_NUMBERS = ("maximum", "minimum")
_ONE = (
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalProperties",
)
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas")
_IN_PLACE = ("allOf", "anyOf", "oneOf")
_IN_PLACE_ONE = ("not", "if", "then", "else")


UsablePattern = Callable[[str, Sequence[str]], bool]
"""Whether a regular expression can be checked: the engine takes it, and the document's own examples match it.

A pattern that its examples contradict is a slip of the document, and would refuse what the service takes.
"""


@dataclass(frozen=True, slots=True)
class Standalone:
    """A schema that needs nothing else, and what of the original it could not keep."""

    schema: dict[str, Any]
    warnings: tuple[str, ...]


def standalone(schema: JsonSchema, document: SchemaDocument, *, for_request: bool) -> dict[str, Any]:
    """`schema` with all that it refers to under `$defs`; see `translated`, which also says what was dropped."""
    return translated(schema, document, for_request=for_request).schema


def translated(
    schema: JsonSchema,
    document: SchemaDocument,
    *,
    for_request: bool,
    usable_pattern: UsablePattern | None = None,
) -> Standalone:
    """The standalone form of a schema. Total: it never fails, whatever the schema is.

    `for_request` says which way the value travels: read-only properties are never required of a request, write-only
    ones never of an answer; binary contents of a request may be anything that a file can be given as.
    """
    translator = _Translator(document, for_request, usable_pattern or _compiles)
    result = translator.schema(schema, 0)
    translator.finish_definitions()
    if translator.definitions:
        result = {**result, "$defs": translator.definitions}
        _cut_explosions(result, translator.warnings)
    return Standalone(result, tuple(dict.fromkeys(translator.warnings)))


def is_binary(schema: Mapping[str, Any]) -> bool:
    """Whether a value is the contents of a file, as 3.0 (`format`) or 3.1 (`contentMediaType`) say it."""
    if schema.get("type") not in ("string", None, "file"):
        return False
    return schema.get("format") == "binary" or ("contentMediaType" in schema and "contentEncoding" not in schema)


def value_types(schema: JsonSchema, document: SchemaDocument) -> frozenset[str] | None:
    """The JSON types that a value may have, read through references and alternatives; None where it may have any."""
    return _value_types(schema, document, 0)


def _value_types(schema: JsonSchema, document: SchemaDocument, depth: int) -> frozenset[str] | None:
    if depth > _MAX_PEEK or not isinstance(schema, Mapping):
        return None
    null = frozenset({"null"} if schema.get("nullable") is True else ())
    if isinstance(reference := schema.get("$ref"), str):
        try:
            found = _value_types(document.resolve(reference), document, depth + 1)
        except LookupError:
            return None
        return found if found is None else found | null
    if types := _types(schema.get("type")):
        return frozenset(types) | null
    for keyword in _IN_PLACE:
        branches = schema.get(keyword)
        if isinstance(branches, list) and branches:
            found_types = [_value_types(branch, document, depth + 1) for branch in branches[:_MAX_BRANCHES]]
            known = [types for types in found_types if types is not None]
            if keyword == "allOf":
                return frozenset.intersection(*known) | null if known else None
            return frozenset().union(*known) | null if len(known) == len(branches) else None
    return None


def _compiles(pattern: str, _: Sequence[str]) -> bool:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


@dataclass(slots=True)
class _Translator:
    document: SchemaDocument
    for_request: bool
    usable_pattern: UsablePattern
    definitions: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # by reference
    waiting: list[str] = field(default_factory=list)  # references whose definitions are still to be made
    seen: int = 0

    def finish_definitions(self) -> None:
        """Translate what has been referred to, and what that refers to, until nothing is missing."""
        while self.waiting:
            reference = self.waiting.pop()
            self.definitions[self.names[reference]] = self.schema(self._resolved(reference), 0)

    def schema(self, node: object, depth: int) -> dict[str, Any]:
        if node is False:
            return {"not": {}}
        if not isinstance(node, Mapping):
            return {}
        self.seen += 1
        if self.seen > MAX_SCHEMAS or depth > MAX_DEPTH:
            self.warnings.append("the schema is too large or too deep to be checked in full")
            return {}
        if isinstance(reference := node.get("$ref"), str):
            return self._referring(reference, node, depth)
        if self.for_request and is_binary(node):
            return {}
        return _nullable(self._keywords(node, depth), node)

    def _referring(self, reference: str, node: Mapping[str, Any], depth: int) -> dict[str, Any]:
        target = self._reference(reference)
        if self.document.dialect is Dialect.OPENAPI_3_0:
            return _nullable(target, node)
        return _nullable({**self._keywords(node, depth), **target}, node)

    def _reference(self, reference: str) -> dict[str, Any]:
        if reference not in self.names:
            try:
                self.document.resolve(reference)
            except LookupError as error:
                self.warnings.append(f"{error}: anything is accepted in its place")
                return {}
            self.names[reference] = self._name(reference)
            self.waiting.append(reference)
        return {"$ref": f"#/$defs/{self.names[reference]}"}

    def _resolved(self, reference: str) -> object:
        return self.document.resolve(reference)

    def _name(self, reference: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_.-]", "_", reference.rpartition("/")[2])[:80] or "root"
        taken = set(self.names.values())
        return base if base not in taken else f"{base}.{len(taken)}"

    def _keywords(self, node: Mapping[str, Any], depth: int) -> dict[str, Any]:
        result = _assertions(node, self.usable_pattern)
        for keyword in _ONE:
            if keyword in node and isinstance(node[keyword], Mapping | bool):
                own = node[keyword]
                result[keyword] = own if isinstance(own, bool) else self.schema(own, depth + 1)
        for keyword in _MANY:
            if isinstance(node.get(keyword), list) and node[keyword]:
                parts = [self.schema(part, depth + 1) for part in node[keyword]]
                result[keyword] = parts if keyword == "prefixItems" else _distinct(parts)
        for keyword in _NAMED:
            if isinstance(node.get(keyword), Mapping):
                result[keyword] = {str(name): self.schema(part, depth + 1) for name, part in node[keyword].items()}
        if "patternProperties" in result:
            result["patternProperties"] = self._usable(result["patternProperties"])
        _relax_alternatives(result)
        self._items(node, result, depth)
        if required := self._required(node):
            result["required"] = required
        return result

    def _usable(self, patterns: dict[str, Any]) -> dict[str, Any]:
        return {pattern: schema for pattern, schema in patterns.items() if self.usable_pattern(pattern, ())}

    def _items(self, node: Mapping[str, Any], result: dict[str, Any], depth: int) -> None:
        """`items`; also as a list, followed by `additionalItems`, which was how tuples were written before 2020-12."""
        items = node.get("items")
        if isinstance(items, list):
            result["prefixItems"] = [self.schema(part, depth + 1) for part in items]
            items = node.get("additionalItems")
        if isinstance(items, Mapping | bool):
            result["items"] = self.schema(items, depth + 1)
        if result.get("prefixItems") == []:
            del result["prefixItems"]

    def _required(self, node: Mapping[str, Any]) -> list[str]:
        required = node.get("required")
        if not isinstance(required, list):
            return []
        properties = node.get("properties")
        known = properties if isinstance(properties, Mapping) else {}
        names = dict.fromkeys(name for name in required if isinstance(name, str))
        return [name for name in names if not self._travels_the_other_way(known.get(name))]

    def _travels_the_other_way(self, schema: object) -> bool:
        keyword = "readOnly" if self.for_request else "writeOnly"
        for _ in range(8):
            if not isinstance(schema, Mapping):
                return False
            if schema.get(keyword) is True:
                return True
            if not isinstance(reference := schema.get("$ref"), str):
                return False
            try:
                schema = self.document.resolve(reference)
            except LookupError:
                return False
        return False


def _assertions(node: Mapping[str, Any], usable_pattern: UsablePattern) -> dict[str, Any]:
    """The keywords that hold no subschemas, as far as their values are sound."""
    result: dict[str, Any] = {}
    if types := _types(node.get("type")):
        result["type"] = types if len(types) > 1 else types[0]
    if isinstance(node.get("enum"), list) and node["enum"]:
        result["enum"] = node["enum"]
    if "const" in node:
        result["const"] = node["const"]
    if isinstance(format_ := node.get("format"), str):
        result["format"] = format_
    for keyword in _COUNTS:
        if (count := _count(node.get(keyword))) is not None:
            result[keyword] = count
    result.update(_text_bounds(node, usable_pattern))
    if node.get("uniqueItems") is True:
        result["uniqueItems"] = True
    if isinstance(names := node.get("dependentRequired"), Mapping):
        result["dependentRequired"] = {
            str(name): list(dict.fromkeys(other for other in others if isinstance(other, str)))
            for name, others in names.items()
            if isinstance(others, list)
        }
    result.update(_bounds(node))
    return result


def _text_bounds(node: Mapping[str, Any], usable_pattern: UsablePattern) -> dict[str, Any]:
    """Lengths and the pattern of a text, each unless the schema's own examples contradict it."""
    samples = _samples(node)
    result: dict[str, Any] = {}
    shortest, longest = _count(node.get("minLength")), _count(node.get("maxLength"))
    if shortest is not None and all(len(text) >= shortest for text in samples):
        result["minLength"] = shortest
    if longest is not None and all(len(text) <= longest for text in samples):
        result["maxLength"] = longest
    if isinstance(pattern := node.get("pattern"), str) and usable_pattern(pattern, samples):
        result["pattern"] = pattern
    return result


def _samples(node: Mapping[str, Any]) -> list[str]:
    """The texts that a schema itself gives as values of it."""
    lists = (node.get("examples"), node.get("enum"))
    given = [node.get("example"), node.get("default")]
    return [
        text
        for text in [*given, *(one for many in lists if isinstance(many, list) for one in many[:3])]
        if isinstance(text, str)
    ]


def _types(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value in _TYPES else []
    named = value if isinstance(value, list) else [value]
    return [kind for kind in _TYPES if kind in named] if all(kind in _TYPES for kind in named) else []


def _bounds(node: Mapping[str, Any]) -> dict[str, Any]:
    """Numeric bounds; 3.0's `exclusiveMinimum: true` turns `minimum` into the exclusive one."""
    result: dict[str, Any] = {}
    for keyword in _NUMBERS:
        exclusive = f"exclusive{keyword.capitalize()}"
        if _is_number(node.get(keyword)):
            result[exclusive if node.get(exclusive) is True else keyword] = node[keyword]
        if _is_number(node.get(exclusive)):
            result[exclusive] = node[exclusive]
    if _is_number(step := node.get("multipleOf")) and step > 0:
        result["multipleOf"] = step
    return result


def _is_number(value: Any) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 2**63 if isinstance(value, int) else math.isfinite(value)


def _count(value: Any) -> int | None:
    return int(value) if _is_number(value) and value >= 0 and value == int(value) else None


def _nullable(result: dict[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    """`nullable: true`, which 3.0 has and many a 3.1 document still uses."""
    if node.get("nullable") is not True or not result:
        return result
    return {"anyOf": [result, {"type": "null"}]} if not _plainly_typed(result) else _with_null(result)


def _plainly_typed(result: dict[str, Any]) -> bool:
    return "type" in result and not result.keys() & {"$ref", "allOf", "anyOf", "oneOf", "not", "const", "if"}


def _with_null(result: dict[str, Any]) -> dict[str, Any]:
    types = result["type"] if isinstance(result["type"], list) else [result["type"]]
    widened = {**result, "type": list(dict.fromkeys([*types, "null"]))}
    if "enum" in result and None not in result["enum"]:
        widened["enum"] = [*result["enum"], None]
    return widened


def _distinct(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without repetitions, which mean nothing in `allOf` and `anyOf`."""
    kept: list[dict[str, Any]] = []
    for part in parts:
        if len(parts) > 200 or part not in kept:
            kept.append(part)
    return kept


def _relax_alternatives(result: dict[str, Any]) -> None:
    """`oneOf` as `anyOf`: alternatives that overlap are a common slip of documents, and no fault of a value."""
    alternatives = result.pop("oneOf", None)
    if alternatives is None:
        return
    if "anyOf" not in result:
        result["anyOf"] = alternatives
    else:
        result["allOf"] = [*result.get("allOf", ()), {"anyOf": alternatives}]


def _cut_explosions(root: dict[str, Any], warnings: list[str]) -> None:
    """Empty the definitions that hold one place of a value against themselves again, or against too many schemas."""
    definitions: dict[str, Any] = root["$defs"]
    costs: dict[str, int] = {}
    open_: set[str] = set()

    def cost_of(name: str) -> int:
        if name in open_:
            return MAX_EVALUATIONS + 1
        if name not in costs:
            open_.add(name)
            cost = (
                1 + sum(map(cost_of, _in_place(definitions[name]))) if len(open_) < MAX_DEPTH else MAX_EVALUATIONS + 1
            )
            open_.remove(name)
            if cost > MAX_EVALUATIONS:
                definitions[name] = {}
                warnings.append(f"the definition {name!r} combines too many schemas, or itself: anything is accepted")
                cost = 1
            costs[name] = cost
        return costs[name]

    for name in list(definitions):
        cost_of(name)


def _in_place(schema: dict[str, Any]) -> list[str]:
    """The definitions that a value is held against together with `schema`, as often as they stand in it."""
    found: list[str] = []
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(reference := node.get("$ref"), str):
            found.append(reference.removeprefix("#/$defs/"))
        for keyword in _IN_PLACE:
            stack.extend(node.get(keyword, ()))
        stack.extend(node[keyword] for keyword in _IN_PLACE_ONE if isinstance(node.get(keyword), dict))
    return found
