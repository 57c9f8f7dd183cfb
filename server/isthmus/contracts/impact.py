"""Which programs a change breaks: the change's place held against what each program gives and reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from isthmus.contracts.compare import Change
from isthmus.contracts.lock import Lock, LockedUpstream
from isthmus.contracts.normal import Side, escaped
from isthmus.contracts.programs import ITEM, Path, Use
from isthmus.contracts.shapes import Definitions, Part, definition_pointer, reference_of, shape_of
from isthmus.contracts.verdicts import Class

MAX_STEPS = 2_000
"""Schemas that are looked at below what escapes; beyond that, everything is taken to be concerned."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A program that a breaking change concerns. `surely`: it gives or reads what has changed, by name."""

    program: str
    line: int
    operation: str
    surely: bool


def broken_by(change: Change, programs: Iterable[Use], lock: Lock) -> list[Broken]:
    """The uses that a change breaks, or may break; none where it is not breaking."""
    if change.kind is not Class.BREAKING:
        return []
    concerned = [use for use in programs if use.operation in change.operations]
    return [Broken(use.program, use.line, use.operation, sure) for use, sure in _told(change, concerned, lock)]


def _told(change: Change, programs: Iterable[Use], lock: Lock) -> Iterator[tuple[Use, bool]]:
    for use in programs:
        if change.side is None:
            yield use, True
            continue
        upstream = lock.upstreams[change.upstream]
        walk = _Walk(upstream, change.side)
        verdict = _given(change, use, walk) if change.side == "input" else _read(change, use, walk)
        if verdict is not None:
            yield use, verdict


def _given(change: Change, use: Use, walk: _Walk) -> bool | None:
    """Whether a change on the way in concerns a call: surely, perhaps, or not at all (None)."""
    paths: set[Path] = {(), *use.arguments}
    reached = walk.along(use.operation, paths)
    if change.rule == "required-added":
        top = change.pointer.endswith(f"/operations/{use.operation}/input")
        if top and (change.member,) in use.arguments:
            return None
        return (not use.any_arguments) if change.pointer in reached else _perhaps(change, use, walk)
    place = f"{change.pointer}/properties/{escaped(change.member)}" if change.member else change.pointer
    if place in reached and place != walk.root(use.operation):
        return True
    return _perhaps(change, use, walk)


def _perhaps(change: Change, use: Use, walk: _Walk) -> bool | None:
    """A change below an argument whose parts are not written out in the program."""
    ends = {path for path in use.arguments if not any(o != path and o[: len(path)] == path for o in use.arguments)}
    starts: set[Path] = {()} if use.any_arguments else ends
    return False if change.pointer in walk.below(use.operation, starts) else None


def _read(change: Change, use: Use, walk: _Walk) -> bool | None:
    reached = walk.along(use.operation, {(), *use.fields})
    place = f"{change.pointer}/properties/{escaped(change.member)}" if change.member else change.pointer
    if place in reached and (use.fields or place != walk.root(use.operation)):
        return True
    return False if use.escapes and change.pointer in walk.below(use.operation, set(use.escapes)) else None


@dataclass(slots=True)
class _Walk:
    """Ways through the schemas of one side of an upstream, as the pointers that lie on them."""

    upstream: LockedUpstream
    side: Side

    def root(self, operation: str) -> str:
        return f"/upstreams/{self.upstream.name}/operations/{operation}/{self.side}"

    def along(self, operation: str, paths: Iterable[Path]) -> set[str]:
        """The pointers of all schemas that these paths lead through."""
        return {pointer for path in paths for part in self._way(operation, path) for pointer in self._pointers(part)}

    def below(self, operation: str, paths: Iterable[Path]) -> set[str]:
        """The pointers of all schemas below the ends of these paths."""
        waiting = [part for path in paths for part in self._steps(self._start(operation), path)]
        seen: set[str] = set()
        looked = 0
        while waiting and looked < MAX_STEPS:
            looked += 1
            for one in self._inside(waiting.pop()):
                if one.pointer not in seen:
                    seen.update(self._pointers(one))
                    waiting.append(one)
        return seen

    def _start(self, operation: str) -> list[Part]:
        locked = self.upstream.operations.get(operation)
        schema = None if locked is None else locked.input if self.side == "input" else locked.output
        return [] if schema is None else self._open(Part(self.root(operation), schema))

    def _way(self, operation: str, path: Path) -> Iterator[Part]:
        here = self._start(operation)
        yield from here
        for step in path:
            here = [part for one in here for part in self._step(one, step)]
            yield from here

    def _steps(self, here: list[Part], path: Path) -> list[Part]:
        for step in path:
            here = [part for one in here for part in self._step(one, step)]
        return here

    def _step(self, part: Part, step: str) -> list[Part]:
        shape = shape_of(part, self._definitions)
        if step == ITEM:
            further = [*shape.prefix, *([shape.items] if shape.items else [])]
            further += [shape.additional] if shape.additional else []
        else:
            named = shape.properties.get(step) or shape.additional
            further = [named] if named else []
        return [each for one in further for each in self._open(one)]

    def _inside(self, part: Part) -> list[Part]:
        shape = shape_of(part, self._definitions)
        own = [*shape.properties.values(), *shape.prefix, *(one for one in (shape.items, shape.additional) if one)]
        return [each for one in own for each in self._open(one)] + [part]

    def _open(self, part: Part) -> list[Part]:
        """A schema, and the alternatives in it: each of them may be the one that holds."""
        found: list[Part] = []
        waiting, seen = [part], set[str]()
        while waiting:
            one = waiting.pop()
            if one.pointer in seen:
                continue
            seen.add(one.pointer)
            found.append(one)
            if (name := reference_of(one.schema)) is not None:
                waiting.append(Part(definition_pointer(one.pointer, name), self._definitions.get(name, {})))
            else:
                waiting += [each for branches in shape_of(one, self._definitions).alternatives for each in branches]
        return found

    def _pointers(self, part: Part) -> set[str]:
        name = reference_of(part.schema)
        return {part.pointer} | ({definition_pointer(part.pointer, name)} if name else set())

    @property
    def _definitions(self) -> Definitions:
        return self.upstream.schemas[self.side]


def grouped(changes: Iterable[Change], programs: Iterable[Use], lock: Lock) -> Mapping[Change, list[Broken]]:
    """The programs that each change breaks, for those that break any."""
    every = list(programs)
    found = {change: broken_by(change, every, lock) for change in changes}
    return {change: broken for change, broken in found.items() if broken}
