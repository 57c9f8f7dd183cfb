"""The programs of this repository, in the real sandbox, against a shop that is not there."""

import asyncio
from pathlib import Path

PROGRAM = (Path(__file__).parents[1] / "programs" / "open_total.py").read_text()


def test_the_open_orders_are_added_up(isthmus) -> None:
    assert asyncio.run(isthmus.value(PROGRAM)) == 1750
    assert isthmus.calls == [("shop.list_orders", {"status": "open", "limit": 100})]
