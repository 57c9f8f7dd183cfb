"""Answers as an independent judge sees them: our warnings stand where openapi-core finds an answer invalid."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.simulators.openapi_judge import Judge
from tests.simulators.openapi_service import Recorded, Reply

from isthmus.demo.shop import document as shop_document
from isthmus.model import Operation

pytest.importorskip("openapi_core", reason="openapi-core is not installed: pip install 'isthmus[contracts]'")
pytestmark = pytest.mark.anyio

MAX_DAMAGES = 8  # of one operation's answer


async def test_examples_of_answers_please_both(shop: Any) -> None:
    judge = Judge(shop_document(), shop.origin)
    for operation in shop.operations:
        answer, recorded, reply = await shop.called(operation)
        status, headers, content = reply.raw()
        assert judge.answer_errors(recorded, status, headers, content) == []
        assert answer.warnings == ()
        assert answer.value == (json.loads(content) if content else None)


async def test_each_operation_warns_of_the_damaged_answers_that_the_judge_refuses(shop: Any) -> None:
    judge, refused = Judge(shop_document(), shop.origin), 0
    for operation in shop.operations:
        _, recorded, reply = await shop.called(operation)
        if operation.output is None:
            continue
        found = 0
        for damaged in list(damages(reply.body))[:MAX_DAMAGES]:
            wrong = Reply(reply.status, damaged, {"content-type": "application/json"})
            answer, recorded, _ = await shop.called(operation, wrong)
            errors = judge.answer_errors(recorded, *wrong.raw())
            assert bool(answer.warnings) == bool(errors), (operation.id, damaged, errors, answer.warnings)
            assert answer.value == damaged
            found += bool(errors)
        assert found > 0, operation.id
        refused += found
    assert refused > 150


def damages(value: Any) -> Iterator[Any]:
    """The value with one thing wrong, or merely different: something left out, or of another type."""
    yield [value]
    if isinstance(value, dict):
        for name, item in value.items():
            rest = {key: one for key, one in value.items() if key != name}
            yield rest
            yield {**rest, name: {"not": "this"}}
            for inner in list(damages(item))[1:4]:
                yield {**rest, name: inner}
    if isinstance(value, list):
        for inner in list(damages(value[0]))[:4] if value else ():
            yield [inner, *value[1:]]


class _Shop:
    """The shop's operations, called with examples."""

    def __init__(self, running: Any, origin: str) -> None:
        self.origin = origin
        self._running = running

    @property
    def operations(self) -> tuple[Operation, ...]:
        return self._running.snapshot.operations  # type: ignore[no-any-return]

    async def called(self, operation: Operation, reply: Reply | None = None) -> tuple[Any, Recorded, Reply]:
        """The answer, the request as it was recorded, and what the service replied: an example, or `reply`."""
        service, route = self._running.service, operation.route
        assert route is not None
        if reply is not None:
            service.answer(f"{route.method} {route.path}", reply)
        arguments = {one.name: _argument(one.schema) for one in operation.parameters if one.required}
        answer = await self._running.answer(operation.original, **arguments)
        recorded = service.requests[-1]
        return answer, recorded, service.respond(recorded.method, recorded.path, recorded.headers, recorded.body)


def _argument(schema: Mapping[str, Any]) -> Any:
    if schema.get("type") == "array":
        return [{"product": "prd_3", "quantity": 1}]
    if "enum" in schema or "$ref" in schema:
        return "basic"
    return {"integer": 5, "boolean": True}.get(schema.get("type", ""), "ABCD" if "pattern" in schema else "DE")


@pytest.fixture
async def shop(up: Any) -> Any:
    root = dict(shop_document())
    origin = root["servers"][0]["url"]
    async with up(root, base_url=origin, auth={"bearer": "secret"}) as running:
        yield _Shop(running, origin)
