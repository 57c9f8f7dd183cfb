"""What answers have looked like: their types, learned from answers, without anything that stands in them.

    a = shape_of({"id": 7, "state": "open", "labels": [{"name": "bug"}]})
    b = shape_of({"id": 8, "state": "closed", "labels": []})
    merged(a, b)        an object: id integer, state of the words open and closed, labels: list of objects with a name

A shape is a union over everything that was seen. Merging is commutative and idempotent, and its result is bounded. No
value is kept: of a text only whether all were, say, dates, or words of the list of `STATES`, which stands in this file
and can therefore betray nothing. Keys that may be data (addresses, numbers, one for each of many) are not kept either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from isthmus.catalog.names import words

MAX_FIELDS = 60
"""Names in one object; with more it counts as a map, whose keys are data."""

MAX_NODES = 300
"""Shapes within one shape, itself included."""

MAX_DEPTH = 7
"""Containers within containers that are looked into."""

MAX_SEEN = 600
"""Values of one answer that are looked at, from the front of its lists; a member of a list is looked at whole."""

_LISTED = 40
"""Members of a list that are looked at."""

_WORDS = 8
"""Different words in one place; with more of them it is just text."""

_ALIKE = 3
"""Objects under different keys that are all alike are a map, from so many on."""

STATES = frozenset(
    words(
        "open opened closed active inactive enabled disabled pending queued waiting scheduled running started "
        "stopped paused processing progress done completed complete finished resolved unresolved cancelled canceled "
        "failed failure error success successful succeeded ok warning info debug critical fatal unknown none new "
        "draft published archived deleted live hidden visible public private internal secret protected locked "
        "unlocked low medium high normal urgent minor major blocker todo merged approved rejected accepted declined "
        "expired valid invalid ready online offline healthy unhealthy degraded available unavailable paid unpaid "
        "refunded read unread starred user bot admin member owner guest viewer editor write file directory folder "
        "image video audio document text page list database table string number integer boolean object array "
        "true false yes no asc desc left right up down in out add remove create update delete get put post patch "
        "day week month year hour minute second daily weekly monthly yearly"
    )
)
"""The words that may be told of a text: states and kinds, as they are in every service."""

_NAME = re.compile(r"[A-Za-z_@$][A-Za-z0-9_@$.-]{0,47}")
_CODE = re.compile(r"[0-9]{4}|[0-9a-fA-F]{8}|@.*\.|^[A-Z]{1,4}[0-9]+$|[0-9].*[A-Z].*[0-9]")
_FORMATS = (
    ("date-time", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?")),
    ("date", re.compile(r"\d{4}-\d\d-\d\d")),
    ("uuid", re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("uri", re.compile(r"https?://\S+")),
    ("email", re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What stood in one place.

    `kinds` are JSON's types (and `bytes`). `fields` are those of objects, None where the keys are data; `always` are
    those that no object lacked. `items` is what lists held, and what maps held under their keys. `form` is what all
    texts were: a format, `word`, or empty for just text; None where there was none.
    """

    kinds: frozenset[str] = frozenset()
    fields: Mapping[str, Shape] | None = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    items: Shape | None = None
    form: str | None = None
    states: frozenset[str] = frozenset()


NOTHING = Shape()
"""Nothing was seen."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The shape of an operation's answers so far, and how many there were."""

    shape: Shape = NOTHING
    answers: int = 0


def shape_of(value: Any) -> Shape:
    """The shape of one value: plain data, bytes anywhere. Takes as long as MAX_SEEN values, whatever its size.

    A single object of more values than that has the shape of nothing: half of it would be wrong about what is missing.
    """
    try:
        return bounded(_seen(value, MAX_DEPTH, [MAX_SEEN]))
    except _TooMuch:
        return NOTHING


def merged(one: Shape, other: Shape) -> Shape:
    """The shape of what either stands for."""
    return bounded(_merged(one, other))


def bounded(shape: Shape) -> Shape:
    """The shape itself, or as much of it, from the top, as MAX_NODES allow."""
    depth = MAX_DEPTH
    while size(shape) > MAX_NODES:
        depth -= 1
        shape = _cut(shape, depth)
    return shape


def size(shape: Shape) -> int:
    """How many shapes a shape is made of."""
    inner = [*(shape.fields or {}).values(), *([shape.items] if shape.items else [])]
    return 1 + sum(map(size, inner))


def schema_of(shape: Shape) -> dict[str, Any]:
    """The shape as JSON Schema. Bytes are `{"type": "string", "format": "binary"}`."""
    if not shape.kinds:
        return {}
    schemas = [_schema(kind, shape) for kind in sorted(shape.kinds)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def places(shape: Shape, name: str, path: str = "") -> Iterator[tuple[str, bool]]:
    """Where a field of this name was seen (`rows[].id`), each with whether no object there lacked it."""
    for key, inner in (shape.fields or {}).items():
        here = f"{path}.{key}" if path else key
        if key == name:
            yield here, key in shape.always
        yield from places(inner, name, here)
    if shape.items is not None:
        yield from places(shape.items, name, f"{path}[]")


def has_maps(shape: Shape) -> bool:
    """Whether some keys are data, and therefore not kept."""
    inner = [*(shape.fields or {}).values(), *([shape.items] if shape.items else [])]
    return shape.fields is None or any(map(has_maps, inner))


def as_data(shape: Shape) -> dict[str, Any]:
    """The shape as plain data, for a store; `from_data` reads it."""
    data: dict[str, Any] = {"kinds": sorted(shape.kinds)}
    if shape.fields is None:
        data["map"] = True
    elif shape.fields:
        data["fields"] = {name: as_data(inner) for name, inner in sorted(shape.fields.items())}
        data["always"] = sorted(shape.always)
    if shape.items is not None:
        data["items"] = as_data(shape.items)
    if shape.form is not None:
        data["form"] = shape.form
    if shape.states:
        data["states"] = sorted(shape.states)
    return data


def from_data(data: Mapping[str, Any]) -> Shape:
    """The shape that `as_data` wrote.

    Raises:
        ValueError: it is none.
    """
    try:
        fields = {str(name): from_data(inner) for name, inner in data.get("fields", {}).items()}
        return Shape(
            kinds=frozenset(map(str, data["kinds"])),
            fields=None if data.get("map") else fields,
            always=frozenset(map(str, data.get("always", ()))),
            items=from_data(data["items"]) if "items" in data else None,
            form=data.get("form"),
            states=frozenset(filter(_is_state, map(str, data.get("states", ())))),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no shape: {type(error).__name__}") from None


class _TooMuch(Exception):
    """There are more values than are looked at."""


def _seen(value: Any, depth: int, left: list[int]) -> Shape:
    """`left` is how many values may still be looked at, counted down.

    Raises:
        _TooMuch: there are more.
    """
    left[0] -= 1
    if left[0] < 0:
        raise _TooMuch
    match value:
        case str():
            return _text(value)
        case list():
            items = _joined(_members(value, depth - 1, left)) if depth else None
            return Shape(frozenset({"array"}), items=items)
        case dict():
            if depth == 0:
                return Shape(frozenset({"object"}))
            return _object({str(key): _seen(each, depth - 1, left) for key, each in _front(value)})
    return Shape(frozenset({_KINDS.get(type(value), "null")}))


_KINDS: Mapping[type, str] = {bool: "boolean", int: "integer", float: "number", bytes: "bytes", type(None): "null"}


def _members(value: list[Any], depth: int, left: list[int]) -> Iterator[Shape]:
    """The members of a list, each whole, as far as may be looked."""
    for each in value[:_LISTED]:
        try:
            yield _seen(each, depth, left)
        except _TooMuch:
            return


def _front(value: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """The members of an object, one more than may be names, so that there are seen to be too many."""
    return list(value.items())[: MAX_FIELDS + 1]


def _object(fields: Mapping[str, Shape]) -> Shape:
    if len(fields) > MAX_FIELDS or not all(map(_is_name, fields)) or _are_alike(fields):
        return Shape(frozenset({"object"}), fields=None, items=_joined(fields.values()))
    return Shape(frozenset({"object"}), fields=fields, always=frozenset(fields))


def _is_name(key: str) -> bool:
    """Whether a key is a field's name, and no datum: an address, a number, a hash, a code."""
    return _NAME.fullmatch(key) is not None and _CODE.search(key) is None


def _are_alike(fields: Mapping[str, Shape]) -> bool:
    """Whether several objects stand under keys of their own, all with the very same fields: then the keys are data."""
    shapes = list(fields.values())
    names = shapes[0].fields.keys() if shapes and shapes[0].fields else ()
    return len(shapes) >= _ALIKE and bool(names) and all((each.fields or {}).keys() == names for each in shapes)


def _text(value: str) -> Shape:
    kinds = frozenset({"string"})
    if not value:
        return Shape(kinds)
    if _is_state(value):
        return Shape(kinds, form="word", states=frozenset({value}))
    found = next((name for name, form in _FORMATS if len(value) <= 2048 and form.fullmatch(value)), "")
    return Shape(kinds, form=found)


def _is_state(value: str) -> bool:
    """Whether a text is a word of the list, as `open`, `OPEN` or `Open`."""
    return value.lower() in STATES and value in (value.lower(), value.upper(), value.capitalize())


def _merged(one: Shape, other: Shape) -> Shape:
    form = _form(one.form, other.form)
    states = one.states | other.states if form == "word" else frozenset[str]()
    if len(states) > _WORDS:
        form, states = "", frozenset[str]()
    items = _joined(each for each in (one.items, other.items) if each is not None)
    both = Shape(one.kinds | other.kinds, {}, frozenset(), items, form, states)
    return _with_fields(both, one, other)


def _with_fields(both: Shape, one: Shape, other: Shape) -> Shape:
    """The fields of two objects together; a map, once it is one, stays one."""
    if "object" not in one.kinds or "object" not in other.kinds:
        source = one if "object" in one.kinds else other
        return replace(both, fields=source.fields, always=source.always)
    if one.fields is not None and other.fields is not None:
        names = sorted({*one.fields, *other.fields})
        fields = {name: _merged(one.fields.get(name, NOTHING), other.fields.get(name, NOTHING)) for name in names}
        if len(fields) <= MAX_FIELDS:
            return replace(both, fields=fields, always=one.always & other.always)
        return replace(both, fields=None, items=_joined([*fields.values(), *([both.items] if both.items else [])]))
    inner = [each for shape in (one, other) for each in (shape.fields or {}).values()]
    return replace(both, fields=None, items=_joined([*inner, *([both.items] if both.items else [])]))


def _joined(shapes: Iterable[Shape]) -> Shape | None:
    found = list(shapes)
    return reduce(_merged, found) if found else None


def _form(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return other if one is None else one
    return one if one == other else ""


def _cut(shape: Shape, depth: int) -> Shape:
    """The shape without what is deeper than so many containers."""
    if depth <= 0:
        return replace(shape, fields=None if shape.fields is None else {}, always=frozenset(), items=None)
    fields = None if shape.fields is None else {name: _cut(each, depth - 1) for name, each in shape.fields.items()}
    return replace(shape, fields=fields, items=_cut(shape.items, depth - 1) if shape.items else None)


def _schema(kind: str, shape: Shape) -> dict[str, Any]:
    match kind:
        case "string":
            return _string_schema(shape)
        case "bytes":
            return {"type": "string", "format": "binary"}
        case "array":
            return {"type": "array", **({"items": schema_of(shape.items)} if shape.items else {})}
        case "object" if shape.fields is None:
            return {"type": "object", "additionalProperties": schema_of(shape.items) if shape.items else {}}
        case "object":
            properties = {name: schema_of(each) for name, each in (shape.fields or {}).items()}
            return {"type": "object", "properties": properties, "required": sorted(shape.always)}
    return {"type": kind}


def _string_schema(shape: Shape) -> dict[str, Any]:
    if shape.states:
        return {"anyOf": [{"enum": sorted(shape.states)}, {"type": "string"}]}
    return {"type": "string", **({"format": shape.form} if shape.form else {})}
