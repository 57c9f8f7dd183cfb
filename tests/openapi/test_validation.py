from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.coercion import coerced
from isthmus.model import Dialect, Effect, Location, Operation, Parameter, SchemaDocument
from isthmus.validation import MAX_ANSWER_PROBLEMS, MAX_ANSWER_VALUES, MAX_KEPT, Validation


def operation_of(
    *,
    location: Location = "body",
    required: tuple[str, ...] = (),
    output: Any = None,
    root: Any = None,
    more: bool = False,
    **schemas: Any,
) -> Operation:
    parameters = tuple(
        Parameter(name, name.upper(), location, name in required, schema) for name, schema in schemas.items()
    )
    return Operation(
        "api.op",
        "api",
        "op",
        Effect.READ,
        parameters,
        output=output,
        document=SchemaDocument(root or {}),
        accepts_more=more,
    )


STRING, INTEGER = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        (STRING, 3, "a: expected a string, got 3"),
        (STRING, b"x", "a: expected a string, got bytes"),
        (STRING, None, "a: expected a string, got None"),
        ({"type": "array", "items": {"properties": {"n": STRING}}}, [{}, {"n": 1}], "a[1].n: expected a string, got 1"),
        ({"enum": ["open", "closed"]}, "opened", "a: 'opened' is not one of 'open', 'closed'; did you mean 'open'?"),
        ({"const": 1}, 2, "a: 2 is not 1"),
        ({"minimum": 3}, 2, "a: 2 is less than 3"),
        ({"exclusiveMaximum": 3}, 3, "a: 3 is not less than 3"),
        ({"minLength": 3}, "ab", "a: has 2 characters, fewer than 3"),
        ({"maxItems": 1}, [1, 2], "a: has 2 items, more than 1"),
        ({"pattern": "^[a-z]+$"}, "A", "a: 'A' does not match the pattern ^[a-z]+$"),
        ({"uniqueItems": True}, [1, 1], "a: has an item twice"),
        ({"multipleOf": 5}, 3, "a: 3 is no multiple of 5"),
        ({"required": ["x"], "type": "object"}, {}, "a.x: required, and missing"),
        ({"properties": {"x": {}}, "additionalProperties": False}, {"y": 1}, "a: unknown 'y'"),
        ({"anyOf": [INTEGER, {"type": "object"}]}, "x", "a: expected an integer or a dict, got 'x'"),
        ({"anyOf": [STRING, {"type": "object", "required": ["id"]}]}, {}, "a.id: required, and missing"),
        (
            {
                "oneOf": [
                    {"properties": {"type": {"const": "card"}, "n": STRING}},
                    {"properties": {"type": {"const": "bank"}, "iban": STRING}, "required": ["iban", "bic"]},
                ]
            },
            {"type": "bank", "n": 1},
            "a.iban: required, and missing",
        ),
    ],
)
def test_a_problem_says_where_what_and_what_fits(schema: Any, value: Any, problem: str) -> None:
    assert Validation().arguments_problems(operation_of(a=schema, required=("a",)), {"a": value}) == [problem]


def test_a_bound_that_its_own_example_contradicts_is_not_checked() -> None:
    schema = {"pattern": "^[a-z]$", "example": "someKey"}
    assert Validation().arguments_problems(operation_of(a=schema), {"a": "OTHER"}) == []
    assert Validation().arguments_problems(operation_of(a={**schema, "example": "k"}), {"a": "OTHER"}) != []
    assert Validation().arguments_problems(operation_of(a={"maxLength": 3, "examples": ["long"]}), {"a": "OTHER"}) == []


def test_all_problems_are_told_at_once() -> None:
    operation = operation_of(title=STRING, count=INTEGER, required=("title",))
    assert Validation().arguments_problems(operation, {"titel": "x", "count": "y"}) == [
        "unknown parameter 'titel' (did you mean 'title'?)",
        "title: required, and missing (a string)",
        "count: expected an integer, got 'y'",
    ]


def test_a_parameter_given_by_its_wire_name_is_pointed_to_its_name() -> None:
    assert "did you mean 'a'?" in Validation().arguments_problems(operation_of(a=STRING), {"A": "x"})[0]


def test_an_operation_that_takes_more_has_no_unknown_parameters() -> None:
    assert Validation().arguments_problems(operation_of(a=STRING, more=True), {"b": 1}) == []


def test_values_that_are_no_plain_data_are_a_problem_not_a_failure() -> None:
    for value in ("\ud800", {1: 2}):
        (problem,) = Validation().arguments_problems(operation_of(a={"pattern": "a", "maxProperties": 0}), {"a": value})
        assert problem


def test_a_file_may_be_bytes_or_a_name_with_bytes() -> None:
    operation = operation_of(a={"type": "string", "format": "binary"})
    for value in (b"x", "x", ["n.txt", b"x", "text/plain"]):
        assert Validation().arguments_problems(operation, {"a": value}) == []


def test_what_travels_as_text_may_be_text_or_number() -> None:
    operation = operation_of(
        location="query",
        n=INTEGER,
        s=STRING,
        b={"type": "boolean"},
        many={"type": "array", "items": INTEGER},
        x={"type": ["string", "integer"]},
    )
    given_ = {"n": "12", "s": 5.0, "b": "true", "many": "3", "x": 4}
    assert coerced(operation, given_) == {"n": 12, "s": "5", "b": True, "many": [3], "x": 4}
    assert coerced(operation, {"n": "012", "b": "yes", "s": True}) == {"n": "012", "b": "yes", "s": True}


def test_json_is_not_coerced_but_for_whole_floats() -> None:
    operation = operation_of(n=INTEGER, s=STRING, f={"type": "number"})
    assert coerced(operation, {"n": 3.0, "s": 5, "f": 3.0}) == {"n": 3, "s": 5, "f": 3.0}
    assert isinstance(coerced(operation, {"n": 3.0})["n"], int)
    assert isinstance(coerced(operation, {"f": 3.0})["f"], float)


def test_none_means_left_out_unless_it_is_required_or_allowed() -> None:
    nullable = {"type": ["string", "null"]}
    operation = operation_of(a=STRING, b=nullable, c=STRING, d={}, required=("c",))
    assert coerced(operation, {"a": None, "b": None, "c": None, "d": None}) == {"b": None, "c": None, "d": None}
    assert coerced(operation_of(location="query", a=nullable), {"a": None}) == {}


def test_bytes_become_base64_where_that_is_wanted() -> None:
    root = {"B": {"type": "string", "format": "byte"}}
    assert coerced(operation_of(a={"$ref": "#/B"}, root=root), {"a": b"hi"}) == {"a": "aGk="}


def test_answers_are_checked_in_their_first_few_places() -> None:
    operation = operation_of(output={"type": "array", "items": {"type": "object", "required": ["id"]}})
    validation = Validation()
    assert validation.answer_problems(operation, [{"id": 1}]) == []
    problems = validation.answer_problems(operation, [{}] * 20)
    assert problems == [f"[{n}].id: required, and missing" for n in range(MAX_ANSWER_PROBLEMS)]


def test_answers_with_bytes_or_very_many_values_are_not_checked() -> None:
    operation = operation_of(output={"type": "string"})
    validation = Validation()
    assert validation.answer_problems(operation, [b"x"]) == []
    assert validation.answer_problems(operation, [0] * (MAX_ANSWER_VALUES + 1)) == []
    assert validation.answer_problems(operation, [0]) != []


def test_a_changed_operation_is_compiled_anew_and_few_are_kept() -> None:
    validation = Validation()
    assert validation.arguments_problems(operation_of(a=STRING), {"a": 1})
    assert validation.arguments_problems(operation_of(a=INTEGER), {"a": 1}) == []
    operation = operation_of(output=STRING)
    assert not validation.is_ready(operation)
    assert validation.answer_problems(operation, 1)
    assert validation.is_ready(operation)
    for number in range(MAX_KEPT + 5):
        other = Operation(f"api.op{number}", "api", "x", Effect.READ, (Parameter("a", "a", "body", False, STRING),))
        validation.check(other, {})
    assert not validation.is_ready(operation)


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]), st.none() | st.integers() | st.text() | st.binary() | st.lists(st.floats())
    )
)
def test_any_arguments_are_checked_without_failing(arguments: dict[str, Any]) -> None:
    operation = operation_of(a={"type": ["string", "array"]}, b={"anyOf": [STRING, INTEGER]}, location="query")
    mended, problems = Validation().check(operation, arguments)
    assert set(mended) <= set(arguments)
    assert all(isinstance(problem, str) and problem for problem in problems)


def test_a_schema_of_the_old_dialect_is_understood() -> None:
    parameters = (Parameter("a", "a", "body", False, {"type": "string", "nullable": True}),)
    document = SchemaDocument({}, Dialect.OPENAPI_3_0)
    operation = Operation("api.op", "api", "op", Effect.READ, parameters, document=document)
    assert Validation().check(operation, {"a": None}) == ({"a": None}, [])
