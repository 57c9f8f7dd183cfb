"""Values that schemas describe: their own examples where they have some, else small ones made by a seed.

    example({"type": "string", "enum": ["open", "closed"]}, resolve, seed="shop.orders.get")     'open'

The same schema and seed give the same value, on any machine. Nothing is looked up but what `resolve` gives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

Resolve = Callable[[str], Any]
"""The schema that a reference names. Raises LookupError where there is none."""

MAX_DEPTH = 12
_OPTIONAL_DEPTH = 3
_FORMATS: Mapping[str, str] = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "uuid": "3f2b6c1e-0000-4000-8000-000000000000",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "byte": "aGk=",
}
_WORDS = ("alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "willow")


def example(schema: object, resolve: Resolve, seed: str) -> Any:
    """A value that fits a schema, as far as it can be made; null for one that nothing fits.

    A pattern that the schema gives no example for is not looked at.
    """
    return _value(schema, resolve, seed, 0, frozenset())


def _value(schema: object, resolve: Resolve, seed: str, depth: int, above: frozenset[str]) -> Any:
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return None
    given = next((schema[key] for key in ("example", "const", "default") if schema.get(key) is not None), None)
    lists = (schema[key] for key in ("examples", "enum") if isinstance(schema.get(key), list))
    many: list[Any] = next(lists, [])
    if given is not None or many:
        return given if given is not None else many[_draw(seed, len(many))]
    if isinstance(reference := schema.get("$ref"), str):
        if reference in above:
            return None
        try:
            return _value(resolve(reference), resolve, seed, depth + 1, above | {reference})
        except LookupError:
            return None
    parts = [
        _value(part, resolve, f"{seed}&{place}", depth + 1, above)
        for place, part in enumerate(schema["allOf"] if isinstance(schema.get("allOf"), list) else ())
    ]
    choices = [schema[key] for key in ("anyOf", "oneOf") if isinstance(schema.get(key), list) and schema[key]]
    parts += [_choice(each, resolve, seed, depth, above) for each in choices]
    own = _of_type(schema, resolve, seed, depth, above)
    return _joined([*parts, own])


def _choice(choices: list[Any], resolve: Resolve, seed: str, depth: int, above: frozenset[str]) -> Any:
    """The first alternative that is not null, and can be ended."""
    for place, choice in enumerate(choices):
        value = _value(choice, resolve, f"{seed}|{place}", depth + 1, above)
        if value is not None:
            return value
    return None


def _joined(values: list[Any]) -> Any:
    """One value of several that hold together: objects are joined, of anything else the first is taken."""
    objects = [value for value in values if isinstance(value, dict)]
    if objects:
        return {name: value for one in objects for name, value in one.items()}
    return next((value for value in values if value is not None), None)


def _of_type(schema: Mapping[str, Any], resolve: Resolve, seed: str, depth: int, above: frozenset[str]) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), None)
    if kind == "object" or (kind is None and "properties" in schema):
        return _object(schema, resolve, seed, depth, above)
    if kind == "array" or (kind is None and "items" in schema):
        count = max(_number(schema, "minItems", 1), 1)
        count = 0 if depth > MAX_DEPTH - 3 else min(count, _number(schema, "maxItems", count), 10)
        items = [_value(schema.get("items", {}), resolve, f"{seed}[{n}]", depth + 1, above) for n in range(int(count))]
        return [item for item in items if item is not None]
    if kind == "string":
        return _text(schema, seed)
    if kind in ("integer", "number"):
        return _numeral(schema, seed)
    return _draw(seed, 2) == 0 if kind == "boolean" else None


def _object(schema: Mapping[str, Any], resolve: Resolve, seed: str, depth: int, above: frozenset[str]) -> Any:
    properties = schema.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    wanted = schema.get("required")
    required = wanted if isinstance(wanted, list) else []
    made = {
        str(name): _value(part, resolve, f"{seed}.{name}", depth + 1, above)
        for name, part in known.items()
        if name in required or depth < _OPTIONAL_DEPTH
    }
    return {name: value for name, value in made.items() if value is not None or name in required}


def _text(schema: Mapping[str, Any], seed: str) -> str:
    text = _FORMATS.get(str(schema.get("format"))) or f"{_WORDS[_draw(seed, len(_WORDS))]}"
    shortest, longest = int(_number(schema, "minLength", 0)), int(_number(schema, "maxLength", 10_000))
    return text.ljust(min(shortest, 10_000), "x")[: max(longest, 0)]


def _numeral(schema: Mapping[str, Any], seed: str) -> int | float:
    low = _number(schema, "minimum", 1)
    if (bound := schema.get("exclusiveMinimum")) is True:
        low += 1
    elif isinstance(bound, int | float) and not isinstance(bound, bool):
        low = bound + 1
    high = _number(schema, "maximum", low + 100)
    if high < low:
        low = high if "minimum" not in schema else low
    step = schema.get("multipleOf")
    value = low + _draw(seed, int(max(min(high - low, 100), 0)) + 1)
    if isinstance(step, int) and not isinstance(step, bool) and step > 0:
        value = -(-int(low) // step) * step
    return int(value) if schema.get("type") == "integer" or float(value).is_integer() else value


def _number(schema: Mapping[str, Any], key: str, default: float) -> float:
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default


def _draw(seed: str, count: int) -> int:
    """A number below `count`, by the seed alone."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % count
