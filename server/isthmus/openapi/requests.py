"""A call as an HTTP request: everything decided, nothing sent.

build_request(operation, read_plan(operation).inputs, {"owner": "o", "repo": "r", "title": "t"})
WireRequest("POST", "/repos/o/r/issues", (), ..., content=b'{"title":"t"}')
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

from isthmus.errors import InvalidArguments
from isthmus.model import Credential, Operation, Parameter
from isthmus.openapi.bodies import WHOLE_BODY, Body, is_json
from isthmus.openapi.inputs import Inputs
from isthmus.openapi.multipart import Part, encode_multipart, parts_of
from isthmus.openapi.nodes import mapping_of, text_of
from isthmus.openapi.schema import is_binary, value_types
from isthmus.openapi.styles import (
    Pairs,
    deep_pairs,
    encoded,
    header_text,
    joined,
    json_text,
    path_text,
    plain_text,
    query_pairs,
)

_PLACEHOLDER = re.compile(r"\{([^{}/]+)\}")
_LITERAL = "/:@!$&'()*+,;=~-._%"
_FORM_STYLES = ("form", "spaceDelimited", "pipeDelimited", "tabDelimited")


@dataclass(frozen=True, slots=True)
class WireRequest:
    """An HTTP request below a server's URL. Paths, queries and cookies are percent-encoded already."""

    method: str
    path: str  # begins with a slash
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[tuple[str, str], ...] = ()
    content: bytes | None = field(default=None, repr=False)

    @property
    def target(self) -> str:
        """The path with its query."""
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.path}?{query}" if query else self.path


def build_request(operation: Operation, inputs: Inputs, arguments: Mapping[str, Any]) -> WireRequest:
    """The request for a call. Arguments carry Python names; those beyond the parameters become the body's.

    Raises:
        InvalidArguments: a value cannot stand where it belongs, or the body's parts do not fit together.
    """
    route = operation.route
    if route is None:
        raise InvalidArguments(f"{operation.id} is no HTTP operation")
    nodes = {(one.wire, one.location): one.node for one in inputs.inputs}
    given = [
        (parameter, arguments[parameter.name], nodes.get((parameter.wire, parameter.location), {}))
        for parameter in operation.parameters
        if parameter.name in arguments
    ]
    request = WireRequest(route.method, _path(route.path, given))
    for parameter, value, node in given:
        if value is not None:
            request = _with_parameter(request, parameter, value, node)
    return _with_body(request, operation, inputs.body, arguments)


def with_credential(request: WireRequest, credential: Credential) -> WireRequest:
    """The request with a credential in its places. It replaces whatever a program put there."""
    headers = {name.lower() for name in credential.headers}
    return replace(
        request,
        query=_without(request.query, credential.query)
        + tuple((encoded(name), encoded(value)) for name, value in credential.query.items()),
        headers=tuple(pair for pair in request.headers if pair[0].lower() not in headers)
        + tuple(credential.headers.items()),
        cookies=_without(request.cookies, credential.cookies) + tuple(credential.cookies.items()),
    )


def _without(pairs: tuple[tuple[str, str], ...], names: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The pairs whose names do not occur in `names`: whatever their encoding, and in either case."""
    taken = {name.lower() for name in names}
    return tuple(pair for pair in pairs if unquote(pair[0]).lower() not in taken)


_Given = list[tuple[Parameter, Any, Mapping[str, Any]]]


def _path(template: str, given: _Given) -> str:
    values = {parameter.wire: (value, node) for parameter, value, node in given if parameter.location == "path"}
    template = template.partition("#")[0]  # `/#Action=Run` only tells operations of one path apart: it is not sent
    pieces: list[str] = []
    end = 0
    for match in _PLACEHOLDER.finditer(template):
        name = match[1]
        if values.get(name, (None, {}))[0] is None:
            raise InvalidArguments(f"{name}: required, and missing: it is a part of the path")
        pieces += [quote(template[end : match.start()], safe=_LITERAL), _path_value(name, *values[name])]
        end = match.end()
    path = "".join([*pieces, quote(template[end:], safe=_LITERAL)])
    if any(unquote(step) in (".", "..") for step in path.split("/")):
        raise InvalidArguments("the arguments would lead to another path")
    return path


def _path_value(name: str, value: Any, node: Mapping[str, Any]) -> str:
    if _json_content(node):
        return path_text(name, json_text(value, name))
    return path_text(name, value, style=text_of(node.get("style")) or "simple", explode=node.get("explode") is True)


def _with_parameter(request: WireRequest, parameter: Parameter, value: Any, node: Mapping[str, Any]) -> WireRequest:
    wire = parameter.wire
    if _json_content(node):
        value = json_text(value, parameter.name)
    match parameter.location:
        case "query":
            return replace(request, query=request.query + tuple(_query(wire, value, node)))
        case "header":
            style, explode = text_of(node.get("style")), node.get("explode") is True
            text = header_text(parameter.name, value, style=style, explode=explode)
            return replace(request, headers=(*request.headers, (wire, text)))
        case "cookie":
            pairs = query_pairs(wire, value, explode=node.get("explode") is not False)
            return replace(request, cookies=request.cookies + tuple(pairs))
        case _:
            return request


def _query(wire: str, value: Any, node: Mapping[str, Any]) -> Pairs:
    style = text_of(node.get("style")) or "form"
    explode = node["explode"] if isinstance(node.get("explode"), bool) else style in ("form", "deepObject")
    return query_pairs(wire, value, style=style, explode=explode, allow_reserved=node.get("allowReserved") is True)


def _json_content(node: Mapping[str, Any]) -> bool:
    media_type = next(iter(mapping_of(node.get("content"))), "")
    return "schema" not in node and is_json(media_type)


def _with_body(
    request: WireRequest, operation: Operation, body: Body | None, arguments: Mapping[str, Any]
) -> WireRequest:
    if body is None:
        return request
    wires = {parameter.name: parameter.wire for parameter in operation.parameters if parameter.location == "body"}
    known = {parameter.name for parameter in operation.parameters}
    if body.listing is None:
        name = next((name for name, wire in wires.items() if wire == WHOLE_BODY), WHOLE_BODY)
        return _with_whole_body(request, body, arguments[name], operation) if name in arguments else request
    values = {wires[name]: value for name, value in arguments.items() if name in wires}
    extra = {name: value for name, value in arguments.items() if name not in known}
    if not values and not extra and not body.required:
        return request
    return _with_content(request, *_encoded({**extra, **values}, body, operation))


def _with_whole_body(request: WireRequest, body: Body, value: Any, operation: Operation) -> WireRequest:
    if body.kind == "json":
        media_type = "application/json-patch+json" if _is_patch(value, body) else body.media_type
        return _with_content(request, json_text(value).encode("utf-8", "replace"), media_type)
    if body.kind in ("form", "multipart"):
        if not isinstance(value, Mapping):
            raise InvalidArguments("body: a dict is needed for a form")
        return _with_content(request, *_encoded(value, body, operation))
    if not isinstance(value, bytes | str):
        value = json_text(value)
    return _with_content(
        request, value if isinstance(value, bytes) else value.encode("utf-8", "replace"), body.media_type
    )


def _is_patch(value: Any, body: Body) -> bool:
    """Whether a value is a list of JSON Patch operations, and may be sent as that."""
    return body.accepts_json_patch and isinstance(value, list)


def _encoded(values: Mapping[str, Any], body: Body, operation: Operation) -> tuple[bytes, str]:
    match body.kind:
        case "form":
            pairs = [pair for name, value in values.items() for pair in _form(name, value, body)]
            return "&".join(f"{name}={text}" for name, text in pairs).encode(), body.media_type
        case "multipart":
            parts = [part for name, value in values.items() for part in _parts(name, value, body, operation)]
            content, boundary = encode_multipart(parts)
            return content, f"{body.media_type.partition(';')[0]}; boundary={boundary}"
        case _:
            return json_text(values).encode("utf-8", "replace"), body.media_type


def _form(name: str, value: Any, body: Body) -> Pairs:
    """One property of a form. Objects are written as JSON unless the document gives them a style."""
    encoding = mapping_of(body.encoding.get(name))
    style = text_of(encoding.get("style"))
    if style == "deepObject" or (not encoding and _is_nested(value) and _brackets(body)):
        return [(encoded(key), encoded(text)) for key, text in deep_pairs(name, value)]
    if style in _FORM_STYLES:
        return _query(name, value, encoding)
    if is_json(text_of(encoding.get("contentType"))) or isinstance(value, Mapping):
        return [(encoded(name), encoded(json_text(value, name)))]
    return [(encoded(name), encoded(plain_text(item))) for item in (value if isinstance(value, list) else [value])]


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list)


def _brackets(body: Body) -> bool:
    """Whether the document writes nested values of this form with brackets: then those that it forgot are, too."""
    return any(mapping_of(encoding).get("style") == "deepObject" for encoding in body.encoding.values())


def _parts(name: str, value: Any, body: Body, operation: Operation) -> list[Part]:
    encoding = mapping_of(body.encoding.get(name))
    media_type = text_of(encoding.get("contentType")).partition(",")[0].strip()
    schema = body.listing.properties.get(name, {}) if body.listing else {}
    if value is None:
        return []
    media_type = "" if "*" in media_type else media_type
    if isinstance(value, list) and encoding.get("explode") is False:
        value = joined(value, text_of(encoding.get("style")))
    return parts_of(name, value, is_file=_is_file(schema, operation), media_type=media_type)


def _is_file(schema: Mapping[str, Any], operation: Operation) -> bool:
    if value_types(schema, operation.document) == frozenset({"array"}):
        schema = mapping_of(schema.get("items"))
    try:
        target = operation.document.resolve(schema["$ref"]) if isinstance(schema.get("$ref"), str) else schema
    except LookupError:
        return False
    return is_binary(mapping_of(target))


def _with_content(request: WireRequest, content: bytes, media_type: str) -> WireRequest:
    return replace(request, headers=(*request.headers, ("Content-Type", media_type)), content=content)
