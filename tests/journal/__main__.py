"""`python -m tests.journal`: what the suite checks by samples, at length.

python -m tests.journal crashes                   the crash matrix: real processes, killed at every point
python -m tests.journal replay --examples 1000    random programs, each replayed byte for byte
python -m tests.journal resume --examples 1000    random programs, whose servers die at random points
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.journal.checks import replays, writes_once
from tests.journal.crashes import WRITES, Victim, crash, describe, table
from tests.journal.house import House, house
from tests.journal.programs import programs, writing
from tests.simulators.ledger import Point

In = Callable[[Callable[[House], Coroutine[Any, Any, Any]]], Any]


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.journal", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["crashes", "replay", "resume"])
    parser.add_argument("--examples", type=int, default=1000, metavar="N", help="random programs (default: 1000)")
    arguments = parser.parse_args()
    if arguments.what == "crashes":
        return crashes()
    check = replay if arguments.what == "replay" else resume
    with (
        tempfile.TemporaryDirectory() as folder,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(house(Path(folder))) as own,
    ):
        check(lambda each: portal.call(each, own), arguments.examples)
    return 0


def crashes() -> int:
    """Every victim, point and write. 1 if one did not end as it must."""
    seen = []
    victims: tuple[Victim, ...] = ("worker", "server")
    points: tuple[Point, ...] = ("arrived", "done", "read")
    for victim in victims:
        for point in points:
            for write in range(1, WRITES + 1):
                with tempfile.TemporaryDirectory() as folder:
                    seen.append(crash(victim, point, write, Path(folder)))
                sys.stderr.write("." if seen[-1].right else "F")
                sys.stderr.flush()
    sys.stderr.write("\n")
    print(table(seen))
    wrong = [each for each in seen if not each.right]
    for each in wrong:
        print(describe(each))
    print(f"{len(seen)} kills, {len(wrong)} wrong, {sum(bool(each.twice) for each in seen)} with a write done twice")
    return bool(wrong)


def _at_length(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def replay(in_house: In, examples: int) -> None:
    """Replay so many random programs."""
    steps: list[int] = []

    @_at_length(examples)
    @given(code=programs)
    def check(code: str) -> None:
        steps.append(in_house(lambda house: replays(house, code)))

    check()
    print(f"{len(steps)} random programs replayed, the same byte for byte: {sum(steps):,} steps and outcomes compared")


def resume(in_house: In, examples: int) -> None:
    """Kill the servers of so many random programs."""
    ends: Counter[str] = Counter()

    @_at_length(examples)
    @given(code=writing, dies_at=st.integers(1, 15), kept_first=st.booleans())
    def check(code: str, dies_at: int, *, kept_first: bool) -> None:
        ends[in_house(lambda house: writes_once(house, code, dies_at, kept_first=kept_first))] += 1

    check()
    print(f"{ends.total()} random programs, no write done twice: {dict(ends)}")


if __name__ == "__main__":
    sys.exit(main())
