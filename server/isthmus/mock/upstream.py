"""A mocked upstream within the process: the operations of a document or a lock, and answers that are made up."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from isthmus.errors import IsthmusError, UpstreamError
from isthmus.mock.answers import Answers
from isthmus.model import Answer, Call, Credential, Operation, UpstreamSnapshot, UpstreamState
from isthmus.ports import Publish
from isthmus_sandbox.values import clean


@dataclass(slots=True, eq=False)
class MockUpstream:
    """Implements `ports.Upstream`. `calls` are those that reached it, in their order: (operation id, arguments)."""

    name: str
    operations: Sequence[Operation]
    answers: Answers = field(default_factory=Answers)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    async def run(self, publish: Publish) -> None:
        """Publish the operations, and stay until cancelled."""
        publish(UpstreamSnapshot(self.name, UpstreamState.READY, tuple(self.operations), "a mock"))
        await anyio.sleep_forever()

    async def call(self, call: Call, _: Credential | None) -> Answer:
        """Answer one call, and note it.

        Raises:
            UpstreamError: the function that answers raised one, or failed.
        """
        self.calls.append((call.operation.id, dict(call.arguments)))
        try:
            value = self.answers.answer(call.operation, call.arguments)
            if inspect.isawaitable(value):
                value = await value
        except IsthmusError:
            raise
        except Exception as error:  # a test's own function, whose fault is the test's
            raise UpstreamError(f"the mock of {call.operation.id} failed: {type(error).__name__}: {error}") from error
        return Answer(clean(value))
