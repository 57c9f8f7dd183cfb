"""What an MCP server has beside tools, as operations that read: resources, resource templates and prompts. Pure.

    files.resources.readme_md()               the resource `file:///readme.md`, which has the name `readme.md`
    files.resources.log(day="2026-11-29")     the template `file:///logs/{day}.txt`, which has the name `log`
    files.resources.read(uri="file:///x")     any resource, by its URI
    files.resources.list()                    all of them, as they are now
    files.prompts.review(code="...")          a prompt, with its arguments

Names are settled after those of the tools, which they never change. The original of such an operation is the MCP method
and what it is about (`resources/read file:///readme.md`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp.shared.uri_template import InvalidUriTemplate, UriTemplate

from isthmus.catalog.names import identifier, labelled_ids, parameter_names
from isthmus.errors import InvalidArguments
from isthmus.model import Effect, Operation, Parameter, SchemaDocument
from isthmus.upstreams.mcp_tools import MAX_PARAMETERS, MAX_TEXT, Tools
from isthmus.upstreams.words import one_line
from isthmus_sandbox.values import clean_text

READ, LIST, PROMPT = "resources/read", "resources/list", "prompts/get"

MAX_NAME = 2_000
"""Characters of a URI, of a template, or of the name of a prompt. One that is longer is left out."""

_TEXT = {"type": "string"}


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}


_TYPES: Mapping[str, dict[str, Any]] = {
    "ResourceContents": _object(
        {"uri": _TEXT, "mime_type": _TEXT, "text": _TEXT, "data": {"type": "string", "format": "binary"}}, "uri"
    ),
    "Resource": _object(
        {**dict.fromkeys(("uri", "name", "title", "description", "mime_type"), _TEXT), "size": {"type": "integer"}},
        "uri",
    ),
    "PromptMessages": _object({"description": _TEXT, "messages": _list_of("PromptMessage")}, "messages"),
    "PromptMessage": _object({"role": {"enum": ["user", "assistant"]}, "content": {}}, "role", "content"),
}
_OUTPUTS: Mapping[str, tuple[dict[str, Any], tuple[str, ...]]] = {  # and the types that it needs
    READ: (_list_of("ResourceContents"), ("ResourceContents",)),
    LIST: (_list_of("Resource"), ("Resource",)),
    PROMPT: ({"$ref": "#/$defs/PromptMessages"}, ("PromptMessages", "PromptMessage")),
}


@dataclass(frozen=True, slots=True)
class Beside:
    """What a server has beside tools, as it came, and remarks on where its lists were cut or failed."""

    resources: Sequence[Any] = ()
    templates: Sequence[Any] = ()
    prompts: Sequence[Any] = ()
    remarks: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.resources) + len(self.templates) + len(self.prompts)


@dataclass(frozen=True, slots=True)
class _Found:
    """One thing that a server has. `labels` are the names that it would like, best first."""

    method: str
    subject: str  # a URI, a template, the name of a prompt; empty for what is about all of them
    labels: Sequence[str]
    summary: str = ""
    description: str = ""
    parameters: tuple[Parameter, ...] = ()

    @property
    def original(self) -> str:
        return f"{self.method} {self.subject}".rstrip()


def operations_beside(upstream: str, beside: Beside, tools: Sequence[Operation]) -> Tools:
    """The operations that a server's resources, templates and prompts are; `tools` have their names already."""
    remarks = list(beside.remarks)
    taken = {operation.original for operation in tools}
    found: dict[str, _Found] = {}
    for one in _found(beside, remarks):
        if one.original in found or one.original in taken:
            remarks.append(f"the second {_quoted(one.original)} was left out: only the first can be used")
        else:
            found[one.original] = one
    ids = labelled_ids(upstream, {key: one.labels for key, one in found.items()}, {each.id for each in tools})
    return Tools(tuple(_operation(upstream, ids[key], one) for key, one in found.items()), tuple(remarks))


def request_of(operation: Operation, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The MCP method that performs an operation, and its parameters; `arguments` carry the upstream's names.

    Raises:
        InvalidArguments: they do not make a URI.
    """
    subject = operation.original.removeprefix(operation.method).lstrip()
    match operation.method:
        case "":
            return "tools/call", {"name": operation.original, "arguments": dict(arguments)}
        case "prompts/get":
            given = {name: str(value) for name, value in arguments.items() if value is not None}
            return PROMPT, {"name": subject, "arguments": given}
        case "resources/read" if operation.parameters and subject:
            return READ, {"uri": _expanded(operation, subject, arguments)}
        case "resources/read":
            return READ, {"uri": subject or arguments["uri"]}
        case method:
            return method, {}


def _expanded(operation: Operation, template: str, arguments: Mapping[str, Any]) -> str:
    values = {name: value for name, value in arguments.items() if value is not None}
    try:
        uri = UriTemplate.parse(template).expand(values)
    except (ValueError, TypeError) as error:
        raise InvalidArguments(f"{operation.id}: {one_line(str(error), 300)}") from None
    return uri


def _found(beside: Beside, remarks: list[str]) -> Iterator[_Found]:
    if beside.resources or beside.templates:
        uri = Parameter("uri", "uri", "argument", required=True, schema=_TEXT)
        yield _Found(READ, "", ["resources.read"], "Read a resource by its URI", parameters=(uri,))
        yield _Found(LIST, "", ["resources.list"], "List the resources that there are now")
    for item in beside.templates:
        if (template := _named(item, "uriTemplate", "resource template", remarks)) is not None:
            yield from _template(item, template, remarks)
    for item in beside.resources:
        if (uri_of := _named(item, "uri", "resource", remarks)) is not None:
            yield _resource(item, uri_of)
    for item in beside.prompts:
        if (name := _named(item, "name", "prompt", remarks)) is not None:
            yield from _prompt(item, name, remarks)


def _named(item: Any, key: str, what: str, remarks: list[str]) -> str | None:
    """What an item is known by; None where it can be known by nothing."""
    value = item.get(key) if isinstance(item, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        remarks.append(f"a {what} was left out: it has no {key}")
    elif len(value) > MAX_NAME or clean_text(value) != value:
        remarks.append(f"the {what} {_quoted(value)} was left out: it is too long, or no valid text")
    else:
        return value
    return None


def _resource(item: Mapping[str, Any], uri: str) -> _Found:
    labels = [f"resources.{identifier(text)}" for text in (_text(item, "name"), uri) if text]
    return _Found(READ, uri, labels, *_told(item))


def _template(item: Mapping[str, Any], template: str, remarks: list[str]) -> Iterator[_Found]:
    try:
        read = UriTemplate.parse(template)
    except InvalidUriTemplate as error:
        told = one_line(str(error), 200)
        remarks.append(f"the template {_quoted(template)} was left out ({told}): read(uri) takes whole URIs")
        return
    optional = read.query_variable_names
    variables = {one.name: one for one in read.variables}
    wires = sorted(variables, key=lambda name: name in optional)
    parameters = tuple(
        Parameter(name, wire, "argument", wire not in optional, _variable(explode=variables[wire].explode))
        for name, wire in zip(parameter_names([(wire, "argument") for wire in wires]), wires, strict=True)
    )
    labels = [f"resources.{identifier(text)}" for text in (_text(item, "name"), template) if text]
    yield _Found(READ, template, labels, *_told(item), parameters=parameters)


def _variable(*, explode: bool) -> dict[str, Any]:
    return {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]} if explode else _TEXT


def _prompt(item: Mapping[str, Any], name: str, remarks: list[str]) -> Iterator[_Found]:
    listed = item.get("arguments")
    arguments = {
        each["name"]: each
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, Mapping) and isinstance(each.get("name"), str) and each["name"]
    }
    if len(arguments) > MAX_PARAMETERS:
        remarks.append(f"the prompt {_quoted(name)} was left out: it has {len(arguments):,} arguments")
        return
    wires = sorted(arguments, key=lambda wire: arguments[wire].get("required") is not True)
    parameters = tuple(
        Parameter(
            python,
            wire,
            "argument",
            arguments[wire].get("required") is True,
            _TEXT,
            _text(arguments[wire], "description"),
        )
        for python, wire in zip(parameter_names([(wire, "argument") for wire in wires]), wires, strict=True)
    )
    yield _Found(PROMPT, name, [f"prompts.{identifier(name)}"], *_told(item), parameters=parameters)


def _operation(upstream: str, id_: str, one: _Found) -> Operation:
    properties = {each.wire: {**each.schema, "description": each.description} for each in one.parameters}
    required = [each.wire for each in one.parameters if each.required]
    output, types = _OUTPUTS[one.method]
    return Operation(
        id=id_,
        upstream=upstream,
        original=one.original,
        effect=Effect.READ,
        parameters=one.parameters,
        summary=one.summary,
        description=one.description,
        output=output,
        document=SchemaDocument({**_object(properties, *required), "$defs": {name: _TYPES[name] for name in types}}),
        method=one.method,
    )


def _told(item: Mapping[str, Any]) -> tuple[str, str]:
    """The summary and the description: its title or name, and what is said of it, its media type included."""
    kind = one_line(_text(item, "mimeType"), 80)
    title, said = _text(item, "title") or _text(item, "name"), _text(item, "description")
    return one_line(title, 200), f"{said} ({kind})".strip() if kind else said


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return clean_text(value.strip()[:MAX_TEXT]) if isinstance(value, str) else ""


def _quoted(name: str) -> str:
    return repr(one_line(name, 80))
