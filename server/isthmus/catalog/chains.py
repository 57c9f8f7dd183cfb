"""Where the identifiers that an operation needs come from: which other operation of its upstream finds them.

    chains = Chains.build(catalog.operations)
    chains.sources(get_zone)        {"zone_id": Source(cloudflare.zones.list, ".result[].id")}

Two signs count, and nothing weaker. A path: what stands behind `/zones` in `/zones/{zone_id}/dns_records` is listed by
`GET /zones`. A name: `movie_id` is the identifier of a movie, and `/search/movie` answers a list of what has an `id`. A
wrong hint costs a call, so that one that is unsure is not given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.catalog.names import words
from isthmus.catalog.producers import (
    IDENTIFYING,
    Finder,
    Producer,
    is_identifier,
    phrases,
    producers,
    segments,
    singular,
    step,
)
from isthmus.model import Operation, Parameter

_SAYS_ID = re.compile(r"\b(?:ID|id|identifier)\b")
_KEPT = 40
"""Producers of one noun, per upstream, that are weighed against one another."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from: the operation that finds it, and its place in the answer; empty where unknown."""

    operation: Operation
    place: str

    def text(self) -> str:
        """As a program would write it: `cloudflare.zones.list().result[].id`, `tmdb.search_movie(query)...`."""
        needed = ", ".join(parameter.name for parameter in self.operation.parameters if parameter.required)
        return f"{self.operation.id}({needed}){self.place}"


class Chains:
    """All producers of one catalog. Immutable; what an operation needs is looked up when it is shown."""

    __slots__ = ("_by_noun", "_by_path")

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._by_noun: dict[tuple[str, str], list[Producer]] = {}
        self._by_path: dict[tuple[str, tuple[str, ...]], list[Producer]] = {}
        for operation in operations:
            self._add(operation)

    @classmethod
    def build(cls, operations: Iterable[Operation]) -> Chains:
        """The chains over these operations, which may be of many upstreams; 20,000 take a second or so."""
        return cls(operations)

    def sources(self, operation: Operation, allowed: Callable[[Operation], bool] = lambda _: True) -> dict[str, Source]:
        """Where required identifiers come from, by parameter name, in their order; only those whose origin is plain."""
        found: dict[str, Source] = {}
        for parameter in operation.parameters:
            if (
                parameter.required
                and "enum" not in parameter.schema
                and (source := self._source(operation, parameter, allowed))
            ):
                found[parameter.name] = source
        return found

    def packed(self, operations: Sequence[Operation]) -> dict[str, Any]:
        """What was found, as plain data; `operations` are those that it was built of, which it names by their place."""
        numbers = {operation.id: place for place, operation in enumerate(operations)}
        kept = [*self._by_noun.items(), *self._by_path.items()]
        every = {id(producer): producer for _, found in kept for producer in found}
        finders = {producer.operation.id: producer.finder for producer in every.values()}
        order, places = list(finders), {key: place for place, key in enumerate(every)}
        ranks = {operation: rank for rank, operation in enumerate(order)}
        return {
            "finders": [[numbers[each], finders[each].needs, finders[each].asks] for each in order],
            "producers": [
                [
                    ranks[each.operation.id],
                    each.place,
                    None if each.fields is None else sorted(each.fields),
                    each.nested,
                ]
                for each in every.values()
            ],
            "nouns": [[*key, [places[id(each)] for each in found]] for key, found in self._by_noun.items()],
            "paths": [[*key, [places[id(each)] for each in found]] for key, found in self._by_path.items()],
        }

    @classmethod
    def unpacked(cls, said: Mapping[str, Any], operations: Sequence[Operation]) -> Chains:
        """What `packed` gave, over the same operations.

        Raises:
            LookupError, TypeError, ValueError: it is nothing of the kind.
        """
        places, ranks = range(len(operations)), range(len(said["finders"]))
        finders = [
            Finder(operations[places.index(place)], tuple((str(wire), bool(one)) for wire, one in needs), bool(asks))
            for place, needs, asks in said["finders"]
        ]
        every = [
            Producer(
                finders[ranks.index(rank)],
                str(place),
                None if fields is None else frozenset(map(str, fields)),
                bool(nested),
            )
            for rank, place, fields, nested in said["producers"]
        ]
        chains = cls(())
        chains._by_noun = {(up, noun): [every[each] for each in found] for up, noun, found in said["nouns"]}
        chains._by_path = {(up, tuple(shape)): [every[each] for each in found] for up, shape, found in said["paths"]}
        return chains

    def _add(self, operation: Operation) -> None:
        seen: set[str] = set()
        for noun, producer in producers(operation):
            kept = self._by_noun.setdefault((operation.upstream, noun), [])
            if len(kept) < _KEPT:
                kept.append(producer)
            if operation.route and operation.route.method == "GET" and producer.place not in seen:
                seen.add(producer.place)
                self._by_path.setdefault((operation.upstream, _shape(operation.route.path)), []).append(producer)

    def _source(
        self, operation: Operation, parameter: Parameter, allowed: Callable[[Operation], bool]
    ) -> Source | None:
        for candidates in self._candidates(operation, parameter):
            fitting = [
                (_cost(operation, parameter, producer), Source(producer.operation, place))
                for producer, place in candidates
                if producer.operation.id != operation.id
                and allowed(producer.operation)
                and not _circular(parameter, producer.finder)
            ]
            if fitting:
                return min(fitting, key=lambda pair: pair[0])[1]
        return None

    def _candidates(self, operation: Operation, parameter: Parameter) -> Iterator[list[tuple[Producer, str]]]:
        """Producers with the place of the value, the surest kind first."""
        upstream = operation.upstream
        if parameter.location == "path" and operation.route is not None:
            parent, segment = _parent(operation.route.path, parameter.wire)
            listing = self._by_path.get((upstream, _shape(parent)), []) if parent else []
            yield list(_placed(listing, _wanted_fields(parameter, segment)))
        else:
            segment = ""
        for noun in _nouns(operation, parameter, segment):
            yield list(_placed(self._by_noun.get((upstream, noun), []), _identifiers(parameter, noun)))


def _placed(found: Sequence[Producer], fields: Sequence[str]) -> Iterator[tuple[Producer, str]]:
    """The producers that have one of the fields, the earlier the better, with its place in the answer."""
    for producer in found:
        if producer.fields is None:
            yield producer, producer.place
            continue
        plain = {name.replace("-", "_").lower(): name for name in sorted(producer.fields)}
        name = next((plain[field] for field in fields if field in plain), None)
        if name is not None:
            yield producer, f"{producer.place}{''.join(map(step, name.split('.')))}"


def _cost(operation: Operation, parameter: Parameter, producer: Producer) -> tuple[int, bool, int, bool, int, str]:
    """What speaks against a producer: identifiers that it needs itself first, then that it looks elsewhere."""
    own = {each.wire for each in operation.parameters if each.required} - {parameter.wire}
    finder, found = producer.finder, producer.operation
    needed = [identifies for wire, identifies in finder.needs if wire not in own]
    shared = len(finder.needs) - len(needed)
    path = found.route.path if found.route else found.id
    return sum(needed), producer.nested, -shared, not finder.asks, len(needed) + path.count("/"), found.id


def _circular(parameter: Parameter, finder: Finder) -> bool:
    """Whether a producer wants the very thing that it is to give."""
    return any(wire == parameter.wire for wire, _ in finder.needs) and is_identifier(parameter)


def _nouns(operation: Operation, parameter: Parameter, segment: str) -> Iterator[str]:
    """What a parameter identifies: `dns_record_id` -> `dns record`, `record`; none where it identifies nothing."""
    name = words(parameter.wire)
    if len(name) > 1 and name[-1] in IDENTIFYING - {"name", "key", "number"}:
        yield from phrases("_".join(name[:-1]))
    elif name and name[-1] in IDENTIFYING - {"name", "key", "number"}:
        yield from phrases(segment or _subject(operation))
    elif (
        name and _SAYS_ID.search(parameter.description[:300]) and parameter.schema.get("type") in ("string", "integer")
    ):
        yield from phrases(parameter.wire)[:1]


def _subject(operation: Operation) -> str:
    """What an operation without a path is about: `get_paper_data` -> `paper`; only where it is one word."""
    name = words(operation.id.rpartition(".")[2])[1:]
    return name[0] if name else ""


def _wanted_fields(parameter: Parameter, segment: str) -> list[str]:
    """The fields of a listed thing that may be the value of a path's parameter, the likeliest first."""
    wire = "_".join(words(parameter.wire))
    last = (words(parameter.wire) or [""])[-1]
    wanted = [wire, *([last] if last in IDENTIFYING else [])]
    if last in ("identifier", "uuid", "id", "ids") or singular(wire) == singular("_".join(words(segment))):
        wanted += ["id", "uuid", "gid", "sid", "key", "slug", "name", "metadata.name"]
    if last == "name":
        wanted.append("metadata.name")
    return wanted


def _identifiers(parameter: Parameter, noun: str) -> list[str]:
    """The fields by which a thing of this noun is identified."""
    last = (words(parameter.wire) or [""])[-1]
    own = "_".join(noun.split())
    kind = {"identifier": "id", "ids": "id", "identifiers": "id"}.get(last, last)
    return ["_".join(words(parameter.wire)), *([kind] if kind in IDENTIFYING else ["id"]), f"{own}_id", f"{own}id"]


def _parent(path: str, wire: str) -> tuple[str, str]:
    """The path in front of a placeholder, and its last part: `/zones/{zone_id}/x` -> `/zones`, `zones`."""
    parts = segments(path)
    place = next((number for number, part in enumerate(parts) if part == f"{{{wire}}}"), 0)
    if place == 0 or parts[place - 1].startswith("{"):
        return "", ""
    return "/" + "/".join(parts[:place]), parts[place - 1]


def _shape(path: str) -> tuple[str, ...]:
    """A path without the names of its placeholders."""
    return tuple("{}" if part.startswith("{") else part for part in segments(path))


def described(sources: Mapping[str, Source], limit: int = 3) -> list[str]:
    """A line for each value: `zone_id: from cloudflare.zones.list().result[].id`."""
    return [f"{name}: from {source.text()}" for name, source in list(sources.items())[:limit]]
