"""Harmless differences between what a program gives and what a schema wants, mended before anything is checked.

- None for a parameter that is optional and not nullable means that it is left out.
- What travels as text anyway (path, query, header, cookie; parts of URIs, arguments of prompts) may be given as text or
  as a number: `"123"` for an integer, `123` for a string, `"true"` for a boolean. A single value stands for a list of
  one.
- A float that is whole is an integer where an integer is wanted.
- Bytes become Base64 where the schema wants Base64.

Everything else is left as it is, to be refused with a reason.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from isthmus.model import JsonSchema, Operation, Parameter, SchemaDocument
from isthmus.openapi.schema import value_types

_TEXTUAL = ("path", "query", "header", "cookie")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")


def coerced(operation: Operation, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with harmless differences mended; those that the operation does not know are left alone."""
    parameters = {parameter.name: parameter for parameter in operation.parameters}
    return {
        name: _mended(parameters[name], value, operation) if name in parameters else value
        for name, value in arguments.items()
        if value is not None or not _left_out(parameters.get(name), operation.document)
    }


def _left_out(parameter: Parameter | None, document: SchemaDocument) -> bool:
    """Whether None for a parameter says that it is not given. Text has no null; JSON may."""
    if parameter is None or parameter.required:
        return False
    if parameter.location in _TEXTUAL:
        return True
    types = value_types(parameter.schema, document)
    return types is not None and "null" not in types


def _mended(parameter: Parameter, value: Any, operation: Operation) -> Any:
    document = operation.document
    if isinstance(value, bytes) and _is_base64(parameter.schema, document):
        return base64.b64encode(value).decode()
    textual = parameter.location in _TEXTUAL or operation.method
    if not textual and not isinstance(value, float):  # which most are: their schemas need not be read
        return value
    types = value_types(parameter.schema, document)
    if types is None:
        return value
    if not textual:
        return _whole(value) if _wants_integer(types) else value
    if types == {"array"} and not isinstance(value, list | dict):
        value = [value]
    if isinstance(value, list) and "array" in types:
        items = _items(parameter.schema, document)
        kinds = value_types(items, document)
        return value if kinds is None else [_text_or_number(item, kinds) for item in value]
    return _text_or_number(value, types)


def _text_or_number(value: Any, types: frozenset[str]) -> Any:
    numeric = bool(types & {"integer", "number"})
    if isinstance(value, float) and _wants_integer(types):
        value = _whole(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and "string" in types and not numeric:
        return str(_whole(value))
    if isinstance(value, str) and "string" not in types:
        if numeric and _INTEGER.fullmatch(value):
            return int(value)
        if "boolean" in types and value.lower() in ("true", "false"):
            return value.lower() == "true"
    return value


def _wants_integer(types: frozenset[str]) -> bool:
    return "integer" in types and "number" not in types


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _items(schema: JsonSchema, document: SchemaDocument) -> JsonSchema:
    for _ in range(8):
        if not isinstance(schema.get("$ref"), str):
            break
        try:
            target = document.resolve(schema["$ref"])
        except LookupError:
            break
        if not isinstance(target, Mapping):
            break
        schema = target
    items = schema.get("items")
    return items if isinstance(items, Mapping) else {}


def _is_base64(schema: JsonSchema, document: SchemaDocument) -> bool:
    if isinstance(reference := schema.get("$ref"), str):
        try:
            target = document.resolve(reference)
        except LookupError:
            return False
        return isinstance(target, Mapping) and "$ref" not in target and _is_base64(target, document)
    return schema.get("format") == "byte" or schema.get("contentEncoding") == "base64"
