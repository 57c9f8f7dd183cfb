from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model import Call, Effect, Operation, Principal
from isthmus.policy import Deny, Policy
from isthmus.upstreams.mcp_tools import MAX_TEXT, Tools, held_back, operations_of, remembered

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just("object"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "type",
                    "properties",
                    "required",
                    "inputSchema",
                    "outputSchema",
                    "$ref",
                    "annotations",
                    "items",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


def only(tool: dict[str, Any]) -> Operation:
    (operation,) = operations_of("up", [{"name": "t", **tool}]).operations
    return operation


def remarks(tool: dict[str, Any]) -> tuple[str, ...]:
    return operations_of("up", [{"name": "t", **tool}]).remarks


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@given(st.lists(anything | st.fixed_dictionaries({"name": st.text(min_size=1), "inputSchema": anything}), max_size=4))
def test_no_list_of_tools_can_raise_and_ids_are_unique(listed: list[Any]) -> None:
    ids = [operation.id for operation in operations_of("up", listed).operations]
    assert len(set(ids)) == len(ids)


def test_a_tool_becomes_an_operation() -> None:
    operation = only(
        {
            "name": "createIssue",
            "title": "Create an issue",
            "description": "Opens one.\n\nAt once.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "labels": {"type": "array", "description": "To put on it"},
                    "issue-title": {"type": "string"},
                },
                "required": ["issue-title"],
            },
            "outputSchema": schema(number={"type": "integer"}),
        }
    )
    assert (operation.id, operation.original) == ("up.create_issue", "createIssue")
    assert (operation.summary, operation.description) == ("Create an issue", "Opens one.\n\nAt once.")
    assert [(p.name, p.wire, p.required, p.location) for p in operation.parameters] == [
        ("issue_title", "issue-title", True, "argument"),
        ("labels", "labels", False, "argument"),
    ]
    assert operation.parameters[1].description == "To put on it"
    assert operation.output == schema(number={"type": "integer"})


@pytest.mark.parametrize(
    ("annotations", "effect", "claim"),
    [
        (None, Effect.WRITE, None),
        ({}, Effect.WRITE, None),
        ({"readOnlyHint": True}, Effect.WRITE, Effect.READ),
        ({"destructiveHint": True}, Effect.DESTRUCTIVE, None),
        ({"destructiveHint": False}, Effect.WRITE, None),
        ({"readOnlyHint": True, "destructiveHint": False}, Effect.WRITE, Effect.READ),
        ({"readOnlyHint": True, "destructiveHint": True}, Effect.WRITE, None),
        ({"readOnlyHint": "yes"}, Effect.WRITE, None),
        ("readOnlyHint", Effect.WRITE, None),
    ],
)
def test_hints_make_a_tool_graver_by_themselves_and_milder_only_as_a_claim(
    annotations: Any, effect: Effect, claim: Effect | None
) -> None:
    operation = only({"annotations": annotations, "inputSchema": schema()})
    assert (operation.effect, operation.claim) == (effect, claim)


HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint", "title")


@given(st.dictionaries(st.sampled_from(HINTS), st.booleans() | anything) | anything)
def test_whatever_a_tool_says_of_itself_does_not_make_it_a_read(annotations: Any) -> None:
    operation = only({"annotations": annotations, "inputSchema": schema()})
    assert operation.effect is not Effect.READ
    assert Policy().classify(operation).effect is not Effect.READ
    assert isinstance(Policy().decide(Call(operation, {}, Principal())), Deny)


@pytest.mark.parametrize(
    ("input_schema", "is_open"),
    [
        ({"type": "object"}, True),
        (schema(), False),
        (schema(a={}), False),
        ({"type": "object", "additionalProperties": False}, False),
        (schema() | {"additionalProperties": True}, True),
        (schema(a={}) | {"additionalProperties": {"type": "string"}}, True),
        ({"type": "object", "anyOf": [schema(a={}), schema(b={})]}, True),
    ],
)
def test_more_arguments_are_passed_on_where_the_schema_invites_them(
    input_schema: dict[str, Any], is_open: bool
) -> None:
    assert only({"inputSchema": input_schema}).accepts_more is is_open


@pytest.mark.parametrize(
    ("input_schema", "reason"),
    [
        (None, "has no schema"),
        ({"type": "string"}, "not of an object, but of 'string'"),
        ({"$ref": "#"}, "a reference that leads nowhere"),
        ({"$ref": "http://169.254.169.254/"}, "a reference that leads nowhere"),
        (schema() | {"properties": [1]}, "are not an object"),
        ({"type": "object", "properties": {f"p{number}": {} for number in range(1001)}}, "1,001 properties"),
    ],
)
def test_a_tool_with_a_schema_of_no_use_takes_any_arguments_and_says_so(input_schema: Any, reason: str) -> None:
    tool = {"inputSchema": input_schema}
    assert (only(tool).parameters, only(tool).accepts_more) == ((), True)
    assert reason in remarks(tool)[0]
    assert "'t' takes any arguments" in remarks(tool)[0]


def test_a_schema_that_is_too_deep_is_not_used() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        deep = schema(a=deep)
    assert only({"inputSchema": deep}).accepts_more
    assert only({"inputSchema": schema(), "outputSchema": deep}).output is None
    assert len(remarks({"inputSchema": deep, "outputSchema": deep})) == 2


def test_a_schema_that_is_a_reference_is_looked_up_in_its_own_document() -> None:
    operation = only({"inputSchema": {"$ref": "#/$defs/A", "$defs": {"A": schema(x={"$ref": "#/$defs/B"}), "B": {}}}})
    assert [parameter.wire for parameter in operation.parameters] == ["x"]
    assert operation.document.resolve("#/$defs/B") == {}


def test_a_required_parameter_without_a_schema_is_one_all_the_same() -> None:
    (parameter,) = only({"inputSchema": {"type": "object", "required": ["q"]}}).parameters
    assert (parameter.name, parameter.required, parameter.schema) == ("q", True, {})


def test_references_of_both_schemas_resolve_in_one_document() -> None:
    both = {"A": {"type": "string"}}, {"A": {"type": "integer"}}
    operation = only(
        {
            "inputSchema": schema(x={"$ref": "#/$defs/A"}) | {"$defs": both[0]},
            "outputSchema": schema(y={"items": [{"$ref": "#/$defs/A"}]}, z={"$ref": "#"}) | {"$defs": both[1]},
        }
    )
    assert operation.output is not None
    assert operation.document.resolve(operation.parameters[0].schema["$ref"]) == {"type": "string"}
    reference = operation.output["properties"]["y"]["items"][0]["$ref"]
    assert operation.document.resolve(reference) == {"type": "integer"}
    assert operation.document.resolve(operation.output["properties"]["z"]["$ref"]) == operation.output


def test_the_wrapper_of_a_result_that_is_no_object_is_taken_off() -> None:
    wrapper = schema(result={"type": "array"}) | {"required": ["result"]}
    assert only({"inputSchema": schema(), "outputSchema": wrapper}).output == {"type": "array"}
    assert only({"inputSchema": schema(), "outputSchema": schema(result={})}).output == schema(result={})


def test_tools_that_cannot_be_called_are_left_out_and_named() -> None:
    tools = operations_of("up", [{"name": "a", "inputSchema": schema()}, {"name": "a"}, {}, "x", {"name": "b\ud800"}])
    assert [operation.original for operation in tools.operations] == ["a"]
    assert len(tools.remarks) == 4
    assert "the second tool named 'a'" in tools.remarks[0]


def test_what_no_json_can_hold_is_not_kept_of_a_schema() -> None:
    operation = only({"inputSchema": schema(x={"minimum": float("inf"), "maximum": 2**64, "description": "a\ud800"})})
    assert operation.parameters[0].schema == {"maximum": 2**64, "description": "a\\ud800"}


def test_a_long_description_is_cut_and_the_cut_is_told() -> None:
    tool = {"inputSchema": schema(), "description": "a" * (MAX_TEXT + 1)}
    assert len(only(tool).description) == MAX_TEXT
    assert "was cut" in remarks(tool)[0]


def test_a_later_list_cannot_make_an_effect_milder() -> None:
    first = operations_of("up", [{"name": "x", "inputSchema": schema()}])
    milder = [{"name": "x", "inputSchema": schema(), "annotations": {"readOnlyHint": True}}]
    known = remembered(remembered({}, first), Tools())  # and forgetting the tool in between does not help
    later = held_back(known, operations_of("up", milder))
    assert [(operation.effect, operation.claim) for operation in later.operations] == [(Effect.WRITE, None)]
    assert "it first counted as a write" in later.remarks[0]


def test_a_later_list_can_make_an_effect_graver() -> None:
    graver = operations_of("up", [{"name": "x", "inputSchema": schema(), "annotations": {"destructiveHint": True}}])
    assert held_back({"x": Effect.READ}, graver) == graver
