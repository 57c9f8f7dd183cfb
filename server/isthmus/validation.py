"""Arguments and answers held against their schemas, with problems that a model can act on.

    Validation().check(operation, {"titel": "x"})
    ({"titel": "x"}, ["unknown parameter 'titel' (did you mean 'title'?)", "title: required, and missing (a string)"])

Regular expressions run in an engine of linear time; those that it does not know (look-around, back-references) are not
checked. Formats are not checked either: documents are too careless about them. Nothing is ever fetched.
"""

from __future__ import annotations

import difflib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from isthmus.coercion import coerced
from isthmus.model import JsonSchema, Operation, SchemaDocument
from isthmus.openapi.schema import translated, value_types

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

MAX_ARGUMENT_PROBLEMS = 20
MAX_ANSWER_PROBLEMS = 5

MAX_KEPT = 256
"""Compiled schemas that are kept, the most recently used."""

MAX_PATTERNS = 1_000
"""Compiled regular expressions that are kept."""

MAX_ANSWER_VALUES = 50_000
"""Values in an answer beyond which it is not checked: that would take longer than it is worth."""

_PATTERN_BYTES = 1_000_000  # of one compiled regular expression
_SHORT = 60
_MANY_CHOICES = 20
_BYTES = "\0bytes"  # stands for bytes while arguments are checked: fits nothing but what accepts anything

_ARTICLES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "array": "a list",
    "object": "a dict",
    "null": "None",
}


@dataclass(slots=True)
class Validation:
    """Checks arguments and answers; compiles an operation's schemas when they are first needed, and keeps them.

    One thread may check answers while another checks others: each step on what is kept is one step of a dict.
    `opaque` says which values stand for something else than themselves: nothing is said of those.
    """

    opaque: Callable[[Any], bool] | None = None
    _kept: OrderedDict[tuple[str, str], tuple[Operation, Validator | None]] = field(default_factory=OrderedDict)
    _patterns: dict[str, Validator | None] = field(default_factory=dict)

    def check(self, operation: Operation, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The arguments with harmless differences mended (see `coercion`), and the problems that remain."""
        mended = coerced(operation, arguments)
        if self._fit(operation, mended):
            return mended, []
        problems = list(_unknown(operation, mended))
        problems += _missing(operation, mended)
        problems += self._problems(operation, "arguments", _known(operation, mended), MAX_ARGUMENT_PROBLEMS + 1)
        return mended, _bounded(problems, MAX_ARGUMENT_PROBLEMS)

    def _fit(self, operation: Operation, arguments: Mapping[str, Any]) -> bool:
        """Whether there is certainly no problem: what is wrong is found out afterwards, where there may be one."""
        known = 0
        for parameter in operation.parameters:
            if parameter.name in arguments:
                known += 1
            elif parameter.required:
                return False
        validator = self._validator(operation, "arguments")
        if known < len(arguments) or validator is None:
            return False
        try:
            return validator.is_valid(_without_bytes(arguments))
        except ValueError:
            return False

    def arguments_problems(self, operation: Operation, arguments: Mapping[str, Any]) -> list[str]:
        """Every problem with the arguments, each naming the parameter, what is wrong, and what fits."""
        return self.check(operation, arguments)[1]

    def answer_problems(self, operation: Operation, value: Any) -> list[str]:
        """Where an answer departs from the operation's output schema: the first few places.

        An answer that holds bytes, or more than MAX_ANSWER_VALUES values, is not checked.
        """
        if operation.output is None or not _is_small(value):
            return []
        return self._problems(operation, "answer", value, MAX_ANSWER_PROBLEMS)

    def is_ready(self, operation: Operation) -> bool:
        """Whether the answers of an operation can be checked without compiling its schema first."""
        kept = self._kept.get((operation.id, "answer"))
        return operation.output is None or (kept is not None and kept[0] is operation)

    def _problems(self, operation: Operation, side: str, value: Any, limit: int) -> list[str]:
        validator = self._validator(operation, side)
        if validator is None:
            return []
        checked = _without_bytes(value) if side == "arguments" else value
        try:
            if validator.is_valid(checked):
                return []
            errors = (error for error in validator.iter_errors(checked) if not self._is_opaque(error))
            return _distinct(map(_described, errors))[:limit]
        except ValueError as error:  # bytes, lone surrogates, keys that are no text
            return [f"it cannot be checked: {error}"[:200]] if side == "arguments" else []

    def _is_opaque(self, error: ValidationError) -> bool:
        """Whether a breach is in such a value; or an alternative is missed for such values alone."""
        if self.opaque is None:
            return False
        branches = getattr(error.kind, "context", ())
        return self.opaque(error.instance) or any(branch and all(map(self._is_opaque, branch)) for branch in branches)

    def _validator(self, operation: Operation, side: str) -> Validator | None:
        key = (operation.id, side)
        kept = self._kept.pop(key, None)
        if kept is None or kept[0] is not operation:
            schema = arguments_schema(operation) if side == "arguments" else operation.output or {}
            kept = operation, self._compiled(schema, operation.document, for_request=side == "arguments")
        self._kept[key] = kept
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return kept[1]

    def _compiled(self, schema: JsonSchema, document: SchemaDocument, *, for_request: bool) -> Validator | None:
        import jsonschema_rs

        clean = translated(schema, document, for_request=for_request, usable_pattern=self._usable_pattern)
        try:
            return jsonschema_rs.Draft202012Validator(
                clean.schema,
                offline=True,
                validate_formats=False,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES),
            )
        except (jsonschema_rs.ReferencingError, ValueError):
            return None  # translated schemas compile; should one not, the upstream itself will check

    def _usable_pattern(self, pattern: str, samples: Sequence[str]) -> bool:
        if pattern not in self._patterns:
            if len(self._patterns) >= MAX_PATTERNS:
                self._patterns.clear()
            self._patterns[pattern] = _compiled_linearly(pattern)
        compiled = self._patterns[pattern]
        return compiled is not None and all(map(compiled.is_valid, samples))


def argument_check(schema: JsonSchema | bool, *, strictly: bool) -> Callable[[Any], str]:
    """What holds one argument against a schema of the operator's, and says in a few words what is wrong with it.

    JSON Schema lets a text pass `maximum: 100`, since that speaks of numbers only. `strictly`, what it speaks of is
    wanted: a bound that allows something must not be passed by a value of another type.

    Raises:
        ValueError: it is no schema that can be used.
    """
    import jsonschema_rs

    meant = dict(_with_type(schema) if strictly else schema) if isinstance(schema, Mapping) else schema
    validator = jsonschema_rs.Draft202012Validator(
        meant, offline=True, pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
    )

    def problem(value: Any) -> str:
        checked = _without_bytes(value)
        try:
            first = None if validator.is_valid(checked) else next(validator.iter_errors(checked), None)
        except ValueError as error:  # lone surrogates, keys that are no text
            return f"it cannot be checked: {error}"[:200]
        return _described(first).removeprefix("it: ") if first is not None else ""

    return problem


def schema_problem(schema: JsonSchema | bool) -> str:
    """Why a schema of the operator's cannot be used; empty where it can."""
    try:
        argument_check(schema, strictly=True)
    except ValueError as error:
        return str(error).partition("\n")[0][:200]
    return ""


_SPEAKS_OF: Mapping[str, tuple[str, ...]] = {
    "number": ("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "multipleOf"),
    "string": ("pattern", "maxLength", "minLength"),
    "array": ("items", "prefixItems", "maxItems", "minItems", "uniqueItems", "contains"),
    "object": ("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
}
"""Types, and the keywords that say nothing of any other."""


def _with_type(schema: JsonSchema) -> JsonSchema:
    """The schema with the types that its keywords speak of, where it names none, in its properties and items too."""
    parts: dict[str, Any] = dict(schema)
    if isinstance(schema.get("properties"), Mapping):
        parts["properties"] = {
            name: _with_type(part) if isinstance(part, Mapping) else part for name, part in schema["properties"].items()
        }
    if isinstance(schema.get("items"), Mapping):
        parts["items"] = _with_type(schema["items"])
    for key in ("allOf", "anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            parts[key] = [_with_type(part) if isinstance(part, Mapping) else part for part in schema[key]]
    types = [kind for kind, keywords in _SPEAKS_OF.items() if any(word in schema for word in keywords)]
    return parts if "type" in schema or not types else {**parts, "type": types}


def arguments_schema(operation: Operation) -> JsonSchema:
    """The parameters of an operation as the properties of one object, under their Python names."""
    return {"properties": {parameter.name: parameter.schema for parameter in operation.parameters}}


def _compiled_linearly(pattern: str) -> Validator | None:
    import jsonschema_rs

    try:
        return jsonschema_rs.Draft202012Validator(
            {"pattern": pattern}, offline=True, pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
        )
    except ValueError:
        return None


def _known(operation: Operation, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        parameter.name: arguments[parameter.name] for parameter in operation.parameters if parameter.name in arguments
    }


def _unknown(operation: Operation, arguments: Mapping[str, Any]) -> Iterator[str]:
    if operation.accepts_more:
        return
    names = [parameter.name for parameter in operation.parameters]
    if arguments.keys() <= set(names):
        return
    wires = {parameter.wire: parameter.name for parameter in operation.parameters}
    for name in arguments:
        if name not in names:
            near = wires.get(name) or next(iter(difflib.get_close_matches(name, names, 1, 0.6)), None)
            fits = f"did you mean {near!r}?" if near else f"it has {', '.join(names[:12]) or 'none'}"
            yield f"unknown parameter {name!r:.80} ({fits})"


def _missing(operation: Operation, arguments: Mapping[str, Any]) -> Iterator[str]:
    for parameter in operation.parameters:
        if parameter.required and parameter.name not in arguments:
            wanted = _wanted(value_types(parameter.schema, operation.document))
            yield f"{parameter.name}: required, and missing ({wanted})"


def _wanted(types: frozenset[str] | None) -> str:
    return " or ".join(_ARTICLES[kind] for kind in _ARTICLES if types and kind in types) or "any value"


def _described(error: ValidationError) -> str:
    """One sentence on one breach. Of alternatives, the one that came nearest is described."""
    kind, name = error.kind, error.kind.name
    place = _place(error.instance_path)
    if name in ("anyOf", "oneOfNotValid", "oneOf") and hasattr(kind, "context"):
        return _nearest(error, kind.context)
    if name == "required":
        return f"{_joined(place, getattr(kind, 'property', '?'))}: required, and missing"
    if name in ("additionalProperties", "unevaluatedProperties"):
        unexpected = ", ".join(repr(key) for key in list(getattr(kind, "unexpected", ()))[:5])
        return f"{place or 'it'}: unknown {unexpected:.200}"
    describe = _DESCRIPTIONS.get(name)
    detail = describe(error) if describe else f"{error.message:.200}"
    return f"{place or 'it'}: {detail}"


def _nearest(error: ValidationError, branches: Sequence[Sequence[ValidationError]]) -> str:
    place = list(error.instance_path)
    kinds: list[str] = []
    closer: list[Sequence[ValidationError]] = []
    for branch in branches:
        own_types = [one for one in branch if one.kind.name == "type" and list(one.instance_path) == place]
        kinds += [kind for one in own_types for kind in one.kind.types]  # type: ignore[attr-defined]
        if branch and not own_types:
            closer.append(branch)
    if closer:
        return _described(min(closer, key=_distance)[0])
    wanted = _wanted(frozenset(kinds))
    return f"{_place(place) or 'it'}: expected {wanted}, got {_shown(error.instance)}"


def _distance(branch: Sequence[ValidationError]) -> tuple[bool, int]:
    """How far a value is from an alternative. A tag that differs (`type: card`) says that another was meant."""
    return any(error.kind.name in ("enum", "const") for error in branch), len(branch)


def _place(path: Sequence[str | int]) -> str:
    """`labels[0].name`."""
    text = ""
    for step in path:
        text = f"{text}[{step}]" if isinstance(step, int) else _joined(text, step)
    return text


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else str(name)


def _shown(value: Any) -> str:
    """A value, short: its type, and the value itself where it is a scalar."""
    if isinstance(value, dict):
        return "bytes" if _BYTES in value else "a dict"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "None"
    text = repr(value)
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "..."


def _choices(error: ValidationError) -> str:
    options = list(getattr(error.kind, "options", ()))
    shown = ", ".join(repr(option) for option in options[:_MANY_CHOICES])
    if len(options) > _MANY_CHOICES:
        shown += f", ... ({len(options)} in all)"
    near = _near(error.instance, options)
    return f"{_shown(error.instance)} is not one of {shown}" + (f"; did you mean {near!r}?" if near else "")


def _near(value: Any, options: list[Any]) -> str | None:
    texts = [option for option in options if isinstance(option, str)]
    if not isinstance(value, str) or not texts:
        return None
    alike = {text.lower(): text for text in texts}
    found = difflib.get_close_matches(value.lower()[:200], list(alike), 1, 0.6)
    return alike[found[0]] if found else None


def _limit(words: str) -> Callable[[ValidationError], str]:
    return lambda error: f"{_shown(error.instance)} {words} {getattr(error.kind, 'limit', '?')}"


def _length(unit: str, words: str) -> Callable[[ValidationError], str]:
    return lambda error: f"has {len(error.instance)} {unit}, {words} {getattr(error.kind, 'limit', '?')}"  # type: ignore[arg-type]


def _pattern(error: ValidationError) -> str:
    return f"{_shown(error.instance)} does not match the pattern {getattr(error.kind, 'pattern', ''):.120}"


def _excluded(error: ValidationError) -> str:
    schema = getattr(error.kind, "schema", None)
    return f"{_shown(error.instance)} is excluded by {json.dumps(schema):.120}" if schema else "is not allowed here"


def _type(error: ValidationError) -> str:
    wanted = _wanted(frozenset(getattr(error.kind, "types", ())))
    return f"expected {wanted}, got {_shown(error.instance)}"


_DESCRIPTIONS: Mapping[str, Callable[[ValidationError], str]] = {
    "type": _type,
    "enum": _choices,
    "const": lambda error: f"{_shown(error.instance)} is not {getattr(error.kind, 'expected_value', '?')!r:.80}",
    "pattern": _pattern,
    "minimum": _limit("is less than"),
    "maximum": _limit("is more than"),
    "exclusiveMinimum": _limit("is not more than"),
    "exclusiveMaximum": _limit("is not less than"),
    "multipleOf": lambda error: f"{_shown(error.instance)} is no multiple of {getattr(error.kind, 'multiple_of', '?')}",
    "minLength": _length("characters", "fewer than"),
    "maxLength": _length("characters", "more than"),
    "minItems": _length("items", "fewer than"),
    "maxItems": _length("items", "more than"),
    "minProperties": _length("keys", "fewer than"),
    "maxProperties": _length("keys", "more than"),
    "uniqueItems": lambda _: "has an item twice",
    "falseSchema": lambda _: "is not allowed here",
    "not": _excluded,
}


def _without_bytes(value: Any) -> Any:
    if isinstance(value, str | int):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return {_BYTES: len(value)}
    if isinstance(value, Mapping):
        return {key: _without_bytes(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_bytes(item) for item in value]
    return value


def _is_small(value: Any) -> bool:
    """Whether a value holds no bytes, and at most MAX_ANSWER_VALUES values."""
    stack, seen = [value], 0
    while stack:
        node = stack.pop()
        seen += 1
        if seen + len(stack) > MAX_ANSWER_VALUES or isinstance(node, bytes):
            return False
        if isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return True


def _distinct(problems: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(problems))


def _bounded(problems: list[str], limit: int) -> list[str]:
    if len(problems) <= limit:
        return problems
    return [*problems[:limit], "and more problems of this kind"]
