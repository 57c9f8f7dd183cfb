"""Recorded executions run again as they ran: byte for byte, offline, for random programs, in real Wasm."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings

from isthmus.journal import Answered, Entry, Finished, Stepped, transcript_of
from isthmus.replay import Diverged, NotRepeatable, run_again
from tests.journal.checks import replays
from tests.journal.conftest import Check
from tests.journal.house import ALICE, House
from tests.journal.programs import programs


@settings(max_examples=25)
@given(code=programs)
def test_any_program_replays_as_it_ran(in_house: Check, code: str) -> None:
    in_house(lambda house: replays(house, code))


def test_what_a_session_had_before_is_run_again_first(in_house: Check) -> None:
    async def check(house: House) -> None:
        async with house.server() as service:
            first = await service.execute("import random, sqlite3\nx = random.random()", principal=ALICE, session="new")
            for code in (
                "db = sqlite3.connect('/workspace/x.db'); db.execute('create table t as select 1 as n')",
                "open('/workspace/a.txt', 'w').write(str(x))",
            ):
                assert (await service.execute(code, principal=ALICE, session=first.session)).ok
            last = "[x, open('/workspace/a.txt').read(), db.execute('select n, datetime() from t').fetchall()]"
            report = await service.execute(last, principal=ALICE, session=first.session)
        assert (await house.replayed(report.execution)).report.value == report.value

    in_house(check)


def test_a_program_that_was_stopped_replays_up_to_there(in_house: Check) -> None:
    async def check(house: House) -> None:
        async with house.server() as service:
            code = "print('begun')\nledger.get(n=1)\nwhile True: pass"
            report = await service.execute(code, principal=ALICE, session="new", timeout=3.0)
            assert report.error is not None
            assert report.error.type == "TimeLimitExceeded"
        again = await house.replayed(report.execution)
        assert again.stopped
        assert again.report.output == "begun\n"
        assert again.report.error is not None
        assert "limit `wall`" in again.report.error.message

    in_house(check)


@pytest.mark.parametrize(
    ("kind", "before", "now", "place"),
    [
        (Answered, b'"n":1', b'"n":2', "ended otherwise: value"),
        (Stepped, b'"n":1', b'"n":7', "requests"),
        (Finished, b'"output": "hi', b'"output": "ho', "output"),
    ],
)
def test_a_replay_stops_at_the_first_divergence_and_says_where(
    in_house: Check, kind: type, before: bytes, now: bytes, place: str
) -> None:
    def changed(entry: Entry) -> Entry:
        if not isinstance(entry, Answered | Stepped | Finished) or not isinstance(entry, kind):
            return entry
        assert before in entry.text
        return replace(entry, text=entry.text.replace(before, now))

    async def check(house: House) -> None:
        async with house.server() as service:
            code = "import sys\nx = await ledger.get(n=1)\nsys.stdout.write('hi')\nx.n"
            report = await service.execute(code, principal=ALICE, session="new")
        entries = tuple(map(changed, await house.store.entries(report.execution)))
        guest = await house.pool.open()
        with pytest.raises(Diverged, match=place):
            await run_again(guest, transcript_of(entries))
        await guest.close()

    in_house(check)


def test_where_an_object_lay_is_no_divergence(in_house: Check) -> None:
    def moved(entry: Entry) -> Entry:
        if not isinstance(entry, Stepped | Finished):
            return entry
        assert b" at 0x" in entry.text or b'"output":""' in entry.text
        return replace(entry, text=re.sub(rb" at 0x[0-9a-f]+", b" at 0x123", entry.text))

    async def check(house: House) -> None:
        async with house.server() as service:
            code = "print(object())\nawait ledger.get(n=1)\nobject()"
            report = await service.execute(code, principal=ALICE, session="new")
        entries = tuple(map(moved, await house.store.entries(report.execution)))
        guest = await house.pool.open()
        assert (await run_again(guest, transcript_of(entries))).ok
        await guest.close()

    in_house(check)


def test_what_began_among_the_files_of_a_lost_interpreter_cannot_be_run_again(in_house: Check) -> None:
    async def check(house: House) -> None:
        async with house.server() as service:
            code = "open('/workspace/left', 'w').write('x')\nwhile True: pass"
            stopped = await service.execute(code, principal=ALICE, session="new", timeout=2.0)
            report = await service.execute("1", principal=ALICE, session=stopped.session)
        with pytest.raises(NotRepeatable, match="another interpreter had left"):
            await house.replayed(report.execution)

    in_house(check)
