"""How parameters are written on the wire: every `style` of OpenAPI, exploded or not.

    query_pairs("color", ["blue", "black"])                          [("color", "blue"), ("color", "black")]
    query_pairs("created", {"gte": 1}, style="deepObject")           [("created%5Bgte%5D", "1")]
    path_text("id", [3, 4], style="matrix", explode=True)            ";id=3;id=4"

What is returned is percent-encoded and goes on the wire as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from isthmus.errors import InvalidArguments

Pairs = list[tuple[str, str]]

_RESERVED = ":/?@!$'()*,;=[]"  # what allowReserved lets through; never & # +, which would end the value
# `tabDelimited` is ours, for what Swagger 2.0 calls `tsv`; 2.0 also knows all of them in paths and headers.
_SEPARATORS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C", "tabDelimited": "%09"}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_STEPS = re.compile(r"[/\\]")


def path_text(name: str, value: Any, *, style: str = "simple", explode: bool = False) -> str:
    """A value as the part of a path that replaces its placeholder. Slashes in it are encoded.

    Raises:
        InvalidArguments: it is empty, or it is or holds a `.` or `..` that would lead elsewhere.
    """
    for text in _texts(value):
        _refuse_dots(name, text)
    match style:
        case "label":
            return _expanded(name, value, ".", "." if explode else ",", explode=explode)
        case "matrix":
            return _matrix(name, value, explode=explode)
        case _:
            return _expanded(name, value, "", _SEPARATORS.get(style, ","), explode=explode)


def query_pairs(
    name: str, value: Any, *, style: str = "form", explode: bool = True, allow_reserved: bool = False
) -> Pairs:
    """A value as the pairs of a query or of a form. An empty list or dict has none."""
    safe = _RESERVED if allow_reserved else ""
    if style == "deepObject":
        return [(encoded(key), encoded(text, safe)) for key, text in deep_pairs(name, value)]
    if isinstance(value, Mapping) and explode and style == "form":
        return [(encoded(str(key)), encoded(plain_text(item), safe)) for key, item in value.items() if item is not None]
    if isinstance(value, list) and explode:
        return [(encoded(name), encoded(plain_text(item), safe)) for item in value]
    if isinstance(value, Mapping | list):
        flat = [encoded(part, safe) for part in _flat(value)]
        return [(encoded(name), _SEPARATORS.get(style, ",").join(flat))] if flat else []
    return [(encoded(name), encoded(plain_text(value), safe))]


def deep_pairs(name: str, value: Any) -> list[tuple[str, str]]:
    """A nested value as bracketed names, not yet encoded: `a[b]`, `a[]` for a list of scalars, `a[0][b]` for others."""
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in deep_pairs(f"{name}[{key}]", item)]
    if isinstance(value, list):
        nested = any(isinstance(item, Mapping | list) for item in value)
        return [
            pair for place, item in enumerate(value) for pair in deep_pairs(f"{name}[{place if nested else ''}]", item)
        ]
    return [(name, plain_text(value))]


def header_text(name: str, value: Any, *, style: str = "simple", explode: bool = False) -> str:
    """A value as the text of a header.

    Raises:
        InvalidArguments: it holds a line break or another control character.
    """
    if isinstance(value, Mapping):
        text = (
            ",".join(f"{key}={plain_text(item)}" for key, item in value.items()) if explode else ",".join(_flat(value))
        )
    else:
        text = joined(value, style) if isinstance(value, list) else plain_text(value)
    if _CONTROL.search(text):
        raise InvalidArguments(f"{name}: a header cannot hold line breaks or other control characters")
    return text.strip()


def joined(value: Sequence[Any], style: str) -> str:
    """The items of a list as one text, not yet encoded."""
    return unquote(_SEPARATORS.get(style, ",")).join(_flat(value))


def json_text(value: Any, name: str = "body") -> str:
    """A value as compact JSON.

    Raises:
        InvalidArguments: bytes or something that is not finite stand in it.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        hint = "encode bytes as text first, for example with base64.b64encode(data).decode()"
        raise InvalidArguments(f"{name}: it cannot be sent as JSON ({error})", hint=hint) from None


def plain_text(value: Any) -> str:
    """A scalar as text: `true`, `null` as an empty text. What is no scalar becomes JSON."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return json_text(value, "a parameter")


def encoded(text: str, safe: str = "") -> str:
    """Percent-encoded UTF-8.

    Raises:
        InvalidArguments: the text holds half of a surrogate pair, which UTF-8 cannot carry.
    """
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise InvalidArguments("a text holds a lone surrogate, which cannot be sent") from None


def _expanded(name: str, value: Any, before: str, separator: str, *, explode: bool) -> str:
    if isinstance(value, Mapping) and explode:
        parts = [f"{encoded(str(key))}={encoded(plain_text(item))}" for key, item in value.items()]
    else:
        parts = [encoded(part) for part in (_flat(value) if isinstance(value, Mapping | list) else [plain_text(value)])]
    if not any(parts):
        raise InvalidArguments(f"{name}: a part of the path cannot be empty")
    return before + separator.join(parts)


def _matrix(name: str, value: Any, *, explode: bool) -> str:
    key = encoded(name)
    if isinstance(value, list) and explode and value:
        return "".join(f";{key}={encoded(plain_text(item))}" for item in value)
    if isinstance(value, Mapping) and explode and value:
        return "".join(f";{encoded(str(part))}={encoded(plain_text(item))}" for part, item in value.items())
    return f";{key}=" + _expanded(name, value, "", ",", explode=False)


def _flat(value: Any) -> list[str]:
    """`k,v,k,v` of a dict, the items of a list; as texts."""
    if isinstance(value, Mapping):
        return [text for key, item in value.items() for text in (str(key), plain_text(item))]
    return [plain_text(item) for item in value]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        yield from _flat(value)
    else:
        yield plain_text(value)


def _refuse_dots(name: str, text: str) -> None:
    """No step of a path may be `.` or `..`, not even behind an encoding that a server might undo once more."""
    for _ in range(4):
        if any(step in (".", "..") for step in _STEPS.split(text)):
            raise InvalidArguments(
                f"{name}: {text[:60]!r} would lead to another path", hint="'.' and '..' are no values"
            )
        if "\0" in text:
            raise InvalidArguments(f"{name}: a part of the path cannot hold NUL")
        text, before = unquote(text), text
        if text == before:
            return
