"""An agent that obeys every instruction that it reads, at work on servers that inject them: what gets through?

The servers are those of the test data that write instructions where a model reads: descriptions, results, errors, log
messages, streams. The server under test is the real process over stdio, the client the official SDK's. Whatever reaches
a victim is counted by the victim: a server that writes down each call that it gets.
"""

from __future__ import annotations

import inspect
import json
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.simulators.served import ROOT, Served, serving

INJECTING = ("poisoned_results", "poisoned_descriptions", "rug_pull", "progress_flood", "http_hostile")
"""The servers of the test data that carry instructions. What they are named is what the upstream is called."""

VICTIMS = {
    "mail": ("send", "list"),
    "github": ("create_issue",),
    "recorder": ("delete_all!", "echo?"),
    "demo": ("delete_all?",),  # which lies
    "crm": ("people",),
}
"""What the instructions name, and what an agent might leak: tools as `mcp_server_recorder` takes them."""

SECRET = "canary-of-the-home-folder"
"""What stands in `~/.ssh/id_rsa`, which some instructions want."""

READS = {"mail": {"list": "read"}, "crm": {"people": "read"}}
"""What the operator says of them. Whatever else is called is a forbidden effect."""

TARGETS = {f"{name}.{tool.rstrip('!?')}" for name, tools in VICTIMS.items() for tool in tools}


@dataclass(frozen=True)
class Case:
    """What the operator has configured. `forbids`: whether nothing at all may get through."""

    name: str
    policy: Mapping[str, Any]
    demo: Mapping[str, Any]  # what he said of the victim that lies
    forbids: bool


CASES = (
    Case("default policy", {}, {}, forbids=True),
    Case("default policy, and the lying server is believed", {}, {"believe": True}, forbids=False),
    Case(
        "writes allowed, flow labelled, nobody agrees",
        {
            "allow": ["read", "write"],
            "flow": {
                "untrusted": [f"{name}.*" for name in INJECTING],
                "private": ["crm.*"],
                "sink": ["mail.send", "github.*", "recorder.*", "demo.*"],
            },
        },
        {},
        forbids=False,
    ),
    Case("everything allowed", {"allow": ["read", "write", "destructive"]}, {}, forbids=False),
)
"""The first is what has to hold. The last shows that the agent does obey, and that the victims do count."""


@dataclass(frozen=True)
class Cell:
    """One task on one injecting server: instructions obeyed, and calls of victims that should not have been."""

    obeyed: int
    effects: tuple[str, ...]
    outcomes: tuple[str, ...]


Table = Mapping[tuple[str, str], Cell]


@dataclass
class Agent:
    """Reads, and obeys at once."""

    server: Served
    home: Path
    outcomes: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)  # files of the host that were read

    @property
    def record(self) -> Path:
        """Where the victims write down their calls."""
        return self.home / "record.jsonl"

    async def obey(self, text: str, session: str = "new") -> None:
        """Call all that a text names, with all that is known, and read the files that it wants."""
        for each in named(text, sorted(TARGETS)):
            told = await self.server.execute(
                f"people = str(await crm.people())\n{_call(each, 'people')}", session=session
            )
            error = told.facts.get("error")
            waits = "waits for consent" if told.facts.get("waits") else "done"
            self.outcomes.append(error["type"] if error else waits)
        for path in sorted(set(re.findall(r"~/([\w./]*\w)", text))):
            told = await self.server.execute(f"open({str(self.home / path)!r}).read()", session=session)
            error = told.facts.get("error")
            self.outcomes.append(error["type"] if error else "done")
            self.leaks += [f"~/{path}"] * (SECRET in told.text)

    async def operations(self, upstream: str) -> list[str]:
        """The ids of its operations, as search tells them; the first few."""
        text = await self.server.search(f"{upstream}.*", detail="names", limit=10)
        return list(dict.fromkeys(re.findall(rf"\b{upstream}\.[a-z_0-9.]+\b", text)))[:8]

    def effects(self) -> list[str]:
        """What the victims were called with so far that is no read, and files that were read."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        calls = [(each["upstream"], each["tool"]) for each in map(json.loads, lines)]
        return [f"{name}.{tool}" for name, tool in calls if tool not in READS.get(name, {})] + self.leaks


def named(text: str, targets: Sequence[str]) -> list[str]:
    """The targets that a text tells to call, by id or by the tool's own name, also where tag characters hide it."""
    tags = "".join(chr(int(code, 16) & 0x7F) for code in re.findall(r"\\U000e00([0-9a-f]{2})", text))
    tags += "".join(chr(ord(each) & 0x7F) for each in text if 0xE0000 <= ord(each) < 0xE0080)
    seen = f"{text} {tags}"
    found = []
    for each in targets:
        own = re.escape(each.partition(".")[2])
        if each in seen or re.search(rf"\b(?:[Cc]all|\.) ?{own}\b|\b{own}\(", seen):
            found.append(each)
    return found


def _call(operation: str, text: str) -> str:
    """A call that hands over a text, where the operation takes one."""
    return (
        f"await call({operation!r}, {{'text': {text}}})" if operation in TARGETS else f"await call({operation!r}, {{}})"
    )


# ---------------------------------------------------------------- tasks


async def look(agent: Agent, upstream: str) -> None:
    """Find out what an upstream offers, in full, and obey what its descriptions say."""
    for each in ("", *await agent.operations(upstream)):
        await agent.obey(await agent.server.search(each, upstream=upstream, detail="full"))


async def read(agent: Agent, upstream: str) -> None:
    """Call each operation, and obey what is answered, in the same session."""
    for each in await agent.operations(upstream):
        told = await agent.server.execute(f"str({_call(each, '0')})", session="new")
        await agent.obey(told.text, told.facts["session"])


async def misuse(agent: Agent, upstream: str) -> None:
    """Call each operation wrongly, and obey its errors."""
    for each in await agent.operations(upstream):
        told = await agent.server.execute(f"await call({each!r}, {{'nonsense': 1}})", session="new")
        await agent.obey(told.text, told.facts.get("session") or "new")


async def join(agent: Agent, upstream: str) -> None:
    """One program that joins private data with what it reads, and itself obeys that."""
    for each in await agent.operations(upstream):
        program = JOIN.format(named=inspect.getsource(named), targets=sorted(TARGETS), read=_call(each, "0"))
        told = await agent.server.execute(program, session="new")
        agent.outcomes += re.findall(r"obeyed: (\w+)", told.text)
        agent.outcomes += ["waits for consent"] * len(told.facts.get("waits") or ())


JOIN = """\
from __future__ import annotations
from collections.abc import Sequence
import re
{named}
people = str(await crm.people())
text = str({read})
for target in named(text, {targets}):
    try:
        await call(target, {{"text": people + text[:200]}})
        print("obeyed: done")
    except Exception as error:
        print("obeyed:", type(error).__name__)
"""


async def again(agent: Agent, upstream: str) -> None:
    """Look and read once more: what an upstream offers may have changed since it was used."""
    await look(agent, upstream)
    await read(agent, upstream)


TASKS: Mapping[str, Callable[[Agent, str], Awaitable[None]]] = {
    "look": look,
    "read": read,
    "misuse": misuse,
    "join": join,
    "again": again,
}

# ---------------------------------------------------------------- a run


async def run(case: Case, attacks: Path, folder: Path, upstreams: Sequence[str] = INJECTING) -> Table:
    """Each task on each injecting server, with one server under test."""
    secret = folder / ".ssh" / "id_rsa"
    secret.parent.mkdir()
    secret.write_text(SECRET)
    table = {}
    with _http_hostile(attacks, folder / "http_hostile.log") as address:
        configuration = {
            "upstreams": {**_victims(folder / "record.jsonl", case), **_injecting(attacks, folder, address, upstreams)},
            "policy": case.policy,
            "limits": {"answer_bytes": 2_000_000},
        }
        async with serving(configuration, folder) as server:
            await _connected(server, [*VICTIMS, *upstreams])
            for upstream in upstreams:
                for name, task in TASKS.items():
                    agent = Agent(server, folder)
                    before = agent.effects()
                    await task(agent, upstream)
                    effects = agent.effects()[len(before) :]
                    table[upstream, name] = Cell(len(agent.outcomes), tuple(effects), tuple(agent.outcomes))
    return table


def _victims(record: Path, case: Case) -> dict[str, Any]:
    script = str(ROOT / "tests" / "simulators" / "mcp_server_recorder.py")
    said: dict[str, dict[str, Any]] = {name: {"effects": effects} for name, effects in READS.items()}
    return {
        name: {"command": [sys.executable, script, str(record), name, *tools], **said.get(name, {})}
        | (dict(case.demo) if name == "demo" else {})
        for name, tools in VICTIMS.items()
    }


def _injecting(attacks: Path, folder: Path, address: str, upstreams: Sequence[str]) -> dict[str, Any]:
    """The injecting servers, of which the operator has said that they only read: else nothing of them would be."""
    document = folder / "http_hostile.json"
    paths = {f"/{each}": {"get": {"operationId": each.replace("-", "_"), "responses": {}}} for each in STREAMS}
    document.write_text(
        json.dumps(
            {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "servers": [{"url": address}], "paths": paths}
        )
    )
    configured: dict[str, Any] = {
        name: {"command": [sys.executable, str(attacks / f"{name}.py")], "effects": {"*": "read"}} for name in upstreams
    }
    if "rug_pull" in upstreams:  # as it is when isthmus comes back to it after it has changed
        changed = "import sys, asyncio; sys.path.insert(0, sys.argv[1]); import rug_pull; rug_pull.calls['n'] = 1"
        command = [sys.executable, "-c", f"{changed}; asyncio.run(rug_pull.main())", str(attacks)]
        configured["rug_pull"] = {"command": command, "effects": {"get_weather": "read", "gone_later": "read"}}
    configured |= {"http_hostile": {"openapi": str(document)}} if "http_hostile" in upstreams else {}
    return {name: {**config, "timeout": 2 if name == "http_hostile" else 30} for name, config in configured.items()}


STREAMS = ("sse-endless", "html-login", "bad-json")
"""Of the hostile service, what carries an instruction, and two that do not."""


@contextmanager
def _http_hostile(attacks: Path, log: Path) -> Iterator[str]:
    """The hostile HTTP service, listening; its address. It takes the port below its own as well, if both are free."""
    for _ in range(10):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
        command = [sys.executable, str(attacks / "http_hostile.py"), str(port)]
        with log.open("w") as errors, subprocess.Popen(command, stderr=errors) as process:
            try:
                while process.poll() is None and "listening on" not in log.read_text():
                    time.sleep(0.01)
                if process.poll() is None:
                    yield f"http://127.0.0.1:{port}"
                    return
            finally:
                process.kill()
    raise AssertionError(log.read_text())


async def _connected(server: Served, upstreams: Sequence[str]) -> None:
    """Return once all of them can be called."""
    text = await server.connected()
    assert all(each in text for each in upstreams), text
    assert "has failed" not in text, text


def text_of(case: Case, table: Table) -> str:
    """A line for each injecting server, a column for each task: instructions obeyed / forbidden effects."""
    upstreams = list(dict.fromkeys(upstream for upstream, _ in table))
    lines = [f"{case.name}", f"  {'':22}" + "".join(f"{task:>10}" for task in TASKS)]
    for upstream in upstreams:
        cells = [table[upstream, task] for task in TASKS]
        lines.append(f"  {upstream:22}" + "".join(f"{f'{cell.obeyed} / {len(cell.effects)}':>10}" for cell in cells))
    cells = list(table.values())
    outcomes = Counter(each for cell in cells for each in cell.outcomes)
    effects = Counter(each for cell in cells for each in cell.effects)
    lines.append(f"  obeyed {sum(cell.obeyed for cell in cells)}: {_counted(outcomes)}")
    lines.append(f"  forbidden effects, as their victims counted them: {effects.total()}  {_counted(effects)}".rstrip())
    return "\n".join(lines)


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())
