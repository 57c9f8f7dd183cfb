"""Guests and sandboxes without Wasm: a canned list of steps, or a coroutine, in place of an interpreter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from isthmus.ports import Exchange
from isthmus_sandbox.protocol import Event, Outcome, Program, Step

Script = Callable[[Program, Exchange], Awaitable[Outcome]]


def steps(*canned: Step) -> Script:
    """A guest that takes these steps, one after the other, and ends with the events that it got as its value."""

    async def script(_: Program, exchange: Exchange) -> Outcome:
        events: list[list[Event]] = [list(await exchange(step)) for step in canned]
        return Outcome(ok=True, kind="json", value=[[[e.call, e.kind, e.payload] for e in got] for got in events])

    return script


@dataclass(eq=False)
class ScriptedGuest:
    """Implements `Guest`. Each program is given to `script`."""

    script: Script
    workspace: Path
    alive: bool = True
    memory_bytes: int = 0
    gave_way: bool = False
    programs: list[Program] = field(default_factory=list)

    async def run(self, program: Program, exchange: Exchange) -> Outcome:
        self.programs.append(program)
        try:
            return await self.script(program, exchange)
        except BaseException:
            self.alive = False
            raise

    def give_way(self) -> None:
        self.gave_way = True

    async def close(self) -> None:
        self.alive = False


@dataclass(eq=False)
class ScriptedSandbox:
    """Implements `Sandbox`. Every guest gets the same script; all that were opened are remembered."""

    script: Script
    folder: Path
    guests: list[ScriptedGuest] = field(default_factory=list)

    async def start(self) -> None:
        pass

    async def open(self, workspace: Path | None = None, *, behind: bool = False) -> ScriptedGuest:
        if workspace is None:
            workspace = self.folder / f"w{len(self.guests)}"
            workspace.mkdir(parents=True)
        self.guests.append(ScriptedGuest(self.script, workspace))
        return self.guests[-1]

    def preparing(self) -> str:
        return ""

    def layers(self) -> Mapping[str, str]:
        return {"process": "simulated"}

    async def close(self) -> None:
        for guest in self.guests:
            await guest.close()
