"""Two schemas compared: where they differ, and whether values are lost or won by it.

Keyword by keyword, which is sound: a schema is the conjunction of its keywords, so that where none of them narrows,
nothing that fitted before is refused now. Programs send what is documented: keys that a schema says nothing of are
taken to be absent, so that a new optional property narrows nothing. Schemas that refer to others are compared once for
each pair that meets, so cycles end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.contracts.keywords import Difference, scalar_differences, shown_kinds
from isthmus.contracts.normal import Schema, references, unchanged
from isthmus.contracts.shapes import Definitions, Part, Shape, declared, definition_pointer, reference_of, shape_of

Pair = tuple[str, str]
"""What two schemas are known by: the names of definitions, or else their own texts."""

MAX_TRIALS = 400
"""Pairs of alternatives that are tried against each other at one place; beyond that, only the likeliest are."""

MAX_NESTED = 4
"""Trials within trials. A deeper one counts as failed."""

MAX_DEPTH = 60
"""Alternatives within alternatives of one value."""

_NOBODY: frozenset[str] = frozenset()
_ANYTHING: Schema = {}
_ADDED = {
    (False, False): "property-added",
    (True, False): "property-constrained",
    (False, True): "property-loosened",
    (True, True): "property-changed",
}
"""The rule for a property that any key of an object could be before, by what is lost and won."""


@dataclass(slots=True)
class Found:
    """The differences of two schemas themselves, and the pairs of schemas that belong to them."""

    differences: list[Difference] = field(default_factory=list)
    pairs: dict[Pair, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Declared:
    """The properties that are declared for a value elsewhere than in the schemas compared, before and after."""

    before: frozenset[str] = _NOBODY
    after: frozenset[str] = _NOBODY


_WHOLE = Declared()


@dataclass(slots=True)
class Comparison:
    """Compares the schemas of one upstream and one side, before and after."""

    before: Definitions
    after: Definitions
    pairs: dict[Pair, Found] = field(default_factory=dict)
    _parts_of: dict[Pair, tuple[Part, Part]] = field(default_factory=dict)
    _same: frozenset[str] = field(init=False)
    _open: set[Pair] = field(default_factory=set)  # being compared
    _nested: int = 0
    _depth: int = 0

    def __post_init__(self) -> None:
        self._same = unchanged(self.before, self.after)

    def compare(self, before: Part, after: Part) -> Found:
        """How two schemas differ. The pairs that belong to them are in `pairs` afterwards, with all they lead to."""
        found = Found()
        self._compare(before, after, found)
        self._settle(found)
        return found

    def reachable(self, found: Found) -> Iterator[Pair]:
        """All pairs that belong to a result, however indirectly."""
        reached: set[Pair] = set()
        waiting = list(found.pairs)
        while waiting:
            pair = waiting.pop()
            if pair not in reached:
                reached.add(pair)
                yield pair
                waiting.extend(inner for inner in self.pairs[pair].pairs if inner in self.pairs)

    def _identical(self, before: Schema, after: Schema) -> bool:
        return before == after and all(name in self._same for name in references(before))

    def _compare(self, before: Part, after: Part, found: Found) -> None:
        if self._identical(before.schema, after.schema):
            return None
        if not (_is_compound(before.schema) or _is_compound(after.schema)):
            return self._choices(before, after, found)
        old, new = reference_of(before.schema), reference_of(after.schema)
        if old is not None and new is not None:
            pair = old, new
            self._parts_of.setdefault(pair, (_at_home(before, self.before), _at_home(after, self.after)))
        else:  # told where it stands; what is made up of nothing has no place of its own
            place = before.pointer if before.schema != _ANYTHING else ""
            pair = f"{place} {_text(before.schema)}", _text(after.schema)
            self._parts_of.setdefault(pair, (before, after))
        found.pairs[pair] = None
        return None

    def _choices(self, before: Part, after: Part, found: Found) -> None:
        """Two schemas that may be choices: each alternative is held against the one that it has become."""
        old, new = list(_branches(before, self.before)), list(_branches(after, self.after))
        if len(old) == len(new) == 1:
            self._one(old[0], new[0], found, _WHOLE)
            return
        old = list(_by_type(old[0], self.before)) if len(old) == 1 else old
        new = list(_by_type(new[0], self.after)) if len(new) == 1 else new
        self._alternatives(before.pointer, old, new, found, _WHOLE)

    def _branch(self, before: Part, after: Part, found: Found, others: Declared) -> None:
        if others is _WHOLE:
            self._compare(before, after, found)
        else:  # what is declared beside it counts, so that it cannot be compared by itself
            self._one(before, after, found, others)

    def _trial(self, before: Part, after: Part, others: Declared) -> tuple[bool, bool]:
        """Whether values are lost, and whether values are won, from one alternative to another."""
        if self._nested >= MAX_NESTED:
            return True, True
        self._nested += 1
        try:
            found = Found()
            self._branch(before, after, found, others)
            self._settle(found)
            reached = list(self.reachable(found))
            every = [*found.differences, *(each for pair in reached for each in self.pairs[pair].differences)]
        finally:
            self._nested -= 1
        # What is lost in a pair that is still being compared is told there, to everyone who is told of this one.
        undecided = not self._open.isdisjoint(reached)
        return any(one.narrows for one in every), undecided or any(one.widens for one in every)

    def _settle(self, found: Found) -> None:
        """Compare the pairs that belong to a result, and those that belong to them."""
        waiting = list(found.pairs)
        while waiting:
            pair = waiting.pop()
            if pair not in self.pairs:
                self.pairs[pair] = inner = Found()
                self._open.add(pair)
                self._choices(*self._parts_of[pair], inner)
                self._open.remove(pair)
                waiting.extend(inner.pairs)

    def _alternatives(
        self, pointer: str, before: list[Part], after: list[Part], found: Found, others: Declared
    ) -> None:
        left = [one for one in before if not any(self._identical(one.schema, other.schema) for other in after)]
        come = [one for one in after if not any(self._identical(one.schema, other.schema) for other in before)]
        is_small = len(left) * len(after) + len(come) * len(before) <= MAX_TRIALS
        for old in left:
            near = self._nearest(old, come)
            named = near is not None and reference_of(old.schema) == reference_of(near.schema) is not None
            candidates = [*([near] if near else []), *after] if is_small and not named else []
            chosen = self._fitting(old, candidates, others) or near
            if chosen is None:
                found.differences.append(_alternative("alternative-removed", pointer, old, self.before))
                continue
            self._branch(old, chosen, found, others)
            come = [one for one in come if one is not chosen]
        for new in come:
            if not (is_small and any(not self._trial(old, new, others)[1] for old in before)):
                found.differences.append(_alternative("alternative-added", pointer, new, self.after))

    def _fitting(self, old: Part, candidates: Iterable[Part], others: Declared) -> Part | None:
        """The first of the new alternatives that takes all that the old one took."""
        return next((new for new in candidates if not self._trial(old, new, others)[0]), None)

    def _nearest(self, old: Part, candidates: Iterable[Part]) -> Part | None:
        """The new alternative that an old one has most likely become; None where none is like it."""
        shape = shape_of(old, self.before)
        rated = [(_likeness(old, shape, new, shape_of(new, self.after)), -n, new) for n, new in enumerate(candidates)]
        best = max(rated, key=lambda one: one[:2], default=None)
        return best[2] if best is not None and best[0] > 0 else None

    def _one(self, before: Part, after: Part, found: Found, others: Declared) -> None:
        """Two schemas that are no mere choices."""
        old, new = shape_of(before, self.before), shape_of(after, self.after)
        pointer = before.pointer
        found.differences += scalar_differences(pointer, old, new)
        common = old.kinds & new.kinds
        if "array" in common:
            self._lists(pointer, old, new, found)
        if "object" in common:
            here = Declared(
                others.before | (declared(before, self.before) if old.alternatives or old.opaque else _NOBODY),
                others.after | (declared(after, self.after) if new.alternatives or new.opaque else _NOBODY),
            )
            self._objects(pointer, old, new, found, here)
        self._opaque(pointer, old, new, found)
        if old.alternatives or new.alternatives:
            inside = Declared(others.before | declared(before, self.before), others.after | declared(after, self.after))
            self._choices_inside(pointer, old, new, found, inside)

    def _choices_inside(self, pointer: str, old: Shape, new: Shape, found: Found, others: Declared) -> None:
        """The choices that stand beside other keywords, the first against the first."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            found.differences.append(Difference("constraint-changed", pointer, "anyOf", narrows=True, widens=True))
        else:
            for before, after in zip(old.alternatives, new.alternatives, strict=False):
                self._alternatives(pointer, before, after, found, others)
        self._depth -= 1
        found.differences += [
            Difference("constraint-added", pointer, "anyOf", narrows=True)
            for _ in new.alternatives[len(old.alternatives) :]
        ]
        found.differences += [
            Difference("constraint-dropped", pointer, "anyOf", widens=True)
            for _ in old.alternatives[len(new.alternatives) :]
        ]

    def _lists(self, pointer: str, old: Shape, new: Shape, found: Found) -> None:
        for place in range(max(len(old.prefix), len(new.prefix))):
            self._compare(_item(old, place, pointer), _item(new, place, pointer), found)
        self._compare(_item(old, None, pointer), _item(new, None, pointer), found)

    def _objects(self, pointer: str, old: Shape, new: Shape, found: Found, others: Declared) -> None:
        more, now_more = _others(pointer, old, others.before), _others(pointer, new, others.after)
        for name in sorted(new.required - old.required):
            found.differences.append(Difference("required-added", pointer, name, narrows=True))
        for name in sorted(old.required - new.required):
            found.differences.append(Difference("required-dropped", pointer, name, widens=True))
        for name, part in old.properties.items():
            if name in new.properties:
                self._compare(part, new.properties[name], found)
            elif name in others.after:
                self._compare(part, Part(part.pointer, _ANYTHING), found)
            elif now_more is not None and not self._trial(part, now_more, _WHOLE)[0]:
                found.differences.append(Difference("property-undocumented", pointer, name, widens=True))
            else:
                found.differences.append(Difference("property-removed", pointer, name, narrows=True, widens=True))
        for name, part in new.properties.items():
            if name not in old.properties:
                self._added(pointer, name, part, old, more, found, name in others.before)
        _compare_others(self, pointer, old, new, found, others)

    def _added(
        self, pointer: str, name: str, part: Part, old: Shape, more: Part | None, found: Found, known: bool
    ) -> None:
        """A property that is new. Where a value could stand under its name before, it has to fit now."""
        by_pattern = any(keyword == "patternProperties" for keyword, _ in old.opaque)
        former = Part(part.pointer, _ANYTHING) if known or by_pattern else more
        if former is None or former.schema is False:
            found.differences.append(Difference("property-added", pointer, name, widens=True))
            return
        narrows, widens = self._trial(former, part, _WHOLE)
        rule = _ADDED[narrows, widens and former.schema != _ANYTHING]
        found.differences.append(Difference(rule, pointer, name, narrows=narrows, widens=widens))

    def _opaque(self, pointer: str, old: Shape, new: Shape, found: Found) -> None:
        """Keywords that are the same or not; what depends on its neighbours is not, since something here differs."""
        before, after = list(old.opaque), list(new.opaque)
        for one in list(before):
            same = next((each for each in after if self._same_keyword(one, each)), None)
            if same is not None and not one[0].startswith("unevaluated"):
                before.remove(one)
                after.remove(same)
        gone, come = [keyword for keyword, _ in before], [keyword for keyword, _ in after]
        for keyword in dict.fromkeys([*gone, *come]):
            rule = "changed" if keyword in gone and keyword in come else "dropped" if keyword in gone else "added"
            found.differences.append(
                Difference(f"constraint-{rule}", pointer, keyword, narrows=rule != "dropped", widens=rule != "added")
            )

    def _same_keyword(self, one: tuple[str, Any], other: tuple[str, Any]) -> bool:
        whole, others = dict([one]), dict([other])
        if one[0] == "if":
            whole, others = one[1], other[1]
        return one[0] == other[0] and self._identical(whole, others)


def _compare_others(
    comparison: Comparison, pointer: str, old: Shape, new: Shape, found: Found, others: Declared
) -> None:
    """What the schemas say of keys that they do not name."""
    before, after = old.additional, new.additional
    if before is None:
        before = _others(pointer, old, others.before)
        if after is None and before is not None and _others(pointer, new, others.after) is None:
            return  # any keys before, and now some are named: each of them has been looked at
    if after is None:
        after = _others(pointer, new, others.after)
    open_before, open_after = (part is not None and part.schema is not False for part in (before, after))
    if before is not None and after is not None and open_before and open_after:
        comparison._compare(before, after, found)  # noqa: SLF001 - a part of that class, kept apart for its length
    elif open_before:
        closed = after is not None
        rule = "others-refused" if closed else "others-undocumented"
        found.differences.append(Difference(rule, pointer, narrows=closed, widens=not closed))
    elif open_after:
        found.differences.append(Difference("others-allowed", pointer, widens=True))


def _others(pointer: str, shape: Shape, named: frozenset[str]) -> Part | None:
    """What holds of keys that are not named. An object of which nothing is said is documented to hold anything."""
    if shape.additional is not None:
        return shape.additional
    says_nothing = not shape.properties and not named
    if says_nothing and not any(
        keyword in ("patternProperties", "additionalProperties") for keyword, _ in shape.opaque
    ):
        return Part(f"{pointer}/additionalProperties", _ANYTHING)
    return None


def _item(shape: Shape, place: int | None, pointer: str) -> Part:
    if place is not None and place < len(shape.prefix):
        return shape.prefix[place]
    return shape.items or Part(f"{pointer}/items", _ANYTHING)


def _is_compound(schema: Schema) -> bool:
    """Whether a schema may lead back to itself."""
    return isinstance(schema, Mapping) and bool(schema.keys() & {"$ref", "allOf", "anyOf"})


def _text(schema: Schema) -> str:
    return json.dumps(schema, sort_keys=True, ensure_ascii=False)


def _at_home(part: Part, definitions: Definitions) -> Part:
    """A reference as what it refers to, where that stands."""
    while (name := reference_of(part.schema)) is not None and name in definitions:
        pointer = definition_pointer(part.pointer, name)
        if pointer == part.pointer:
            break
        part = Part(pointer, definitions[name])
    return part


def _branches(part: Part, definitions: Definitions) -> Iterator[Part]:
    """The alternatives of a schema that is nothing but a choice, none of them such a choice; else the schema."""
    waiting, seen = [part], 0
    while waiting:
        one = waiting.pop(0)
        shape = shape_of(one, definitions)
        seen += 1
        if shape.is_union and seen <= MAX_TRIALS:
            waiting[:0] = shape.alternatives[0]
        else:
            yield one


def _by_type(part: Part, definitions: Definitions) -> Iterator[Part]:
    """A schema of several types as one schema for each."""
    home = _at_home(part, definitions)
    types = home.schema.get("type") if isinstance(home.schema, Mapping) else None
    if isinstance(types, list) and isinstance(home.schema, Mapping):
        yield from (Part(home.pointer, {**home.schema, "type": each}) for each in types)
    else:
        yield part


def _likeness(old: Part, shape: Shape, new: Part, now: Shape) -> float:
    """How likely one alternative has become another: 0 not at all, 1 surely."""
    common = shape.kinds & now.kinds
    if not common:
        return 0.0
    name = reference_of(old.schema)
    if name is not None and name == reference_of(new.schema):
        return 1.0
    if "object" not in common:
        return 0.5 if shape.kinds == now.kinds else 0.25
    for tag, part in shape.properties.items():
        if tag in now.properties and _excludes(part.schema, now.properties[tag].schema):
            return 0.0
    every = shape.properties.keys() | now.properties.keys()
    shared = len(shape.properties.keys() & now.properties.keys()) / len(every) if every else 0.5
    return shared if shared >= 0.3 else 0.0


def _excludes(schema: Schema, other: Schema) -> bool:
    """Whether two schemas of one property tell alternatives apart: enumerations without a value in common."""
    if not (isinstance(schema, Mapping) and isinstance(other, Mapping) and "enum" in schema and "enum" in other):
        return False
    return not any(value in other["enum"] for value in schema["enum"])


def _alternative(rule: str, pointer: str, part: Part, definitions: Definitions) -> Difference:
    name = reference_of(part.schema)
    what = name or shown_kinds(shape_of(part, definitions).kinds)
    removed = rule == "alternative-removed"
    return Difference(
        rule, pointer, was=what if removed else "", now="" if removed else what, narrows=removed, widens=not removed
    )
