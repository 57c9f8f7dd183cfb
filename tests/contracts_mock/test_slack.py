"""Slack's document, of Swagger 2.0 and with its token among the parameters: mocked, and called as it is meant."""

from pathlib import Path

import anyio
import pytest

from isthmus.config.model import UpstreamConfig
from isthmus.credentials.static import credential_from
from isthmus.mock.http import MockService, serving
from isthmus.model import Call, Principal, UpstreamSnapshot, UpstreamState
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from isthmus.openapi.tokens import without_tokens
from isthmus.upstreams.http import HttpUpstream
from tests.simulators.openapi_cases import Case
from tests.simulators.openapi_inputs import makers_for

pytest.importorskip("openapi_core", reason="openapi-core is not installed: pip install 'isthmus[contracts]'")
pytestmark = pytest.mark.anyio


async def test_every_operation_is_called_and_the_mock_has_nothing_to_object(test_data: Path) -> None:
    path = test_data / "specs" / "slack.json.gz"
    if not path.exists():
        pytest.skip(f"no document: {path}")
    document = read_document(path.read_bytes(), path.name)
    service = MockService(document.schemas, compile_operations(document, "slack").operations)
    root = without_tokens(document.schemas)
    makers = makers_for(root)
    assert service.checks
    with serving(service) as url:
        config = UpstreamConfig.model_validate({"openapi": str(path), "base_url": url, "auth": {"bearer": "xoxb"}})
        upstream = HttpUpstream("slack", config)
        ready: list[UpstreamSnapshot] = []
        there = anyio.Event()

        def publish(snapshot: UpstreamSnapshot) -> None:
            if snapshot.state is UpstreamState.READY:
                ready.append(snapshot)
                there.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream.run, publish)
            with anyio.fail_after(60):
                await there.wait()
            answered = 0
            for operation in ready[0].operations:
                case = Case(root, operation, makers)
                credential = credential_from(config.auth) if config.auth else None
                answer = await upstream.call(Call(operation, case.arguments, Principal()), credential)
                answered += isinstance(answer.value, dict)
            tasks.cancel_scope.cancel()
    assert answered >= 170
