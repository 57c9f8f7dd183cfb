"""JSON Schemas as Python types: `Literal`, unions, lists, and TypedDicts for the objects that have names.

    annotator = Annotator(document, depth=1, limit=3)
    annotator.annotate({"$ref": "#/components/schemas/Issue"}, "Issue").text    Issue
    annotator.definitions(500)                                                  class Issue(TypedDict): ...

Whatever the schema, the text parses as Python, is bounded, and names no type that is not defined.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from isthmus.catalog.names import identifier, words
from isthmus.model import JsonSchema, SchemaDocument
from isthmus.render.outlines import in_order
from isthmus.render.schemas import Resolved, alternatives, has_kind, properties, required, resolved, types
from isthmus.render.text import comment, first_sentence, literal

_NESTED = 4
"""Containers in one annotation: `list[list[dict[str, list[int]]]]`."""

_MEMBERS = 5
"""Members of a union that are written out."""

_LITERALS = 12
_LITERAL_CHARACTERS = 140
_LINE = 110
_NAME = 48

_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_FORMATS = {"date-time": "ISO date-time", "date": "ISO date", "byte": "base64", "time": "ISO time"}


class Annotation(NamedTuple):
    """A type as Python writes it, and what the type cannot say: `…and 40 more`, `ISO date-time`."""

    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """A TypedDict: its name, and its source."""

    name: str
    text: str


@dataclass(slots=True)
class Annotator:
    """Writes types, and remembers the named ones that it mentioned, so that they can be defined after it.

    `depth` is how deep within named types further ones are named, beyond that an object is a `dict`. `limit` is how
    many types are named at all. `writing` says that values go to the upstream: what is read-only is left out.
    """

    document: SchemaDocument
    depth: int = 1
    limit: int = 3
    writing: bool = False
    parted: bool = False  # tell what may be missing apart, also in what is read
    taken: dict[str, str] = field(default_factory=dict)  # names to keys, shared by annotators of one fragment
    _named: dict[str, tuple[str, JsonSchema, int]] = field(default_factory=dict)

    def annotate(self, schema: Any, hint: str, nest: int = 0, inside: int = 0) -> Annotation:
        """The type of a schema. `hint` names an object that has no name of its own."""
        if inside > _NESTED:
            return Annotation("Any")
        found = resolved(schema, self.document)
        if constants := _constants(found.schema):
            return constants
        if (members := alternatives(found.schema)) and "items" not in found.schema:
            return self._union(found.schema, members, hint, nest, inside)
        return self._typed(found, hint, nest, inside)

    def definitions(self, characters: int, *, described: bool = False) -> list[Definition]:
        """The types that were named, and those that they name in turn; each within `characters`."""
        written: list[Definition] = []
        while len(written) < len(self._named):
            name, schema, nest = list(self._named.values())[len(written)]
            body = (
                self._described(name, schema, nest, characters)
                if described
                else self._body(name, schema, nest, characters)
            )
            written.append(Definition(name, f"class {name}(TypedDict):\n{body}"))
        return written

    def _typed(self, found: Resolved, hint: str, nest: int, inside: int) -> Annotation:
        schema = found.schema
        parts = [self._of_type(name, found, hint, nest, inside) for name in types(schema)[:_MEMBERS]]
        return _joined(parts) if parts else Annotation("Any")

    def _of_type(self, name: str, found: Resolved, hint: str, nest: int, inside: int) -> Annotation:
        if name == "array":
            return self._array(found.schema, hint, nest, inside)
        if name == "object":
            return self._object(found, hint, nest, inside)
        if name == "string":
            return _string(found.schema)
        return Annotation(_SCALARS.get(name, "Any"))

    def _array(self, schema: JsonSchema, hint: str, nest: int, inside: int) -> Annotation:
        if not schema.get("items"):
            return Annotation("list")
        item = self.annotate(schema["items"], _singular(hint), nest, inside + 1)
        return Annotation("list" if item.text == "Any" else f"list[{item.text}]", item.notes)

    def _object(self, found: Resolved, hint: str, nest: int, inside: int) -> Annotation:
        if properties(found.schema):
            return Annotation(self._name(found, hint, nest))
        values = found.schema.get("additionalProperties")
        if isinstance(values, Mapping) and values:
            value = self.annotate(values, hint, nest, inside + 1)
            return Annotation(f"dict[str, {value.text}]", value.notes)
        return Annotation("dict")

    def _union(self, schema: JsonSchema, members: list[Any], hint: str, nest: int, inside: int) -> Annotation:
        if properties(schema) and not all(_says_type(member) for member in members):
            only = {key: value for key, value in schema.items() if key not in {"oneOf", "anyOf"}}
            return self.annotate(only, hint, nest, inside + 1)
        parts = [self.annotate(member, hint, nest, inside + 1) for member in members[:_MEMBERS]]
        if len(members) > _MEMBERS:
            parts.append(Annotation("Any", (f"one of {len(members)} kinds",)))
        if schema.get("nullable") is True:
            parts.append(Annotation("None"))
        return _joined(parts)

    def _name(self, found: Resolved, hint: str, nest: int) -> str:
        """The name of an object type; `dict` where no more are to be named."""
        key = found.reference or f"{hint}@{id(found.schema.get('properties'))}"
        if key in self._named:
            return self._named[key][0]
        if nest > self.depth or len(self._named) >= self.limit:
            return "dict"
        name = self._free(
            _class_name(found.reference.rpartition("/")[2]) if found.reference else _class_name(hint), key
        )
        self._named[key] = (name, found.schema, nest)
        return name

    def _free(self, name: str, key: str) -> str:
        """A name that nothing else in the fragment has. What is written and what is read are two things."""
        key = f"{key} {self.writing}"
        endings = chain(("", "Input" if self.writing else "Output"), map(str, range(2, 99)))
        for candidate in (f"{name}{ending}" for ending in endings):
            if self.taken.setdefault(candidate, key) == key:
                return candidate
        return "dict"

    def _fields(self, schema: JsonSchema) -> list[tuple[str, Any]]:
        hidden = "readOnly" if self.writing else "writeOnly"
        shown = [
            (name, each)
            for name, each in in_order(properties(schema))
            if not (isinstance(each, Mapping) and each.get(hidden) is True)
        ]
        needed = required(schema)
        if self.writing or self.parted:
            return sorted(shown, key=lambda item: item[0] not in needed)
        return shown

    def _body(self, owner: str, schema: JsonSchema, nest: int, characters: int) -> str:
        """The fields, several to a line; beyond the room, their names alone; beyond twice the room, their number."""
        lines = _Lines(characters)
        fields = self._fields(schema)
        parted = self.writing or self.parted
        needed = required(schema) if parted else frozenset()
        for place, (wire, each) in enumerate(fields):
            if lines.full:
                lines.remark(_rest([name for name, _ in fields[place:]], characters * 2 // 3))
                break
            if parted and wire not in needed and (place == 0 or fields[place - 1][0] in needed):
                lines.remark("optional:" if self.writing else "not always there:")
            annotation = self.annotate(each, f"{owner}_{wire}", nest + 1)
            lines.add(wire, annotation)
        return lines.text()

    def _described(self, owner: str, schema: JsonSchema, nest: int, characters: int) -> str:
        """The fields, one to a line, each with what its upstream says of it."""
        lines: list[str] = []
        needed = required(schema) if self.writing else frozenset()
        fields = self._fields(schema)
        for place, (wire, each) in enumerate(fields):
            if sum(map(len, lines)) > characters:
                lines.append(f"    # {_rest([name for name, _ in fields[place:]], characters)}")
                break
            annotation = self.annotate(each, f"{owner}_{wire}", nest + 1)
            about = resolved(each, self.document).schema.get("description")
            remarks = [
                "required" if wire in needed else "",
                *annotation.notes,
                first_sentence(about, 120) if isinstance(about, str) else "",
            ]
            lines.append(_field_line(wire, annotation.text, "; ".join(each for each in remarks if each)))
        return "\n".join([*lines, "    ..."] if all(line.lstrip().startswith("#") for line in lines) else lines)


@dataclass(slots=True)
class _Lines:
    """Fields of a TypedDict, filled into lines."""

    characters: int
    _done: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _has_field: bool = False

    @property
    def full(self) -> bool:
        return sum(map(len, self._done)) + sum(map(len, self._open)) > self.characters

    def add(self, wire: str, annotation: Annotation) -> None:
        if not _is_field(wire):
            self.remark(f"{_quoted(wire)}: {annotation.text}")
            return
        if sum(len(each) + 2 for each in self._open) + len(wire) + len(annotation.text) > _LINE:
            self._flush()
        self._has_field = True
        self._open.append(f"{wire}: {annotation.text}")
        if annotation.notes:
            self._flush("  # " + comment("; ".join(annotation.notes)))

    def remark(self, text: str) -> None:
        self._flush()
        self._done.append(f"    # {comment(text)}")

    def text(self) -> str:
        self._flush()
        return "\n".join([*self._done] if self._has_field else [*self._done, "    ..."])

    def _flush(self, end: str = "") -> None:
        if self._open:
            self._done.append("    " + "; ".join(self._open) + end)
            self._open = []


def _constants(schema: JsonSchema) -> Annotation | None:
    """`Literal[...]` for `const` and `enum`, as far as they can be written."""
    if "const" in schema:
        values: Any = [schema["const"]]
    else:
        values = schema.get("enum")
    if not isinstance(values, list) or not values:
        return None
    if schema.get("nullable") is True and None not in values:
        values = [*values, None]
    plain = [value for value in values[:1000] if isinstance(value, str | int | bool | None) and has_kind(schema, value)]
    distinct = list({repr(value): value for value in plain}.values())
    written: list[str] = []
    for value in distinct:
        text = literal(value)
        if text is None or len(written) >= _LITERALS or sum(map(len, written)) + len(text) > _LITERAL_CHARACTERS:
            break
        written.append(text)
    if not written:
        return None
    text = "None" if written == ["None"] else f"Literal[{', '.join(written)}]"
    left = len(values) - len(written)
    return Annotation(f"{text} | {_kind(distinct)}", (f"…and {left} more",)) if left else Annotation(text)


def _kind(values: Iterable[Any]) -> str:
    names = {type(value).__name__ for value in values} - {"NoneType"}
    return names.pop() if len(names) == 1 else "Any"


def _string(schema: JsonSchema) -> Annotation:
    form = schema.get("format")
    if form == "binary":
        return Annotation("bytes")
    note = _FORMATS.get(form) if isinstance(form, str) else None
    return Annotation("str", (note,) if note else ())


def _joined(parts: list[Annotation]) -> Annotation:
    """A union: each member once, None last; anything swallows the rest."""
    if len(parts) == 1:
        return parts[0]
    texts = list(dict.fromkeys(member for part in parts for member in _split_union(part.text)))
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    if "Any" in texts:
        texts = ["Any"]
    if "dict" in texts:
        texts = [text for text in texts if not text.startswith("dict[")]
    texts.sort(key=lambda text: text == "None")
    return Annotation(" | ".join(texts), notes)


def _split_union(text: str) -> list[str]:
    """The members of a union without brackets in it; one with brackets is left whole."""
    return text.split(" | ") if "[" not in text else [text]


def _says_type(member: Any) -> bool:
    return isinstance(member, Mapping) and bool(
        member.keys() & {"$ref", "type", "properties", "allOf", "enum", "const"}
    )


def _class_name(text: str) -> str:
    """A class's name: `simple-user` -> `SimpleUser`; long ones keep their last words, which say most."""
    parts = words(text.rpartition(".")[2] or text) or ["object"]
    while len(parts) > 1 and sum(map(len, parts)) > _NAME:
        parts = parts[1:]
    name = "".join(part[:1].upper() + part[1:] for part in parts)[: _NAME + 16]
    name = name if name.isidentifier() and not keyword.iskeyword(name) else f"T{identifier(name)}"
    return f"{name}_" if name in _USED else name


_USED = frozenset({"Any", "Literal", "TypedDict", "None", "True", "False"})


def _singular(hint: str) -> str:
    """A name for one of many: `labels` -> `label`."""
    if hint.endswith("ies") and len(hint) > 4:
        return f"{hint[:-3]}y"
    return hint[:-1] if hint.endswith("s") and not hint.endswith(("ss", "us", "is")) else f"{hint}_item"


def _is_field(wire: str) -> bool:
    return (
        wire.isidentifier()
        and not keyword.iskeyword(wire)
        and not wire.startswith("__")
        and wire.isascii()
        and len(wire) < 80
    )


def _quoted(wire: str) -> str:
    return literal(wire, 80) or repr(wire[:60])


def _rest(names: list[str], characters: int) -> str:
    """`also: a, b, c and 12 more`."""
    shown: list[str] = []
    for name in names:
        if sum(len(each) + 2 for each in shown) + len(name) > characters:
            break
        shown.append(name if _is_field(name) else _quoted(name))
    left = len(names) - len(shown)
    if not shown:
        return f"and {left} more fields"
    return f"also: {', '.join(shown)}" + (f" and {left} more" if left else "")


def _field_line(wire: str, text: str, remark: str) -> str:
    if not _is_field(wire):
        return f"    # {_quoted(wire)}: {text}" + (f" - {comment(remark)}" if remark else "")
    return f"    {wire}: {text}" + (f"  # {comment(remark)}" if remark else "")
