import json
import os
import stat
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from isthmus.catalog.shapes import Learned, shape_of
from isthmus.model import Call, CallRecord, Effect, Principal, Report
from isthmus.render.stubs import NORMAL, stub
from isthmus.service.learning import KNOWN_WELL, Learning, is_untyped
from isthmus.stores.shapes import ShapeFile
from isthmus_sandbox.protocol import Failure
from tests.simulators.upstream import operation

pytestmark = pytest.mark.anyio

LIST = operation("tracker.issues.list", required={"project": {"type": "string"}})
ME, YOU = Principal("me"), Principal("you")
ISSUES = [{"id": 7, "title": "Fix it", "state": "open", "user": {"login": "ann"}}, {"id": 8, "title": "x", "state": ""}]


@dataclass
class Memory:
    """Implements `Shapes`."""

    rows: dict[str, Learned] = field(default_factory=dict)
    closed: bool = False

    def read(self, key: str) -> Learned | None:
        return self.rows.get(key)

    def write(self, learned: Mapping[str, Learned]) -> None:
        self.rows |= learned

    def close(self) -> None:
        self.closed = True


def learned(*values: Any, principal: Principal = ME) -> Learning:
    learning = Learning(Memory())
    for value in values:
        learning.observe(Call(LIST, {}, principal), value)
    return learning


def test_what_was_answered_becomes_the_type_that_a_stub_shows() -> None:
    text = stub(learned(ISSUES, []).typed(LIST, ME), NORMAL).text
    assert text == (
        "# tracker.issues.list [read]\n"
        "async def list(project: str) -> list[ListResultItem]:  # observed 2 times\n"
        '    """Summary of issues.list."""\n'
        "class ListResultItem(TypedDict):\n"
        '    id: int; state: Literal["open"] | str; title: str\n'
        "    # not always there:\n"
        "    user: dict"
    )


def test_once_is_not_twice() -> None:
    assert "-> str:  # observed 1 time\n" in stub(learned("all is well").typed(LIST, ME)).text


def test_an_operation_that_was_never_called_stays_as_it_is() -> None:
    assert learned().typed(LIST, ME) is LIST


def test_what_one_principals_answers_taught_is_shown_to_no_other() -> None:
    learning = learned(ISSUES, principal=YOU)
    assert learning.typed(LIST, ME) is LIST
    assert learning.typed(LIST, YOU).observed == 1


def hint_of(learning: Learning, message: str, principal: Principal = ME, hint: str = "", status: Any = "done") -> str:
    called = CallRecord(LIST.id, Effect.READ, status, 1.0)
    failed = Report("x", "s", ok=False, error=Failure("AttributeError", message, hint=hint), calls=(called, called))
    error = learning.hinted(failed, {LIST.id: LIST}.get, principal).error
    assert error is not None
    return error.hint


def test_a_program_that_wants_a_field_is_told_whether_it_has_ever_been_there() -> None:
    known = learned(ISSUES, [])
    never = "'titel' has never been in an answer of tracker.issues.list (observed 2 times)"
    assert hint_of(known, "no field 'titel' (there are: id, title)") == never
    assert (
        hint_of(known, "'titel'", hint="no field 'titel' (there are: id)")
        == f"no field 'titel' (there are: id); {never}"
    )
    assert hint_of(known, "no field 'login' (there are: id)") == (
        "in answers of tracker.issues.list (observed 2 times) it is [].user.login"
    )
    assert hint_of(known, "no field 'user' (there are: id)") == (
        "in answers of tracker.issues.list (observed 2 times) it is [].user, and not in every object: use .get('user')"
    )


def test_nothing_is_said_of_fields_that_is_not_known() -> None:
    assert hint_of(learned(), "no field 'titel' (there are: id)") == ""
    assert hint_of(learned(ISSUES, principal=YOU), "no field 'titel' (there are: id)") == ""
    assert hint_of(learned(ISSUES), "no field 'titel'", status="failed") == ""
    assert hint_of(learned(ISSUES), "something else") == ""
    mapped = {f"key {number}": {"id": number} for number in range(5)}
    assert hint_of(learned(mapped), "no field 'titel' (there are: none)") == ""  # it may be one of the keys


def test_another_version_of_an_operation_is_learned_anew_and_another_wording_is_none() -> None:
    learning = learned(ISSUES)
    changed = operation("tracker.issues.list", required={"project": {"type": "integer"}})
    assert learning.typed(changed, ME) is changed
    assert learning.typed(replace(LIST, description="Now in other words."), ME).observed == 1


@pytest.mark.parametrize("output", [None, {}, {"type": "object", "additionalProperties": True}, {"description": "x"}])
def test_types_that_say_nothing_are_learned(output: Any) -> None:
    assert is_untyped(replace(LIST, output=output))


@pytest.mark.parametrize(
    "output", [{"type": "string"}, {"properties": {"a": {}}}, {"type": "array", "items": {"type": "integer"}}]
)
def test_types_that_say_something_are_believed(output: Any) -> None:
    declared = replace(LIST, output=output)
    learning = Learning(Memory())
    learning.observe(Call(declared, {}, ME), {"other": 1})
    assert not is_untyped(declared)
    assert learning.typed(declared, ME) is declared


def test_what_is_known_well_is_looked_at_more_seldom_and_still_counted() -> None:
    learning = learned(*([{"a": 1}] * (KNOWN_WELL + 1)), {"zebra": 1})
    assert learning.typed(LIST, ME).observed == KNOWN_WELL + 2
    assert "zebra" not in json.dumps(learning.typed(LIST, ME).output)


async def test_what_is_new_is_written_when_the_server_ends() -> None:
    store = Memory()
    learning = Learning(store)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(learning.run)
        await anyio.lowlevel.checkpoint()
        learning.observe(Call(LIST, {}, ME), ISSUES)
        tasks.cancel_scope.cancel()
    assert [each.answers for each in store.rows.values()] == [1]
    assert store.closed
    assert Learning(store).typed(LIST, ME).observed == 1


def test_a_file_keeps_shapes_for_its_owner_alone_and_holds_no_value(tmp_path: Path) -> None:
    path = tmp_path / "shapes.db"
    store = ShapeFile(path)
    store.write({"k": Learned(shape_of([{"token": "hunter2", "id": 4711}]), 3)})
    with closing(ShapeFile(path)) as later:
        assert later.read("k") == Learned(shape_of([{"token": "x", "id": 1}]), 3)
    assert store.read("other") is None
    store.close()
    assert store.read("k") is None
    content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"hunter2" not in content
    assert b"4711" not in content
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_used_is_told_and_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "shapes.db").write_text("this is no database, but long enough to be looked at as one" * 20)
    told: list[str] = []
    store = ShapeFile(tmp_path / "shapes.db", told.append)
    store.write({"k": Learned(shape_of(1), 1)})
    assert store.read("k") is None
    store.close()
    assert len(told) == 1
    assert "cannot be used" in told[0]


def test_a_shape_that_was_tampered_with_is_not_there(tmp_path: Path) -> None:
    import sqlite3

    store = ShapeFile(tmp_path / "shapes.db")
    store.write({"k": Learned(shape_of(1), 1)})
    other = sqlite3.connect(tmp_path / "shapes.db")
    other.execute("UPDATE shapes SET shape = '{\"kinds\": 3}'")
    other.commit()
    other.close()
    assert store.read("k") is None
    store.close()
