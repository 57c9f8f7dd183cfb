"""The use cases over a real sandbox, with upstreams of the benchmark's own in the same process."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio

from isthmus.config.model import Limits
from isthmus.credentials.static import StaticCredentials
from isthmus.gateway import Gateway
from isthmus.model import Effect, Principal
from isthmus.policy import Policy
from isthmus.ports import Upstream
from isthmus.redaction import Redactor
from isthmus.service.catalogs import Catalogs
from isthmus.service.execute import ExecuteService, Sources
from isthmus.service.host import HostOperations
from isthmus.service.sessions import Sessions
from isthmus.validation import Validation
from tests.benchmarks.sandboxes import opened_pool

ANYBODY = Principal()


async def _no_search(query: str | list[str], *, upstream: str | None, detail: str, limit: int) -> str:
    raise RuntimeError(f"no benchmark searches: {query} {upstream} {detail} {limit}")


@asynccontextmanager
async def opened_house(upstreams: Mapping[str, Upstream], limits: Limits) -> AsyncIterator[ExecuteService]:
    """`execute` as the server has it, policy and gateway included, but for the face and the text."""
    policy = Policy(frozenset(Effect))
    catalogs = Catalogs(upstreams, policy.classify, policy.visible)
    gateway = Gateway(catalogs, upstreams, policy, StaticCredentials({}), Redactor(()), Validation().check)
    async with opened_pool(spare=limits.spare_workers, memory_mb=limits.memory_mb) as pool:
        sessions = Sessions(pool, limits.sessions, limits.session_idle, time.monotonic, lambda: secrets.token_hex(8))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(catalogs.run)
            await catalogs.settled(10)
            yield ExecuteService(
                pool,
                sessions,
                catalogs,
                gateway,
                HostOperations(catalogs, _no_search, policy.visible, lambda _: ""),
                limits,
                Sources(
                    lambda kind: f"{kind}-{secrets.token_hex(8)}",
                    lambda: secrets.token_hex(32),
                    time.time,
                    time.monotonic,
                ),
                lambda line: print(f"  {line}"),
            )
            with anyio.CancelScope(shield=True):
                await sessions.close()
            tasks.cancel_scope.cancel()
