"""openapi-core, held against requests and answers. It is imported when it is asked for: that takes a second.

A document is loaded without checking it against the specification. Two faults of openapi-core are worked round. It
refuses every request to an operation with a parameter, or a form's field, in the style `deepObject` whose schema is not
an object alone: such parameters, and bodies with such fields, are taken out of the document before it reads it, and
whoever asks has to check them otherwise. And media types that are JSON by their names (`application/vnd.api+json`), and
formats that it does not know, are errors to it, unless it is told of them.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote

from isthmus.model import Operation
from isthmus.openapi.nodes import mapping_of

_HOST = "http://mock.invalid"

Opaque = Callable[[Any], bool]
"""Whether a value stands for something else than itself, so that what is said of it means nothing."""


def is_there() -> bool:
    """Whether openapi-core is installed."""
    from importlib.util import find_spec

    return find_spec("openapi_core") is not None


@dataclass(frozen=True, slots=True)
class Message:
    """An HTTP request, as it travels. Header names are in lower case; `query` is still encoded."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class CoreRequest:
    """A request, as openapi-core wants to see it."""

    host_url: str
    path: str
    method: str
    content_type: str
    body: bytes | None
    parameters: Any = field(repr=False)


@dataclass
class CoreResponse:
    """A response, as openapi-core wants to see it."""

    status_code: int
    content_type: str
    headers: Any
    data: bytes


@dataclass
class Judge:
    """One document. `opaque` says of which values nothing is said."""

    root: Mapping[str, Any]
    opaque: Opaque = lambda _: False

    def request_problems(self, operation: Operation, message: Message) -> list[str]:
        """What is wrong with a request for an operation; credentials are not asked for."""
        request = self._request(message)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecated parameters
            errors = list(self._app(operation).iter_request_errors(request))
        return self._told(error for error in errors if "Security" not in type(error).__name__)

    def answer_problems(self, operation: Operation, message: Message, status: int, answer: Any) -> list[str]:
        """What is wrong with the JSON answer to a request."""
        from werkzeug.datastructures import Headers

        response = CoreResponse(status, "application/json", Headers(), json.dumps(answer).encode())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            errors = list(self._app(operation).iter_response_errors(self._request(message), response))
        return self._told(error for error in errors if "MediaType" not in type(error).__name__)

    def _request(self, message: Message) -> CoreRequest:
        from openapi_core.datatypes import RequestParameters
        from werkzeug.datastructures import Headers, ImmutableMultiDict

        return CoreRequest(
            _HOST,
            message.path,
            message.method.lower(),
            message.headers.get("content-type", ""),
            message.body or None,
            RequestParameters(
                query=ImmutableMultiDict(parse_qsl(message.query, keep_blank_values=True)),
                header=Headers(dict(message.headers)),
                cookie=ImmutableMultiDict(cookies(message.headers)),
            ),
        )

    def _app(self, operation: Operation) -> Any:
        """openapi-core for the path of one operation: it tries all of them, which takes a second for 10,000."""
        path = operation.route.path if operation.route else ""
        if path not in self._apps:
            self._apps[path] = self._loaded(path)
        return self._apps[path]

    def _loaded(self, path: str) -> Any:
        from openapi_core import Config, OpenAPI

        paths = mapping_of(self.root.get("paths"))
        item = _readable(paths.get(path), self.root)
        root = {**self.root, "servers": [{"url": _HOST}], "security": [], "paths": {path.partition("#")[0]: item}}
        return OpenAPI.from_dict(root, config=Config(spec_validator_cls=None, **self._spoken))

    @cached_property
    def _apps(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _spoken(self) -> dict[str, Any]:
        return spoken(self.root)

    def _told(self, errors: Iterator[Exception]) -> list[str]:
        return list(dict.fromkeys(filter(None, map(self._sentence, errors))))

    def _sentence(self, error: BaseException) -> str:
        """An error in the words of what caused it, without classes; empty for what is opaque."""
        chain: list[BaseException] = []
        cause: BaseException | None = error
        while cause is not None:
            chain.append(cause)
            cause = cause.__cause__
        details: list[Any] = [one for each in chain for one in getattr(each, "schema_errors", None) or ()]
        if not details:
            return ": ".join(dict.fromkeys(str(each)[:300] for each in chain if str(each)))
        name = getattr(error, "name", "")
        counting = [one for one in details if not self._is_opaque(one) and not _is_no_fault(one, name)]
        named = f"{name}: " if name and counting else ""
        return named + "; ".join(f"{_place(one)}{one.message[:300]}" for one in counting)

    def _is_opaque(self, error: Any) -> bool:
        """Whether an error of a schema is about such a value, or any alternative fails for such values alone."""
        if self.opaque(error.instance):
            return True
        branches: dict[Any, list[Any]] = {}
        for one in error.context or ():
            branches.setdefault(one.schema_path[0] if one.schema_path else None, []).append(one)
        return any(all(map(self._is_opaque, many)) for many in branches.values())


def _is_no_fault(error: Any, parameter: str) -> bool:
    """What we hold nothing of: `oneOf` is read as `anyOf`, and parameters are sent, though they may be `readOnly`."""
    several = error.validator == "oneOf" and " is valid under each of " in error.message
    return several or (bool(parameter) and error.validator in ("readOnly", "writeOnly"))


def _place(error: Any) -> str:
    path = "".join(f"[{step!r}]" for step in error.absolute_path)
    return f"{path}: " if path else ""


def _readable(item: Any, root: Mapping[str, Any]) -> Any:
    """A path item without servers of its own, and without parameters and bodies that openapi-core cannot read."""
    if not isinstance(item, Mapping):
        return item
    kept = {key: node for key, node in item.items() if key != "servers"}
    for key, node in item.items():
        if key == "parameters" and isinstance(node, list):
            kept[key] = [one for one in node if not _is_deep(one, root)]
        elif isinstance(node, Mapping) and "responses" in node:
            kept[key] = _readable(node, root)
    if _has_deep_fields(item.get("requestBody")):
        del kept["requestBody"]
    return kept


def _has_deep_fields(body: Any) -> bool:
    contents = mapping_of(mapping_of(body).get("content")).values()
    fields = (field for one in contents for field in mapping_of(mapping_of(one).get("encoding")).values())
    return any(mapping_of(field).get("style") == "deepObject" for field in fields)


def _is_deep(parameter: Any, root: Mapping[str, Any]) -> bool:
    for _ in range(20):  # references to references
        reference = mapping_of(parameter).get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/components/parameters/"):
            break
        parameter = mapping_of(mapping_of(root.get("components")).get("parameters")).get(reference.rpartition("/")[2])
    return mapping_of(parameter).get("style") == "deepObject"


def _nodes(root: Any) -> Iterator[Mapping[str, Any]]:
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Mapping):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def cookies(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The names and values in the header of that name, decoded."""
    pairs = [pair.strip().partition("=") for pair in headers.get("cookie", "").split(";") if pair.strip()]
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def spoken(root: Any) -> dict[str, Any]:
    """Settings for openapi-core: the media types of a document that are JSON, and all of its formats."""
    media, formats = {"application/json"}, set[str]()
    for node in _nodes(root):
        if isinstance(content := node.get("content"), Mapping):
            plain = {str(one).partition(";")[0].strip().lower() for one in content}
            media |= {one for one in plain if one.endswith("+json")}
        if isinstance(one := node.get("format"), str):
            formats.add(one)
    return {
        "extra_media_type_deserializers": dict.fromkeys(sorted(media), _json),
        "extra_format_unmarshallers": dict.fromkeys(sorted(formats), _unchanged),
    }


def _json(value: bytes, **_: str) -> Any:
    return json.loads(value)


def _unchanged(value: Any) -> Any:
    return value
