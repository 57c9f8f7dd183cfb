"""From a document to operations: read what can be read, and say what was left out.

Nothing is inlined: an operation's schemas stay where they are, and keep their references.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.catalog.names import operation_ids, parameter_names
from isthmus.model import Details, Effect, JsonSchema, Operation, Parameter, Route, SchemaDocument
from isthmus.openapi.bodies import is_json
from isthmus.openapi.document import OpenApiDocument
from isthmus.openapi.inputs import Input, Inputs, operation_inputs
from isthmus.openapi.nodes import follow, mapping_of, schema_of, text_of
from isthmus.openapi.security import Reserved, reserved_places, security_schemes

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_EFFECTS = {"GET": Effect.READ, "HEAD": Effect.READ, "OPTIONS": Effect.READ, "DELETE": Effect.DESTRUCTIVE}
_MAX_WARNINGS = 50


@dataclass(frozen=True, slots=True)
class Compiled:
    """The operations of a document, and what was left out of it and why.

    `elsewhere` are the places among them of those that name a server of their own. `places` are those of a request
    that belong to credentials, so that they are no parameters.
    """

    operations: tuple[Operation, ...]
    warnings: tuple[str, ...]
    elsewhere: tuple[int, ...] = ()
    places: Reserved = frozenset()


@dataclass(frozen=True, slots=True)
class _Found:
    """An operation as it stands in the document. `documented` is its usable operationId, or empty."""

    route: Route
    node: Mapping[str, Any]
    item: Mapping[str, Any]
    documented: str

    @property
    def place(self) -> str:
        return f"{self.route.method} {self.route.path}"


def compile_operations(
    document: OpenApiDocument,
    upstream: str,
    *,
    reserved: Reserved = (),
) -> Compiled:
    """All operations of a document that can be read, in its order, under names that programs use.

    An operation is known by its `operationId`; where that is missing, or stands in the document more than once, by
    `METHOD /path`. `reserved` adds places of credentials to those of the document.
    """
    warnings: list[str] = []
    found = _distinct(list(_find(document, warnings)))
    places = frozenset(reserved_places(security_schemes(document.schemas))) | frozenset(reserved)
    readable = list(_read(found, document, places, warnings))
    ids = operation_ids(upstream, [one.documented or one.place for one, _ in readable])
    operations = tuple(
        _operation(id_, upstream, one, inputs, document) for id_, (one, inputs) in zip(ids, readable, strict=True)
    )
    elsewhere = [number for number, (one, _) in enumerate(readable) if "servers" in one.node or "servers" in one.item]
    return Compiled(operations, _bounded(warnings), tuple(elsewhere), places)


def operation_details(document: SchemaDocument, route: Route, places: Reserved) -> Details:
    """The parameters and the output of an operation that `compile_operations` found in a document, read again."""
    item = follow(document.root["paths"][route.path], document)
    node = follow(item[route.method.lower()], document)
    return _details(operation_inputs(route.path, item, node, document, places), node, document)


def output_schema(operation: Mapping[str, Any], document: SchemaDocument) -> JsonSchema | None:
    """The schema of what an operation answers in JSON when it succeeds: of its first 2xx response that has one."""
    responses = mapping_of(operation.get("responses"))
    for status in success_statuses(responses):
        if (schema := _json_schema(responses[status], document)) is not None:
            return schema
    return None


def success_statuses(responses: Mapping[str, Any]) -> list[str]:
    """The keys of the responses that mean success, in order; `default` where the document names no other."""
    found = sorted(status for status in responses if str(status).upper().startswith("2"))
    return found or (["default"] if set(responses) == {"default"} else [])


def _find(document: OpenApiDocument, warnings: list[str]) -> Iterator[_Found]:
    for path, entry in document.root["paths"].items():
        if not path.startswith("/"):
            if not path.startswith("x-"):
                warnings.append(f"path {path!r:.120} is left out: it does not begin with a slash")
            continue
        try:
            item = follow(entry, document.schemas)
        except LookupError as error:
            warnings.append(f"path {path:.200} is left out: {error}")
            continue
        for method in _METHODS:
            if method in item:
                yield from _found(Route(method.upper(), path), item, document, warnings)


def _found(route: Route, item: Mapping[str, Any], document: OpenApiDocument, warnings: list[str]) -> Iterator[_Found]:
    try:
        node = follow(item[route.method.lower()], document.schemas)
    except LookupError as error:
        warnings.append(f"{route.method} {route.path:.200} is left out: {error}")
        return
    yield _Found(route, node, item, text_of(node.get("operationId")).strip())


def _distinct(found: list[_Found]) -> list[_Found]:
    """The same, with the operationIds that stand for more than one operation taken away: nobody calls the wrong one."""
    times = Counter(one.documented for one in found)
    return [one if times[one.documented] == 1 else _Found(one.route, one.node, one.item, "") for one in found]


def _read(
    found: list[_Found], document: OpenApiDocument, places: Reserved, warnings: list[str]
) -> Iterator[tuple[_Found, Inputs]]:
    for one in found:
        try:
            inputs = operation_inputs(one.route.path, one.item, one.node, document.schemas, places)
        except LookupError as error:
            warnings.append(f"{one.place:.200} is left out: {error}")
            continue
        warnings.extend(f"{one.place:.200}: {warning}" for warning in inputs.warnings)
        yield one, inputs


def _operation(id_: str, upstream: str, one: _Found, inputs: Inputs, document: OpenApiDocument) -> Operation:
    node = one.node
    tags = node.get("tags")
    parameters, output = _details(inputs, node, document.schemas)
    return Operation(
        id=id_,
        upstream=upstream,
        original=one.documented or one.place,
        effect=_EFFECTS.get(one.route.method, Effect.WRITE),
        parameters=parameters,
        summary=text_of(node.get("summary")) or text_of(one.item.get("summary")),
        description=text_of(node.get("description")) or text_of(one.item.get("description")),
        output=output,
        document=document.schemas,
        route=one.route,
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        deprecated=node.get("deprecated") is True,
        accepts_more=inputs.accepts_more,
    )


def _details(inputs: Inputs, node: Mapping[str, Any], document: SchemaDocument) -> Details:
    return _parameters(inputs.inputs, document), output_schema(node, document)


def _parameters(inputs: tuple[Input, ...], document: SchemaDocument) -> tuple[Parameter, ...]:
    names = parameter_names([(one.wire, one.location) for one in inputs])
    return tuple(
        Parameter(name, one.wire, one.location, one.required, one.schema, _description(one, document))
        for name, one in zip(names, inputs, strict=True)
    )


def _description(one: Input, document: SchemaDocument) -> str:
    """The parameter's own description, or that of its schema."""
    if one.description or "$ref" not in one.schema:
        return one.description or text_of(one.schema.get("description"))
    try:
        return text_of(follow(one.schema, document).get("description"))
    except LookupError:
        return ""


def _json_schema(response: object, document: SchemaDocument) -> JsonSchema | None:
    try:
        content = mapping_of(follow(response, document).get("content"))
    except LookupError:
        return None
    for media_type, node in content.items():
        if (is_json(media_type) or media_type == "*/*") and "schema" in mapping_of(node):
            return schema_of(node["schema"])
    return None


def _bounded(warnings: list[str]) -> tuple[str, ...]:
    if len(warnings) <= _MAX_WARNINGS:
        return tuple(warnings)
    return (*warnings[:_MAX_WARNINGS], f"and {len(warnings) - _MAX_WARNINGS} more warnings")
