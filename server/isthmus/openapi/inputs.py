"""What an operation takes: its documented parameters and its body, merged and in one order, as the wire knows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from isthmus.model import JsonSchema, Location, SchemaDocument
from isthmus.openapi.bodies import WHOLE_BODY, Body, request_body
from isthmus.openapi.nodes import follow, mapping_of, schema_of, text_of
from isthmus.openapi.security import Requirements, Reserved, is_bearer_token, requirements

_LOCATIONS = ("path", "query", "header", "cookie")
_PLACEHOLDER = re.compile(r"\{([^{}/]+)\}")

# Headers that belong to the connection, to the body or to the credential; and those that would let a request be
# taken for another method, host or sender than the one that policy has seen.
# fmt: off
_OURS = frozenset(
    {
        "accept", "accept-charset", "accept-encoding", "authorization", "connection", "cookie", "date", "expect",
        "forwarded", "host", "keep-alive", "origin", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via",
        "x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url",
    }
)
# fmt: on
_OUR_PREFIXES = ("content-", "proxy-", "sec-", "x-forwarded-")


@dataclass(frozen=True, slots=True)
class Input:
    """One thing that an operation takes. `node` is the parameter object (empty for what comes of the body)."""

    wire: str
    location: Location
    required: bool
    schema: JsonSchema
    description: str
    node: Mapping[str, Any]

    @property
    def media_type(self) -> str | None:
        """The format of a parameter that is described by `content` instead of a style."""
        return next(iter(mapping_of(self.node.get("content"))), None)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that an operation takes, the required ones first, and what of the document had to be passed over."""

    inputs: tuple[Input, ...]
    body: Body | None
    warnings: tuple[str, ...] = ()

    @property
    def accepts_more(self) -> bool:
        """Whether the body's schema says that it takes properties beyond those that it names."""
        return self.body is not None and self.body.listing is not None and self.body.listing.open


def operation_inputs(
    path: str,
    item: Mapping[str, Any],
    operation: Mapping[str, Any],
    document: SchemaDocument,
    reserved: Reserved = (),
) -> Inputs:
    """What `operation` under the path item `item` takes.

    Raises:
        LookupError: a parameter or the body refers to something remote, circular or missing.
    """
    placeholders = list(dict.fromkeys(_PLACEHOLDER.findall(path)))
    declared = _declared(item, operation, document)
    in_path = [declared.pop(("path", name), _undeclared(name)) for name in placeholders]
    strays = [name for location, name in declared if location == "path"]
    others = [node for key, node in declared.items() if key[0] != "path" and not is_ours(*key, reserved)]
    body = request_body(operation["requestBody"], document) if "requestBody" in operation else None
    required = requirements(operation, document.root)
    found = [
        one
        for one in [_input(node) for node in [*in_path, *others]] + _of_body(body, document)
        if not _is_token(one, body, required, document)
    ]
    warnings = tuple(f"path parameter {name!r} does not stand in the path, and is left out" for name in strays)
    return Inputs(tuple(sorted(found, key=lambda one: not one.required)), body, warnings)


def is_ours(location: Location, name: str, reserved: Reserved = ()) -> bool:
    """Whether a place of a request is filled by the connection, the body or the credential, never by a program."""
    if location != "header":
        return (location, name) in reserved
    plain = name.lower()
    return plain in _OURS or plain.startswith(_OUR_PREFIXES) or (location, plain) in reserved


def _declared(
    item: Mapping[str, Any], operation: Mapping[str, Any], document: SchemaDocument
) -> dict[tuple[Location, str], Mapping[str, Any]]:
    """The parameters by place and name; an operation's replaces that of its path."""
    declared: dict[tuple[Location, str], Mapping[str, Any]] = {}
    for owner in (item, operation):
        nodes = owner.get("parameters")
        for entry in nodes if isinstance(nodes, list) else []:
            node = follow(entry, document)
            location, name = node.get("in"), node.get("name")
            if location not in _LOCATIONS or not isinstance(name, str) or not name:
                raise LookupError(f"a parameter has no name, or no known place (`in`: {location!r:.40})")
            declared[cast(Location, location), name] = node
    return declared


def _undeclared(name: str) -> Mapping[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _input(node: Mapping[str, Any]) -> Input:
    location: Literal["path", "query", "header", "cookie"] = node["in"]
    schema = schema_of(node.get("schema"))
    if "schema" not in node:
        schema = schema_of(mapping_of(next(iter(mapping_of(node.get("content")).values()), {})).get("schema"))
    required = location == "path" or node.get("required") is True
    return Input(node["name"], location, required, schema, text_of(node.get("description")), node)


def _of_body(body: Body | None, document: SchemaDocument) -> list[Input]:
    if body is None:
        return []
    if body.listing is None:
        return [Input(WHOLE_BODY, "body", body.required, body.schema, body.description, {})]
    required = frozenset() if body.optional else body.listing.required
    return [
        Input(name, "body", name in required, schema, text_of(schema.get("description")), {})
        for name, schema in body.listing.properties.items()
        if not _is_read_only(schema, document)
    ]


def _is_token(one: Input, body: Body | None, required: Requirements, document: SchemaDocument) -> bool:
    """Whether this is the credential under another name. In JSON, `access_token` is what a call is about."""
    in_form = one.location == "body" and body is not None and body.kind in ("form", "multipart")
    may_be = in_form or one.location in ("query", "header")
    return may_be and is_bearer_token(one.wire, one.description, required, document)


def _is_read_only(schema: JsonSchema, document: SchemaDocument) -> bool:
    if schema.get("readOnly") is True:
        return True
    if "$ref" not in schema:
        return False
    try:
        return follow(schema, document).get("readOnly") is True
    except LookupError:
        return False
