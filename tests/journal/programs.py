"""Random programs, as models write them: what is drawn by chance, clocks, waiting, calls one by one and at once."""

from __future__ import annotations

from itertools import count

from hypothesis import strategies as st

PREAMBLE = """
import asyncio, datetime, random, time, uuid
seen = []
"""

_QUIET = (
    "seen.append(random.random())",
    "seen.append(random.sample(range(100), 3))",
    "seen.append(uuid.uuid4().hex)",
    "seen.append(str(uuid.uuid1()))",
    "seen.append(time.time())",
    "seen.append(time.perf_counter_ns())",
    "seen.append(str(datetime.datetime.now()))",
    "seen.append(str(datetime.datetime.now(datetime.UTC)))",
    "seen.append(time.strftime('%H:%M:%S'))",
    "seen.append(len({object() for _ in range(3)}))",
    "print('line', len(seen), time.monotonic())",
    "await asyncio.sleep(0.001)",
    "time.sleep(0.001)",
    "seen.append(await asyncio.gather(*(asyncio.sleep(random.random() / 500, i) for i in range(3))))",
    "async with asyncio.TaskGroup() as group: [group.create_task(asyncio.sleep(0)) for _ in range(2)]",
    "open('/workspace/notes.txt', 'a').write(str(len(seen)))",
    "seen.append(open('/workspace/notes.txt').read() if len(seen) > 99 else '')",
)
_TIMEOUTS = """
try:
    async with asyncio.timeout({seconds}):
        await asyncio.sleep({waits})
        seen.append("in time")
except TimeoutError:
    seen.append("late")
"""
_CALLS = (
    "seen.append(await ledger.add(n={0}))",
    "seen.append(await ledger.add(n={0}, note=str(time.time()) + uuid.uuid4().hex))",
    "ledger.add(n={0})",
    "seen.append(ledger.add(n={0}))",
    "seen.append(await asyncio.gather(ledger.add(n={0}), ledger.add(n={1}), ledger.get(n={2})))",
    "seen.append(await ledger.get(n={0}))",
    "task = asyncio.create_task(asyncio.wait_for(ledger.get(n={0}), 1)); seen.append(await task)",
)

_timeouts = st.builds(
    lambda seconds, waits: _TIMEOUTS.format(seconds=seconds, waits=waits),
    st.sampled_from((0.001, 0.003, 0.5)),
    st.sampled_from((0.0, 0.001, 0.002, 0.004)),
)


def _numbered(statements: list[str]) -> str:
    """The program, in which every write has a number of its own."""
    numbers = count(1)
    lines = [
        statement.format(*(next(numbers) for _ in range(3))) if "{0}" in statement else statement
        for statement in statements
    ]
    return PREAMBLE + "\n".join(lines) + "\nseen"


programs = st.lists(st.sampled_from(_QUIET) | _timeouts | st.sampled_from(_CALLS), max_size=12).map(_numbered)
"""Programs of all that there is, a dozen statements at most."""

writing = st.lists(
    st.sampled_from(_QUIET) | st.sampled_from(_CALLS) | st.sampled_from(_CALLS), min_size=1, max_size=10
).map(_numbered)
"""Programs that mostly call."""
