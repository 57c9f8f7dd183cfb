"""Whatever a program did, its recording is played to the same end: random programs, in real Wasm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import given, settings

from isthmus.compose import application
from isthmus.compose.application import Application
from isthmus.compose.rehearsal import Grounds, Rehearsal, rehearsal
from isthmus.config.model import Configuration, PolicyConfig, UpstreamConfig
from isthmus.contracts.recorded import read, written
from isthmus.contracts.replays import Replayed
from isthmus.journal import transcript_of
from isthmus.model import Effect, Principal
from isthmus.pytest_plugin import simulated
from isthmus.service.keeping import recorded_of
from isthmus_sandbox.component import shipped
from isthmus_sandbox.protocol import SandboxUnavailable
from tests.journal.programs import programs

pytestmark = pytest.mark.slow

Check = Callable[[str], Replayed]


@dataclass(frozen=True)
class Stage:
    """Where programs run, and where their recordings are played."""

    application: Application
    rehearsal: Rehearsal

    async def replayed(self, code: str) -> Replayed:
        """Run a program, keep it as files, and play these."""
        report = await self.application.executing.execute(code, principal=Principal(), session="new")
        transcript = transcript_of(await self.application.journals.entries(report.execution))
        recorded = recorded_of([transcript], lambda value: value)
        return await self.rehearsal.replay("any", read(written(recorded), "any"), "any")


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Check]:
    try:
        shipped()
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("any")
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(opened(folder)) as stage:
        yield lambda code: portal.call(stage.replayed, code)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Stage]:
    """Both servers, over a ledger that remembers."""
    entries: list[int] = []

    async def add(n: Any, note: str = "") -> Any:
        entries.append(n)
        return {"added": n, "entries": len(entries), "note": note}

    ledger = simulated("ledger", {"add": add, "get": lambda n: {"n": n, "there": n in entries}})
    configuration = Configuration(
        upstreams={"ledger": UpstreamConfig(command=["none"])},
        policy=PolicyConfig(allow=list(Effect)),
        data=str(folder),
    )
    grounds = Grounds({"ledger": ledger.operations}, {"ledger": "as it is"})
    async with (
        application(configuration, base=folder, log=lambda _: None, upstreams={"ledger": ledger}) as running,
        rehearsal(configuration, folder, grounds) as stage,
    ):
        await running.settled(10)
        yield Stage(running, stage)


@settings(max_examples=25)
@given(code=programs)
def test_any_program_is_played_to_the_same_end(replayed: Check, code: str) -> None:
    found = replayed(code)
    assert [(one.rule, one.why) for one in found.findings if one.fails] == []
    assert found.state == "passed"
