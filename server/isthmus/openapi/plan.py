"""All that a document says about one operation and that a call needs, read when it is first called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.model import Location, Operation
from isthmus.openapi.bodies import essence, is_json
from isthmus.openapi.inputs import Inputs, operation_inputs
from isthmus.openapi.nodes import follow, mapping_of
from isthmus.openapi.security import Requirements, requirements


@dataclass(frozen=True, slots=True)
class Plan:
    """How an operation is called, and how its answers are read."""

    inputs: Inputs
    responses: Mapping[str, tuple[str, ...]]  # media types by status (`200`, `4XX`, `default`)
    required: Requirements = None  # security
    node: Mapping[str, Any] = field(default_factory=dict, repr=False)  # the operation object
    item: Mapping[str, Any] = field(default_factory=dict, repr=False)  # its path item

    @property
    def accept(self) -> str:
        """The Accept header: JSON first, what else success may look like, and then anything."""
        documented = [kind for status, kinds in self.responses.items() if status[:1] == "2" for kind in kinds]
        preferred = sorted(
            dict.fromkeys(map(essence, documented)), key=lambda kind: (kind != "application/json", not is_json(kind))
        )
        first = [kind for kind in preferred if kind != "*/*"][:1] or ["application/json"]
        return f"{first[0]}, */*;q=0.5"

    @property
    def demanded(self) -> frozenset[tuple[Location, str]]:
        """The places of a request that required parameters fill; headers in lower case."""
        return frozenset(
            (one.location, one.wire.lower() if one.location == "header" else one.wire)
            for one in self.inputs.inputs
            if one.required
        )

    def is_documented_success(self, status: int) -> bool:
        """Whether this is the status that `Operation.output` describes: the first 2xx with a JSON answer."""
        for key in sorted(self.responses):
            if key[:1] == "2" and any(is_json(kind) or kind == "*/*" for kind in self.responses[key]):
                return key.upper() in (str(status), f"{status // 100}XX")
        return set(self.responses) == {"default"}


def read_plan(operation: Operation) -> Plan:
    """The plan of an operation, out of the document that it was compiled from.

    Raises:
        LookupError: the document has no such operation.
    """
    document, route = operation.document, operation.route
    if route is None:
        raise LookupError(f"{operation.id} is no HTTP operation")
    item = follow(mapping_of(document.root.get("paths")).get(route.path), document)
    node = follow(item.get(route.method.lower()), document)
    responses: dict[str, tuple[str, ...]] = {}
    for status, entry in mapping_of(node.get("responses")).items():
        try:
            responses[str(status)] = tuple(mapping_of(follow(entry, document).get("content")))
        except LookupError:
            responses[str(status)] = ()
    return Plan(
        inputs=operation_inputs(route.path, item, node, document),
        responses=responses,
        required=requirements(node, document.root),
        node=node,
        item=item,
    )
