"""The life of a skill, as a transcript: `python -m tests.skills`.

Four servers, one after the other, each a process of its own with the official client before it, and between them what a
person does at the command line. The shop is the demo's; its document changes on the way, as those of strangers do.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import anyio
import anyio.to_thread

from isthmus.demo.shop import document
from isthmus.demo.shop_service import Service, served
from tests.simulators.served import Served, Told, server_environment, serving

LONGEST = 240.0
"""Seconds after which it is given up, the first compilation of the sandbox included."""

SAVES = """
async def unshipped(before: str) -> list:
    page = await shop.orders.list(status="paid", placed_to=before, limit=100)
    return [f"{order.id} {order.total / 100:.2f}" for order in page.data]

print(len(await unshipped("2026-06-30")), "orders")
await save_skill(unshipped, "Orders that are paid and not shipped, placed until a day.")
"""
IMPORTS = """
from skills import unshipped
found = await unshipped("2026-06-30")
len(found), found[0]
"""
FAILS = """
from skills import unshipped
await unshipped(5, 6)
"""
REPLACES = """
async def unshipped(before: str) -> list:
    return []
await save_skill(unshipped, "Orders that are paid and not shipped, placed until a day.")
"""
MENDED = '''
async def unshipped(before: str) -> list:
    """Orders that are paid and not shipped, placed until a day."""
    page = await shop.orders.list(state="paid", placed_to=before, limit=100)
    return [f"{order.id} {order.total / 100:.2f}" for order in page.data]
'''


class Renamed(Service):
    """The demo's shop, which calls the parameter `status` of its orders `state` as well."""

    def answer(self, method: str, target: str, authorization: str, body: bytes) -> tuple[int, Any]:
        """Status and JSON value for one request."""
        return super().answer(method, target.replace("state=", "status="), authorization, body)


@dataclass(slots=True)
class Life:
    """One skill's. `say` takes the lines of the transcript; `faults` are the steps that did not go as they should."""

    folder: Path
    address: str
    token: str
    say: Callable[[str], None] = print
    faults: list[str] = field(default_factory=list)
    _steps: int = 0

    async def lived(self) -> list[str]:
        """From its beginning to its end; gives the faults."""
        self._write(document())
        await self._saved()
        async with serving(self._configuration, self.folder) as server:
            await self._found_and_imported(server)
            await self._reviewed(server)
        await self._broken()
        await self._mended()
        return self.faults

    async def _saved(self) -> None:
        self._title("Saved: a program that worked keeps its function")
        async with serving(self._configuration, self.folder) as server:
            self._told("execute", SAVES, await server.execute(SAVES), "saved unshipped, version 1")
        [file] = (self.folder / "data" / "skills").rglob("unshipped.py")
        self._title("What is kept: a Python file, and the contracts of what it calls")
        self._shown("cat unshipped.py", file.read_text(), "# uses: shop.orders.list", "# example: unshipped('2026")
        lock = file.with_suffix(".lock").read_text().splitlines()
        self._shown("head unshipped.lock", "\n".join(lock[:12]), '"shop.orders.list"')

    async def _found_and_imported(self, server: Served) -> None:
        self._title("Found: another server, another session, beside the operations")
        query = "orders that are paid and not shipped"
        await server.connected()
        found = await server.search(query, limit=1)
        known = "# skills.unshipped [reads; version 1; not used yet; not reviewed by a person]"
        self._shown(f'search("{query}")', found, known, "# shop.orders.")
        self._title("Imported: it runs as a part of the program, through the same gateway")
        self._told("execute", IMPORTS, await server.execute(IMPORTS, session="new"), '[84,"ord_', "1 read")
        self._title("A call of it that fails")
        self._told("execute", FAILS, await server.execute(FAILS, session="new"), "TypeError", fails=True)
        self._title("Tracked: what became of its calls")
        await self._command(["skills", "list"], 0, "2 calls, 1 failed", "not reviewed by a person")

    async def _reviewed(self, server: Served) -> None:
        self._title("Reviewed: a person has read it, and from now on no program replaces it")
        await self._command(["skills", "review", "unshipped"], 0, "is reviewed")
        self._told("execute", REPLACES, await server.execute(REPLACES), "Refused", "reviewed by a person", fails=True)

    async def _broken(self) -> None:
        self._title("The shop changes: the parameter `status` of orders.list is called `state` from now on")
        changed = document()
        for parameter in changed["paths"]["/orders"]["get"]["parameters"]:
            if parameter.get("name") == "status":
                parameter["name"] = "state"
        self._write(changed)
        self._title("Broken, and reported: where it is found, where it is used, and to the operator")
        async with serving(self._configuration, self.folder) as server:
            await server.connected()
            found = await server.search("skills.unshipped")
            self._shown('search("skills.unshipped")', found, "BROKEN", "status")
            self._told("execute", IMPORTS, await server.execute(IMPORTS), "may be broken", "status", fails=True)
        await self._command(["skills", "list"], 1, "BROKEN: ", "status")

    async def _mended(self) -> None:
        self._title("Mended: the next version, from a file; it works again, and the former one is kept")
        mended = self.folder / "mended.py"
        mended.write_text(MENDED.lstrip())
        await self._command(["skills", "edit", "unshipped", "--file", str(mended)], 0, "is version 2 now, reviewed")
        async with serving(self._configuration, self.folder) as server:
            self._told("execute", IMPORTS, await server.execute(IMPORTS), '[84,"ord_')
        await self._command(["skills", "show", "unshipped", "--version", "1"], 0, 'status="paid"', "kept: 2, 1")
        self._title("Carried elsewhere, and gone")
        await self._command(["skills", "export", str(self.folder / "team")], 0, "1 skill in")
        await self._command(["skills", "delete", "unshipped"], 0, "is gone")
        await self._command(["skills", "import", str(self.folder / "team")], 0, "version 1; read it")

    # what is shown, and held against what is wanted

    @property
    def _configuration(self) -> Mapping[str, Any]:
        upstream = {"openapi": "shop.json", "base_url": self.address, "auth": {"bearer": self.token}}
        return {"upstreams": {"shop": upstream}}

    def _write(self, changed: Mapping[str, Any]) -> None:
        (self.folder / "shop.json").write_text(json.dumps(changed))

    def _title(self, text: str) -> None:
        self._steps += 1
        self.say(f"\n{self._steps}. {text}\n")

    def _told(self, tool: str, code: str, told: Told, *wanted: str, fails: bool = False) -> None:
        self._shown(f"{tool}:\n{indent(dedent(code).strip(), '    ')}\n", told.text, *wanted)
        if told.is_error is not fails:
            self.faults.append(f"step {self._steps}: {'it did not fail' if fails else 'it failed'}")

    def _shown(self, what: str, text: str, *wanted: str) -> None:
        self.say(f"  > {what}")
        self.say(indent(text.rstrip(), "    ", lambda line: bool(line.strip())))
        self.faults += [f"step {self._steps}: nothing says {each!r}" for each in wanted if each not in text]

    async def _command(self, words: list[str], code: int, *wanted: str) -> None:
        command = [sys.executable, "-m", "isthmus", *words[:1], "--config", str(self.folder / "isthmus.yaml")]

        def ran() -> subprocess.CompletedProcess[str]:
            own = {**server_environment(), "PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
            whole = [*command, *words[1:]]
            return subprocess.run(whole, check=False, env=own, capture_output=True, text=True, timeout=60)

        done = await anyio.to_thread.run_sync(ran)
        shown = " ".join(each.replace(f"{self.folder}/", "") for each in words)
        self._shown(f"isthmus {shown}", f"{done.stdout}{done.stderr}(exit code {done.returncode})", *wanted)
        if done.returncode != code:
            self.faults.append(f"step {self._steps}: the exit code is {done.returncode}, not {code}")


async def life(folder: Path, say: Callable[[str], None]) -> list[str]:
    """Live it in a folder; gives what did not go as it should."""
    service = Renamed(secrets.token_hex(16))
    with served(service) as address, anyio.fail_after(LONGEST):
        return await Life(folder, address, service.token, say).lived()
