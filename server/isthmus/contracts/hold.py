"""Which operations are held back: they are locked, and are not what was locked any more.

An operation is held back by itself; all others go on. What is said of it to a model is in our own words alone, since
whoever changed it also chose the names in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from isthmus.contracts.compare import Change, compare
from isthmus.contracts.lock import Lock, chosen, locked
from isthmus.contracts.verdicts import Class
from isthmus.model import Operation

BREAKING = "breaking"
DESCRIPTION = "description"

_SHOWN = 3


def held_back(lock: Lock, operations: Iterable[Operation], when: Collection[str]) -> Mapping[str, str]:
    """The locked ones of these operations that are held back, each with the reason, a sentence without its subject.

    `when`: `breaking` holds back what changed in a way that breaks programs, `description` also a tool whose server
    says something else of it than was locked.
    """
    known = [operation for operation in operations if lock.operation(operation.id) is not None]
    if not known or not when:
        return {}
    former = chosen(lock, {operation.id for operation in known})
    found: dict[str, list[str]] = {}
    for change in compare(former, locked(known)):
        if _holds(change, when):
            for operation in change.operations:
                found.setdefault(operation, []).append(_in_our_words(change))
    return {operation: _reason(list(dict.fromkeys(why))) for operation, why in found.items()}


def _holds(change: Change, when: Collection[str]) -> bool:
    return (change.kind is Class.BREAKING and BREAKING in when) or (change.is_rug_pull and DESCRIPTION in when)


def _in_our_words(change: Change) -> str:
    side = f" of its {change.side}" if change.side else ""
    return f"{change.rule.replace('-', ' ')}{side}"


def _reason(why: list[str]) -> str:
    rest = f" and {len(why) - _SHOWN} more" if len(why) > _SHOWN else ""
    return f"has changed since it was locked ({', '.join(why[:_SHOWN])}{rest})"
