"""Ours beside the peers, turn by turn in one run: eryx, Monty, FastMCP's CodeMode, a plain subprocess, a bare server.

Each figure is a median, its best beside it: other work on the machine spoils medians first. A ratio above 1 says that
ours needs more than theirs. What they give for it is not the same: Monty runs a subset of Python, a subprocess isolates
nothing, eryx runs programs in the process that embeds it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from tests.benchmarks.cpu import Driver, driven
from tests.benchmarks.frame import Benchmark, Figure, NotMeasured, figures_of, median, shown, spread
from tests.benchmarks.peers import Engine, interpreter
from tests.benchmarks.processes import memory_mb
from tests.benchmarks.servers import BARE, bare_upstream, client_of, configured, ours
from tests.benchmarks.start import INITIALIZE, answered
from tests.benchmarks.wire import checked, taken

OURS = "isthmus"
TURNS, EXECUTIONS, STARTS, ROUNDS, FANS = 60, 150, 5, 7, 7
CALLS = 50
"""In one program: CodeMode allows no more."""

LOOP = 500
"""Calls in one program at the sandbox's own interface; eryx allows twice as many."""

WAITING = 20
REST = 0.05
"""Seconds between two turns, in which an engine may make ready for its next."""

INTERPRETERS: Mapping[str, Callable[[], str]] = {
    OURS: lambda: sys.executable,
    "eryx": lambda: interpreter("eryx"),
    "monty": lambda: interpreter("monty"),
    "subprocess": lambda: sys.executable,
}

Times = dict[str, list[float]]
"""Milliseconds of each turn, by who took it. Ours come first."""


def deed(driver: Driver, name: str, count: int) -> float:
    """Milliseconds of what a driver is told to do.

    Raises:
        NotMeasured: it could not.
    """
    assert driver.process.stdin
    assert driver.process.stdout
    driver.process.stdin.write(json.dumps({"deed": name, "count": count}) + "\n")
    driver.process.stdin.flush()
    line = driver.process.stdout.readline()
    answer: dict[str, Any] = json.loads(line) if line else {"ok": False, "error": "the driver has ended"}
    if not answer["ok"]:
        raise NotMeasured(f"{driver.engine.name}, {name}: {answer['error']}")
    return float(answer["ms"])


def installed(names: Sequence[str], stack: ExitStack) -> list[Driver]:
    """The drivers of those that there are; what is missing is said."""
    drivers = []
    for name in names:
        try:
            command = [INTERPRETERS[name](), "-m", f"tests.benchmarks.drivers.turns_{name}"]
        except NotMeasured as reason:
            print(f"  {reason}")
            continue
        drivers.append(stack.enter_context(driven(Engine(name, command))))
    return drivers


def compared(what: str, times: Times, unit: str = "ms") -> Iterator[Figure]:
    """Everybody's times, then ours against each of the others'."""
    for name, took in times.items():
        yield Figure(f"{what}, {name}, p50", median(took), unit, detail=spread(took, unit))
    mine = times[OURS]
    for name, theirs in times.items():
        if name != OURS:
            best = shown(min(mine) / min(theirs), "x")
            yield Figure(f"{what}, {OURS} against {name}", median(mine) / median(theirs), "x", detail=f"best {best}")


def turn_by_turn(deeds: Mapping[str, tuple[Driver, str]], turns: int, count: int) -> Times:
    """Each deed so many times, one after the other, after one that does not count."""
    times: Times = {name: [] for name in deeds}
    for turn in range(turns + 1):
        for name, (driver, action) in deeds.items():
            took = deed(driver, action, count)
            time.sleep(REST)
            if turn:
                times[name].append(took)
    return times


def fresh() -> Iterator[Figure]:
    """From wanting a sandbox to `1+1`."""
    with ExitStack() as stack:
        deeds = {driver.engine.name: (driver, "fresh") for driver in installed(list(INTERPRETERS), stack)}
        if "monty" in deeds:
            monty, _ = deeds.pop("monty")
            deeds |= {"monty, worker reused": (monty, "fresh"), "monty, a worker each": (monty, "fresh_process")}
        yield from compared("1+1", turn_by_turn(deeds, TURNS, 1))


def host_call() -> Iterator[Figure]:
    """A loop of awaited calls that the embedding process answers at once."""
    with ExitStack() as stack:
        deeds = {driver.engine.name: (driver, "call") for driver in installed([OURS, "eryx", "monty"], stack)}
        times = turn_by_turn(deeds, ROUNDS, LOOP)
        yield from compared("a call", {name: [ms / LOOP for ms in took] for name, took in times.items()})


def fan_out() -> Iterator[Figure]:
    """Fifty calls of 100 ms in one program."""
    with ExitStack() as stack:
        deeds = {driver.engine.name: (driver, "fan_out") for driver in installed([OURS, "eryx", "monty"], stack)}
        yield from compared(f"{CALLS} calls of 100 ms", turn_by_turn(deeds, FANS, CALLS))


def waiting() -> Iterator[Figure]:
    """What each program that waits adds to the process tree, after twenty that are there."""
    each: Times = {}
    with ExitStack() as stack:
        for driver in installed(list(INTERPRETERS), stack):
            deed(driver, "hold", WAITING)
            before = memory_mb(driver.process.pid)
            deed(driver, "hold", WAITING)
            each[driver.engine.name] = [(memory_mb(driver.process.pid) - before) / WAITING]
            deed(driver, "release", 1)
    yield from compared("of each waiting program", each, "MB")


def servers(stack: ExitStack) -> dict[str, list[str]]:
    """The commands of ours, of FastMCP's where it is installed, and of the bare one, which ours and the proxy use."""
    upstreams, limits = {"bare": bare_upstream()}, {"parallel": CALLS, "wall": 600}
    found = {OURS: ours(stack.enter_context(configured(upstreams, limits=limits)))}
    try:
        code_mode = [interpreter("fastmcp"), "-m", "tests.benchmarks.drivers.fastmcp_code_mode"]
        found |= {"CodeMode, own tools": code_mode, "CodeMode, proxy": [*code_mode, *BARE]}
    except NotMeasured as reason:
        print(f"  {reason}")
    return found | {"bare": BARE}


Turn = tuple[str, dict[str, Any]]
"""A tool, and its arguments."""


async def in_turn(asked: Mapping[str, Turn], turns: int) -> Times:
    """Each server's tool call so many times, one after the other, after one that does not count."""
    times: Times = {name: [] for name in asked}
    failure = ""
    with ExitStack() as stack:
        commands = servers(stack)
        async with AsyncExitStack() as clients:
            connected = {
                name: await clients.enter_async_context(client_of(command))
                for name, command in commands.items()
                if name in asked
            }
            try:
                for name, client in connected.items():
                    await checked(client, *asked[name])
                for _ in range(turns):
                    for name, client in connected.items():
                        times[name].append(await taken(client, *asked[name]))
            except RuntimeError as error:
                failure = f"{name}: {error}"  # said once the clients are closed: each would wrap it in a group
    if failure:
        raise RuntimeError(failure)
    return {name: took for name, took in times.items() if took}


def programs(mine: str, own: str, proxied: str) -> dict[str, Turn]:
    """The same program as ours and CodeMode want it."""
    sources = {OURS: mine, "CodeMode, own tools": own, "CodeMode, proxy": proxied}
    return {name: ("execute", {"code": code}) for name, code in sources.items()}


async def execute() -> AsyncIterator[Figure]:
    """`1+1` as a client sees it, beside a trivial tool."""
    asked = programs("1+1", "return 1+1", "return 1+1") | {"bare": ("echo", {"text": "2"})}
    for figure in compared('execute("1+1")', await in_turn(asked, EXECUTIONS)):
        yield figure


async def mcp_call() -> AsyncIterator[Figure]:
    """A loop of calls of the bare server's tool, less an empty program; and the direct client's call."""
    loop = f"for n in range({CALLS}):\n    "
    rival = loop + "await call_tool('echo', {'text': '2'})\nreturn n"
    asked = programs(loop + "await bare.echo(text='2')\nn", rival, rival) | {"bare": ("echo", {"text": "2"})}
    empty = await in_turn(programs("1+1", "return 1+1", "return 1+1"), 4 * ROUNDS)
    times = await in_turn(asked, ROUNDS)
    each = {name: [(ms - median(empty[name])) / CALLS for ms in times[name]] for name in empty}
    for figure in compared("a call of a tool", each | {"bare": times["bare"]}):
        yield figure


async def mcp_fan_out() -> AsyncIterator[Figure]:
    """Fifty calls of 100 ms in one program, the tool in a server behind (ours, proxy) or in the same (own tools)."""
    gathered = "import asyncio\n{}await asyncio.gather(*[{} for _ in range({})])"
    rival = gathered.format("return ", "call_tool('slow', {'milliseconds': 100})", CALLS)
    asked = programs(gathered.format("", "bare.slow(milliseconds=100)", CALLS), rival, rival)
    for figure in compared(f"{CALLS} calls of 100 ms", await in_turn(asked, FANS)):
        yield figure


def start() -> Iterator[Figure]:
    """Process start to the answer of `initialize`."""
    with ExitStack() as stack:
        commands = servers(stack)
        commands.pop("CodeMode, proxy", None)  # as long as with its own tools, and the server behind it
        times: Times = {name: [] for name in commands}
        for _ in range(STARTS):
            for name, command in commands.items():
                times[name].append(answered(command, INITIALIZE))
    yield from compared("initialize", times)


BENCHMARKS = (
    Benchmark("fresh", "a fresh sandbox and 1+1, beside peers", fresh),
    Benchmark("host_call", "a program's call answered at once, beside peers", host_call),
    Benchmark("fan_out", "concurrent calls at the sandbox's interface, beside peers", fan_out),
    Benchmark("waiting", "memory for each program that waits, beside peers", waiting),
    Benchmark("execute", "execute over MCP stdio, beside peers", figures_of(execute)),
    Benchmark("mcp_call", "a program's call of an MCP tool, beside peers", figures_of(mcp_call)),
    Benchmark("mcp_fan_out", "concurrent calls of an MCP tool, beside peers", figures_of(mcp_fan_out)),
    Benchmark("initialize", "process start to the answer of initialize, beside peers", start),
)
