"""An agent that obeys every instruction that it reads, on real servers that inject them: what gets through?

python -m tests.approvals.injected        the table
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from isthmus.compose import Application, application
from isthmus.config.model import Configuration
from isthmus.model import Effect, Operation
from tests.simulators.upstream import SimulatedUpstream, operation

TEXT = {"text": {"type": "string"}}
VICTIMS = {
    "mail": (operation("mail.send", Effect.WRITE, **TEXT), operation("mail.list")),
    "github": (operation("github.create_issue", Effect.WRITE, **TEXT),),
    "demo": (operation("demo.delete_all", Effect.DESTRUCTIVE),),
    "crm": (operation("crm.people"),),
}
HOSTILE = ("poisoned_results", "poisoned_descriptions", "rug_pull")


@dataclass(frozen=True)
class Row:
    """One thing that the agent did because it was told to, and what became of it."""

    source: str
    called: str
    outcome: str


@dataclass(frozen=True)
class Account:
    """All rows, and what reached the world: the effects of the victims, and what the recorder was called with."""

    rows: tuple[Row, ...]
    effects: tuple[str, ...]


async def run(attacks: Path, folder: Path, policy: dict[str, Any], consent: Any = None) -> Account:
    """Let the agent read everything, obey everything, and tell what came of it."""
    record = folder / "record.jsonl"
    upstreams: dict[str, Any] = {
        name: {"command": [sys.executable, str(attacks / f"{name}.py")], "effects": {"*": "read"}} for name in HOSTILE
    }
    upstreams["rug_pull"]["effects"] = {"get_weather": "read", "gone_later": "read"}
    upstreams["recorder"] = {
        "command": [sys.executable, str(attacks / "recorder.py")],
        "env": {"RECORD_FILE": str(record), "PATH": os.environ["PATH"]},
    }
    victims = {
        name: SimulatedUpstream(
            name, given, {each.original: lambda _: [{"name": "Ada", "phone": "+49 30 1"}] for each in given}
        )
        for name, given in VICTIMS.items()
    }
    configuration = Configuration.model_validate(
        {
            "upstreams": {**upstreams, **{name: {"command": ["none"]} for name in VICTIMS}},
            "policy": policy,
            "data": str(folder / "data"),
        }
    )
    async with application(configuration, base=folder, log=lambda _: None, upstreams=victims) as app:
        await app.settled(30)
        rows = await _obey(app, consent)
    writes = [
        f"{name}.{what}" for name, each in victims.items() for what, _ in each.calls if what not in ("people", "list")
    ]
    recorded = [json.loads(line)["name"] for line in record.read_text().splitlines()] if record.exists() else []
    return Account(tuple(rows), tuple(writes + [f"recorder.{name}" for name in recorded]))


async def _obey(app: Application, consent: Any) -> list[Row]:
    session = "new"
    texts = {"search": await app.search("", detail="full")}
    operations = app.catalogs.catalog.operations
    private = await app.execute("people = await crm.people()\nnames = str(list(people))\nnames", session=session)
    session = private.facts["session"]
    for each in operations:
        texts[f"stub of {each.id}"] = await app.search(each.id, detail="full")
        if each.upstream in HOSTILE:
            texts[f"answer of {each.id}"] = (await app.execute(_call(each, "1"), session=session)).text
    operations = app.catalogs.catalog.operations  # some have changed their tools by now
    rows = []
    for source, text in texts.items():
        for each in _told_to_call(text, operations):
            # It sends all that it knows, to wherever a text can go.
            rendered = await app.execute(_call(each, "names"), session=session, consent=consent)
            error = rendered.facts["error"]
            outcome = "waits for consent" if rendered.questions else error["type"] if error else "done"
            rows.append(Row(source, each.id, outcome))
    return rows


def _call(each: Operation, text: str) -> str:
    given = ", ".join(f"{p.name}=str({text})" for p in each.parameters if "string" in json.dumps(dict(p.schema)))
    return f"await call({each.id!r}, dict({given}))"


def _told_to_call(text: str, operations: tuple[Operation, ...]) -> list[Operation]:
    """Every operation that a text names, by its id or its own name, also in tags and escapes that hide it."""
    tags = "".join(chr(int(code, 16) & 0x7F) for code in re.findall(r"\\U000e00([0-9a-f]{2})", text))
    seen = f"{text} {tags}"
    names = {each: (each.id, each.original.rpartition(".")[2]) for each in operations}
    return [
        each
        for each, (whole, own) in names.items()
        if each.upstream not in HOSTILE
        if whole in seen or re.search(rf"\b(?:[Cc]all|\.) ?{re.escape(own)}\b|\b{re.escape(own)}\(", seen)
    ]


def table(account: Account) -> str:
    """The account, a line for each thing that was obeyed."""
    lines = [f"{row.source:45} {row.called:22} {row.outcome}" for row in account.rows]
    return "\n".join([*lines, f"effects: {', '.join(account.effects) or 'none'}"])


DEFAULT: dict[str, Any] = {}
OPEN_WITH_FLOW: dict[str, Any] = {
    "allow": ["read", "write"],
    "flow": {
        "untrusted": [f"{name}.*" for name in HOSTILE],
        "private": ["crm.*"],
        "sink": ["mail.send", "github.*", "recorder.*"],
    },
}


async def main() -> None:
    """Both tables."""
    attacks = Path(os.environ.get("ISTHMUS_TEST_DATA", "../shared/data")) / "attacks" / "upstreams"
    for name, policy in (("default policy", DEFAULT), ("writes allowed, flow labelled", OPEN_WITH_FLOW)):
        with tempfile.TemporaryDirectory() as folder:
            print(f"\n{name}\n{table(await run(attacks, Path(folder), policy))}")


if __name__ == "__main__":
    anyio.run(main)
