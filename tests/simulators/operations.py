"""Operations made from the tool lists of real MCP servers, without any server."""

import json
from pathlib import Path
from typing import Any

from isthmus.catalog.names import operation_ids, parameter_names, upstream_name
from isthmus.model import Effect, Location, Operation, Parameter, SchemaDocument


def parameters_of(schema: dict[str, Any], location: Location = "argument") -> tuple[Parameter, ...]:
    """The properties of an object schema as parameters, the required ones first."""
    properties = schema.get("properties") or {}
    required = schema.get("required") or []
    names = parameter_names([(wire, location) for wire in properties])
    made = [
        Parameter(name, wire, location, wire in required, each, _described(each))
        for name, (wire, each) in zip(names, properties.items(), strict=True)
    ]
    return tuple(sorted(made, key=lambda parameter: not parameter.required))


def operations_of_tools(upstream: str, tools: list[dict[str, Any]]) -> list[Operation]:
    """What an MCP server's tool list comes to."""
    upstream = upstream_name(upstream)
    ids = operation_ids(upstream, [tool["name"] for tool in tools])
    return [
        Operation(
            id=full,
            upstream=upstream,
            original=tool["name"],
            effect=Effect.READ if (tool.get("annotations") or {}).get("readOnlyHint") else Effect.WRITE,
            parameters=parameters_of(tool.get("inputSchema") or {}),
            summary=tool.get("title") or "",
            description=tool.get("description") or "",
            output=tool.get("outputSchema"),
            document=SchemaDocument(tool.get("inputSchema") or {}),
        )
        for full, tool in zip(ids, tools, strict=True)
    ]


def tool_lists(data: Path) -> list[Operation]:
    """The operations of all the real MCP servers in the test data."""
    found: list[Operation] = []
    for path in sorted((data / "mcp").glob("*.json")):
        found += operations_of_tools(path.stem, json.loads(path.read_text())["tools"])
    return found


def _described(schema: Any) -> str:
    return schema.get("description") or "" if isinstance(schema, dict) else ""
