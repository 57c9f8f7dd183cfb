"""Private values and credentials are planted in whatever upstreams say; everything that leaves is searched for them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.privacy.canaries import LEAST, PERSON, PRIVATE, found_in, planted
from tests.privacy.scenes import READING, SENDING, WRONG, Face, House, Mode, commands, kept, opened, play, play_again

pytestmark = pytest.mark.anyio

HOUSES: tuple[tuple[Face, Mode], ...] = (
    ("stdio", "seal"),
    ("stdio", "mask"),
    ("HTTP of 2026", "seal"),
    ("HTTP of 2025", "mask"),
)
"""`python -m tests.privacy` has all of them."""


@pytest.fixture(scope="module", params=HOUSES, ids=" ".join)
async def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    face, mode = request.param
    async with opened(face, mode, tmp_path_factory.mktemp(mode)) as there:
        yield there


async def test_what_upstreams_get_is_the_value(house: House) -> None:
    told = await house.server.execute(SENDING, session="new")
    assert not told.is_error, told.text
    letters = [each.json for each in house.service.requests if each.method == "POST"]
    email = PRIVATE["email"]
    assert letters[0] == {"to": email, "text": f"Dear {PRIVATE['name']}", email: 1}
    own = {"to": email, "pay": 4539578763621486, "salary": PRIVATE["salary"], "note": PRIVATE["note"]}
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
    session = (await house.server.execute("0", session="new")).facts["session"]
    told = await house.server.execute(program, session=session)
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
    assert house.service.requests[-1].json == {"to": PRIVATE["email"]}
    other = await server.execute(f"mail.send(body={{'to': {token!r}}})", session="new")
    assert other.is_error
    assert "stands for nothing in this session" in other.text


async def test_no_canary_is_in_anything_that_leaves_or_is_kept(house: House, tmp_path: Path) -> None:
    async with opened(house.face, house.mode, tmp_path) as server:
        told = await play(server)
        outputs = kept(server)
    async with opened(house.face, house.mode, tmp_path, server.service) as later:
        told += await play_again(later, told)
        outputs |= {f"later, {where}": text for where, text in kept(later).items()}
        outputs |= commands(later, [told[0].facts["execution"]])
    assert [each.is_error for each in told[:9]] == [False] * 5 + [True] * 4
    assert all("_1]" in each.text for each in told[:9])
    assert [each.is_error for each in told[9:]] == [False] * (len(told) - 15) + [True, False, True] + [False] * 3
    for part in ("the wire", "the log", "data/audit.jsonl", "rows of data/journal.db", "isthmus report --output -"):
        assert len(outputs[part]) > 100, part
    assert any(where.endswith("files/result.json") for where in outputs)
    assert {where: found for where, text in outputs.items() if (found := found_in(text, house.canaries))} == {}


async def test_the_guest_of_a_sealed_session_never_has_a_value(house: House) -> None:
    if house.mode == "mask":
        pytest.skip("programs compute on values")
    program = READING + "\nopen('/workspace/all.txt', 'w').write(repr([a, b]))\nlen(repr(a))"
    told = await house.server.execute(program, session="new")
    assert not told.is_error
    backwards = [str(value)[::-1] for value in PRIVATE.values()]
    look = f"text = repr(globals()) + open('/workspace/all.txt').read()\n[x for x in {backwards!r} if x[::-1] in text]"
    assert (await house.server.execute(look, session=told.facts["session"])).value == []


async def test_what_has_tokens_is_rebuilt_and_goes_on_in_a_later_server(house: House, tmp_path: Path) -> None:
    async with opened(house.face, house.mode, tmp_path, house.service) as first:
        told = await first.server.execute("row = crm.people()[0]\nprint(row.contact.email)", session="new")
    async with opened(house.face, house.mode, tmp_path, house.service) as later:
        code = "mail.send(body={'to': row.contact.email, 'cc': '[EMAIL_1]'})"
        again = await later.server.execute(code, session=told.facts["session"])
    assert not again.is_error, again.text
    assert house.service.requests[-1].json == {"to": PRIVATE["email"], "cc": PRIVATE["email"]}


def test_the_search_finds_each_canary_in_what_upstreams_say_and_wherever_it_is_planted() -> None:
    assert found_in(json.dumps([PERSON]).encode(), PRIVATE) == sorted(PRIVATE)
    for name, form, text in planted(b"x" * LEAST, PRIVATE):
        assert name in found_in(text, PRIVATE), form
