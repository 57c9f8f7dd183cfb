"""Whether operations still are what a skill relies on; and that no source takes long to be read for it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from isthmus.contracts.programs import MAX_STEPS, uses
from isthmus.model import Effect, Operation
from isthmus.skills.making import made
from isthmus.skills.skill import Kept
from isthmus.skills.standing import broken, contracts_of, used_by, writes
from tests.simulators.upstream import operation

TEXT, INTEGER = {"type": "string"}, {"type": "integer"}
GET = operation("shop.get", required={"id": INTEGER}, verbose={"type": "boolean"})
PUT = operation("shop.put", Effect.WRITE, required={"id": INTEGER})
SOURCE = "async def f(n):\n    await call('shop.put', {'id': n})\n    return (await shop.get(id=n)).name\n"


def kept() -> Kept:
    new = made("f", SOURCE, "Get one.", before=None, operations=(GET, PUT), upstreams=("shop",))
    return Kept(new.skill, new.lock)


def reasons(*operations: Operation, listed: bool = True) -> Sequence[str]:
    return broken(kept(), {each.id: each for each in operations}.get, lambda _: listed)


def test_the_operations_that_it_calls_are_found_and_those_that_write_are_told() -> None:
    assert kept().skill.uses == ("shop.get", "shop.put")
    assert writes(kept().skill, {GET.id: GET, PUT.id: PUT}.get) == ("shop.put",)


def test_what_is_the_same_or_has_grown_breaks_nothing() -> None:
    assert reasons(GET, PUT) == ()
    assert reasons(operation("shop.get", required={"id": INTEGER}, verbose=TEXT, more=TEXT), PUT) == ()


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (operation("shop.get", required={"id": TEXT}), "shop.get changed: "),
        (operation("shop.get", required={"id": INTEGER, "region": TEXT}), "shop.get changed: "),
        (operation("shop.get", Effect.WRITE, required={"id": INTEGER}), "shop.get changed: it was a read"),
    ],
)
def test_what_it_gives_and_is_taken_no_more_breaks_it(now: Operation, told: str) -> None:
    [reason] = reasons(now, PUT)
    assert reason.startswith(told)


def test_what_is_gone_is_told_unless_its_upstream_is_away() -> None:
    assert reasons(PUT) == ("shop.get is gone",)
    assert reasons(listed=False) == ()


def test_contracts_that_cannot_be_read_are_none() -> None:
    assert broken(Kept(kept().skill, "{"), {GET.id: GET, PUT.id: PUT}.get, lambda _: True) == ()
    assert contracts_of(()) == ""


HOSTILE = [
    "    x = x.a or shop.get(x) or x\n" * 550,
    "    x = [x, x, x.a]\n" * 600,
    "    x = x['a']['b'][0]\n" * 700,
    "    for x, y in zip(x, y): y = [x, y]\n" * 300,
    "    " + ", ".join(f"a{n}" for n in range(1500)) + " = " + " or ".join("x" for _ in range(1500)) + "\n",
    "    x = " + "[x," * 90 + "x" + "]" * 90 + "\n",
    "    x = " + "gather(*[" * 45 + "shop.get()" + "])" * 45 + "\n",
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_a_source_that_is_made_to_take_long_is_read_to_its_end(body: str) -> None:
    source = f"def f(y):\n    x = shop.get()\n{body}"
    assert used_by("f", source, (GET, PUT)) == (GET,)


def test_what_lies_deeper_than_is_followed_is_said_to_escape() -> None:
    source = "def f():\n    x = shop.get()\n" + "    x = x.a\n" * (MAX_STEPS + 5)
    [use] = uses([("f", source)], [GET.id])[0]
    assert max(map(len, use.escapes)) == MAX_STEPS
