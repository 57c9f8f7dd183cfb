"""Nodes of a document that may be anything: what they stand for, where they are of the right kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.model import JsonSchema, SchemaDocument

_MAX_REFERENCES = 32


def follow(node: object, document: SchemaDocument) -> Mapping[str, Any]:
    """The mapping that `node` stands for: itself, or what its chain of `$ref`s leads to.

    Raises:
        LookupError: a reference is remote, circular or dangling, or what it leads to is no mapping.
    """
    for _ in range(_MAX_REFERENCES):
        if not isinstance(node, Mapping):
            raise LookupError(f"expected an object, found {type(node).__name__}")  # noqa: TRY004 (part of the contract)
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return node
        node = document.resolve(reference)
    raise LookupError("its references go round in a circle")


def mapping_of(value: object) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one: for parts of a document that may be left out."""
    return value if isinstance(value, Mapping) else {}


def text_of(value: object) -> str:
    """The value where it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def schema_of(value: object) -> JsonSchema:
    """The value where it is a schema object. `true`, and whatever is no schema, allow everything; `false` nothing."""
    if value is False:
        return {"not": {}}
    return value if isinstance(value, Mapping) else {}
