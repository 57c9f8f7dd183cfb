"""Request bodies: which of the documented content types is sent, and whether its properties stand by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from isthmus.model import JsonSchema, SchemaDocument
from isthmus.openapi.nodes import follow, mapping_of, schema_of, text_of
from isthmus.openapi.objects import Listing, list_properties

BodyKind = Literal["json", "form", "multipart", "text", "bytes"]

WHOLE_BODY = "body"
"""The parameter that stands for a body that is no plain object."""

_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Body:
    """What an operation accepts as its body.

    `listing` holds its properties where each of them is a parameter; where it is None, the body is one parameter.
    """

    media_type: str  # to be sent as Content-Type
    kind: BodyKind
    schema: JsonSchema
    required: bool  # a request without it is wrong
    optional: bool  # the document says outright that it may be left out
    listing: Listing | None
    description: str = ""
    encoding: Mapping[str, Any] = field(default_factory=dict)  # by property, for forms and multipart
    accepts_json_patch: bool = False  # a list of operations may be sent in place of an object


def request_body(node: object, document: SchemaDocument) -> Body | None:
    """The body that `requestBody` (or a reference to one) describes; None where it describes none.

    Raises:
        LookupError: it refers to something remote, circular or missing.
    """
    body = follow(node, document)
    content = {media: mapping_of(value) for media, value in mapping_of(body.get("content")).items()}
    if not content:
        return None
    chosen = min(content, key=_preference)
    schema = schema_of(content[chosen].get("schema"))
    listing = list_properties(schema, document)
    kind = _kind(chosen, schema, listing)
    return Body(
        media_type=_sent_as(chosen, kind),
        kind=kind,
        schema=schema,
        required=body.get("required") is True,
        optional=body.get("required") is False,
        listing=listing if listing and listing.properties and kind in ("json", "form", "multipart") else None,
        description=text_of(body.get("description")),
        encoding=mapping_of(content[chosen].get("encoding")),
        accepts_json_patch=_JSON_PATCH in content,
    )


def essence(media_type: str) -> str:
    """`application/json` of `Application/JSON; charset=utf-8`."""
    return media_type.partition(";")[0].strip().lower()


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON, or a format written in JSON."""
    plain = essence(media_type)
    return plain in (_JSON, "text/json") or plain.endswith("+json")


def _preference(media_type: str) -> int:
    """JSON before forms before the rest; the document's order decides between equals."""
    plain = essence(media_type)
    if plain in (_JSON, _MERGE_PATCH):
        return 0 if plain == _JSON else 1
    if is_json(plain):
        return 3 if plain == _JSON_PATCH else 2
    known = ("application/x-www-form-urlencoded", "multipart/form-data", "*/*", "application/*")
    return 4 + known.index(plain) if plain in known else 9


def _kind(media_type: str, schema: JsonSchema, listing: Listing | None) -> BodyKind:
    plain = essence(media_type)
    if is_json(plain):
        return "json"
    if plain == "application/x-www-form-urlencoded":
        return "form"
    if plain.startswith("multipart/"):
        return "multipart"
    if plain.startswith("text/") or plain.endswith(("/xml", "+xml", "yaml", "/javascript", "/graphql", "ndjson")):
        return "text"
    # `*/*` of Kubernetes, `message/rfc822` of Gmail: what has properties is meant to be JSON
    structured = bool(listing and listing.properties) or schema.get("type") in ("object", "array")
    return "json" if structured else "bytes"


def _sent_as(media_type: str, kind: BodyKind) -> str:
    if kind == "json":
        return media_type if is_json(media_type) else _JSON
    if kind == "bytes" and "*" in media_type:
        return "application/octet-stream"
    return media_type
