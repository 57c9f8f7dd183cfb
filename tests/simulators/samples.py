"""Values that fit a schema, made without any of the product's own reading of schemas: a judge says what fits.

    samples = Samples(root, OAS30WriteValidator)
    samples.value({"type": "integer", "minimum": 3})     3

What a schema gives itself (examples, defaults, enumerations) comes first, then what its type asks for. Everything is
bounded and deterministic; what no candidate fits raises NoSample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

TEXT = "ä b&c=d+e%2F/?#"
"""A text without bounds: full of what must be escaped on its way."""

_MAX_DEPTH = 6
_MAX_CANDIDATES = 12
_BY_FORMAT: Mapping[str, tuple[Any, ...]] = {
    "date-time": ("2026-01-02T03:04:05Z",),
    "date": ("2026-01-02",),
    "time": ("03:04:05Z",),
    "uuid": ("3f2b6c1e-0000-4000-8000-000000000000",),
    "email": ("a@example.com",),
    "uri": ("https://example.com/a?b=c&d=%20",),
    "hostname": ("example.com",),
    "ipv4": ("192.0.2.1",),
    "ipv6": ("2001:db8::1",),
    "byte": ("aGk=",),
}
_GUESSES = (
    "a",
    "A1",
    "1",
    "abc-def",
    "0123456789abcdef0123456789abcdef",
    "2026-01-02",
    "2026-01-02T03:04:05Z",
    "12:30",
    "3f2b6c1e-0000-4000-8000-000000000000",
    "a@example.com",
    "https://example.com/",
    "example.com",
    "192.0.2.1",
    "192.0.2.0/24",
    "+15551234567",
    "#aabbcc",
    "12.5",
    "a:b",
    "a/b",
    "rec_1",
)

_UNIT = re.compile(r"(\[[^\]]+\]|\\.|[^\\\[\](){}|?*+^$])(?:\{(\d+)(?:,\d*)?\}|([+*?]))?")


class NoSample(LookupError):
    """No candidate fits a schema."""


@dataclass(frozen=True)
class Samples:
    """Makes values. `generous` ones have what is optional, too; `text` stands for every text that may be any."""

    root: Mapping[str, Any]
    judge: Any  # a validator class of openapi_schema_validator
    generous: bool = True
    text: str = TEXT
    _validator: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self._validator is None:
            from referencing import Registry
            from referencing.jsonschema import DRAFT202012

            resolver = Registry().resolver_with_root(DRAFT202012.create_resource(self.root))
            checker = self.judge.FORMAT_CHECKER
            object.__setattr__(self, "_validator", self.judge({}, _resolver=resolver, format_checker=checker))

    @property
    def is_new(self) -> bool:
        """Whether the document is written in 3.1 or later."""
        return not str(self.root.get("openapi")).startswith("3.0")

    def such(self, *, generous: bool | None = None, text: str | None = None) -> Samples:
        """The same with other settings."""
        generous = self.generous if generous is None else generous
        return replace(self, generous=generous, text=self.text if text is None else text)

    def value(self, schema: Any, depth: int = 0) -> Any:
        """The first candidate that the judge lets pass.

        Raises:
            NoSample: there is none.
        """
        return self.values(schema, depth)[0]

    def values(self, schema: Any, depth: int = 0) -> list[Any]:
        """All distinct candidates that the judge lets pass; at least one."""
        found: list[Any] = []
        for candidate in self._candidates(schema, depth):
            if candidate not in found and self.fits(schema, candidate):
                found.append(candidate)
            if len(found) >= 3:
                break
        if not found:
            raise NoSample(f"nothing fits {schema!r:.200}")
        return found

    def fits(self, schema: Any, value: Any) -> bool:
        """Whether the judge accepts a value; a schema that it stumbles over accepts none."""
        try:
            return bool(self._validator.evolve(schema=schema).is_valid(value))
        except Exception:  # noqa: BLE001 (documents hold patterns and types that the judge cannot read)
            return False

    def followed(self, node: Any) -> Any:
        """What a chain of local references leads to."""
        for _ in range(32):
            if not isinstance(node, Mapping) or not isinstance(node.get("$ref"), str):
                return node
            node = self._at(node["$ref"])
        raise NoSample("references in a circle")

    def _at(self, reference: str) -> Any:
        node: Any = self.root
        if not reference.startswith("#/"):
            raise NoSample(f"remote reference {reference}")
        for step in reference[2:].split("/"):
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            node = node[int(key)] if isinstance(node, list) else node[key]
        return node

    def _candidates(self, schema: Any, depth: int) -> Iterator[Any]:
        schema = self.followed(schema)
        if depth > _MAX_DEPTH or not isinstance(schema, Mapping):
            return
        yield from self._given(schema)
        yield from self._combined(schema, depth)
        yield from self._typed(schema, depth)

    def _given(self, schema: Mapping[str, Any]) -> Iterator[Any]:
        for keyword in ("example", "default", "const"):
            if keyword in schema and schema[keyword] not in (None, ""):
                yield schema[keyword]
        for keyword in ("examples", "enum"):
            if isinstance(schema.get(keyword), list):
                yield from [value for value in schema[keyword][:3] if value not in (None, "")]

    def _combined(self, schema: Mapping[str, Any], depth: int) -> Iterator[Any]:
        own = self._object(schema, depth) if schema.get("properties") else {}
        if isinstance(parts := schema.get("allOf"), list):
            yield from self._merged(parts, own, depth)
        for keyword in ("anyOf", "oneOf"):
            for branch in (schema.get(keyword) or [])[:_MAX_CANDIDATES]:
                for value in self._some(branch, depth + 1):
                    yield {**own, **value} if isinstance(value, dict) else value

    def _merged(self, parts: list[Any], own: dict[str, Any], depth: int) -> Iterator[Any]:
        choices = [self._some(part, depth + 1) for part in parts]
        merged = dict(own)
        for values in choices:
            merged |= next((value for value in values if isinstance(value, dict)), {})
        if merged:
            yield merged
        for values in choices:
            yield from values

    def _some(self, schema: Any, depth: int) -> list[Any]:
        try:
            return self.values(schema, depth)
        except NoSample:
            return []

    def _typed(self, schema: Mapping[str, Any], depth: int) -> Iterator[Any]:
        kind = schema.get("type")
        kinds = kind if isinstance(kind, list) else [kind or _implied(schema)]
        for one in kinds:
            match one:
                case None if not schema.keys() & {"allOf", "anyOf", "oneOf"}:
                    yield self.text
                case "string":
                    yield from self._texts(schema)
                case "integer" | "number":
                    yield from _numbers(schema)
                case "boolean":
                    yield from (True, False)
                case "array":
                    yield self._list(schema, depth)
                case "object":
                    yield self._object(schema, depth)

    def _texts(self, schema: Mapping[str, Any]) -> Iterator[Any]:
        if schema.get("format") == "binary":
            yield b"\x00\xffbinary"
        yield from _BY_FORMAT.get(str(schema.get("format")), ())
        low, high = schema.get("minLength") or 0, schema.get("maxLength") or 10_000
        for text in (self.text, *_GUESSES) if "pattern" in schema else (self.text,):
            yield text.ljust(low, "x")[:high]
        if isinstance(pattern := schema.get("pattern"), str):
            yield _spelled(pattern)

    def _list(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        items = self._some(schema.get("items") or {}, depth + 1)
        if not items:
            return []
        wanted = min(max(schema.get("minItems") or 0, 2 if self.generous else 1), schema.get("maxItems") or 2, 10)
        return items[:wanted] if schema.get("uniqueItems") else [items[place % len(items)] for place in range(wanted)]

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required") if isinstance(schema.get("required"), list) else []
        result: dict[str, Any] = {}
        for name, declared in (schema.get("properties") or {}).items():
            wanted = name in (required or ()) or (self.generous and depth < 3)
            if not wanted or self._is_read_only(declared):
                continue
            if values := self._some(declared, depth + 1):
                result[name] = values[0]
        if isinstance(more := schema.get("additionalProperties"), Mapping) and self.generous and not result:
            result |= dict(zip(["extra_key"], self._some(more, depth + 1), strict=False))
        return result

    def _is_read_only(self, schema: Any) -> bool:
        try:
            return bool(self.followed(schema).get("readOnly"))
        except (NoSample, AttributeError, LookupError):
            return False


def _implied(schema: Mapping[str, Any]) -> str | None:
    return "object" if "properties" in schema else "array" if "items" in schema else None


def _numbers(schema: Mapping[str, Any]) -> Iterator[int | float]:
    step = schema.get("multipleOf")
    for keyword, away in (("minimum", 1), ("maximum", -1), ("exclusiveMinimum", 1), ("exclusiveMaximum", -1)):
        if isinstance(bound := schema.get(keyword), int | float) and not isinstance(bound, bool):
            yield from (bound, bound + away)
    if isinstance(step, int | float) and not isinstance(step, bool):
        yield step
    yield from (7, 1, 0, -1, 1.5) if schema.get("type") == "number" else (7, 1, 0, -1)


def _spelled(pattern: str) -> str:
    """The first letter of each class of a simple regular expression, as often as it asks for: `^AC[0-9a-f]{32}$`."""
    text = ""
    for unit, times, few in _UNIT.findall(pattern.strip("^$")):
        letter = unit[1] if unit[0] == "[" and len(unit) > 2 else {"\\d": "0", "\\w": "a", ".": "a"}.get(unit, unit[-1])
        text += letter * min(int(times or (0 if few in "*?" and few else 1)), 1000)
    return text
