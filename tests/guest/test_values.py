"""Records, and what crosses: arguments strictly, results leniently."""

import base64
import copy
import json
import math
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.records import Record
from guest.values import (
    MAX_DEPTH,
    Encoded,
    argument_place,
    decode_events,
    encode_arguments,
    encode_result,
    result_place,
)
from tests.simulators.guest_host import Sandbox

_PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"])),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)),
)
_WITH_BYTES = st.recursive(
    st.one_of(st.binary(), st.integers(-5, 5)),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text("abc"), inner)),
)
_ANYTHING = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(), st.dates()),
        *(st.datetimes(), st.uuids(), st.builds(object), st.complex_numbers(), st.frozensets(st.integers())),
    ),
    lambda inner: st.one_of(
        *(
            st.lists(inner),
            st.tuples(inner, inner),
            st.dictionaries(st.one_of(st.text(), st.integers(), st.booleans()), inner),
        ),
        inner.map(lambda value: [[[[[[[[[[value]]]]]]]]]]),
    ),
    max_leaves=10,
)


def restored(encoded: Encoded) -> Any:
    [event] = decode_events(f'[[1,"value",{encoded.text},{encoded.blobs}]]')
    return event[2]


def attempt(encode: Callable[[], Encoded]) -> Encoded | None:
    try:
        return encode()
    except (TypeError, ValueError):
        return None


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def is_within_bounds(value: Any, depth: int = 0) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return depth < MAX_DEPTH and all(
            is_within_bounds(k) and is_within_bounds(v, depth + 1) for k, v in value.items()
        )
    if isinstance(value, list):
        return depth < MAX_DEPTH and all(is_within_bounds(item, depth + 1) for item in value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or math.isfinite(value)


@given(_PLAIN)
def test_plain_data_comes_out_as_it_went_in(value: Any) -> None:
    assert restored(encode_result(value)) == value
    named, placed = encode_arguments({"x": value}, (value,))
    assert (json.loads(named.text), json.loads(placed.text)) == ({"x": value}, [value])


@given(_WITH_BYTES)
def test_bytes_come_out_as_they_went_in(value: Any) -> None:
    assert restored(encode_result(value)) == value


@given(_ANYTHING)
def test_whatever_a_program_sends_is_refused_or_within_the_bounds(value: Any) -> None:
    for encoded in (attempt(lambda: encode_arguments({"x": value}, ())[0]), attempt(lambda: encode_result(value))):
        if encoded is not None:
            assert is_within_bounds(json.loads(encoded.text, object_pairs_hook=without_duplicates))
            assert all(base64.b64decode(text) is not None for _, text in json.loads(encoded.blobs))


@pytest.mark.parametrize(
    ("expression", "sent"),
    [
        ("datetime.datetime(2026, 1, 2, 3, 4)", "2026-01-02T03:04:00"),
        ("datetime.date(2026, 1, 2)", "2026-01-02"),
        *(("decimal.Decimal('5')", 5), ("decimal.Decimal('0.5')", 0.5), ("decimal.Decimal('0.1')", 0.1)),
        ("decimal.Decimal('0.12345678901234567890123')", "0.12345678901234567890123"),
        *(("Color.RED", "red"), ("Level.LOW", 1), ("uuid.UUID(int=1)", "00000000-0000-0000-0000-000000000001")),
        *(("pathlib.PurePosixPath('/a/b')", "/a/b"), ("{3, 1, 2}", [1, 2, 3]), ("Point(1, [2])", {"x": 1, "y": [2]})),
        *(
            ("(1, (2,))", [1, [2]]),
            ("{1: 'a', None: 'b', True: 'c'}", {"1": "c", "null": "b"}),
            ("range(3)", [0, 1, 2]),
        ),
        *(
            ("{'a': 1}.keys()", ["a"]),
            ("collections.Counter('aa')", {"a": 2}),
            ("types.MappingProxyType({'a': 1})", {"a": 1}),
        ),
        ("{datetime.date(2026, 1, 2): 1}", {"2026-01-02": 1}),
    ],
)
def test_usual_objects_are_taken_for_the_data_they_stand_for(box: Sandbox, expression: str, sent: Any) -> None:
    prelude = (
        "import datetime, decimal, enum, uuid, pathlib, dataclasses, collections, types\n"
        "class Color(enum.Enum): RED = 'red'\nclass Level(enum.IntEnum): LOW = 1\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int\n    y: list\n"
    )
    assert box.value(f"{prelude}github.create(value={expression})\n{expression}") == sent
    assert box.host.requests[0].arguments == {"value": sent}


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ("body={'items': [1, object()]}", "TypeError", "github.create: body.items[1] is an object, which is no data"),
        ("a=float('nan')", "ValueError", "github.create: a is nan, which JSON cannot hold"),
        ("a=[2**63]", "ValueError", "github.create: a[0] is an integer beyond 64 bits"),
        ("a={'x y': 'b\\ud800'}", "ValueError", "github.create: a['x y'] holds a lone surrogate"),
        ("a=loop", "ValueError", "github.create: a['me'] refers to itself".replace("['me']", ".me")),
        ("a=deep", "ValueError", "nests more than 64 levels deep"),
        ("a={(1, 2): 3}", "TypeError", "github.create: a has the key (1, 2): keys are text"),
        ("a={1: 1, '1': 2}", "ValueError", "github.create: a has two keys that are both '1' in JSON"),
        ("a=(i for i in [1])", "TypeError", "make a list of it"),
        ("a='x' * 17_000_000", "ValueError", "the arguments are too large"),
        ("a=Later()", "TypeError", "write await before it"),
    ],
)
def test_arguments_that_cannot_be_sent_are_refused_with_their_place(
    box: Sandbox, arguments: str, kind: str, message: str
) -> None:
    prelude = (
        "class Later: __await__ = None\nloop = {}\nloop['me'] = loop\ndeep = []\nfor _ in range(70): deep = [deep]\n"
    )
    error = box.error(f"{prelude}github.create({arguments})")
    assert error["type"] == kind
    assert message in error["message"]
    assert error["line"] == 6
    assert box.host.requests == []


@pytest.mark.parametrize(
    ("expression", "value", "note"),
    [
        ("[float('nan'), 1]", ["nan", 1], "result[0] (nan)"),
        ("{'a': 2**64}", {"a": "18446744073709551616"}, "result.a (an integer beyond 64 bits)"),
        ("'b\\ud800'", "b\\ud800", "result (lone surrogates)"),
        ("[1, int]", [1, "<class 'int'>"], "result[1] (a type)"),
        ("{(1, 2): 3}", {"(1, 2)": 3}, "result (a tuple)"),
    ],
)
def test_results_that_json_cannot_hold_are_shown_as_text_and_noted(
    box: Sandbox, expression: str, value: Any, note: str
) -> None:
    outcome = box.run(expression)
    assert outcome["value"] == value
    assert outcome["notes"] == [f"shown as text, for JSON cannot hold it: {note}"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a = []\na.append(a)\na", "result[0] refers to itself"),
        ("a = {}\na['x'] = [a]\na", "result.x[0] refers to itself"),
        ("a = []\nfor _ in range(64): a = [a]\na", "nests more than 64 levels deep"),
        ("class A(list):\n    def __iter__(self): 1/0\nA()", "division by zero"),
    ],
)
def test_results_without_end_are_errors(box: Sandbox, source: str, message: str) -> None:
    assert message in box.error(source)["message"]


def test_a_result_that_is_no_data_is_shown_by_its_repr(box: Sandbox) -> None:
    outcome = box.run("class A:\n    def __repr__(self): return '<an A>'\nA()")
    assert (outcome["kind"], outcome["value"]) == ("text", "<an A>")


def test_bytes_cross_in_both_directions(box: Sandbox) -> None:
    box.host.answers["github.echo"] = lambda request: [("value", {"data": None}, [[["data"], request.blobs[0][1]]])]
    assert box.run("return await github.echo(data=b'\\x00\\xff')")["blobs"] == [[["data"], "AP8="]]
    assert box.host.requests[0].blobs == [[["data"], "AP8="]]
    assert box.value("github.echo([b'\\x00\\xff']).data == b'\\x00\\xff'") is True
    assert box.host.requests[0].blobs == [[[0, 0], "AP8="]]


# -- records


def test_a_record_answers_to_attributes_at_every_depth(box: Sandbox) -> None:
    box.host.answer("github.get", ("value", {"user": {"login": "o"}, "labels": [{"name": "bug"}]}))
    source = (
        "r = github.get()\n[r.user.login, r.labels[0].name, hasattr(r, 'user'), hasattr(r, 'nope'), r.get('nope', 3)]"
    )
    assert box.value(source) == ["o", "bug", True, False, 3]


def test_a_missing_field_names_the_nearest_and_all_there_are() -> None:
    with pytest.raises(AttributeError, match=r"no field 'titel'; did you mean 'title'\? \(there are: title, state\)"):
        _ = Record(title=1, state=2).titel


@pytest.mark.parametrize(
    ("name", "place"),
    [("login", "user.login"), ("color", "labels[0].color"), ("city", "user.address.city"), ("titel", "title")],
)
def test_a_missing_field_that_stands_deeper_is_told_by_its_place(name: str, place: str) -> None:
    address = {"city": "x"}
    record = Record(title=1, user={"login": "a", "address": address}, labels=[{"color": "red"}, {"other": 1}])
    with pytest.raises(AttributeError, match=rf"no field {name!r}; did you mean {re.escape(repr(place))}\?"):
        getattr(record, name)


def test_a_missing_key_of_a_record_is_hinted_at(box: Sandbox) -> None:
    box.host.answer("github.get", ("value", {"title": "t"}))
    error = box.error("github.get()['titel']")
    assert (error["type"], error["message"]) == ("KeyError", "'titel'")
    assert "did you mean 'title'?" in error["hint"]


@given(_PLAIN)
def test_a_record_equals_serialises_copies_and_pickles_as_a_dict(value: Any) -> None:
    plain = {"items": value, "keys": [1], "values": {"a": 1}, "a": value}
    [event] = decode_events(json.dumps([[1, "value", plain]]))
    record = event[2]
    assert type(record) is Record
    assert record == plain
    assert json.loads(json.dumps(record)) == plain
    for twin in (
        copy.copy(record),
        copy.deepcopy(record),
        pickle.loads(pickle.dumps(record)),
        record.copy(),
        dict(record),
    ):
        assert type(twin) is dict
        assert twin == plain
    assert {**record} == plain
    assert list(record.items()) == list(plain.items())


@pytest.mark.parametrize("field", [[1, 2], {"a": 1}, "text", 5, None, True, []])
def test_fields_with_names_of_methods_are_fields_and_can_still_be_called(field: Any) -> None:
    record = Record(items=field, values=field, keys=field)
    for name, method in (("items", dict.items), ("values", dict.values), ("keys", dict.keys)):
        found = getattr(record, name)
        assert found == field
        assert bool(found) == bool(field)
        assert list(found()) == list(method(record))
    assert list(Record(a=1).items()) == [("a", 1)]


def test_places_read_as_a_program_would_write_them() -> None:
    assert argument_place(("body", "items", 3, "first name")) == "body.items[3]['first name']"
    assert argument_place((0, "x")) == "argument 1.x"
    assert result_place((0, "title")) == "result[0].title"


# ---------------------------------------------------------------- what no honest program may lose its session by


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("list(range(2_000_000))", "ValueError", "2,000,000 values, at most 900,000"),
        ("github.x(a=list(range(500_000)))", "ValueError", "at most 400,000 can be sent at once"),
        ("x = [1]\nfor _ in range(60): x = [x] * 4\nx", "ValueError", "more than 900,000 values"),
        ("x = [1]\nfor _ in range(60): x = [x] * 4\ngithub.x(a=x)", "ValueError", "more than 400,000 values"),
        ("call('\\ud800.a')", "ValueError", "no operation has the name"),
        ("call('a' * 2_000)", "ValueError", "no operation has the name"),
        ("getattr(github, '\\udfff')()", "ValueError", "no operation has the name"),
        ("github.x(**{'\\ud800': 1})", "TypeError", "is no name of an argument"),
        ("call('github.x', {1: 2, '1': 3})", "TypeError", "1 is no name of an argument"),
        ("github.x(a={10**5000: 1})", "ValueError", "an integer beyond 64 bits"),
        ("import time\ntime.sleep(float('inf'))", "OverflowError", "too long a sleep"),
        ("import time\ntime.sleep(float('nan'))", "ValueError", "non-negative number"),
        ("raise type('A' * 10**6, (Exception,), {})('x')", "A" * 100 + "... (999,900 more characters)", "x"),
    ],
)
def test_what_the_host_would_not_take_is_an_error_of_the_program(
    box: Sandbox, source: str, kind: str, words: str
) -> None:
    error = box.error(source)
    assert error["type"] == kind
    assert words in error["message"]
    assert box.value("1 + 1") == 2


def test_many_large_requests_leave_in_several_steps(box: Sandbox) -> None:
    assert (
        box.value(
            "calls = [github.x(a=list(range(300_000))) for _ in range(5)]\nlen([str(c.operation) for c in calls])"
        )
        == 5
    )


def test_what_stands_in_globals_is_no_variable_unless_it_has_a_name(box: Sandbox) -> None:
    outcome = box.run("globals()[1] = globals()['\\ud800'] = globals()['x' * 1000] = globals()['ok'] = 2")
    assert outcome["names"] == ["ok"]


def test_keys_of_a_result_that_are_no_text_become_such(box: Sandbox) -> None:
    value = box.value("import pathlib\n{pathlib.PurePosixPath('/\\udcff'): 1, float('nan'): 2, 10**30: 3}")
    assert value == {"/\\udcff": 1, "NaN": 2, str(10**30): 3}
