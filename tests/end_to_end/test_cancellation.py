"""A client that cancels, or goes away, ends its program and what the program asked of the upstreams."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.processes import lives
from tests.simulators.openapi_service import OpenApiService, Reply
from tests.simulators.openapi_service import serving as service_on_a_port
from tests.simulators.served import SOON, Served, serving, simulator, witnessed

pytestmark = pytest.mark.anyio

DOCUMENT = """
openapi: 3.1.0
info: {title: Slow, version: "1"}
paths:
  /slow: {get: {operationId: slow, responses: {"200": {description: ok}}}}
  /quick: {get: {operationId: quick, responses: {"200": {description: ok}}}}
"""


@dataclass
class House:
    """The server, an HTTP service and an MCP server behind it, and what they saw."""

    server: Served
    service: OpenApiService
    witness: Path


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    tmp_path = tmp_path_factory.mktemp("cancellation")
    (tmp_path / "slow.yaml").write_text(DOCUMENT)
    paths = {path: {"get": {"responses": {"200": {"description": "ok"}}}} for path in ("/slow", "/quick")}
    service = OpenApiService({"paths": paths})
    service.answer("GET /slow", Reply(200, "late", delay=300))
    service.answer("GET /quick", Reply(200, "soon"))
    witness = tmp_path / "witness.jsonl"
    with service_on_a_port(service) as origin:
        upstreams = {
            "http": {"openapi": "slow.yaml", "base_url": origin},
            "witness": simulator("mcp_server_witness", str(witness)),
        }
        async with serving({"upstreams": upstreams}, tmp_path) as server:
            assert (await server.execute("len(dir(http)), len(dir(witness))")).value == [2, 4]  # both have connected
            yield House(server, service, witness)


@pytest.fixture
def house(shared: House) -> House:
    """The house, with nothing seen so far."""
    shared.witness.write_text("")
    shared.service.requests.clear()
    shared.service.abandoned.clear()
    return shared


@pytest.mark.parametrize("mode", ["awaited", "not awaited"])
async def test_a_client_that_cancels_ends_the_program_and_its_calls(house: House, mode: str) -> None:
    code = "import asyncio\nawait asyncio.gather(http.slow(), witness.wait(seconds=300))"
    if mode == "not awaited":
        code = "a = http.slow()\nb = witness.wait(seconds=300)\na, b"
    await house.server.execute("x = 1")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.server.execute, code)
        await witnessed(house.witness, "called")
        await anyio.to_thread.run_sync(house.service.until, lambda: bool(house.service.requests))
        tasks.cancel_scope.cancel()

    assert await witnessed(house.witness, "cancelled")
    await anyio.to_thread.run_sync(house.service.until, lambda: bool(house.service.abandoned))
    told = await house.server.execute("http.quick(), 'x' in globals()")
    assert told.value == ["soon", False]
    assert "the variables of this session are gone: the program before was cancelled" in told.text


async def test_a_program_that_cancels_a_call_cancels_it_upstream(house: House) -> None:
    told = await house.server.execute(
        """import asyncio
try:
    async with asyncio.timeout(1):
        await asyncio.gather(http.slow(), witness.wait(seconds=300))
except TimeoutError:
    left = "gave up"
left"""
    )
    assert told.text.startswith("result: gave up\n"), told.text
    assert {call["status"] for call in told.facts["calls"]} == {"unknown"}
    assert await witnessed(house.witness, "cancelled")
    await anyio.to_thread.run_sync(house.service.until, lambda: bool(house.service.abandoned))


async def test_one_client_cancelled_call_leaves_the_others_alone(house: House) -> None:
    texts: list[str] = []

    async def stay() -> None:
        texts.append((await house.server.execute("witness.wait(seconds=0.5)", session="new")).text)

    async with anyio.create_task_group() as staying:
        staying.start_soon(stay)
        await witnessed(house.witness, "called")
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(house.server.execute, "witness.wait(seconds=300)")
                await witnessed(house.witness, "called", 2)
                scope.cancel()
    assert "waited 0.5" in texts[0]
    assert [record["seconds"] for record in await witnessed(house.witness, "cancelled")] == [300]


async def test_a_client_that_goes_away_leaves_no_process(tmp_path: Path) -> None:
    witness = tmp_path / "witness.jsonl"
    configuration = {"upstreams": {"witness": simulator("mcp_server_witness", str(witness))}}
    with anyio.CancelScope() as scope:
        async with serving(configuration, tmp_path) as server, anyio.create_task_group() as tasks:
            tasks.start_soon(server.execute, "witness.wait(seconds=300)")
            await witnessed(witness, "called")
            processes = server.processes()
            scope.cancel()
    assert len(processes) >= 4  # the server, its zygote, a worker, the upstream
    with anyio.fail_after(SOON):
        while any(lives(pid) for pid in processes):  # noqa: ASYNC110 - nobody tells of the end of others' processes
            await anyio.sleep(0.01)
