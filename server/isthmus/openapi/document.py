"""From bytes to an OpenAPI document, or to an error that says what the bytes are instead.

    read_document(b'{"openapi": "3.1.0", "paths": {}}', "api.json").version      "3.1.0"

JSON, YAML, and either of them gzipped. Nothing that a document refers to is ever fetched.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from isthmus.errors import ConfigurationError
from isthmus.model import Dialect, SchemaDocument
from isthmus.openapi.nodes import mapping_of, text_of
from isthmus.openapi.swagger import converted

MAX_DOCUMENT_BYTES = 100_000_000
"""Of one document, unpacked. The largest public ones have 40 MB."""

_MAX_FLOW_MAPPING = 1_000_000
_GZIP = b"\x1f\x8b"
_LONE_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_KNOWN = re.compile(r"3\.[0-2](\.|$)")
_IS_SWAGGER = re.compile(r"2\.0(\.|$)")
_SCHEMA_IS_3_0 = re.compile(r"3\.0")


@dataclass(frozen=True, slots=True, eq=False)
class OpenApiDocument:
    """A document that has been read, and may still contain any nonsense below its top level."""

    source: str  # the file or URL that it came from, for messages and for relative server URLs
    version: str  # `3.0.3`; of one that was converted, the old one: `2.0`
    schemas: SchemaDocument = field(repr=False)  # the whole document; references are looked up in it

    @property
    def root(self) -> Mapping[str, Any]:
        """The document's top level."""
        return self.schemas.root

    @property
    def title(self) -> str:
        """The API's own name, or an empty text."""
        return text_of(mapping_of(self.root.get("info")).get("title"))


def read_document(content: bytes, source: str, limit: int = MAX_DOCUMENT_BYTES) -> OpenApiDocument:
    """Read an OpenAPI document: 3.0 and 3.1 as they are, Swagger 2.0 converted to 3.1.

    Raises:
        ConfigurationError: it is too large, no JSON or YAML, or no OpenAPI that we know; the remedy says what to do.
    """
    return _checked(_parsed(_decoded(_unpacked(content, source, limit), source), source), source)


def _unpacked(content: bytes, source: str, limit: int) -> bytes:
    if content.startswith(_GZIP):
        try:
            content = zlib.decompressobj(wbits=31).decompress(content, limit + 1)
        except zlib.error as error:
            _refuse(source, f"is no valid gzip file ({error})", "unpack it, or download it again")
    if len(content) > limit:
        _refuse(
            source, f"is larger than {limit:,} bytes", "use a smaller document, such as the part of the API you need"
        )
    return content


def _decoded(content: bytes, source: str) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        _refuse(source, f"is no text: byte {error.start} is not valid UTF-8", "give a JSON or YAML document in UTF-8")


def _parsed(text: str, source: str) -> Any:
    start = text.lstrip()[:200]
    if not start:
        _refuse(source, "is empty", "give an OpenAPI document")
    if start.startswith("<"):
        _refuse(
            source,
            "is HTML or XML, not an OpenAPI document (a login page, or the documentation's web page?)",
            "give the URL of the document itself, often .../openapi.json, or download it and give the file",
        )
    return _parsed_json(text, source) if start.startswith("{") else _parsed_yaml(text, source)


def _parsed_json(text: str, source: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        if (value := _flow_mapping(text)) is None:
            _refuse(source, f"is no valid JSON: {error.msg}", "mend it, or download it again", error.lineno)
        return value
    except RecursionError:
        _refuse(source, "is nested too deeply", "flatten it with $ref")
    except ValueError as error:
        problem = "holds a number of thousands of digits" if "digits" in str(error) else f"cannot be read: {error}"
        _refuse(source, problem, "mend it")
    return _without_surrogates(value) if _LONE_SURROGATE_ESCAPE.search(text) else value


def _flow_mapping(text: str) -> Any:
    """What begins like JSON and is none may be YAML all the same; None where it is not."""
    try:
        return _parsed_yaml(text, "") if len(text) < _MAX_FLOW_MAPPING else None
    except ConfigurationError:
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return mapping


def _without_surrogates(value: Any) -> Any:
    """The value with U+FFFD for every lone surrogate, which no UTF-8 text can carry."""
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def _parsed_yaml(text: str, source: str) -> Any:
    from isthmus.openapi.plain_yaml import YamlError, load_yaml

    try:
        return load_yaml(text)
    except YamlError as error:
        _refuse(source, f"cannot be read as YAML: {error}", "mend it", error.line)


def _checked(root: Any, source: str) -> OpenApiDocument:
    if not isinstance(root, dict):
        _refuse(source, f"is a {type(root).__name__}, not an OpenAPI document", "give an OpenAPI document")
    version = _version(root, source)
    if not isinstance(root.get("paths"), dict):
        _refuse(source, "has no `paths` object, so no operations", "give the complete OpenAPI document")
    if _IS_SWAGGER.match(version):
        root = _newer(root, source)
    dialect = Dialect.OPENAPI_3_0 if _SCHEMA_IS_3_0.match(version) else Dialect.JSON_SCHEMA
    return OpenApiDocument(source, version, SchemaDocument(root, dialect))


def _newer(root: dict[str, Any], source: str) -> dict[str, Any]:
    """A document of Swagger 2.0 in the words of 3.1."""
    try:
        return converted(root, source)
    except RecursionError:
        _refuse(source, "is nested too deeply", "flatten it with $ref")


def _version(root: Mapping[str, Any], source: str) -> str:
    version = root["swagger"] if "swagger" in root else root.get("openapi")
    if isinstance(version, float):  # `openapi: 3.1` in YAML
        version = str(version)
    if version is None:
        _refuse(source, "has no `openapi` version, so it is no OpenAPI document", "give a document of 2.0, 3.0 or 3.1")
    known = _IS_SWAGGER if "swagger" in root else _KNOWN
    if not isinstance(version, str) or not known.match(version):
        _refuse(source, f"has the version {version!r:.40}, which is not known", "give a document of 2.0, 3.0 or 3.1")
    return version


def _refuse(source: str, problem: str, remedy: str, line: int | None = None) -> NoReturn:
    raise ConfigurationError(f"the OpenAPI document {problem}", file=source, line=line, remedy=remedy)
