"""Swagger 2.0 as OpenAPI 3.1: the same document, said in the newer words. Pure; nothing is validated here.

    converted({"swagger": "2.0", "host": "api.test", "paths": {...}}, "api.json")["servers"]   [{"url": "https://api.test"}]

`definitions` stay where they are, so that every reference into them still holds. Parameters and responses are put where
they are used, because what they become depends on the operation: its media types are its own. Whatever a rule does not
cover is left as it is, for the reader of 3.1 to make something of, or to say what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from isthmus.model import SchemaDocument
from isthmus.openapi.nodes import follow, mapping_of, text_of

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")

# What a parameter says of its value, and not of itself: in 2.0 both stand in one object.
# fmt: off
_OF_THE_VALUE = frozenset(
    {
        "type", "format", "items", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
        "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "enum", "multipleOf", "example", "x-nullable",
    }
)
# fmt: on

# How a list is written: what 2.0 calls a collection format, as a style and whether it is exploded. 3.x has no word for
# the tab of `tsv`; `tabDelimited` is ours.
_STYLES: Mapping[str, tuple[str, bool]] = {
    "csv": ("", False),
    "ssv": ("spaceDelimited", False),
    "tsv": ("tabDelimited", False),
    "pipes": ("pipeDelimited", False),
    "multi": ("form", True),
}
_FLOWS = {"application": "clientCredentials", "accessCode": "authorizationCode"}


def converted(root: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The document in OpenAPI 3.1. `source` is its file or URL: the scheme of a URL holds where it names none.

    Raises:
        RecursionError: its schemas are nested too deeply.
    """
    reader = _Reader(SchemaDocument(root), source)
    security = mapping_of(root.get("securityDefinitions"))
    return {
        **{key: value for key, value in root.items() if key not in ("swagger", "paths", "definitions")},
        "openapi": "3.1.0",
        "servers": [{"url": reader.server(root)}],
        "paths": {path: reader.item(entry) for path, entry in mapping_of(root.get("paths")).items()},
        "definitions": {name: _schema(node) for name, node in mapping_of(root.get("definitions")).items()},
        "components": {"securitySchemes": {name: _security(node) for name, node in security.items()}},
    }


class _Reader:
    """What needs the whole document: references, and the defaults at its top level."""

    def __init__(self, document: SchemaDocument, source: str) -> None:
        self._document = document
        self._root = document.root
        self._scheme = urlsplit(source).scheme if "://" in source else ""

    def server(self, owner: Mapping[str, Any]) -> str:
        """The URL of the root's, or of an operation's, schemes. Without a host it is relative to the document's own."""
        host, base = text_of(self._root.get("host")), text_of(self._root.get("basePath"))
        base = f"/{base.strip('/')}" if base.strip("/") else "/"
        if not host:
            return base
        schemes = [scheme for scheme in _texts(owner.get("schemes")) if scheme in ("http", "https")]
        first = "https" if "https" in schemes else next(iter(schemes), self._scheme or "https")
        return f"{first}://{host}{base}"

    def item(self, entry: Any) -> Any:
        """A path item. Its form fields and body belong to each of its operations."""
        item = self._followed(entry)
        if not isinstance(item, Mapping):
            return entry
        shared = [self._followed(node) for node in _list(item.get("parameters"))]
        result = {key: value for key, value in item.items() if key != "parameters"}
        if plain := [_parameter(node) for node in shared if not _is_of_the_body(node)]:
            result["parameters"] = plain
        for method in _METHODS:
            if isinstance(operation := self._followed(item.get(method)), Mapping):
                result[method] = self._operation(operation, [node for node in shared if _is_of_the_body(node)])
        return result

    def _operation(self, operation: Mapping[str, Any], shared: list[Any]) -> dict[str, Any]:
        own = [self._followed(node) for node in _list(operation.get("parameters"))]
        told = ("parameters", "consumes", "produces", "schemes", "responses")
        result = {key: value for key, value in operation.items() if key not in told}
        if plain := [_parameter(node) for node in own if not _is_of_the_body(node)]:
            result["parameters"] = plain
        if fields := _by_place([*shared, *(node for node in own if _is_of_the_body(node))]):
            result["requestBody"] = _body(fields, _texts(operation.get("consumes", self._root.get("consumes"))))
        produces = _texts(operation.get("produces", self._root.get("produces")))
        responses = mapping_of(operation.get("responses"))
        result["responses"] = {status: _response(self._followed(node), produces) for status, node in responses.items()}
        if "schemes" in operation and (url := self.server(operation)) != self.server(self._root):
            result["servers"] = [{"url": url}]
        return result

    def _followed(self, node: Any) -> Any:
        """What a reference leads to; itself, where that is nothing: whoever reads the result says so."""
        try:
            return follow(node, self._document)
        except LookupError:
            return node


def _is_of_the_body(node: Any) -> bool:
    return mapping_of(node).get("in") in ("body", "formData")


def _by_place(nodes: list[Any]) -> list[Mapping[str, Any]]:
    """The fields of a body, an operation's in place of its path's: by name, or `in: body`, of which there is one."""
    return list({node["in"] == "formData" and node.get("name"): node for node in nodes}.values())


def _parameter(node: Any) -> Any:
    """A parameter of path, query or header."""
    if not isinstance(node, Mapping) or "$ref" in node or "schema" in node:
        return node
    result = {key: value for key, value in node.items() if key not in _OF_THE_VALUE and key != "collectionFormat"}
    result["schema"] = _value(node)
    if _is_list(node):
        style, explode = _style(node)
        result |= {"style": style or ("form" if node.get("in") == "query" else "simple"), "explode": explode}
    return result


def _value(node: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter's or a header's value."""
    value: dict[str, Any] = _schema({key: value for key, value in node.items() if key in _OF_THE_VALUE})
    return value


def _is_list(node: Mapping[str, Any]) -> bool:
    return node.get("type") == "array"


def _style(node: Mapping[str, Any]) -> tuple[str, bool]:
    return _STYLES.get(text_of(node.get("collectionFormat")), _STYLES["csv"])


def _body(fields: list[Mapping[str, Any]], consumes: list[str]) -> dict[str, Any]:
    """A request body: of a parameter `in: body` where there is one, else of the fields of a form."""
    whole = next((node for node in fields if node["in"] == "body"), None)
    if whole is None:
        return _form(fields, consumes)
    kinds = [kind for kind in consumes if kind not in (_FORM, _MULTIPART)] or [_JSON]
    kept = {key: whole[key] for key in ("description", "required") if key in whole}
    return {**kept, "content": {kind: {"schema": _schema(whole.get("schema", {}))} for kind in kinds}}


def _form(fields: list[Mapping[str, Any]], consumes: list[str]) -> dict[str, Any]:
    """A form: in parts where it has a file, or must be."""
    named = [node for node in fields if text_of(node.get("name"))]
    required = [node["name"] for node in named if node.get("required") is True]
    has_file = any(node.get("type") == "file" for node in named)
    kinds = [kind for kind in consumes if kind == _MULTIPART or (kind == _FORM and not has_file)]
    form = {
        "schema": {
            "type": "object",
            "properties": {node["name"]: _field(node) for node in named},
            **({"required": required} if required else {}),
        },
        "encoding": {node["name"]: _encoding(node) for node in named if _is_list(node)},
    }
    needed = {"required": True} if required else {}
    return {**needed, "content": dict.fromkeys(kinds or [_MULTIPART if has_file else _FORM], form)}


def _field(node: Mapping[str, Any]) -> dict[str, Any]:
    described = {"description": node["description"]} if "description" in node else {}
    return {**_value(node), **described}


def _encoding(node: Mapping[str, Any]) -> dict[str, Any]:
    style, explode = _style(node)
    return {"style": style or "form", "explode": explode}


def _response(node: Any, produces: list[str]) -> Any:
    """A response, in each media type that the operation produces."""
    if not isinstance(node, Mapping) or "$ref" in node:
        return node
    result = {key: value for key, value in node.items() if key not in ("schema", "examples", "headers")}
    headers = mapping_of(node.get("headers"))
    if headers:
        result["headers"] = {name: {"schema": _value(mapping_of(header))} for name, header in headers.items()}
    examples = mapping_of(node.get("examples"))
    if "schema" not in node and not examples:
        return result
    schema = {"schema": _schema(node["schema"])} if "schema" in node else {}
    is_file = mapping_of(node.get("schema")).get("type") == "file"
    kinds = dict.fromkeys(produces or list(examples) or ["application/octet-stream" if is_file else _JSON])
    given = {kind: {"example": examples[kind]} for kind in kinds if kind in examples}
    return {**result, "content": {kind: {**schema, **given.get(kind, {})} for kind in kinds}}


def _schema(node: Any) -> Any:
    """A schema object, in the words of JSON Schema 2020-12 where 2.0 has its own."""
    if not isinstance(node, Mapping):
        return node
    result = {key: _converted_keyword(key, value) for key, value in node.items() if "$ref" not in node or key in _KEPT}
    if result.get("type") == "file":
        result |= {"type": "string", "format": "binary"}
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if isinstance(result.get(exclusive), bool) and result.pop(exclusive) and bound in result:
            result[exclusive] = result.pop(bound)
    if isinstance(result.get("items"), list):
        result["prefixItems"] = result.pop("items")
    if result.pop("x-nullable", None) is True:
        result["nullable"] = True
    return result


_KEPT = ("$ref", "description", "x-nullable")  # beside a reference; 2.0 has nothing else count


def _converted_keyword(key: str, value: Any) -> Any:
    match key:
        case "items" | "additionalProperties" | "not" if isinstance(value, Mapping):
            return _schema(value)
        case "items" | "allOf" | "anyOf" | "oneOf" if isinstance(value, list):
            return [_schema(part) for part in value]
        case "properties" if isinstance(value, Mapping):
            return {name: _schema(part) for name, part in value.items()}
        case "discriminator" if isinstance(value, str):
            return {"propertyName": value}
        case _:
            return value


def _security(node: Any) -> Any:
    """A security definition as a scheme of 3.x."""
    if not isinstance(node, Mapping):
        return node
    kept = {key: node[key] for key in ("description",) if key in node}
    match node.get("type"):
        case "basic":
            return {**kept, "type": "http", "scheme": "basic"}
        case "oauth2":
            flow = text_of(node.get("flow"))
            urls = {key: node[key] for key in ("authorizationUrl", "tokenUrl") if key in node}
            return {**kept, "type": "oauth2", "flows": {_FLOWS.get(flow, flow): {**urls, "scopes": node.get("scopes")}}}
        case _:
            return node


def _texts(value: Any) -> list[str]:
    return list(_each_text(value))


def _each_text(value: Any) -> Iterator[str]:
    return (text for text in _list(value) if isinstance(text, str))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
