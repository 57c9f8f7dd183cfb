"""What openapi-core 0.23.1 cannot judge, told by its cause in the document, never by names.

Each cause is a fault or a limit of openapi-core, or a document that contradicts itself. Only what it concerns is left
out of the judgement: one parameter, the body, or the whole request.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from tests.simulators.openapi_inputs import Parameters
from tests.simulators.samples import NoSample, Samples

Key = tuple[str, str]
_ESCAPED = re.compile(r"[?<>\s]")


@dataclass(frozen=True, slots=True)
class Faults:
    """Why openapi-core cannot judge parts of an operation's requests; empty texts where it can."""

    parameters: Mapping[Key, str]
    body: str = ""
    whole: str = ""

    @property
    def causes(self) -> list[str]:
        """All that is left out, in words."""
        return [cause for cause in (*self.parameters.values(), self.body, self.whole) if cause]


def known_faults(
    node: Mapping[str, Any], path: str, declared: Parameters, sent: tuple[str, bytes], samples: Samples
) -> Faults:
    """The faults that concern a request to the operation `node`. `sent` is the type and content of its body."""
    found = {key: fault for key, one in declared.items() if (fault := _parameter_fault(one, samples))}
    return Faults(found, _body_fault(node, sent, samples), _whole_fault(node, path, declared, samples))


def _whole_fault(node: Mapping[str, Any], path: str, declared: Parameters, samples: Samples) -> str:
    if _ESCAPED.search(path):
        return "a path that no request can spell like its template"
    if _shapes(tuple(samples.root["paths"]))[_shape(path)] > 1:
        return "two paths that only differ in the names of their parameters"
    if any(not isinstance(one.get("explode", True), bool) for one in declared.values()):
        return "an explode that is no boolean"
    if any(_origin(server) != _origin(samples.root["servers"][0]) for server in node.get("servers", ())):
        return "servers of another origin, to which credentials do not go"
    return ""


def _parameter_fault(node: Mapping[str, Any], samples: Samples) -> str:
    schema, style = node.get("schema"), node.get("style")
    if node["in"] == "header" and node["name"].lower() in ("accept", "content-type", "authorization"):
        return "a header that OpenAPI says is to be ignored"
    if schema is None:
        return ""
    followed = samples.followed(schema)
    if fault := _style_fault(schema, style, node["in"], samples):
        return fault
    if any(part.get("readOnly") is True for part in _parts(schema, samples)):
        return "readOnly in the schema of a parameter"
    if "default" in followed and not samples.fits(schema, followed["default"]):
        return "a default that does not fit its own schema stands for an absent value"
    if followed.get("oneOf") or followed.get("anyOf"):
        return "alternatives: a text is cast to the first, whatever was meant"
    if "type" not in followed and any(not isinstance(option, str) for option in followed.get("enum", ())):
        return "a parameter without a type stays a text"
    return ""


def _style_fault(schema: Any, style: Any, location: str, samples: Samples) -> str:
    kind = samples.followed(schema).get("type")
    if style == "deepObject" and kind != "object":
        return "deepObject of what is no plain object, even when absent"
    if style == "deepObject" and _is_nested(schema, samples):
        return "deepObject within deepObject"
    if style == "spaceDelimited" or (style == "pipeDelimited" and kind not in ("array", "object")):
        return "a delimited style that is split where it is not"
    items = samples.followed(schema).get("items")
    if style in (None, "form") and location == "query" and items and _may_be(items, "object", samples):
        return "a list of objects in a query, for which OpenAPI has no form"
    if style in (None, "form") and location in ("query", "cookie") and _may_be(schema, "object", samples):
        return "an exploded object is looked for under its own name"
    return ""


def _body_fault(node: Mapping[str, Any], sent: tuple[str, bytes], samples: Samples) -> str:
    media_type, content = sent[0].partition(";")[0], sent[1]
    described = samples.followed(node.get("requestBody", {})).get("content", {})
    media = next((one for key, one in described.items() if key.partition(";")[0] == media_type), None)
    if media is None:
        structured = any(_may_be(one.get("schema", {}), "object", samples) for one in described.values())
        return "a JSON object under the name of another media type" if structured and "json" in media_type else ""
    properties = [pair for part in _parts(media.get("schema", {}), samples) for pair in _properties(part)]
    encoding = media.get("encoding", {})
    if media_type.endswith("xml") and _may_be(media.get("schema", {}), "object", samples):
        return "an object in XML, which we do not write: a limit of ours"
    if "form-urlencoded" in media_type:
        return _form_fault(properties, encoding, content, samples)
    if "multipart" in media_type:
        return _multipart_fault(properties, encoding, samples)
    raw = not media_type.endswith(("json", "xml")) and media_type not in ("text/plain", "text/html")
    declared = samples.followed(media.get("schema", {}))
    if raw and declared.get("type") == "string" and (samples.is_new or declared.get("format") != "binary"):
        return "contents of other media types stay bytes"
    return ""


def _form_fault(
    properties: list[tuple[str, Any]], encoding: Mapping[str, Any], content: bytes, samples: Samples
) -> str:
    if not content:
        return "an empty form counts as no body"
    deep = {name for name, one in encoding.items() if one.get("style") == "deepObject"}
    if any(name in deep and samples.followed(one).get("type") != "object" for name, one in properties):
        return "deepObject of what is no plain object, even when absent"
    if any(name in deep and _is_nested(one, samples) for name, one in properties):
        return "deepObject within deepObject"
    if any(name not in encoding and _may_be(one, "object", samples) for name, one in properties):
        return "objects in a form are not read as JSON"
    if any(name not in encoding and _may_be(_items(one, samples), "object", samples) for name, one in properties):
        return "lists of objects in a form are not read as JSON"
    return ""


def _multipart_fault(properties: list[tuple[str, Any]], encoding: Mapping[str, Any], samples: Samples) -> str:
    if any(_may_be(one, kind, samples) for _, one in properties for kind in ("integer", "number", "boolean")):
        return "fields of multipart bodies stay texts"
    if samples.is_new and any(samples.followed(one).get("format") == "binary" for _, one in properties):
        return "files of multipart bodies are no strings in 3.1"
    if any("contentType" in one for one in encoding.values()):
        return "parts of a multipart body with a type of their own stay bytes"
    return ""


def _properties(part: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(part.get("properties", {}).items())


def _items(schema: Any, samples: Samples) -> Any:
    return next((part["items"] for part in _parts(schema, samples) if "items" in part), {"type": "string"})


def _is_nested(schema: Any, samples: Samples) -> bool:
    parts = list(_parts(schema, samples))
    inner = [one for part in parts for _, one in _properties(part)]
    inner += [part["additionalProperties"] for part in parts if isinstance(part.get("additionalProperties"), Mapping)]
    return any(_may_be(one, kind, samples) for one in inner for kind in ("object", "array"))


def _shape(path: str) -> str:
    return re.sub(r"\{[^{}/]*\}", "{}", path)


@lru_cache(maxsize=4)
def _shapes(paths: tuple[str, ...]) -> Counter[str]:
    return Counter(map(_shape, paths))


def _origin(server: Mapping[str, Any]) -> tuple[str, str]:
    parts = urlsplit(server["url"])
    return parts.scheme, parts.netloc


def _may_be(schema: Any, kind: str, samples: Samples, depth: int = 0) -> bool:
    """Whether a schema, or one that it combines, names a type."""
    for part in _parts(schema, samples):
        own = part.get("type")
        if kind == own or (isinstance(own, list) and kind in own):
            return True
        branches = [branch for keyword in ("anyOf", "oneOf") for branch in part.get(keyword) or ()]
        if depth < 4 and any(_may_be(branch, kind, samples, depth + 1) for branch in branches):
            return True
    return False


def _parts(schema: Any, samples: Samples, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """A schema and all that holds together with it."""
    try:
        node = samples.followed(schema)
    except (NoSample, LookupError):
        return
    if not isinstance(node, Mapping) or depth > 8:
        return
    yield node
    for part in node.get("allOf") or ():
        yield from _parts(part, samples, depth + 1)
