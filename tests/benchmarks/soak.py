"""Ten thousand executions that end in every way. The curve of what the server holds meanwhile has to be flat."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import anyio

from isthmus.config.model import Limits
from isthmus.errors import UpstreamUnavailable
from isthmus.model import Effect, Principal
from isthmus.service.execute import ExecuteService
from tests.benchmarks.frame import Benchmark, Figure, figures_of, median
from tests.benchmarks.house import opened_house
from tests.benchmarks.processes import PROC, memory_of, tree
from tests.simulators.upstream import SimulatedUpstream, operation

EXECUTIONS = int(os.environ.get("SOAK", "10000"))
BETWEEN, AT_ONCE = 500, 8
PRINCIPALS = tuple(Principal(f"p{number}") for number in range(5))
LIMITS = Limits(
    wall=30,
    cpu=1,
    memory_mb=128,
    output_bytes=100_000,
    kept_sessions=20,
    sessions=8,
    sessions_each=2,
    spare_workers=2,
)


@dataclass(frozen=True, slots=True)
class Way:
    """A way for an execution to go: how often of a hundred, its program, and the code of its error (`` for none)."""

    share: int
    code: str
    error: str = ""
    session: str | None = None  # `known`: one of those that were opened before
    timeout: float | None = None
    cancelled_after: float | None = None


WAYS: Mapping[str, Way] = {
    "1+1": Way(25, "1+1"),
    "a call": Way(17, "(await soak.get(n=1))['n']"),
    "many calls": Way(5, "import asyncio\nlen(await asyncio.gather(*[soak.get(n=i) for i in range(20)]))"),
    "variables": Way(5, "kept = [*globals().get('kept', ()), 1][-100:]\nlen(kept)"),
    "a new session": Way(8, "open('/workspace/file', 'w').write('x' * 10_000)", session="new"),
    "a known session": Way(10, "import os\nlen(os.listdir('/workspace'))", session="known"),
    "an exception": Way(6, "1/0", error="program"),
    "a syntax error": Way(3, "1 +", error="syntax"),
    "a failed call": Way(3, "await soak.fail()", error="unavailable"),
    "no such operation": Way(2, "await soak.nothing()", error="not_found"),
    "memory": Way(3, "x = bytearray(1 << 30)", error="memory"),
    "printed too much": Way(2, "while True: print('x' * 10_000)", error="limit"),
    "waited too long": Way(3, "import asyncio\nawait asyncio.sleep(60)", error="limit", timeout=0.1),
    "computed too long": Way(2, "while True: pass", error="limit", timeout=0.1),
    "a call that is left": Way(3, "await soak.hang()", error="limit", timeout=0.1),
    "cancelled": Way(3, "import asyncio\nawait asyncio.sleep(60)", cancelled_after=0.05),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """What is held at one moment at which nothing runs. Memory in MB."""

    server: float
    server_rss: float
    zygote: float  # of its own: by share it would depend on who else shares the compiled guest
    workers: int
    tasks: int
    descriptors: int
    zygote_descriptors: int
    entries: int  # files and directories of the data, and of the places for temporary files
    journal: float

    def line(self) -> str:
        """The values as a row."""
        return "".join(f"{getattr(self, each.name):>{max(9, len(each.name) + 2)}.6g}" for each in fields(self))

    @staticmethod
    def heading() -> str:
        """The names as a row."""
        return "".join(f"{each.name:>{max(9, len(each.name) + 2)}}" for each in fields(Sample))


@dataclass(slots=True)
class Soak:
    """The executions, and what was not as it should be."""

    service: ExecuteService
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    known: dict[Principal, list[str]] = field(default_factory=lambda: {each: [] for each in PRINCIPALS})
    counts: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    async def some(self, number: int) -> None:
        """So many executions, a few at a time, to their end."""
        places = anyio.Semaphore(AT_ONCE)
        async with anyio.create_task_group() as tasks:
            for name in self.chance.choices(list(WAYS), [way.share for way in WAYS.values()], k=number):
                await places.acquire()
                tasks.start_soon(self._one, name, self.chance.choice(PRINCIPALS), places)

    async def _one(self, name: str, principal: Principal, places: anyio.Semaphore) -> None:
        way = WAYS[name]
        session = way.session
        if session == "known":
            session = self.chance.choice(self.known[principal][-10:] or ["new"])
        self.counts[name] += 1
        try:
            with anyio.move_on_after(way.cancelled_after):
                report = await self.service.execute(way.code, principal=principal, session=session, timeout=way.timeout)
                code = report.error.code if report.error else ""
                if code != way.error:
                    self.wrong[f"{name}: {report.error.message if report.error else 'no error'}"] += 1
                if session == "new":
                    self.known[principal] = [*self.known[principal], report.session][-10:]
        finally:
            places.release()


async def soak() -> AsyncIterator[Figure]:
    """The curve is printed as it grows; the figures are judgements on it."""
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="isthmus-soak-") as data:
        async with opened_house({"soak": upstream()}, LIMITS, Path(data)) as service:
            running = Soak(service)
            print(f"  {'executions':>12}{Sample.heading()}")
            for done in range(0, EXECUTIONS + 1, BETWEEN):
                if done:
                    await running.some(BETWEEN)
                samples.append(await sample(Path(data)))
                print(f"  {done:>12}{samples[-1].line()}", flush=True)
            print(f"  {dict(running.counts)}")
            for what, times in running.wrong.items():
                print(f"  wrong {times} times: {what}")
            yield Figure("executions that did not end as they should", running.wrong.total(), "", target=0)
    for figure in judged(samples):
        yield figure


def judged(samples: list[Sample]) -> list[Figure]:
    """The last quarter against the one after the first: what is full by then must not grow."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]

    def grown(name: str) -> float:
        return median([getattr(each, name) for each in late]) - median([getattr(each, name) for each in early])

    most = {"server": 3.0, "server_rss": 3.0, "zygote": 1.0, "workers": 2, "tasks": 2, "descriptors": 6}
    most |= {"zygote_descriptors": 0, "entries": 40}
    return [Figure(f"grown meanwhile: {name}", grown(name), "", target=bound) for name, bound in most.items()]


async def sample(data: Path) -> Sample:
    """What is held when all has settled."""
    await anyio.sleep(6)  # sessions are tended every five seconds
    gc.collect()
    server, zygote, *workers = tree(os.getpid())
    journal = sum(path.stat().st_size for path in data.glob("journal*"))
    return Sample(
        memory_of(server),
        status(server, "VmRSS"),
        status(zygote, "RssAnon"),
        len(workers),
        len(asyncio.all_tasks()),
        descriptors(server),
        descriptors(zygote),
        sum(1 for _ in data.rglob("*")) + len(list(Path(tempfile.gettempdir()).glob("*isthmus*"))),
        journal / 1e6,
    )


def status(pid: int, name: str) -> float:
    """A figure of a process's memory as the kernel tells it, in MB."""
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1000


def descriptors(pid: int) -> int:
    """How many a process has open."""
    return len(list((PROC / str(pid) / "fd").iterdir()))


def upstream() -> SimulatedUpstream:
    """One that answers, fails and hangs; it remembers nothing."""

    async def hang(_: object) -> None:
        await anyio.sleep_forever()

    def fail(_: object) -> None:
        raise UpstreamUnavailable("the simulator is down")

    operations = (
        operation("soak.get", Effect.READ, required={"n": {"type": "integer"}}),
        operation("soak.fail", Effect.READ),
        operation("soak.hang", Effect.READ),
    )
    simulated = SimulatedUpstream("soak", operations, {"get": dict, "fail": fail, "hang": hang})
    simulated.calls, simulated.credentials = Forgetful(), Forgetful()
    return simulated


class Forgetful(list):  # type: ignore[type-arg]
    """A list that stays empty: what the simulator remembers would look like a leak of the server's."""

    def append(self, _: object) -> None:
        """Forget it."""


BENCHMARKS = (Benchmark("soak", "ten thousand executions that end in every way", figures_of(soak)),)
