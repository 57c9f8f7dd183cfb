"""`python -m tests.guest.stdlib_page`: write specs/stdlib.md from what the real component says of itself."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from isthmus_sandbox.pool import Pool
from isthmus_sandbox.protocol import Event, Program, Step
from isthmus_sandbox.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "specs" / "stdlib.md"

ASK = """
import sqlite3, sys, zoneinfo, zlib
from guest import main
def trial(statement):
    try:
        exec(statement, {})
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "works"
trials = {
    "threads": "import threading; threading.Thread(target=print).start()",
    "thread pools": "import concurrent.futures as c; c.ThreadPoolExecutor().submit(print)",
    "processes": "import subprocess; subprocess.run(['ls'])",
    "os.fork": "import os; os.fork()",
    "sockets": "import socket; socket.socket()",
    "urllib": "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')",
    "signals": "import signal; signal.alarm(1)",
    "select": "import select; select.select([], [], [], 0)",
}
{
    "version": sys.version.split()[0],
    "sqlite": sqlite3.sqlite_version,
    "zlib": zlib.ZLIB_VERSION,
    "zones": len(zoneinfo.available_timezones()),
    "found": sorted(main.FOUND),
    "missing": dict(sorted(main.MISSING.items())),
    "trials": {name: trial(statement) for name, statement in trials.items()},
}
"""


async def ask(settings: Settings) -> dict[str, Any]:
    """What a real guest says of its standard library."""

    async def nothing(_: Step) -> Sequence[Event]:
        return ()

    async with Pool(settings, progress=lambda _: None) as pool:
        guest = await pool.open()
        outcome = await guest.run(Program(ASK, seed="00", now=0.0), nothing)
        await guest.close()
    if not outcome.ok or not isinstance(outcome.value, dict):
        raise RuntimeError(f"the guest did not answer: {outcome.error}")
    return outcome.value


def render(facts: Mapping[str, Any]) -> str:
    """The page."""
    found: list[str] = facts["found"]
    names = [name for name in found if "." not in name and not name.startswith("_")]
    inner = sum("." in name for name in found)
    missing: dict[str, str] = facts["missing"]
    gone = [name for name in missing if "." not in name and not name.startswith("_")]
    parts = [name for name in missing if "." in name and not name.startswith("_")]
    trials = "\n".join(f"| {name} | {text} |" for name, text in facts["trials"].items())
    return f"""# The standard library that programs have

Made from the component itself by `python -m tests.guest.stdlib_page`; a test compares the two.

CPython {facts["version"]} for WebAssembly (WASI), SQLite {facts["sqlite"]}, zlib {facts["zlib"]}. What is not imported
while the component is built is not there later, as no directory with Python's files is mounted: so `guest/stdlib.py`
imports all that can be.

## There

{len(names)} modules, and {inner} within them:

{_wrapped(names)}

All encodings of Python are there but those of Windows and `bz2`. `zoneinfo` knows {facts["zones"]} zones: the build
stages the PyPI package `tzdata`, and `guest/zones.py` reads it into the memory image and hands it out from there.

## Not there

{_wrapped(gone)}

and, within modules that are there:

{_wrapped(parts)}

## There, but without what is behind it

| what | what a program gets |
|---|---|
{trials}

`asyncio` runs on the guest's own loop: `to_thread` and `run_in_executor` call the function at once; `time.sleep` waits
on that loop, so calls proceed meanwhile. `os._exit` and `os.abort` end the program, not the interpreter.

## Randomness and order

Every generator (`random`, `secrets`, `uuid`, `os.urandom`, names of temporary files) starts anew with each program,
from the seed that the host gave. The key of `hash()` for text is part of the image: sets of text have the same order
in every guest. SQLite's own `random()` draws from the host.
"""


def _wrapped(names: Sequence[str]) -> str:
    return "\n".join(textwrap.wrap(", ".join(f"`{name}`" for name in names), 118))


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(anyio.run(ask, Settings(spares=0))))
    sys.stdout.write(json.dumps({"written": str(PAGE)}) + "\n")


if __name__ == "__main__":
    main()
