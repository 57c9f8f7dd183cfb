"""A write is sent once, or reported as unknown: wherever a server dies, a worker is lost, or a program fails."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journal.checks import writes_once
from tests.journal.conftest import Check
from tests.journal.crashes import Victim, crash, describe
from tests.journal.house import ALICE, House
from tests.journal.programs import writing
from tests.simulators.ledger import Point


@settings(max_examples=25)
@given(code=writing, dies_at=st.integers(1, 15), kept_first=st.booleans())
def test_no_write_is_done_twice_wherever_its_server_dies(
    in_house: Check, code: str, dies_at: int, *, kept_first: bool
) -> None:
    in_house(lambda house: writes_once(house, code, dies_at, kept_first=kept_first))


@pytest.mark.parametrize(
    ("victim", "point"), [("worker", "done"), ("server", "arrived"), ("server", "done"), ("server", "read")]
)
def test_real_processes_are_killed_in_the_middle_of_a_write(victim: Victim, point: Point, tmp_path: Path) -> None:
    seen = crash(victim, point, 4, tmp_path)
    assert seen.right, describe(seen)


def test_a_corrected_program_does_not_repeat_what_was_completed(in_house: Check) -> None:
    async def check(house: House) -> None:
        house.book.entries.clear()
        async with house.server() as service:
            code = "import uuid\nfor n in (1, 2, 3):\n    await ledger.add(n=n, note=uuid.uuid4().hex)\nboom"
            failed = await service.execute(code, principal=ALICE, session="new")
            assert not failed.ok
            fixed = code.replace("boom", "await ledger.add(n=4)")
            report = await service.execute(fixed, principal=ALICE, session=failed.execution)
            assert report.ok, report
            assert [call.taken for call in report.calls] == [True, True, True, False]
            assert house.book.entries == [1, 2, 3, 4]
            once_more = await service.execute(fixed, principal=ALICE, session=failed.execution)
            assert all(call.taken for call in once_more.calls)
            plain = await service.execute("await ledger.add(n=4)", principal=ALICE, session=failed.session)
            assert plain.ok
        assert house.book.entries == [1, 2, 3, 4, 4], "without the id two equal calls are two calls"

    in_house(check)


def test_an_execution_of_another_principal_does_not_exist(in_house: Check) -> None:
    async def check(house: House) -> None:
        async with house.server() as service:
            report = await service.execute("1", principal=ALICE, session="new")
            stranger = type(ALICE)("mallory")
            told = await service.execute("1", principal=stranger, session=report.execution)
            never = await service.execute("1", principal=stranger, session="x-never")
        assert told.error is not None
        assert never.error is not None
        assert told.error.message.replace(report.execution, "x-never") == never.error.message

    in_house(check)


def test_an_evicted_session_has_its_variables_again_without_a_call(in_house: Check) -> None:
    async def check(house: House) -> None:
        async with house.server() as service:
            code = "import uuid\nx = [uuid.uuid4(), await ledger.get(n=1)]\nopen('/workspace/f', 'w').write('kept')\nx"
            first = await service.execute(code, principal=ALICE, session="new")
            session = await service.sessions.find(ALICE, first.session)
            await session.drop("it rested for too long")
            reads = house.book.reads
            second = await service.execute("[x, open('/workspace/f').read()]", principal=ALICE, session=first.session)
        assert second.value == [first.value, "kept"]
        assert second.notes == ()
        assert house.book.reads == reads

    in_house(check)


def test_a_session_that_cannot_be_rebuilt_goes_on_without_its_variables_and_with_its_files(in_house: Check) -> None:
    async def check(house: House) -> None:
        async with house.server() as service:
            first = await service.execute("x = 1\nopen('/workspace/f', 'w').write('a')", principal=ALICE, session="new")
            session = await service.sessions.find(ALICE, first.session)
            await session.drop("it rested for too long")
            (session.workspace / "f").write_text("changed by another hand")
            report = await service.execute(
                "open('/workspace/f').read(), 'x' in globals()", principal=ALICE, session=first.session
            )
        assert report.value == ["changed by another hand", False]
        assert any("it rested for too long" in note for note in report.notes)

    in_house(check)


@pytest.mark.parametrize("dies_at", range(1, 6))
@pytest.mark.parametrize("before", ["simulate()", "uses('ledger.get')"])
def test_what_a_program_gave_up_it_has_not_again_in_the_next_server(in_house: Check, before: str, dies_at: int) -> None:
    async def check(house: House) -> None:
        house.book.entries.clear()
        code = f"{before}\nfor n in range(3):\n    await ledger.get(n=n)\nawait ledger.add(n=9)"
        if await house.run_until_death(code, dies_at, kept_first=True) is None:
            [latest] = await house.store.summaries(limit=1)
            async with house.server() as service:
                await service.execute("", principal=ALICE, session=latest.execution)
        assert house.book.entries == []

    in_house(check)
