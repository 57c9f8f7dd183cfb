"""What must hold of every program: a replay is the same, and no write is sent twice, wherever its server dies."""

from __future__ import annotations

import re
from collections import Counter

from tests.journal.house import ALICE, House


async def replays(house: House, code: str) -> int:
    """Run a program, and run it again from its journal: the same, byte for byte. Gives the steps compared."""
    async with house.server() as service:
        first = await service.execute(code, principal=ALICE, session="new")
    done, reads = [*house.book.entries], house.book.reads
    again = await house.replayed(first.execution)
    assert (again.report.ok, again.report.value, again.report.output) == (first.ok, first.value, first.output)
    assert (again.report.error, again.report.calls) == (first.error, first.calls)
    assert (house.book.entries, house.book.reads) == (done, reads), "a replay called"
    return again.steps


async def writes_once(house: House, code: str, dies_at: int, *, kept_first: bool) -> str:
    """Kill the server at an append, resume in another: no write is done twice, and a lost answer is told. Gives how."""
    house.book.entries.clear()
    before = {each.execution for each in await house.store.summaries(limit=1)}
    report = await house.run_until_death(code, dies_at, kept_first=kept_first)
    async with house.server() as service:
        if report is None:
            for latest in [each for each in await house.store.summaries(limit=1) if each.execution not in before]:
                report = await service.execute("", principal=ALICE, session=latest.execution)
    twice = [n for n, times in Counter(house.book.entries).items() if times > 1]
    assert not twice, f"done twice: {twice}"
    if report is None:
        assert not house.book.entries, "a write was sent of which nothing was noted"
        return "nothing begun"
    if report.ok:
        assert set(house.book.entries) == writes_of(code)
        return "finished"
    assert report.error is not None
    assert report.error.type == "OutcomeUnknown", report
    return "unknown"


def writes_of(code: str) -> set[int]:
    """The numbers of a program's writes."""
    return {int(n) for n in re.findall(r"ledger\.add\(n=(\d+)", code)}
