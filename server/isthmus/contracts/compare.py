"""Two locks compared: what changed in each operation, of which class, why, and where.

    changes = compare(read(text), locked(operations))
    [change.sentence for change in changes if change.kind is Class.BREAKING]

A change in a schema that operations share is told once, with all operations that it reaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from isthmus.contracts.keywords import Difference
from isthmus.contracts.lock import Lock, LockedOperation, LockedUpstream
from isthmus.contracts.normal import Side
from isthmus.contracts.schemas import Comparison, Pair
from isthmus.contracts.shapes import Part
from isthmus.contracts.verdicts import Class, judged
from isthmus.model import Effect

_ORDER = {Class.BREAKING: 0, Class.COMPATIBLE: 1, Class.COSMETIC: 2}
_SEVERITY = {Effect.READ: 0, Effect.WRITE: 1, Effect.DESTRUCTIVE: 2}


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `pointer` is a JSON pointer into the lock file; `member` a property at that place.

    `operations` are all that it reaches: one, unless it lies in a schema that several share.
    """

    kind: Class
    rule: str
    side: Side | None  # None: it is about the operation as such
    pointer: str
    sentence: str
    operations: tuple[str, ...]
    member: str = ""
    is_rug_pull: bool = False  # what a server says of a tool is not what was agreed to

    @property
    def upstream(self) -> str:
        """The upstream that it is of."""
        return self.pointer.split("/")[2]

    @property
    def place(self) -> str:
        """Where it is, for people: `shop.list input /properties/limit`, `schema Order (output) /properties/id`."""
        steps = self.pointer.split("/")[3:]
        if steps[0] == "schemas":
            name = steps[2].replace("~1", "/").replace("~0", "~")
            head, rest = f"schema {name} ({steps[1]})", steps[3:]
        else:
            head, rest = " ".join(steps[1:3]), steps[3:]
        return f"{head} /{'/'.join(rest)}" if rest else head


def compare(before: Lock, after: Lock) -> tuple[Change, ...]:
    """Every change from one lock to another, the breaking ones first, then by place."""
    changes: list[Change] = []
    for name, upstream in before.upstreams.items():
        now = after.upstreams.get(name) or LockedUpstream(name, upstream.kind, {}, {"input": {}, "output": {}})
        changes += _upstream_changes(upstream, now)
        if before.covers == "all":
            changes += _news(upstream, now)
    for name in after.upstreams.keys() - before.upstreams.keys() if before.covers == "all" else ():
        empty = LockedUpstream(name, after.upstreams[name].kind, {}, {"input": {}, "output": {}})
        changes += _news(empty, after.upstreams[name])
    return tuple(sorted(changes, key=lambda one: (_ORDER[one.kind], one.pointer, one.rule, one.member)))


class _Maker(Protocol):
    def __call__(self, kind: Class, rule: str, sentence: str, *, at: str = "", rug_pull: bool = False) -> Change: ...


@dataclass(slots=True)
class _Reached:
    """The differences of one side of an upstream, each with the operations that it reaches."""

    comparison: Comparison
    own: dict[tuple[Difference, str], None] = field(default_factory=dict)
    shared: dict[Pair, list[str]] = field(default_factory=dict)


def _upstream_changes(before: LockedUpstream, now: LockedUpstream) -> Iterator[Change]:
    sides: Mapping[Side, _Reached] = {
        "input": _Reached(Comparison(before.schemas["input"], now.schemas["input"])),
        "output": _Reached(Comparison(before.schemas["output"], now.schemas["output"])),
    }
    for key, old in before.operations.items():
        new = now.operations.get(key)
        if new is None:
            yield _gone(old, before, now)
            continue
        yield from _operation_changes(old, new, before)
        _reach(sides["input"], key, _part(before, key, "input", old), _part(before, key, "input", new))
        if old.output is not None and new.output is not None:
            _reach(sides["output"], key, _part(before, key, "output", old), _part(before, key, "output", new))
    for side, reached in sides.items():
        yield from _side_changes(side, reached)


def _part(upstream: LockedUpstream, key: str, side: Side, operation: LockedOperation) -> Part:
    schema = operation.input if side == "input" else operation.output
    return Part(f"/upstreams/{upstream.name}/operations/{key}/{side}", {} if schema is None else schema)


def _reach(reached: _Reached, key: str, before: Part, now: Part) -> None:
    found = reached.comparison.compare(before, now)
    reached.own.update(dict.fromkeys((difference, key) for difference in found.differences))
    for pair in reached.comparison.reachable(found):
        reached.shared.setdefault(pair, []).append(key)


def _side_changes(side: Side, reached: _Reached) -> Iterator[Change]:
    for difference, key in reached.own:
        yield _change(difference, side, (key,))
    for pair, keys in reached.shared.items():
        for difference in dict.fromkeys(reached.comparison.pairs[pair].differences):
            yield _change(difference, side, tuple(sorted(set(keys))))


def _change(difference: Difference, side: Side, operations: tuple[str, ...]) -> Change:
    kind, sentence = judged(difference, side)
    member = difference.member if _is_property(difference) else ""
    return Change(kind, difference.rule, side, difference.pointer, sentence, operations, member)


def _is_property(difference: Difference) -> bool:
    return difference.rule.startswith(("required-", "property-"))


def _operation_changes(old: LockedOperation, new: LockedOperation, upstream: LockedUpstream) -> Iterator[Change]:
    pointer = f"/upstreams/{upstream.name}/operations/{old.id}"

    def change(kind: Class, rule: str, sentence: str, *, at: str = "", rug_pull: bool = False) -> Change:
        return Change(kind, rule, None, pointer + at, sentence, (old.id,), is_rug_pull=rug_pull)

    if _SEVERITY[new.effect] > _SEVERITY[old.effect]:
        text = f"it was a {old.effect}, and is a {new.effect} now: where only {old.effect} is allowed it is refused"
        yield change(Class.BREAKING, "effect-raised", text, at="/effect")
    elif new.effect is not old.effect:
        text = f"it was a {old.effect}, and calls itself a {new.effect} now: be sure of that before you accept it"
        yield change(Class.COMPATIBLE, "effect-lowered", text, at="/effect", rug_pull=upstream.kind == "mcp")
    if old.route != new.route:
        text = f"it moved from {old.route} to {new.route}: programs call it by its name and do not notice"
        yield change(Class.COMPATIBLE, "route-moved", text, at="/route")
    elif old.original != new.original:
        text = f"its upstream called it {old.original!r}, and calls it {new.original!r} now"
        yield change(Class.COMPATIBLE, "original-renamed", text, at="/original")
    if dict(old.wires) != dict(new.wires):
        text = "its upstream names parameters otherwise now; programs call them by the names that they had"
        yield change(Class.COMPATIBLE, "wires-renamed", text, at="/wires")
    if new.deprecated and not old.deprecated:
        yield change(Class.COMPATIBLE, "deprecated", "it is deprecated now: it may go")
    yield from _output_changes(old, new, change)
    if old.words != new.words:
        is_tool = upstream.kind == "mcp"
        text = "what its upstream says of it is not what was locked"
        if is_tool:
            text += ": a model reads that, so read it yourself before you accept it (a tool may turn on its user so)"
        yield change(Class.COSMETIC, "words-changed", text, at="/words", rug_pull=is_tool)


def _output_changes(old: LockedOperation, new: LockedOperation, change: _Maker) -> Iterator[Change]:
    """Answers that are described on one side only."""
    if old.output is not None and new.output is None:
        text = "what it answers is not described any more: programs rely on a description that is gone"
        yield change(Class.BREAKING, "output-undescribed", text, at="/output")
    elif old.output is None and new.output is not None:
        yield change(Class.COMPATIBLE, "output-described", "what it answers is described now")


def _gone(old: LockedOperation, before: LockedUpstream, now: LockedUpstream) -> Change:
    """An operation that is not there: under another name, where one has come that is otherwise the same."""
    pointer = f"/upstreams/{before.name}/operations/{old.id}"
    come = [one for key, one in now.operations.items() if key not in before.operations]
    same = [one for one in come if old.route and one.route == old.route]
    same = same or [one for one in come if (one.words, one.input, one.output) == (old.words, old.input, old.output)]
    if same:
        text = f"it is called {same[0].id} now: programs that call it by its former name fail"
        return Change(Class.BREAKING, "operation-renamed", None, pointer, text, (old.id,))
    text = "it is gone: programs that call it fail" if now.operations else "its upstream has no operations any more"
    return Change(Class.BREAKING, "operation-removed", None, pointer, text, (old.id,))


def _news(before: LockedUpstream, now: LockedUpstream) -> Iterator[Change]:
    for key in now.operations.keys() - before.operations.keys():
        pointer = f"/upstreams/{now.name}/operations/{key}"
        text = f"it is new, a {now.operations[key].effect}, and not locked"
        yield Change(Class.COMPATIBLE, "operation-added", None, pointer, text, (key,))
