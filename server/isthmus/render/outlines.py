"""An answer's type in a few words, where there is no room for its types: `{page, results: [{id, title, …}]}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.model import JsonSchema, SchemaDocument
from isthmus.render.schemas import alternatives, properties, resolved, types
from isthmus.render.text import literal

PAYLOADS = ("data", "result", "results", "items", "value", "values", "records", "rows", "entries", "resources")
"""Fields of an envelope that hold what was asked for; they are told before the others."""

LESSER = ("_url", "Url", "node_id", "_links", "_href")
"""Endings of fields that programs seldom read: they stand last, so that they are the first to be cut."""

_TELLING = ("id", "name", "title", "key", "number", "status", "state", "type", "email", "login")
"""Fields that tell things apart: where only few are named, these are."""

_NAMES = 7


def outline(schema: JsonSchema, document: SchemaDocument, characters: int = 90) -> str:
    """The names of an answer's fields, those of its payload one level deeper; empty where it has none.

    >>> outline({"properties": {"ok": {}, "data": {"items": {"properties": {"id": {}}}}}}, SchemaDocument({}))
    '{data: [{id}], ok}'
    """
    for names in range(_NAMES, 1, -1):
        text = _told(schema, document, names, 2)
        if len(text) <= characters:
            return text
    return ""


def in_order(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Fields as they are read: what was asked for first, links last."""
    return sorted(fields.items(), key=lambda item: (item[0].endswith(LESSER)) - (item[0] in PAYLOADS))


def _told(schema: Any, document: SchemaDocument, names: int, depth: int) -> str:
    found = resolved(schema, document).schema
    if not properties(found) and "items" not in found:
        members = (resolved(each, document).schema for each in alternatives(found)[:4])
        found = next((each for each in members if properties(each) or "items" in each), found)
    if "array" in types(found):
        inner = _told(found.get("items"), document, names, depth)
        return f"[{inner}]" if inner else ""
    fields = sorted(in_order(properties(found)), key=lambda field: field[0] not in (*PAYLOADS, *_TELLING))
    told = [_field(name, each, document, names, depth) for name, each in fields[:names]]
    return f"{{{', '.join([*told, *(['…'] if len(fields) > names else [])])}}}" if told else ""


def _field(name: str, schema: Any, document: SchemaDocument, names: int, depth: int) -> str:
    shown = name if name.isascii() and name.isidentifier() and len(name) <= 40 else literal(name, 40) or "…"
    inner = _told(schema, document, names, depth - 1) if name in PAYLOADS and depth > 1 else ""
    return f"{shown}: {inner}" if inner else shown
