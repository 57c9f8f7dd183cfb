"""What is held back at the moment: each upstream's operations against the lock, once for each list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from isthmus.model import Operation

if TYPE_CHECKING:
    from isthmus.contracts.lock import Lock

Hold = Callable[[str, object, Sequence[Operation]], Mapping[str, str]]
"""Gives the reasons for which operations of an upstream are held back, by id; see `Holding`."""

NOTHING: Mapping[str, str] = {}


@dataclass(slots=True, eq=False)
class Holding:
    """Compares with a lock. `when` says which changes hold an operation back; `log` takes lines for the operator."""

    lock: Lock
    when: frozenset[str]
    log: Callable[[str], None]
    _known: dict[str, tuple[object, Mapping[str, str]]] = field(default_factory=dict)

    def __call__(self, upstream: str, listed: object, operations: Sequence[Operation]) -> Mapping[str, str]:
        """The reasons by operation. `listed` is the upstream's own list: while it is the same, so is the answer."""
        known = self._known.get(upstream)
        if known is not None and known[0] is listed:
            return known[1]
        from isthmus.contracts.hold import held_back  # many have no lock, and need not wait for it

        found = held_back(self.lock, operations, self.when)
        for operation, reason in found.items():
            self.log(f"{operation} is held back: it {reason}; `isthmus check` tells, `isthmus lock --accept` approves")
        self._known[upstream] = listed, found
        return found


def nothing_held(_: str, __: object, ___: Sequence[Operation]) -> Mapping[str, str]:
    """Where there is no lock, nothing is held back."""
    return NOTHING
