"""An upstream that answers as a test tells it, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from isthmus.model import Answer, Call, Credential, Effect, Operation, Parameter, UpstreamSnapshot, UpstreamState
from isthmus.ports import Publish

Handler = Callable[[Mapping[str, Any]], Awaitable[Any] | Any]


def operation(
    name: str, effect: Effect = Effect.READ, *, required: Mapping[str, Any] | None = None, **optional: Any
) -> Operation:
    """An operation with parameters of the given schemas: `operation("tracker.issues.get", required={"id": {}})`."""
    given = [(key, schema, True) for key, schema in (required or {}).items()]
    given += [(key, schema, False) for key, schema in optional.items()]
    parameters = tuple(Parameter(key, key, "argument", needed, schema) for key, schema, needed in given)
    upstream, _, original = name.partition(".")
    return Operation(name, upstream, original, effect, parameters, summary=f"Summary of {original}.")


@dataclass(eq=False)
class SimulatedUpstream:
    """Implements `Upstream`. `handlers` maps an operation's original name to what answers it."""

    name: str
    operations: tuple[Operation, ...]
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    purpose: str = ""
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    credentials: list[Credential | None] = field(default_factory=list)
    _publish: Publish | None = None

    async def run(self, publish: Publish) -> None:
        self._publish = publish
        publish(UpstreamSnapshot(self.name, UpstreamState.READY, self.operations, self.purpose))
        await anyio.sleep_forever()

    def change(self, state: UpstreamState, operations: tuple[Operation, ...], problem: str = "") -> None:
        """Publish as an upstream does whose state or tools have changed."""
        assert self._publish is not None, "the upstream does not run yet"
        self._publish(UpstreamSnapshot(self.name, state, operations, self.purpose, problem))

    async def call(self, call: Call, credential: Credential | None) -> Answer:
        self.calls.append((call.operation.original, dict(call.arguments)))
        self.credentials.append(credential)
        answer = self.handlers[call.operation.original](call.arguments)
        if isinstance(answer, Awaitable):
            answer = await answer
        return answer if isinstance(answer, Answer) else Answer(answer)
