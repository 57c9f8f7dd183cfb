"""The scenes in which canaries are planted: all that a client can ask for, over either transport and in either mode."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.privacy.canaries import PERSON, PRIVATE, SECRETS
from tests.simulators.openapi_service import OpenApiService, Recorded, Reply
from tests.simulators.openapi_service import serving as service_on_a_port
from tests.simulators.served import ROOT, SOON, Served, Told, server_environment, serving
from tests.simulators.served_http import serving_http, token_of

Mode = Literal["seal", "mask"]
Face = Literal["stdio", "HTTP of 2025", "HTTP of 2026"]
MODES: tuple[Mode, ...] = ("seal", "mask")
FACES: tuple[Face, ...] = ("stdio", "HTTP of 2025", "HTTP of 2026")

USER = "alice"
ENVIRONMENT = {"CRM_TOKEN": SECRETS["credential"], "PRIVATE_KEY": SECRETS["key"]}

POST = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
ANSWERS = {"responses": {"200": {"description": "ok"}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "People", "version": "1"},
    "paths": {
        "/people": {"get": {"operationId": "people", **ANSWERS}},
        "/fail": {"get": {"operationId": "fail", **ANSWERS}},
        "/letters": {"post": {"operationId": "send", **POST, **ANSWERS}},
        "/orders": {"post": {"operationId": "order", **POST, **ANSWERS}},
    },
}


def echoed(request: Recorded) -> Reply:
    """An answer that repeats all that came, credential included."""
    return Reply(200, {"sent": request.json, "to": PERSON["contact"], "headers": dict(request.headers)})


def failed(request: Recorded) -> Reply:
    """A failure that names what came, and who it is about."""
    message = f"{PRIVATE['email']} is taken, says {request.headers.get('authorization')}"
    return Reply(422, {"message": message, "of": PERSON})


def service() -> OpenApiService:
    """The service behind all three upstreams."""
    made = OpenApiService(DOCUMENT)
    made.answer("GET /people", Reply(200, [PERSON] * 20))
    made.answer("GET /fail", failed)
    made.answer("POST /letters", echoed)
    made.answer("POST /orders", echoed)
    return made


def configuration(origin: str, mode: Mode) -> dict[str, Any]:
    """Three upstreams that say the same; two of them with fields that are private, and one nothing may be sent to."""
    people = {
        "openapi": "people.json",
        "base_url": origin,
        "allow": ["read", "write"],
        "auth": {"bearer": "${CRM_TOKEN}"},
        "shared": True,
    }
    paths = ["$..name", "$..address", "$..salary", "$..note"]
    return {
        "upstreams": {"crm": people, "mail": people, "web": people},
        "policy": {"approve": ["*.order"], "patience": 1},
        "private": {
            "mode": mode,
            "key": "${PRIVATE_KEY}",
            "kinds": ["email", "card", "iban", "phone"],
            "fields": [{"operations": ["crm.*", "mail.*"], "paths": paths}],
            "release": [{"kinds": ["EMAIL", "NAME"], "to": ["mail.*"]}],
        },
        "audit": {"arguments": "text"},
        "limits": {"output_tokens": 600},
    }


@dataclass(frozen=True)
class House:
    """A server with a client, the service behind its upstreams, and how it treats what is private."""

    server: Served
    service: OpenApiService
    mode: Mode
    face: Face

    @property
    def data(self) -> Path:
        """What outlives the server."""
        return self.server.config.parent / "data"

    @property
    def canaries(self) -> Mapping[str, Any]:
        """All that is planted here."""
        client = {} if self.face == "stdio" else {"client's token": token_of(USER)}
        return {**PRIVATE, **SECRETS, **client}


@asynccontextmanager
async def opened(face: Face, mode: Mode, folder: Path, behind: OpenApiService | None = None) -> AsyncIterator[House]:
    """A house in a folder; another one in the same folder goes on with what the first has kept."""
    (folder / "people.json").write_text(json.dumps(DOCUMENT))
    behind = behind or service()
    with service_on_a_port(behind) as origin:
        said = configuration(origin, mode)
        if face == "stdio":
            async with serving(said, folder, **ENVIRONMENT) as server:
                yield House(server, behind, mode, face)
        else:
            era: Literal["legacy", "2026-07-28"] = "legacy" if face == "HTTP of 2025" else "2026-07-28"
            async with (
                serving_http(said, folder, environment=ENVIRONMENT) as listening,
                listening.client(USER, era) as server,
            ):
                yield House(server, behind, mode, face)


READING = """
import asyncio, collections, traceback
a, b = crm.people(), mail.people()
print(a[0], b[0].name, sep="\\n")
print({row.name for row in a} == {row.name for row in b}, collections.Counter(row.contact.email for row in a))
print(sorted(row.salary for row in a)[:1], a[0]["paid_by"], list(a[0]), a[0].file)
for client in (crm, mail):
    try:
        client.fail()
    except UpstreamError as error:
        print(error, error.body, error.hint, repr(error))
        traceback.print_exc()
a
"""
ENCODING = """
import base64, json, html
from urllib.parse import quote, quote_plus
row = crm.people()[0]
values = [row.name, row.contact.email, row.contact.phone, row.address.street, str(row.salary), row.note]
values += [str(row.paid_by[0].card), row.paid_by[1].iban]
for text in values:
    raw = text.encode()
    print(quote(text), quote_plus(text), json.dumps(text), repr(text), html.escape(text), text[::-1], raw.hex())
    print(base64.b64encode(raw), base64.b64encode(b"a" + raw), base64.urlsafe_b64encode(b"bc" + raw + b"d"))
    print(text.upper(), text.lower(), text.encode(), f"<{text}>", f"x{text}x")
digits = str(row.paid_by[0].card)
print("-".join(digits[at:at + 4] for at in range(0, 16, 4)), [values, {text: 1 for text in values}])
{"rows": [values] * 400, "raw": "\\n".join(values).encode() * 4}
"""
SENDING = """
row = crm.people()[0]
print(mail.send(body={"to": row.contact.email, "text": f"Dear {row.name}", row.contact.email: 1}))
print(crm.send(body={"to": row.contact.email, "pay": row.paid_by[0].card, "salary": row.salary, "note": row.note}))
"""
WRONG = """
row = crm.people()[0]
for wrong in ({"to": row.paid_by[0].card}, {"to": row.note}):
    try:
        print(web.send(body=wrong))
    except Exception as error:
        print(type(error).__name__, error)
"""
SKILL = """
def first_of(rows):
    return rows[0]
save_skill(first_of, "The first of some people")
from skills import first_of
first_of(crm.people())
"""
LOOKING = "help(crm.people); print(search('people')); open('/servers/crm/__init__.py').read()"
RAISING = (
    "raise ValueError(crm.people()[0].name)",
    "crm.people()[0].nothing",
    "crm.fail()",
    "{}[crm.people()[0].note]",
)
FAILING = "row = crm.people()[0]\nprint(row)\n1 / 0"
ASKING = (
    "row = crm.people()[0]\nmail.order(body={'to': row.contact.email, 'for': row.name, 'why': row.contact.email * 2})"
)
QUERIES = ("people", "crm.people", "Zephyrine", "first of some people", "")


async def play(house: House) -> list[Told]:
    """Ask for all that there is, and give what was told."""
    server = house.server
    told = [await server.execute(program, session="new") for program in (READING, ENCODING, SENDING, WRONG, SKILL)]
    told += [await server.execute(program, session="new") for program in RAISING]
    for each in told[:2]:
        for artifact in each.facts["artifacts"]:
            code = f"print(open({artifact['path']!r}, 'rb').read()[:3000])"
            told.append(await server.execute(code, session=each.facts["session"]))
    failing = await server.execute(FAILING, session="new")
    told += [failing, await server.execute(FAILING[:-5] + "row", session=failing.facts["execution"])]
    told += [await server.execute("", session=failing.facts["execution"])]
    for query in QUERIES:
        await server.search(query, detail="full")
    told += [await server.execute(LOOKING, session="new"), await server.execute(ASKING, session="new")]
    await _reported(server)
    return told


async def _reported(server: Served) -> None:
    """A program that prints while it runs, for a client that asks to be told."""

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        """Nothing: what came is on the wire."""

    code = "import asyncio\nfor row in crm.people()[:3]:\n    print(row)\n    await asyncio.sleep(0.01)"
    await server.client.call_tool("execute", {"code": code, "session": "new"}, progress_callback=heard)


async def play_again(house: House, told: list[Told]) -> list[Told]:
    """What a later server makes of it: variables are rebuilt, and an execution goes on."""
    session = told[0].facts["session"]
    return [await house.server.execute("print(a[0], b[0].contact)\na[0]", session=session)]


def kept(house: House) -> dict[str, bytes]:
    """Everything that the server has said and written so far, by where."""
    outputs = {"the wire": house.server.wire(), "the log": house.server.log().encode()}
    for path in sorted(house.data.rglob("*")):
        if path.is_file():
            outputs[f"data/{path.relative_to(house.data)}"] = path.read_bytes()
            if path.suffix == ".db":
                outputs[f"rows of data/{path.relative_to(house.data)}"] = rows(path)
    return outputs


def rows(path: Path) -> bytes:
    """All that a database holds: in its file, what is long is cut up into pages."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = [cell for name in names for row in connection.execute(f'SELECT * FROM "{name}"') for cell in row]
    return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)


def commands(house: House, executions: list[str]) -> dict[str, bytes]:
    """What the operator's commands print of these executions."""
    user = "local" if house.face == "stdio" else USER
    asked = [["runs"], ["approve"], ["report", "--output", "-"], ["skills", "--principal", user, "show", "first_of"]]
    asked += [[command, execution] for execution in executions for command in ("show", "replay")]
    return {" ".join(["isthmus", *words]): _said(house, words) for words in asked}


def _said(house: House, words: list[str]) -> bytes:
    command = [sys.executable, "-m", "isthmus", *words, "--config", str(house.server.config)]
    environment = server_environment(**ENVIRONMENT)
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False, timeout=SOON)
    return done.stdout + done.stderr
