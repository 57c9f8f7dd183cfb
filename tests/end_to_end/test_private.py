"""Private values are planted in whatever upstreams say; everything that leaves is searched for them, in both modes."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.simulators.openapi_service import OpenApiService, Recorded, Reply
from tests.simulators.openapi_service import serving as service_on_a_port
from tests.simulators.served import Served, serving

pytestmark = pytest.mark.anyio

CANARIES: dict[str, Any] = {
    "email": "Canary.Finch+3f9c@aviary.example",
    "card": "4539578763621486",
    "iban": "GB29NWBK60161331926819",
    "phone": "+44 20 7946 0958",
    "name": 'Zephyrine "Z" Ôbrecht-Qvist',
    "street": "17 Quillfeather Row & Sons",
    "salary": 841297365021,
    "note": "first line of an illness\nsecond line: öäü <b>",
}
PERSON = {
    "id": 7,
    "name": CANARIES["name"],
    "contact": {"email": CANARIES["email"], "phone": CANARIES["phone"]},
    "address": {"street": CANARIES["street"], "zip": None},
    "salary": CANARIES["salary"],
    "paid_by": [{"card": 4539578763621486}, {"iban": "GB29 NWBK 6016 1331 9268 19"}],
    "note": CANARIES["note"],
    "history": f"{CANARIES['name']} wrote from <{CANARIES['email'].lower()}>, card 4539 5787 6362 1486",
    "file": base64.b64encode(f"name,{CANARIES['name']},{CANARIES['email']}\n".encode()).decode(),
    CANARIES["email"]: "a key",
}
POST = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "People", "version": "1"},
    "paths": {
        "/people": {"get": {"operationId": "people", "responses": {"200": {"description": "ok"}}}},
        "/fail": {"get": {"operationId": "fail", "responses": {"200": {"description": "ok"}}}},
        "/letters": {"post": {"operationId": "send", **POST, "responses": {"200": {"description": "ok"}}}},
    },
}


def echoed(request: Recorded) -> Reply:
    return Reply(200, {"sent": request.json, "to": PERSON["contact"]})


def configuration(origin: str, mode: str) -> dict[str, Any]:
    def people(**more: Any) -> dict[str, Any]:
        return {"openapi": "people.json", "base_url": origin, "allow": ["read", "write"], **more}

    paths = ["$..name", "$..address", "$..salary", "$..note"]
    return {
        "upstreams": {"crm": people(), "mail": people(), "web": people()},
        "private": {
            "mode": mode,
            "kinds": ["email", "card", "iban", "phone"],
            "fields": [{"operations": ["crm.*", "mail.*"], "paths": paths}],
            "release": [{"kinds": ["EMAIL", "NAME"], "to": ["mail.send"]}],
        },
        "audit": {"arguments": "text"},
        "limits": {"output_tokens": 600},
    }


@dataclass
class House:
    """The server, the service behind its upstreams, and how it treats what is private."""

    server: Served
    service: OpenApiService
    mode: str


@pytest.fixture(scope="module", params=["seal", "mask"])
async def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "people.json").write_text(json.dumps(DOCUMENT))
    service = OpenApiService(DOCUMENT)
    service.answer("GET /people", Reply(200, [PERSON] * 20))
    service.answer("GET /fail", Reply(422, {"message": f"{CANARIES['email']} is taken", "of": PERSON}))
    service.answer("POST /letters", echoed)
    with service_on_a_port(service) as origin:
        async with serving(configuration(origin, request.param), folder) as server:
            yield House(server, service, request.param)


def forms(value: str) -> Iterator[str]:
    """The ways in which a value travels, upper and lower case being one; parts that chance could make are left out."""
    yield from (form for form in _forms(value) if len(form) >= 10)


def _forms(value: str) -> Iterator[str]:
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
    yield from (json.dumps(json.dumps(value))[3:-3], json.dumps(value, ensure_ascii=False)[1:-1], value[::-1])
    yield value.encode().hex()
    yield from (base64.b64encode(b"x" * before + value.encode()).decode()[4:-4] for before in range(3))


def canaries_in(where: bytes) -> list[str]:
    """Digits of a card, an account or a telephone count however they are grouped."""
    text = where.decode(errors="replace").lower()
    compact = text.replace(" ", "").replace("-", "")
    found = [name for name, value in CANARIES.items() if any(form.lower() in text for form in forms(str(value)))]
    grouped = {name: str(CANARIES[name]).replace(" ", "").lower() for name in ("card", "iban", "phone")}
    return sorted({*found, *(name for name, digits in grouped.items() if digits in compact)})


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
RAISING = (
    "raise ValueError(crm.people()[0].name)",
    "crm.people()[0].nothing",
    "crm.fail()",
    "{}[crm.people()[0].note]",
)


async def test_what_upstreams_get_is_the_value(house: House) -> None:
    told = await house.server.execute(SENDING, session="new")
    assert not told.is_error, told.text
    letters = [each.json for each in house.service.requests if each.method == "POST"]
    email = CANARIES["email"]
    assert letters[0] == {"to": email, "text": f"Dear {CANARIES['name']}", email: 1}
    own = {"to": email, "pay": 4539578763621486, "salary": CANARIES["salary"], "note": CANARIES["note"]}
    assert letters[1] == own
    told = await house.server.execute(WRONG, session="new")
    if house.mode == "seal":
        assert "Refused [CARD_1] came from crm, and may not be given to web.send" in told.text
        assert house.service.requests[-1].method == "GET"


async def test_programs_compute_on_what_they_are_given(house: House) -> None:
    program = """
    import collections
    a, b = crm.people(), mail.people()
    joined = {row.contact.email: row for row in b}
    groups = collections.Counter(row.name for row in a)
    [all(row.contact.email in joined for row in a), len(groups), list(groups.values()), type(a[0].salary).__name__]
    """
    told = await house.server.execute(program)
    assert told.value == [True, 1, [20], "str" if house.mode == "seal" else "int"]


async def test_tokens_are_the_same_in_the_next_program_and_can_be_passed_on(house: House) -> None:
    server = house.server
    first = await server.execute("print(crm.people()[0].contact.email)", session="new")
    session = first.facts["session"]
    token = first.text.split("output:\n")[1].split("\n")[0]
    assert token == "[EMAIL_1]"
    again = await server.execute("print(crm.people()[0].contact.email)", session=session)
    assert token in again.text
    await server.execute(f"mail.send(body={{'to': {token!r}}})", session=session)
    assert house.service.requests[-1].json == {"to": CANARIES["email"]}
    other = await server.execute(f"mail.send(body={{'to': {token!r}}})", session="new")
    assert other.is_error
    assert "stands for nothing in this session" in other.text


async def test_no_canary_is_in_anything_that_leaves(house: House) -> None:
    server = house.server
    told = [await server.execute(program) for program in (READING, ENCODING, SENDING, WRONG, *RAISING)]
    session = told[0].facts["session"]
    assert [each.is_error for each in told] == [False, False, False, False, True, True, True, True]
    assert all("_1]" in each.text for each in told)
    artifacts = [artifact["path"] for each in told for artifact in each.facts["artifacts"]]
    assert any(path.endswith("result.json") for path in artifacts)
    for path in artifacts:
        await server.execute(f"print(open({path!r}, 'rb').read()[:3000])", session=session)
    for query in ("people", "crm.people", "Zephyrine", ""):
        await server.search(query, detail="full")
    await server.execute("help(crm.people); print(search('people')); open('/servers/crm/__init__.py').read()")
    assert canaries_in(server.wire()) == []
    assert canaries_in(server.log().encode()) == []
    data = house.server.config.parent / "data"
    kept = {path.relative_to(data): path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert any(path.name.startswith("journal.db") for path in kept)
    assert any(path.name.startswith("audit") for path in kept)
    assert {str(path): found for path, content in kept.items() if (found := canaries_in(content))} == {}


async def test_the_guest_of_a_sealed_session_never_has_a_value(house: House) -> None:
    if house.mode == "mask":
        pytest.skip("programs compute on values")
    program = READING + "\nopen('/workspace/all.txt', 'w').write(repr([a, b]))\nlen(repr(a))"
    told = await house.server.execute(program, session="new")
    assert not told.is_error
    backwards = [str(value)[::-1] for value in CANARIES.values()]
    look = f"text = repr(globals()) + open('/workspace/all.txt').read()\n[x for x in {backwards!r} if x[::-1] in text]"
    assert (await house.server.execute(look, session=told.facts["session"])).value == []


async def test_what_has_tokens_is_rebuilt_and_shown_by_a_later_server(house: House, tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text(json.dumps(DOCUMENT))
    with service_on_a_port(house.service) as origin:
        said = configuration(origin, house.mode)
        async with serving(said, tmp_path) as server:
            first = await server.execute("row = crm.people()[0]\nprint(row.contact.email)", session="new")
        async with serving(said, tmp_path) as server:
            session = first.facts["session"]
            again = await server.execute(
                "mail.send(body={'to': row.contact.email, 'cc': '[EMAIL_1]'})", session=session
            )
    assert not again.is_error, again.text
    assert house.service.requests[-1].json == {"to": CANARIES["email"], "cc": CANARIES["email"]}


def test_the_search_finds_each_canary_in_what_upstreams_say() -> None:
    assert canaries_in(json.dumps([PERSON]).encode()) == sorted(CANARIES)
    for name, value in CANARIES.items():
        assert all(name in canaries_in(b"<" + form.encode() + b">") for form in forms(str(value)))
