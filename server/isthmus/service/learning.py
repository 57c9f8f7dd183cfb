"""What answers of untyped operations look like, learned as they come: most MCP servers declare no type of answers.

Shapes belong to one principal and one version of an operation: what one principal's answers have taught is shown to no
other, and an operation whose definition has changed is learned anew. They hold no value of any (`catalog/shapes`).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import anyio
import anyio.to_thread

from isthmus.catalog.shapes import NOTHING, Learned, has_maps, merged, places, schema_of, shape_of
from isthmus.model import Call, Operation, Principal, Report, digest
from isthmus.render.schemas import alternatives, properties, resolved

MAX_KEPT = 2_000
"""Shapes that are kept at hand; the store has the others."""

KNOWN_WELL = 40
"""Answers after which only each eighth is looked at: there is little more to learn."""

WRITTEN_EVERY = 5.0
"""Seconds between two writings of what is new."""


_MISSING = re.compile(r"^no field '(.{1,100}?)'", re.MULTILINE)
"""How the guest says that an object has no such field (`guest/records.py`)."""

_TOLD = 2
"""Operations of which a hint tells."""


class Shapes(Protocol):
    """Where shapes outlive the server. Keys are hexadecimal digests."""

    def read(self, key: str) -> Learned | None:
        """One shape; None where there is none, or it cannot be read. Quick."""
        ...

    def write(self, learned: Mapping[str, Learned]) -> None:
        """Keep these in place of what was there. May take a while: it is called in a thread. Never raises."""
        ...

    def close(self) -> None:
        """Nothing more will be asked."""
        ...


@dataclass(slots=True, eq=False)
class Learning:
    """Observes answers, and gives untyped operations the type that these have shown."""

    store: Shapes
    _kept: OrderedDict[str, Learned] = field(default_factory=OrderedDict)
    _news: dict[str, Learned] = field(default_factory=dict)
    _keys: OrderedDict[tuple[str, str], tuple[Operation, str]] = field(default_factory=OrderedDict)

    def observe(self, call: Call, value: Any) -> None:
        """Take note of what a call was answered, cleaned of secrets; takes a few milliseconds at most."""
        if not is_untyped(call.operation):
            return
        key = self._key(call.operation, call.principal)
        known = self._known(key)
        shape = known.shape
        if known.answers < KNOWN_WELL or known.answers % 8 == 0:
            shape = merged(shape, shape_of(value))
        self._kept[key] = self._news[key] = Learned(shape, known.answers + 1)

    def typed(self, operation: Operation, principal: Principal) -> Operation:
        """The operation with the type that its answers have shown; itself where it has one, or there were none."""
        if not is_untyped(operation):
            return operation
        learned = self._known(self._key(operation, principal))
        if learned.shape == NOTHING:
            return operation
        return operation.having(output=schema_of(learned.shape), observed=learned.answers)

    def hinted(self, report: Report, find: Callable[[str], Operation | None], principal: Principal) -> Report:
        """The report; where a program failed on a field that is not there, with what is known of that field.

        `find` gives an operation by its id: the field is looked for in the answers of those that were called.
        """
        error = report.error
        if error is None or (missing := _MISSING.search(f"{error.message}\n{error.hint}")) is None:
            return report
        called = [
            find(name) for name in dict.fromkeys(call.operation for call in report.calls if call.status == "done")
        ]
        untyped = [operation for operation in called if operation is not None and is_untyped(operation)]
        told = [self._told_of(missing[1], operation, principal) for operation in untyped]
        said = "; ".join([*filter(None, [error.hint]), *list(filter(None, told))[:_TOLD]])
        return replace(report, error=replace(error, hint=said))

    def _told_of(self, name: str, operation: Operation, principal: Principal) -> str:
        """What the answers of an operation have shown of a field; empty where nothing can be said."""
        learned = self._known(self._key(operation, principal))
        if learned.shape == NOTHING:
            return ""
        observed = f"{operation.id} (observed {learned.answers:,} time{'' if learned.answers == 1 else 's'})"
        found = list(places(learned.shape, name))
        if not found:
            return "" if has_maps(learned.shape) else f"{name!r} has never been in an answer of {observed}"
        where = ", ".join(place for place, _ in found[:3])
        rest = "" if all(always for _, always in found) else f", and not in every object: use .get({name!r})"
        return f"in answers of {observed} it is {where}{rest}"

    async def run(self) -> None:
        """Write what is new from time to time, until cancelled, and then once more."""
        try:
            while True:
                await anyio.sleep(WRITTEN_EVERY)
                await self._write()
        finally:
            with anyio.CancelScope(shield=True):
                await self._write()
                await anyio.to_thread.run_sync(self.store.close)

    async def _write(self) -> None:
        news, self._news = self._news, {}
        if news:
            await anyio.to_thread.run_sync(self.store.write, news)

    def _known(self, key: str) -> Learned:
        learned = self._kept.get(key) or self._news.get(key) or self.store.read(key) or Learned()
        self._kept[key] = learned
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return learned

    def _key(self, operation: Operation, principal: Principal) -> str:
        place = (principal.name, operation.id)
        kept = self._keys.get(place)
        if kept is None or kept[0] is not operation:
            kept = self._keys[place] = operation, digest([principal.name, _definition(operation)])
            if len(self._keys) > MAX_KEPT:
                self._keys.popitem(last=False)
        return kept[1]


def is_untyped(operation: Operation) -> bool:
    """Whether an operation says nothing of its answers: no schema, or one of anything or of any object."""
    if operation.output is None:
        return True
    schema = resolved(operation.output, operation.document).schema
    says = properties(schema) or alternatives(schema) or schema.keys() & {"items", "enum", "const", "format"}
    any_key = schema.get("additionalProperties") in (None, True, False, {})
    return not says and any_key and schema.get("type") in (None, "object", "array")


def _definition(operation: Operation) -> list[Any]:
    """What makes a version of an operation: not its descriptions, which change without a change of the answers."""
    route = [operation.route.method, operation.route.path] if operation.route else None
    parameters = [[each.wire, each.location, each.required, each.schema] for each in operation.parameters]
    return [operation.id, operation.original, route, parameters, operation.output]
