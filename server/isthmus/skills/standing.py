"""Whether the operations that a skill uses still are what they were when it was saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from isthmus.contracts.compare import compare
from isthmus.contracts.impact import broken_by
from isthmus.contracts.lock import Lock, chosen, locked, read, written
from isthmus.contracts.programs import uses
from isthmus.contracts.verdicts import Class
from isthmus.errors import ConfigurationError
from isthmus.model import Effect, Operation
from isthmus.skills.skill import Kept, Skill

Find = Callable[[str], Operation | None]
"""The operation of an id as it is now; None where there is none."""


def used_by(name: str, source: str, operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Those of some operations that a skill's source calls, by id."""
    known = {operation.id: operation for operation in operations}
    found, _ = uses([(name, source)], known)
    return tuple(known[key] for key in sorted({use.operation for use in found}))


def contracts_of(operations: Iterable[Operation]) -> str:
    """What these operations take and give, as a lock's text; empty for none."""
    found = {operation.id: operation for operation in operations}
    return written(chosen(locked(found.values()), found)) if found else ""


def broken(kept: Kept, find: Find, is_listed: Callable[[str], bool]) -> tuple[str, ...]:
    """Why a skill does not work any more, each reason a sentence; none where nothing speaks against it.

    `is_listed` says whether an upstream's operations are known at the moment: of one that is away, nothing is said.
    """
    skill = kept.skill
    concerned = [each for each in skill.uses if is_listed(each.partition(".")[0])]
    live = {each: operation for each in concerned if (operation := find(each)) is not None}
    reasons = [f"{each} is gone" for each in concerned if each not in live]
    reasons += [f"{each} is held back: it {operation.held}" for each, operation in live.items() if operation.held]
    lock = _lock(kept)
    if lock is None or not live:
        return tuple(reasons)
    before, now = chosen(lock, live.keys()), locked(live.values(), "chosen")
    called, _ = uses([(skill.name, skill.source)], live.keys())
    for change in compare(before, now):
        if change.kind is Class.BREAKING and (change.side is None or broken_by(change, called, before)):
            reasons.append(f"{', '.join(change.operations)} changed: {change.sentence}")
    return tuple(dict.fromkeys(reasons))


def writes(skill: Skill, find: Find) -> tuple[str, ...]:
    """Those of its operations that change the world, or are not known."""
    found = {each: find(each) for each in skill.uses}
    return tuple(each for each, operation in found.items() if operation is None or operation.effect is not Effect.READ)


def _lock(kept: Kept) -> Lock | None:
    if not kept.lock:
        return None
    try:
        return read(kept.lock, f"{kept.skill.name}.lock")
    except ConfigurationError:
        return None
