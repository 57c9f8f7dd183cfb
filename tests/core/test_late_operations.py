"""An operation whose details are read when they are needed is a value like any other."""

from dataclasses import dataclass

import pytest

from isthmus.model import Details, Effect, Operation, Parameter

PARAMETERS = (Parameter("id", "id", "path", True, {"type": "string"}),)
EAGER = Operation("up.get", "up", "get", Effect.READ, PARAMETERS, output={"type": "object"})


@dataclass
class Counted:
    times: int = 0

    def __call__(self) -> Details:
        self.times += 1
        return PARAMETERS, {"type": "object"}


def late(details: Counted) -> Operation:
    return Operation.late(details, id="up.get", upstream="up", original="get", effect=Effect.READ)


def test_details_are_read_once_and_when_they_are_asked_for() -> None:
    details = Counted()
    operation = late(details)
    assert (operation.id, details.times) == ("up.get", 0)
    assert operation.parameters is operation.parameters
    assert operation.output == {"type": "object"}
    assert details.times == 1


def test_it_equals_one_that_had_them_from_the_beginning() -> None:
    assert late(Counted()) == EAGER
    assert hash(late(Counted())) == hash(EAGER)


def test_it_stays_late_when_something_else_is_changed() -> None:
    details = Counted()
    changed = late(details).having(effect=Effect.WRITE)
    assert (changed.effect, details.times) == (Effect.WRITE, 0)
    assert changed.parameters == PARAMETERS


def test_details_that_are_changed_stay_changed() -> None:
    changed = late(Counted()).having(output=None).having(effect=Effect.WRITE)
    assert (changed.output, changed.parameters, changed.details) == (None, PARAMETERS, None)
    assert EAGER.having(parameters=()).parameters == ()


def test_what_is_no_field_is_missing() -> None:
    for operation in (EAGER, late(Counted())):
        with pytest.raises(AttributeError):
            operation.paramters  # type: ignore[attr-defined]  # noqa: B018
