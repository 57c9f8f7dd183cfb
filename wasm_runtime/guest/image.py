"""The last steps of building the component: what the interpreter holds then is the image that every guest starts as.

Guests share the pages of the image until they write to them, and a page that is written costs a fault and 4 KiB. So:

- *Code has run* (`rehearse`): the interpreter specialises code that runs, by writing to it.
- *Objects become immortal*: references to them are not counted, so that a function, a class or a text can be used
  without a write. The interpreter has no way to do that to its objects: here they are marked in a map, and
  `build_component.py`, which finds the map in the component, does it. They are frozen, too: no collection visits them.
- *Holes are filled*, so that whatever a program makes is in new memory, and close together.
"""

from __future__ import annotations

import gc
import json
import linecache
from collections import deque
from collections.abc import Iterator
from types import CodeType
from typing import Any

from guest.session import Guest

MAGIC = (b"isthmus: objects to ", b"become immortal:")
"""What stands before the map. In two parts, so that the whole of it is nowhere else in the image."""
ALIGNMENT = 8
"""Objects that the interpreter makes at run time are aligned so; others are in its own data, and immortal as it is."""
MARKED_BYTES = 128 * 2**20
"""Objects beyond this address are not marked."""

_POOLED, _POOL_STEP = 512, 16  # bytes: so far, blocks come from the interpreter's pools, in such steps
_LARGEST = 256 * 1024
_EMPTY = b"".__sizeof__()

_REHEARSALS = 30
_PROGRAMS = (
    "1 + 1",
    "x = 1\nfor i in range(3):\n    x += i\nprint(x)\nx",
    "rows = [await up.items.get(n=i) for i in range(3)]\n{'rows': rows, 'n': rows[0].n}",
    "import asyncio\n[row['n'] for row in await asyncio.gather(*[up.get(n=i, l=[1, {'a': None}]) for i in (1, 2)])]",
    "def f(n):\n    return up.get(n=n).n is None\nup.put('a', 1.5)\nreturn [f(1), f(2)]",
    "import asyncio\nawait asyncio.sleep(0)\nprint('a')\nawait up.fail()",
    "undefined",
    "1 +",
    "```python\ntry:\n    up.fail()\nexcept UpstreamError as error:\n    print(error)\n```",
)


def rehearse() -> None:
    """Run programs of all kinds in a guest of their own, which is gone when this returns."""
    guest = Guest(_answered, give_up=_never)
    guest.install()
    for _ in range(_REHEARSALS):
        for source in _PROGRAMS:
            guest.run(json.dumps({"source": source, "seed": "00", "now": 0.0, "upstreams": ["up"]}))
    guest.uninstall()
    linecache.clearcache()


def _answered(step: str) -> str:
    """A host that has an answer to everything."""
    events: list[Any] = []
    for call, operation, *_ in json.loads(step)["requests"]:
        failed = operation == "up.fail"
        payload = {"type": "NotFound", "message": "no", "code": "not_found", "hint": "", "status": 404, "body": None}
        events.append([call, "error", payload] if failed else [call, "value", {"n": call, "s": "a", "l": [None, 1.5]}])
    return json.dumps(events)


def _never() -> None:
    raise AssertionError("no rehearsal prints that much")


def settle() -> tuple[bytearray, deque[object]]:
    """Mark all objects, and fill holes. What it returns must live on: it is a part of the image."""
    gc.collect()
    marks = _marked()
    gc.collect()
    gc.freeze()
    highest = len(marks.rstrip(b"\0")) * 8 * ALIGNMENT
    return marks, _fillers(highest)


def _marked() -> bytearray:
    """The magic, then a map of all objects: a bit for each address, in units of ALIGNMENT."""
    first, second = MAGIC
    start = len(first) + len(second)
    marks = bytearray(start + MARKED_BYTES // ALIGNMENT // 8)
    marks[: len(first)] = first
    marks[len(first) : start] = second
    waiting: list[Any] = gc.get_objects()
    own = {id(marks), id(waiting)}
    while waiting:
        each = waiting.pop()
        address = id(each)
        if address % ALIGNMENT or address >= MARKED_BYTES or address in own:
            continue
        place, bit = divmod(address // ALIGNMENT, 8)
        if marks[start + place] >> bit & 1:
            continue
        marks[start + place] |= 1 << bit
        waiting.extend(gc.get_referents(each))
        if type(each) is CodeType:
            waiting.extend(_parts(each))
    return marks


def _parts(code: CodeType) -> Iterator[Any]:
    """What code refers to: the collector does not know."""
    yield from (code.co_consts, code.co_names, code.co_filename, code.co_name, code.co_qualname)
    yield from (code.co_linetable, code.co_exceptiontable)


def _fillers(top: int) -> deque[object]:
    """Objects of all sizes, in all the free memory that there is below an address."""
    kept: deque[object] = deque()  # unlike a list, it never moves
    size = _LARGEST
    while size >= _POOL_STEP:
        while id(block := _block(size)) < top:
            kept.append(block)
        size = size // 2 if size > _POOLED else size - _POOL_STEP
    return kept


def _block(size: int) -> object:
    return bytes(size - _EMPTY) if size > _EMPTY else float(size)
