"""The lock: what operations take and give, in a text that people read and compare.

    {"version": 1, "covers": "all", "upstreams": {"shop": {"kind": "openapi", "operations": {...}, "schemas": {...}}}}

Everything is sorted, so that equal contracts have equal texts. Schemas that several operations share stand once, under
`schemas`, by side.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from isthmus.contracts.normal import (
    Normaliser,
    Schema,
    Side,
    is_well_formed,
    references,
    unchanged,
    with_names,
    words_of,
)
from isthmus.errors import ConfigurationError
from isthmus.model import Effect, Operation, digest

VERSION = 1
"""Of the format. A lock of another version is refused, never guessed at."""

NAME = "isthmus.lock"
"""What it is called where the configuration names no other."""

SIDES: tuple[Side, ...] = ("input", "output")

Kind = Literal["mcp", "openapi"]
Covers = Literal["all", "chosen"]


@dataclass(frozen=True, slots=True)
class LockedOperation:
    """One operation as it was locked. Schemas are in normal form, over the definitions of its upstream."""

    id: str
    original: str
    effect: Effect
    words: str  # digest of what its upstream says of it
    input: Schema
    output: Schema | None
    route: str = ""  # `GET /orders/{id}`
    wires: Mapping[str, str] = field(default_factory=dict)  # the upstream's names of parameters that differ from ours
    deprecated: bool = False
    method: str = ""  # of MCP, where it is no tool


@dataclass(frozen=True, slots=True)
class LockedUpstream:
    """The operations of one upstream by id, and the definitions that they share by side."""

    name: str
    kind: Kind
    operations: Mapping[str, LockedOperation]
    schemas: Mapping[Side, Mapping[str, Schema]]


@dataclass(frozen=True, slots=True)
class Lock:
    """The contracts of all upstreams. `covers`: whether operations that it does not have are news, or were left out."""

    upstreams: Mapping[str, LockedUpstream]
    covers: Covers = "all"

    def operation(self, operation_id: str) -> LockedOperation | None:
        """The operation of this id, where it is locked."""
        upstream = self.upstreams.get(operation_id.partition(".")[0])
        return upstream.operations.get(operation_id) if upstream else None

    @property
    def operations(self) -> dict[str, LockedOperation]:
        """All of them, by id."""
        return {key: each for upstream in self.upstreams.values() for key, each in upstream.operations.items()}


def locked(operations: Iterable[Operation], covers: Covers = "all") -> Lock:
    """The lock of these operations, as they are; single resources are left out: they are data, which comes and goes."""
    by_upstream: dict[str, list[Operation]] = {}
    for operation in sorted((one for one in operations if not one.is_resource), key=lambda one: one.id):
        by_upstream.setdefault(operation.upstream, []).append(operation)
    return Lock({name: _locked_upstream(name, members) for name, members in by_upstream.items()}, covers)


def _locked_upstream(name: str, operations: Sequence[Operation]) -> LockedUpstream:
    normalisers: dict[Side, Normaliser] = {side: Normaliser(side) for side in SIDES}
    shared = len({id(operation.document) for operation in operations}) == 1 and len(operations) > 1
    made = {}
    for operation in operations:
        prefix = "" if shared or operation.route else f"{operation.id.partition('.')[2]}/"
        made[operation.id] = _locked_operation(operation, normalisers, prefix)
    kind: Kind = "openapi" if any(operation.route for operation in operations) else "mcp"
    schemas = {side: dict(sorted(normalisers[side].definitions.items())) for side in SIDES}
    return LockedUpstream(name, kind, made, schemas)


def _locked_operation(operation: Operation, normalisers: Mapping[Side, Normaliser], prefix: str) -> LockedOperation:
    into, out = normalisers["input"], normalisers["output"]
    given: dict[str, Any] = {
        "type": "object",
        "properties": {one.name: into.schema(one.schema, operation.document, prefix) for one in operation.parameters},
        "additionalProperties": operation.accepts_more,
    }
    if required := sorted(one.name for one in operation.parameters if one.required):
        given["required"] = required
    if whole := _beside_properties(operation):
        given["allOf"] = [into.schema(whole, operation.document, prefix)]
    output = None if operation.output is None else out.schema(operation.output, operation.document, prefix)
    route = f"{operation.route.method} {operation.route.path}" if operation.route else ""
    wires = {one.name: one.wire for one in operation.parameters if one.name != one.wire}
    return LockedOperation(
        operation.id,
        operation.original,
        operation.declared,
        _words(operation),
        given,
        output,
        route,
        wires,
        operation.deprecated,
        operation.method,
    )


def _beside_properties(operation: Operation) -> dict[str, Any]:
    """What a tool's schema says of its arguments together; an HTTP operation has no such place."""
    if operation.route is not None:
        return {}
    keywords = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")
    return {key: operation.document.root[key] for key in keywords if key in operation.document.root}


def _words(operation: Operation) -> str:
    """A digest of the upstream's words on an operation: for a tool, also those anywhere in its schemas.

    A document's own words on shared schemas are left out: they are many, and reach a model through a document that the
    operator has chosen. A tool's words come from whoever runs the server.
    """
    said = [
        operation.summary,
        operation.description,
        *(f"{one.name}: {one.description}" for one in operation.parameters),
    ]
    if operation.route is None:
        said += words_of(operation.document.root)
    return f"sha256:{digest(said)[:32]}"


def written(lock: Lock) -> str:
    """The text of a lock file."""
    return json.dumps(_data(lock), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _data(lock: Lock) -> dict[str, Any]:
    return {
        "version": VERSION,
        "covers": lock.covers,
        "upstreams": {
            name: {
                "kind": upstream.kind,
                "operations": {key: _operation_data(one) for key, one in upstream.operations.items()},
                "schemas": upstream.schemas,
            }
            for name, upstream in lock.upstreams.items()
        },
    }


def _operation_data(one: LockedOperation) -> dict[str, Any]:
    data: dict[str, Any] = {
        "original": one.original,
        "effect": one.effect.value,
        "words": one.words,
        "input": one.input,
    }
    optional = {
        "output": one.output,
        "route": one.route or None,
        "wires": one.wires or None,
        "method": one.method or None,
    }
    data.update({key: value for key, value in optional.items() if value is not None})
    return {**data, "deprecated": True} if one.deprecated else data


def read(text: str, file: str = NAME) -> Lock:
    """The lock that a text is.

    Raises:
        ConfigurationError: it is none, or of another version; the message says where.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise _unusable(file, f"is no JSON: {error.msg}", error.lineno) from None
    except (RecursionError, ValueError) as error:
        raise _unusable(file, f"cannot be read: {error}"[:200]) from None
    if not isinstance(data, dict) or "version" not in data:
        raise _unusable(file, "has no version, so it is no lock file")
    if data["version"] != VERSION:
        raise _unusable(file, f"has the version {data['version']!r:.40}, and this isthmus knows version {VERSION}")
    if data.get("covers") not in ("all", "chosen"):
        raise _unusable(file, "does not say what it covers: all, or chosen")
    upstreams = _mapping(data.get("upstreams"), "/upstreams", file)
    return Lock({name: _read_upstream(name, each, file) for name, each in upstreams.items()}, data["covers"])


def _read_upstream(name: str, data: Any, file: str) -> LockedUpstream:
    place = f"/upstreams/{name}"
    data = _mapping(data, place, file)
    kind = data.get("kind")
    if kind not in ("mcp", "openapi"):
        raise _unusable(file, f"{place}/kind is neither mcp nor openapi")
    operations = _mapping(data.get("operations"), f"{place}/operations", file)
    schemas = _mapping(data.get("schemas"), f"{place}/schemas", file)
    sides: dict[Side, Mapping[str, Schema]] = {
        side: _schemas(schemas.get(side, {}), f"{place}/schemas/{side}", file) for side in SIDES
    }
    made = {key: _read_operation(key, name, one, file) for key, one in operations.items()}
    for key, one in made.items():
        for side, schema in (("input", one.input), ("output", one.output)):
            _check_references(schema, sides[side], f"{place}/operations/{key}/{side}", file)  # type: ignore[index]
    for side in SIDES:
        for key, schema in sides[side].items():
            _check_references(schema, sides[side], f"{place}/schemas/{side}/{key}", file)
    return LockedUpstream(name, kind, made, sides)


def _read_operation(key: str, upstream: str, data: Any, file: str) -> LockedOperation:
    place = f"/upstreams/{upstream}/operations/{key}"
    data = _mapping(data, place, file)
    if not key.startswith(f"{upstream}."):
        raise _unusable(file, f"{place} does not begin with its upstream's name")
    if data.get("effect") not in set(Effect):
        raise _unusable(file, f"{place}/effect is none of {', '.join(Effect)}")
    texts = {name: data.get(name, "") for name in ("original", "words", "route", "method")}
    if wrong := [name for name, value in texts.items() if not isinstance(value, str)]:
        raise _unusable(file, f"{place}/{wrong[0]} is no text")
    wires = _mapping(data.get("wires", {}), f"{place}/wires", file)
    if not all(isinstance(wire, str) for wire in wires.values()):
        raise _unusable(file, f"{place}/wires holds something that is no text")
    return LockedOperation(
        key,
        texts["original"],
        Effect(data["effect"]),
        texts["words"],
        _schema(data.get("input"), f"{place}/input", file),
        None if data.get("output") is None else _schema(data["output"], f"{place}/output", file),
        texts["route"],
        wires,
        data.get("deprecated") is True,
        texts["method"],
    )


def _schemas(data: Any, place: str, file: str) -> Mapping[str, Schema]:
    return {name: _schema(each, f"{place}/{name}", file) for name, each in _mapping(data, place, file).items()}


def _schema(data: Any, place: str, file: str) -> Schema:
    """A schema that is in normal form already: what making it normal would change was not written by us.

    Raises:
        ConfigurationError: it is none.
    """
    if data is False:
        return False
    mapping = _mapping(data, place, file)
    if not is_well_formed(mapping):
        raise _unusable(file, f"{place} is no schema in normal form")
    return mapping


def _check_references(schema: Schema | None, known: Mapping[str, Schema], place: str, file: str) -> None:
    for name in references(schema):
        if name not in known:
            raise _unusable(file, f"{place} refers to the schema {name!r:.80}, which is not there")


def _mapping(value: Any, place: str, file: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _unusable(file, f"{place} is no object")
    return value


def _unusable(file: str, problem: str, line: int | None = None) -> ConfigurationError:
    remedy = "take it from version control again, or write it anew with `isthmus lock`"
    return ConfigurationError(f"the lock file {problem}", file=file, line=line, remedy=remedy)


def chosen(lock: Lock, ids: Collection[str]) -> Lock:
    """The lock of some of its operations only, without definitions that they do not need."""
    upstreams = {
        name: _without_idle(replace(each, operations={k: o for k, o in each.operations.items() if k in ids}))
        for name, each in lock.upstreams.items()
    }
    return Lock({name: each for name, each in upstreams.items() if each.operations}, "chosen")


def accepted(lock: Lock, live: Lock, ids: Collection[str]) -> Lock:
    """The lock with these operations as they are now, and all others as they were locked.

    An operation that is gone now is taken out. Where a definition has changed that others still need as it was, both
    stand in the lock, under two names.
    """
    upstreams = dict(lock.upstreams)
    for name in sorted({each.partition(".")[0] for each in ids}):
        own = {each for each in ids if each.startswith(f"{name}.")}
        now = live.upstreams.get(name)
        if name not in upstreams and now is not None:
            upstreams[name] = replace(now, operations={}, schemas={side: {} for side in SIDES})
        if name in upstreams:
            upstreams[name] = _merged(upstreams[name], now, own)
    return Lock({name: each for name, each in sorted(upstreams.items()) if each.operations}, lock.covers)


def _merged(before: LockedUpstream, now: LockedUpstream | None, ids: set[str]) -> LockedUpstream:
    kept = {key: one for key, one in before.operations.items() if key not in ids}
    before = _without_idle(replace(before, operations=kept))
    if now is None:
        return before
    wanted = _without_idle(replace(now, operations={k: o for k, o in now.operations.items() if k in ids}))
    schemas: dict[Side, Mapping[str, Schema]] = {}
    renamed: dict[Side, Mapping[str, str]] = {}
    for side in SIDES:
        renamed[side] = _new_names(before.schemas[side], wanted.schemas[side])
        news = {renamed[side][name]: with_names(each, renamed[side]) for name, each in wanted.schemas[side].items()}
        schemas[side] = dict(sorted({**before.schemas[side], **news}.items()))
    for key, one in wanted.operations.items():
        output = None if one.output is None else with_names(one.output, renamed["output"])
        kept[key] = replace(one, input=with_names(one.input, renamed["input"]), output=output)
    return replace(now, operations=dict(sorted(kept.items())), schemas=schemas)


def _new_names(before: Mapping[str, Schema], now: Mapping[str, Schema]) -> dict[str, str]:
    """The definitions of now by the names that they get beside the former ones; equal ones are shared."""
    same = unchanged(before, now)
    names: dict[str, str] = {}
    taken = {*before, *now}
    for name in now:
        if name in same or name not in before:
            names[name] = name
            continue
        number = next(n for n in range(2, len(taken) + 3) if f"{name}~{n}" not in taken)
        names[name] = f"{name}~{number}"
        taken.add(names[name])
    return names


def _without_idle(upstream: LockedUpstream) -> LockedUpstream:
    """The upstream without the definitions that nothing leads to."""
    schemas: dict[Side, Mapping[str, Schema]] = {}
    for side in SIDES:
        tops = [one.input if side == "input" else one.output for one in upstream.operations.values()]
        waiting = [name for top in tops for name in references(top)]
        needed: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting.extend(references(upstream.schemas[side].get(name)))
        schemas[side] = {name: each for name, each in upstream.schemas[side].items() if name in needed}
    return replace(upstream, schemas=schemas)
