"""A document without the bearer tokens that it also names as parameters: what a request is to be held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.model import SchemaDocument
from isthmus.openapi.nodes import follow, mapping_of, text_of
from isthmus.openapi.security import Requirements, is_bearer_token, requirements

_IN_PARTS = ("application/x-www-form-urlencoded", "multipart/form-data")


def without_tokens(document: SchemaDocument) -> dict[str, Any]:
    """The document's root without those parameters and fields of forms that `operation_inputs` leaves out as tokens."""
    paths = {path: _item(item, document) for path, item in mapping_of(document.root.get("paths")).items()}
    return {**document.root, "paths": paths}


def _item(item: Any, document: SchemaDocument) -> Any:
    if not isinstance(item, Mapping):
        return item
    return {key: _operation(node, document) if isinstance(node, Mapping) else node for key, node in item.items()}


def _operation(operation: Mapping[str, Any], document: SchemaDocument) -> dict[str, Any]:
    required = requirements(operation, document.root)
    result = dict(operation)
    if isinstance(parameters := operation.get("parameters"), list):
        result["parameters"] = [one for one in parameters if not _is_token(one, required, document)]
    content = mapping_of(mapping_of(operation.get("requestBody")).get("content"))
    if any(kind in content for kind in _IN_PARTS):
        forms = {kind: _form(content[kind], required, document) for kind in _IN_PARTS if kind in content}
        result["requestBody"] = {**operation["requestBody"], "content": {**content, **forms}}
        if any(form is not content[kind] and not form["schema"].get("required") for kind, form in forms.items()):
            result["requestBody"]["required"] = False  # only the token was
    return result


def _is_token(parameter: Any, required: Requirements, document: SchemaDocument) -> bool:
    try:
        node = follow(parameter, document)
    except LookupError:
        return False
    told = text_of(node.get("description"))
    return node.get("in") in ("query", "header") and is_bearer_token(
        text_of(node.get("name")), told, required, document
    )


def _form(media: Any, required: Requirements, document: SchemaDocument) -> Any:
    schema = mapping_of(mapping_of(media).get("schema"))
    fields = mapping_of(schema.get("properties"))
    told = {name: text_of(mapping_of(one).get("description")) for name, one in fields.items()}
    kept = {name: one for name, one in fields.items() if not is_bearer_token(name, told[name], required, document)}
    if len(kept) == len(fields):
        return media
    needed = schema.get("required")
    still = [name for name in needed if name in kept] if isinstance(needed, list) else needed
    return {**media, "schema": {**schema, "properties": kept, **({"required": still} if still is not None else {})}}
