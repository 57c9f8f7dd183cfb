"""The differences of two shapes that lie in the keywords themselves: kinds of values, enumerations, bounds, formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from isthmus.contracts.shapes import KINDS, Shape, kind_of

_NUMBERS = frozenset({"integer", "fraction"})
_WIDER_FORMATS = {("int32", "int64"), ("float", "double")}
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `rule` names it (see `verdicts`); `pointer` is the place, `member` a property or keyword there.

    `narrows`: values that fitted may not fit any more. `widens`: values fit now that did not.
    """

    rule: str
    pointer: str
    member: str = ""
    was: str = ""
    now: str = ""
    narrows: bool = False
    widens: bool = False


def scalar_differences(pointer: str, old: Shape, new: Shape) -> Iterator[Difference]:
    """The differences in what holds of the value itself, whatever it contains."""
    yield from _kinds(pointer, old, new)
    common = old.kinds & new.kinds
    yield from _values(pointer, old, new, common)
    if common & _NUMBERS:
        yield from _bound(pointer, "minimum", _lower(old), _lower(new), lambda before, after: after > before)
        yield from _bound(pointer, "maximum", _upper(old), _upper(new), lambda before, after: after < before)
        yield from _steps(pointer, old, new)
    for kind, unit in (("string", "Length"), ("array", "Items"), ("object", "Properties")):
        if kind in common:
            low, high = f"min{unit}", f"max{unit}"
            yield from _bound(pointer, low, old.lowest.get(low), new.lowest.get(low), lambda a, b: b > a)
            yield from _bound(pointer, high, old.highest.get(high), new.highest.get(high), lambda a, b: b < a)
    if "string" in common:
        yield from _exact(pointer, "pattern", old, new)
    if "array" in common:
        yield from _exact(pointer, "uniqueItems", old, new)
    if common & (_NUMBERS | {"string"}):
        yield from _formats(pointer, old, new)
    if old.default != new.default:
        yield Difference("default-changed", pointer, "", _listed(old.default), _listed(new.default))


def shown_kinds(kinds: frozenset[str]) -> str:
    """Kinds of values in words: `a string or null`."""
    if kinds == KINDS:
        return "anything"
    named: dict[str, str] = {
        kind: kind for kind in ("string", "boolean", "integer", "object", "array", "null") if kind in kinds
    }
    if "fraction" in kinds:
        named.pop("integer", None)
        named = {"number": "number", **named}
    return " or ".join(named) or "nothing"


def _kinds(pointer: str, old: Shape, new: Shape) -> Iterator[Difference]:
    gone, come = old.kinds - new.kinds, new.kinds - old.kinds
    was, now = shown_kinds(old.kinds), shown_kinds(new.kinds)
    if come == {"null"}:
        yield Difference("null-added", pointer, "", was, now, widens=True)
    elif come:
        yield Difference("type-widened", pointer, "", was, now, widens=True)
    if gone == {"null"}:
        yield Difference("null-dropped", pointer, "", was, now, narrows=True)
    elif gone:
        yield Difference("type-narrowed", pointer, "", was, now, narrows=True)


def _values(pointer: str, old: Shape, new: Shape, common: frozenset[str]) -> Iterator[Difference]:
    before = None if old.values is None else _of_kinds(old, common)
    after = None if new.values is None else _of_kinds(new, common)
    if before is None and after is not None and common:
        yield Difference("enum-introduced", pointer, "", "", _listed(after.values()), narrows=True)
    elif before is not None and after is None and common:
        yield Difference("enum-lifted", pointer, "", _listed(before.values()), "", widens=True)
    elif before is not None and after is not None:
        if gone := [value for key, value in before.items() if key not in after]:
            yield Difference("enum-narrowed", pointer, "", _listed(gone), "", narrows=True)
        if come := [value for key, value in after.items() if key not in before]:
            yield Difference("enum-widened", pointer, "", "", _listed(come), widens=True)


def _of_kinds(shape: Shape, common: frozenset[str]) -> dict[tuple[str, Any], Any]:
    return {key: value for key, value in (shape.values or {}).items() if kind_of(value) in common}


_Edge = tuple[float, bool]


def _lower(shape: Shape) -> _Edge | None:
    """The bound from below; of two equal ones, the exclusive one is the tighter."""
    edges = [(shape.lowest["minimum"], False)] if "minimum" in shape.lowest else []
    edges += [(shape.lowest["exclusiveMinimum"], True)] if "exclusiveMinimum" in shape.lowest else []
    return max(edges, default=None)


def _upper(shape: Shape) -> _Edge | None:
    edges = [(shape.highest["maximum"], True)] if "maximum" in shape.highest else []
    edges += [(shape.highest["exclusiveMaximum"], False)] if "exclusiveMaximum" in shape.highest else []
    return min(edges, default=None)


def _bound(
    pointer: str, keyword: str, before: Any, after: Any, tighter: Callable[[Any, Any], bool]
) -> Iterator[Difference]:
    if before == after:
        return
    was, now = (
        _listed([edge[0] if isinstance(edge, tuple) else edge]) if edge is not None else "" for edge in (before, after)
    )
    narrows = after is not None and (before is None or tighter(before, after))
    rule = "bound-narrowed" if narrows else "bound-widened"
    yield Difference(rule, pointer, keyword, was, now, narrows=narrows, widens=not narrows)


def _steps(pointer: str, old: Shape, new: Shape) -> Iterator[Difference]:
    """`multipleOf`: a step is implied by any step that is a multiple of it, and 1 by being an integer."""
    before, after = (shape.exact.get("multipleOf", frozenset()) for shape in (old, new))
    narrows = not all(_implied(step, before, old.kinds) for step in after)
    widens = not all(_implied(step, after, new.kinds) for step in before)
    if narrows or widens:
        rule = "bound-narrowed" if narrows else "bound-widened"
        yield Difference(rule, pointer, "multipleOf", _listed(before), _listed(after), narrows=narrows, widens=widens)


def _implied(step: float, steps: Iterable[float], kinds: frozenset[str]) -> bool:
    if step == 1 and "fraction" not in kinds:
        return True
    return any(one == step or (isinstance(one, int) and isinstance(step, int) and one % step == 0) for one in steps)


def _exact(pointer: str, keyword: str, old: Shape, new: Shape) -> Iterator[Difference]:
    before, after = (shape.exact.get(keyword, frozenset()) for shape in (old, new))
    if before == after:
        return
    narrows, widens = bool(after - before), bool(before - after)
    rule = "bound-narrowed" if narrows else "bound-widened"
    yield Difference(rule, pointer, keyword, _listed(before), _listed(after), narrows=narrows, widens=widens)


def _formats(pointer: str, old: Shape, new: Shape) -> Iterator[Difference]:
    before, after = (shape.exact.get("format", frozenset()) for shape in (old, new))
    if before == after:
        return
    was, now = _listed(before), _listed(after)
    if not after or (len(before) == len(after) == 1 and (min(before), min(after)) in _WIDER_FORMATS):
        yield Difference("bound-widened", pointer, "format", was, now, widens=True)
    elif not before or (len(before) == len(after) == 1 and (min(after), min(before)) in _WIDER_FORMATS):
        yield Difference("bound-narrowed", pointer, "format", was, now, narrows=True)
    else:
        yield Difference("format-changed", pointer, "", was, now, narrows=True, widens=True)


def _listed(values: Iterable[Any]) -> str:
    """Values in JSON, sorted, and shortened where they are many."""
    texts = sorted(json.dumps(value, ensure_ascii=True, default=repr) for value in values)
    shown = ", ".join(texts)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."
