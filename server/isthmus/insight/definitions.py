"""What an operation costs a model that has a tool for each: its definition, in every conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.model import Operation
from isthmus.openapi.schema import standalone
from isthmus.render.tokens import estimate

MEASURED = 40
"""Definitions of one upstream that are measured; they stand for the others."""


def definition(operation: Operation) -> dict[str, Any]:
    """An operation as the MCP tool that a server with a tool for each operation would list."""
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for parameter in operation.parameters:
        schema = dict(standalone(parameter.schema, operation.document, for_request=True))
        definitions.update(schema.pop("$defs", {}))
        if parameter.description:
            schema.setdefault("description", parameter.description)
        properties[parameter.wire] = schema
    return {
        "name": operation.id.replace(".", "_"),
        "description": operation.description or operation.summary,
        "inputSchema": {
            "type": "object",
            "properties": properties,
            "required": [parameter.wire for parameter in operation.parameters if parameter.required],
            **({"$defs": definitions} if definitions else {}),
        },
    }


def tokens_of(definition: Mapping[str, Any]) -> int:
    """What a tool's definition costs, as compact JSON."""
    return estimate(json.dumps(definition, separators=(",", ":"), ensure_ascii=False))


def cost(operations: Sequence[Operation], most: int = MEASURED) -> tuple[int, int]:
    """The tokens of all definitions, and from how many that is estimated: up to `most`, evenly spread."""
    every = max(1, -(-len(operations) // most))
    measured = operations[::every]
    tokens = sum(tokens_of(definition(each)) for each in measured)
    return round(tokens * len(operations) / max(1, len(measured))), len(measured)
