"""Reading JSON Schemas as their upstreams wrote them: references followed, `allOf` merged, everything bounded.

Schemas are strangers' data. Nothing here trusts that a keyword has the type that it should have, or that it ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from isthmus.model import SchemaDocument

_REFERENCES = 16
"""References that lead to references, before one gives up."""

_MERGED = 64
"""Members of `allOf`, at all depths together, that are merged."""

_MAPPING = (dict, Mapping)
"""What nearly every schema is stands first: to ask for the abstract class alone takes several times as long."""


class Resolved(NamedTuple):
    """A schema with its references followed, and the last of these: the name of a component, where it has one."""

    schema: Mapping[str, Any]
    reference: str = ""


def resolved(schema: Any, document: SchemaDocument) -> Resolved:
    """Follow `$ref`, and merge `allOf`. What cannot be read is the schema of anything, `{}`."""
    reference = ""
    for _ in range(_REFERENCES):
        if not isinstance(schema, _MAPPING):
            return Resolved({}, reference)
        target = schema.get("$ref")
        if not isinstance(target, str):
            return _merged(schema, document, reference) if "allOf" in schema else Resolved(schema, reference)
        reference = target
        try:
            schema = document.resolve(target)
        except LookupError:
            return Resolved({}, reference)
    return Resolved({}, reference)


def properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of an object schema, by wire name."""
    found = schema.get("properties")
    return {str(name): each for name, each in found.items()} if isinstance(found, _MAPPING) else {}


def required(schema: Mapping[str, Any]) -> frozenset[str]:
    """The names of the required properties."""
    found = schema.get("required")
    return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else frozenset()


def alternatives(schema: Mapping[str, Any]) -> list[Any]:
    """The members of `oneOf` or `anyOf`."""
    for keyword in ("oneOf", "anyOf"):
        members = schema.get(keyword)
        if isinstance(members, list) and members:
            return members
    return []


def types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The JSON types that a schema allows as far as it says so, with OpenAPI 3.0's `nullable` as `null`."""
    said = schema.get("type")
    if isinstance(said, str) and "nullable" not in schema:
        return (said,)
    names = (
        [said]
        if isinstance(said, str)
        else [each for each in said if isinstance(each, str)]
        if isinstance(said, list)
        else []
    )
    if not names and isinstance(schema.get("properties"), Mapping):
        names = ["object"]
    if not names and "items" in schema:
        names = ["array"]
    return tuple(dict.fromkeys([*names, "null"] if schema.get("nullable") is True and names else names))


def may_be(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value is of the types and among the constants that a resolved schema names itself.

    >>> may_be({"type": "integer"}, "10"), may_be({"enum": ["A"]}, "a"), may_be({"type": "number"}, 3)
    (False, False, True)
    """
    constants = schema.get("enum")
    if isinstance(constants, list) and not any(value == one and type(value) is type(one) for one in constants):
        return False
    return has_kind(schema, value)


def has_kind(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value is of the JSON types that a resolved schema names; of any, where it names none."""
    kinds = types(schema)
    return not kinds or any(isinstance(value, _KINDS.get(kind, object)) for kind in kinds if _is_of(kind, value))


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": Mapping,
    "null": type(None),
}


def _is_of(kind: str, value: Any) -> bool:
    """A boolean is no number, though Python counts it as one."""
    return kind == "boolean" or not isinstance(value, bool)


def _merged(schema: Mapping[str, Any], document: SchemaDocument, reference: str) -> Resolved:
    members = schema.get("allOf")
    if not isinstance(members, list) or not members:
        return Resolved(schema, reference)
    merged: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    needed: set[str] = set()
    names: list[str] = []
    for part, name in _parts(schema, document):
        names.append(name)
        fields |= properties(part)
        needed |= required(part)
        merged |= {key: value for key, value in part.items() if key not in {"allOf", "properties", "required"}}
    if fields:
        merged |= {"properties": fields, "required": sorted(needed)}
    alone = [name for name in names if name]
    return Resolved(merged, reference or (alone[0] if len(alone) == 1 and len(members) == 1 else ""))


def _parts(schema: Mapping[str, Any], document: SchemaDocument) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The members of `allOf` at all depths, each once, and last the schema itself."""
    seen: set[str] = set()
    pending: list[tuple[Any, str]] = [(schema, "")]
    order: list[tuple[Mapping[str, Any], str]] = []
    while pending and len(order) < _MERGED:
        part, name = pending.pop()
        if not isinstance(part, Mapping):
            continue
        target = part.get("$ref")
        if isinstance(target, str):
            if target not in seen:
                seen.add(target)
                pending.append((_target(target, document), target))
            continue
        order.append((part, name))
        members = part.get("allOf")
        if isinstance(members, list):
            pending.extend((member, "") for member in members[:_MERGED])
    yield from reversed(order)


def _target(reference: str, document: SchemaDocument) -> Any:
    try:
        return document.resolve(reference)
    except LookupError:
        return {}
