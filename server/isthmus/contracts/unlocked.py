"""Operations made of a lock: what a mock serves where there is no upstream to ask."""

from __future__ import annotations

from typing import Any

from isthmus.contracts.lock import LockedOperation, LockedUpstream
from isthmus.contracts.normal import Schema, with_names
from isthmus.model import Dialect, Effect, Location, Operation, Parameter, Route, SchemaDocument


def unlocked(upstream: LockedUpstream) -> tuple[Operation, ...]:
    """The operations of a locked upstream. Their descriptions are gone: a lock holds only a digest of them."""
    pointers = {
        side: {name: f"#/{side}/{name.replace('~', '~0').replace('/', '~1')}" for name in schemas}
        for side, schemas in upstream.schemas.items()
    }
    root: dict[str, Any] = {
        side: {name: with_names(schema, pointers[side]) for name, schema in schemas.items()}
        for side, schemas in upstream.schemas.items()
    }
    document = SchemaDocument(root, Dialect.JSON_SCHEMA)
    return tuple(_operation(upstream.name, one, pointers, document) for one in upstream.operations.values())


def _operation(
    upstream: str, locked: LockedOperation, pointers: dict[Any, dict[str, str]], document: SchemaDocument
) -> Operation:
    given = locked.input if isinstance(locked.input, dict) else {}
    method, _, path = locked.route.partition(" ")
    required = given.get("required", ())
    location: Location = "query" if locked.route else "argument"
    parameters = [
        Parameter(name, locked.wires.get(name, name), location, name in required, _schema(part, pointers["input"]))
        for name, part in given.get("properties", {}).items()
    ]
    doubted = locked.effect is Effect.READ and not locked.route and not locked.method
    return Operation(
        id=locked.id,
        upstream=upstream,
        original=locked.original,
        effect=Effect.WRITE if doubted else locked.effect,
        claim=locked.effect if doubted else None,  # a tool's own word, as it was when the tool was listed
        parameters=tuple(sorted(parameters, key=lambda one: not one.required)),
        output=None if locked.output is None else _schema(locked.output, pointers["output"]),
        document=document,
        route=Route(method, path) if locked.route else None,
        deprecated=locked.deprecated,
        accepts_more=given.get("additionalProperties") is not False,
        method=locked.method,
    )


def _schema(schema: Schema, names: dict[str, str]) -> Any:
    return {"not": {}} if schema is False else with_names(schema, names)
