"""What authority, privacy and records cost: a call and an execution with nothing, with each of them, and with all.

All ways take turns in one run, each in a session of its own. Processor time is the server's, without the worker's; wall
time is all of it. What a machine is busy with besides only ever adds, so that of both the least counts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from isthmus.catalog.catalog import bind
from isthmus.compose import policy_of
from isthmus.config.model import Configuration, Limits
from isthmus.config.private import PrivateConfig
from isthmus.errors import NotFound
from isthmus.gateway import Gateway
from isthmus.journal import Entry
from isthmus.model import Answer, Call, Effect, Principal
from isthmus.policy import Policy
from isthmus.recording import Recording
from isthmus.redaction import Redactor
from isthmus.service.execute import ExecuteService
from isthmus.service.veils import Veils
from isthmus.stores.journal import JournalFile
from isthmus.stores.journal import Kept as KeptJournals
from isthmus.stores.private import PrivateStores
from isthmus.telemetry.lines import AuditFile
from isthmus.terms import Terms
from tests.benchmarks.frame import Benchmark, Figure, figures_of
from tests.benchmarks.house import ANYBODY, opened_house
from tests.simulators.upstream import SimulatedUpstream, operation

CALLS, ROUNDS = 20, 120
BARE, GATEWAY, ALL = "bare", "by the gateway", "with all of these"

ORDER: Mapping[str, Any] = {
    "id": "ord_12",
    "status": "shipped",
    "placed": "2026-03-04T10:11:12Z",
    "total": {"amount": 12_950, "currency": "EUR"},
    "customer": {"id": "cus_7", "name": "Ada Byron", "email": "ada@example.com"},
    "lines": [{"sku": f"SKU-{n}", "title": "A thing of some length", "quantity": n, "price": 990} for n in range(5)],
}
"""What each call is answered: 600 bytes of JSON, with one address that sealing finds."""

RULES = {
    "policy": {
        "allow": ["read"],
        "deny": ["near.admin.*"],
        "rules": [
            {"principals": ["ci-*"], "effects": ["write", "destructive"], "then": "deny"},
            {"operations": ["near.refunds.*"], "then": "allow", "arguments": {"amount": {"maximum": 100}}, "calls": 5},
            {"operations": ["near.orders.*"], "then": "allow", "arguments": {"order": {"pattern": "^ord_"}}},
            {"operations": ["near.*"], "calls": 1_000_000},
        ],
        "flow": {"untrusted": ["near.mail.*"], "private": ["near.orders.*"]},
    }
}
APPROVALS = {"policy": {"allow": ["read", "write"], "approve": ["destructive"], "approve_operations": ["near.admin.*"]}}
PRIVATE = {"fields": [{"paths": ["$..name"]}], "kinds": ["email", "phone", "card", "iban"]}


class Forgetful(JournalFile):
    """A journal that keeps nothing."""

    async def append(self, execution: str, first: int, entries: Sequence[Entry]) -> None:
        """Let go of them."""


class Bare(Gateway):
    """Calls what it is asked to, and looks at nothing."""

    async def call(
        self,
        name: str,
        positional: Sequence[Any],
        arguments: Mapping[str, Any],
        principal: Principal,
        recording: Recording,
        number: int,
        terms: Terms | None = None,
    ) -> Answer:
        """Find the operation, and have its upstream answer."""
        if (found := self.lookup(name)) is None:
            raise NotFound(f"there is no operation {name!r}")
        return await self.upstreams[found.upstream].call(
            Call(found, bind(found, positional, arguments), principal), None
        )


@dataclass(slots=True)
class Way:
    """The house with some of it, in a session of its own. Times are in ms, by their kind."""

    name: str
    service: ExecuteService
    session: str = "new"
    empty: dict[str, list[float]] = field(default_factory=lambda: {"processor": [], "wall": []})
    full: dict[str, list[float]] = field(default_factory=lambda: {"processor": [], "wall": []})

    async def round(self) -> None:
        """Measure an execution without calls, and one with many."""
        await self._take("'done'", self.empty)
        await self._take(f"for n in range({CALLS}):\n    await near.orders.get(order='ord_12')\n'done'", self.full)

    async def _take(self, code: str, times: dict[str, list[float]]) -> None:
        processor, wall = time.process_time(), time.perf_counter()
        report = await self.service.execute(code, principal=ANYBODY, session=self.session, consent="later")
        times["processor"].append((time.process_time() - processor) * 1000)
        times["wall"].append((time.perf_counter() - wall) * 1000)
        if not report.ok:
            raise RuntimeError(f"the program failed: {report.error}")
        self.session = report.session

    def execution(self, kind: str) -> float:
        """The least that an execution without calls took."""
        return min(self.empty[kind])

    def call(self, kind: str) -> float:
        """The least that a call took, its execution left out."""
        return (min(self.full[kind]) - min(self.empty[kind])) / CALLS


def ways_of(everything: ExecuteService, audit: AuditFile, veils: Veils, nowhere: JournalFile) -> list[Way]:
    """The ways, by what is switched on: `everything` is the house with its journal, and no rules."""
    gateway = everything.gateway
    keyed = replace(gateway, redactor=Redactor(["a-key-of-some-length", "another-key"]))
    plain = replace(everything, gateway=keyed, history=replace(everything.history, store=nowhere))
    bare = Bare(*(getattr(gateway, name) for name in Gateway.__dataclass_fields__))
    ruled, asking = _under(plain, policy_of(_said(RULES))), _under(plain, policy_of(_said(APPROVALS)))
    both = {"policy": {**APPROVALS["policy"], **RULES["policy"], "allow": ["read", "write"]}}
    return [
        Way(BARE, replace(plain, gateway=bare)),
        Way(GATEWAY, plain),
        Way("with the journal", replace(plain, history=everything.history)),
        Way("with the audit log", replace(plain, audit=audit)),
        Way("with four rules and labels", ruled),
        Way("with sealing", replace(plain, veils=veils)),
        Way("with approvals, idle", asking),
        Way(
            ALL,
            replace(_under(plain, policy_of(_said(both))), history=everything.history, audit=audit, veils=veils),
        ),
    ]


def _said(said: Mapping[str, Any]) -> Configuration:
    return Configuration.model_validate({"upstreams": {}, **said})


def _under(service: ExecuteService, policy: Policy) -> ExecuteService:
    return replace(service, gateway=replace(service.gateway, policy=policy))


async def measured() -> AsyncIterator[Way]:
    """Every way, after all rounds."""
    get = operation("near.orders.get", Effect.READ, required={"order": {"type": "string"}})
    near = SimulatedUpstream("near", (get,), {"orders.get": lambda _: ORDER})
    with tempfile.TemporaryDirectory(prefix="isthmus-benchmark-") as name:
        folder = Path(name)
        private = PrivateStores(folder, PrivateConfig.model_validate(PRIVATE))
        rules = private.rules
        if rules is None:
            raise RuntimeError("nothing is private")
        redactor = Redactor(["a-key-of-some-length", "another-key"])
        audit = AuditFile(folder / "audit.jsonl", redactor, time.time, partial(print, file=sys.stderr))
        nowhere = Forgetful(None, KeptJournals(mb=64, days=1), time.time)
        async with opened_house({"near": near}, Limits(calls=10_000, sessions_each=50), folder) as everything:
            ways = ways_of(everything, audit, Veils(rules, private.vault), nowhere)
            for _ in range(ROUNDS):
                for way in ways:
                    await way.round()
                    near.calls.clear()
            await nowhere.close()
        audit.close()
    for way in ways:
        yield way


async def costs() -> AsyncIterator[Figure]:
    """Rows for calls and for executions, in processor time and on the wall."""
    ways = [way async for way in measured()]
    for kind in ("processor", "wall"):
        for figure in rows(f"a call, {kind}", {way.name: way.call(kind) for way in ways}, target=0.2):
            yield figure
    for kind in ("processor", "wall"):
        for figure in rows(f"an execution, {kind}", {way.name: way.execution(kind) for way in ways}):
            yield figure


def rows(about: str, took: Mapping[str, float], target: float | None = None) -> Iterator[Figure]:
    """Each way, and what it adds: to a bare one, or what is switched on besides, to the gateway alone."""
    bare, gateway, *_, everything = took.values()
    yield Figure(f"{about}, {BARE}", bare, "ms")
    for name, ms in list(took.items())[1:]:
        to, least = (BARE, bare) if name in (GATEWAY, ALL) else (GATEWAY, gateway)
        yield Figure(f"{about}, {name}", ms, "ms", detail=f"{ms - least:+.3f} ms to {to}")
    yield Figure(f"{about}, all that guards and records it", everything - bare, "ms", target=target)


BENCHMARKS = (Benchmark("each", "what guards and records a call, and an execution, costs it", figures_of(costs)),)
