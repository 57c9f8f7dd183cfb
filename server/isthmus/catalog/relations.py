"""What is known of an upstream's operations by looking at all of them: what they share, and what one gives another.

    Relations.unpacked(Relations.build(operations).packed(operations), operations)

To find it, all parameters and all answers are read. So it is made once for each list of operations, and kept on disk.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from isthmus.catalog.chains import Chains
from isthmus.model import Operation

_NEARLY_ALL = 0.4
_MANY = 12
"""A parameter is common where so large a part of an upstream's operations take it, and at least so many."""

_PAGING = frozenset({"limit", "page", "offset", "cursor", "per_page", "page_size", "pageToken", "pageSize"})


@dataclass(frozen=True, slots=True)
class Relations:
    """`common` are optional parameters that nearly all operations take (`alt`, `opt_pretty`), by wire name.

    `chains` say where identifiers come from. Of operations that nobody has looked at, nothing is known.
    """

    common: frozenset[str] = frozenset()
    chains: Chains = field(default_factory=lambda: Chains.build(()), repr=False)

    @classmethod
    def build(cls, operations: Sequence[Operation]) -> Relations:
        """The relations of these operations, which are of one upstream; 10,000 take some seconds."""
        return cls(_common(operations), Chains.build(operations))

    def packed(self, operations: Sequence[Operation]) -> bytes:
        """The relations as JSON; `operations` are those that they were built of."""
        return json.dumps({"common": sorted(self.common), **self.chains.packed(operations)}).encode()

    @classmethod
    def unpacked(cls, content: bytes, operations: Sequence[Operation]) -> Relations:
        """What `packed` wrote, over the same operations.

        Raises:
            ValueError: the bytes are nothing of the kind.
        """
        try:
            said = json.loads(content)
            return cls(frozenset(map(str, said["common"])), Chains.unpacked(said, operations))
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"no relations of operations: {type(error).__name__}") from None


def _common(operations: Sequence[Operation]) -> frozenset[str]:
    taken = Counter(
        parameter.wire
        for operation in operations
        for parameter in operation.parameters
        if not parameter.required and parameter.location in ("query", "header") and parameter.wire not in _PAGING
    )
    return frozenset(wire for wire, times in taken.items() if times >= max(_MANY, _NEARLY_ALL * len(operations)))
