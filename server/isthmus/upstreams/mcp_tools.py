"""Tools of an MCP server, as operations. Pure: lists of plain data in, operations and remarks out.

A tool whose schema is of no use can still be called, with whatever arguments; only a tool without a name is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from isthmus.catalog.names import operation_ids, parameter_names
from isthmus.model import Effect, Operation, Parameter, SchemaDocument
from isthmus.upstreams.words import one_line
from isthmus_sandbox.values import clean_text

MAX_DEPTH = 64
"""Containers within containers of a schema. One that is deeper is not used."""

MAX_PARAMETERS = 1000
"""Parameters of one tool. One that has more takes whatever arguments."""

MAX_TEXT = 20_000
"""Characters of a description; the rest is cut, and a remark says so."""

MAX_REMEMBERED = 100_000
"""Tools whose effect is remembered for the life of the process."""

OUTPUT_KEY = "outputSchema"
"""Where, in the document of a tool's schemas, that of its output stands; the root is that of its input."""

Tool = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tools:
    """What a list of tools came to, and what was left out of it or done about it, each a sentence."""

    operations: tuple[Operation, ...] = ()
    remarks: tuple[str, ...] = ()


def operations_of(upstream: str, listed: Sequence[Any]) -> Tools:
    """The operations that a server's tools are, in their order."""
    remarks: list[str] = []
    tools = list(_named(listed, remarks))
    ids = operation_ids(upstream, [tool["name"] for tool in tools])
    operations = tuple(_operation(upstream, id_, tool, remarks) for id_, tool in zip(ids, tools, strict=True))
    return Tools(operations, tuple(remarks))


def held_back(before: Mapping[str, Effect], tools: Tools) -> Tools:
    """The tools of a later list, none of which is trusted more than it was: what it declares never becomes milder.

    A server that has been believed for what it first said of a tool must not change that under its user.
    """
    remarks, operations = list(tools.remarks), []
    for operation in tools.operations:
        former = before.get(operation.original, operation.declared)
        if _SEVERITY[operation.declared] < _SEVERITY[former]:
            remarks.append(
                f"{_quoted(operation.original)} now says that it is a {operation.declared}; "
                f"it first counted as a {former}, and still does until isthmus is restarted"
            )
            operation = replace(operation, effect=former, claim=None)
        operations.append(operation)
    return Tools(tuple(operations), tuple(remarks))


def remembered(before: Mapping[str, Effect], tools: Tools) -> dict[str, Effect]:
    """The effects to hold later lists to: of the tools now listed, and of former ones while there is room."""
    now = {operation.original: operation.declared for operation in tools.operations}
    former = [(name, effect) for name, effect in before.items() if name not in now]
    return now | dict(former[: max(0, MAX_REMEMBERED - len(now))])


def result_is_wrapped(schema: Any) -> bool:
    """Whether an output schema is only a wrapper, `{"result": ...}`, around a value that is no object."""
    if not isinstance(schema, Mapping):
        return False
    properties = schema.get("properties")
    return isinstance(properties, Mapping) and list(properties) == ["result"] and schema.get("required") == ["result"]


_SEVERITY = {Effect.READ: 0, Effect.WRITE: 1, Effect.DESTRUCTIVE: 2}


def _named(listed: Sequence[Any], remarks: list[str]) -> Iterator[Tool]:
    """The tools that can be called by a name of their own."""
    seen: set[str] = set()
    for place, tool in enumerate(listed):
        name = tool.get("name") if isinstance(tool, Mapping) else None
        if not isinstance(name, str) or not name:
            remarks.append(f"tool {place + 1} of its list was left out: it has no name")
        elif clean_text(name) != name:
            remarks.append(f"{_quoted(name)} was left out: its name is no valid text, so it cannot be called")
        elif name in seen:
            remarks.append(f"the second tool named {_quoted(name)} was left out: only the first can be called")
        else:
            seen.add(name)
            yield tool


def _operation(upstream: str, id_: str, tool: Tool, remarks: list[str]) -> Operation:
    name = _quoted(tool["name"])
    effect, claim = _effect(tool.get("annotations"))
    schema, problem = _usable(tool.get("inputSchema"))
    if problem:
        remarks.append(f"{name} takes any arguments, unchecked: {problem}")
    output = _output(tool, remarks)
    description, title = _text(tool, "description"), _text(tool, "title")
    if len(description) > MAX_TEXT:
        remarks.append(f"the description of {name} was cut: {len(description):,} characters, over {MAX_TEXT:,}")
    return Operation(
        id=id_,
        upstream=upstream,
        original=tool["name"],
        effect=effect,
        parameters=_parameters(schema),
        summary=one_line(title or _text(_mapping(tool.get("annotations")), "title"), 200),
        description=description[:MAX_TEXT],
        output=_mapping(output["properties"])["result"] if output and result_is_wrapped(output) else output,
        document=SchemaDocument({**schema, OUTPUT_KEY: output} if output else schema),
        accepts_more=bool(problem) or _is_open(schema),
        claim=claim,
    )


def _effect(annotations: Any) -> tuple[Effect, Effect | None]:
    """What a tool's hints make of it, and what they claim: they narrow by themselves, and widen only if believed."""
    hints = _mapping(annotations)
    reads, destroys = hints.get("readOnlyHint") is True, hints.get("destructiveHint") is True
    if reads and destroys:
        return Effect.WRITE, None  # no such tool is to be believed
    if destroys:
        return Effect.DESTRUCTIVE, None
    return Effect.WRITE, Effect.READ if reads else None


def _usable(schema: Any) -> tuple[Mapping[str, Any], str]:
    """The schema where parameters can be read from it, else an empty one and the reason."""
    if not isinstance(schema, Mapping):
        return {}, "it has no schema for them"
    if _too_deep(schema):
        return {}, f"the schema for them is more than {MAX_DEPTH} levels deep"
    resolved = _dereferenced(schema)
    if resolved is None:
        return {}, "the schema for them is a reference that leads nowhere"
    if resolved.get("type", "object") != "object":
        return {}, f"the schema for them is not of an object, but of {one_line(str(resolved.get('type')), 40)!r}"
    properties = resolved.get("properties", {})
    if not isinstance(properties, Mapping):
        return {}, "the properties in the schema for them are not an object"
    if len(properties) > MAX_PARAMETERS:
        return {}, f"the schema for them has {len(properties):,} properties, over {MAX_PARAMETERS:,}"
    return _sound(schema if resolved is schema else {**schema, **resolved}), ""


def _dereferenced(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a schema that is itself a reference stands for."""
    document, node = SchemaDocument(schema), schema
    for _ in range(10):
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return node
        try:
            node = document.resolve(reference)
        except LookupError:
            return None
        if not isinstance(node, Mapping):
            return None
    return None


def _parameters(schema: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The parameters, the required ones first, else in the schema's order."""
    properties = _mapping(schema.get("properties"))
    wanted = schema.get("required")
    required = [name for name in wanted if isinstance(name, str)] if isinstance(wanted, list) else []
    wires = sorted(dict.fromkeys([*properties, *required]), key=lambda wire: wire not in required)
    names = parameter_names([(wire, "argument") for wire in wires])
    return tuple(
        Parameter(
            name=name,
            wire=wire,
            location="argument",
            required=wire in required,
            schema=(own := _mapping(properties.get(wire))),
            description=_text(own, "description")[:MAX_TEXT],
        )
        for name, wire in zip(names, wires, strict=True)
    )


def _is_open(schema: Mapping[str, Any]) -> bool:
    """Whether a schema invites arguments beyond those that it names."""
    more = schema.get("additionalProperties")
    if more is not None:
        return more is not False
    composed = any(key in schema for key in ("allOf", "anyOf", "oneOf", "patternProperties"))
    return composed or "properties" not in schema


def _output(tool: Tool, remarks: list[str]) -> Mapping[str, Any] | None:
    """The schema of the output, its references made to point into the document of both schemas."""
    schema = tool.get("outputSchema")
    if schema is None:
        return None
    if not isinstance(schema, Mapping) or _too_deep(schema):
        remarks.append(f"the output of {_quoted(tool['name'])} is untyped: its schema is no object, or too deep")
        return None
    moved: Mapping[str, Any] = _moved(_sound(schema))
    return moved


def _moved(node: Any) -> Any:
    """A schema whose local references are for a document in which it stands under OUTPUT_KEY."""
    if isinstance(node, list):
        return [_moved(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    moved = {key: _moved(value) for key, value in node.items()}
    reference = node.get("$ref")
    if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        moved["$ref"] = f"#/{OUTPUT_KEY}{reference[1:]}"
    return moved


def _sound(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema, without what no JSON text can hold: infinite numbers and lone surrogates. Rarely a copy."""
    try:
        json.dumps(schema, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        mended: Mapping[str, Any] = _mended(schema)
        return mended
    return schema


def _mended(node: Any) -> Any:
    if isinstance(node, str):
        return clean_text(node)
    if isinstance(node, list):
        return [_mended(item) for item in node]
    if isinstance(node, Mapping):
        return {clean_text(key): _mended(value) for key, value in node.items() if not _is_infinite(value)}
    return node


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float) and not isfinite(value)


def _too_deep(value: Any) -> bool:
    """Whether there are more than MAX_DEPTH containers within one another. Not recursive: the value is foreign."""
    layer = [value]
    for _ in range(MAX_DEPTH + 1):
        layer = [inner for item in layer for inner in _inner(item)]
        if not layer:
            return False
    return True


def _inner(item: Any) -> Iterator[Any]:
    values = item.values() if isinstance(item, Mapping) else item if isinstance(item, list) else ()
    return (value for value in values if isinstance(value, Mapping | list))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return clean_text(value.strip()) if isinstance(value, str) else ""


def _quoted(name: str) -> str:
    return repr(one_line(name, 80))
