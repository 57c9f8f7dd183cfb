import json
from collections.abc import Sequence
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from isthmus.model import Dialect, SchemaDocument
from isthmus.openapi.schema import is_binary, standalone, translated, value_types

OLD = Dialect.OPENAPI_3_0


def alone(schema: Any, *, root: Any = None, dialect: Dialect = OLD, for_request: bool = True) -> dict[str, Any]:
    return standalone(schema, SchemaDocument(root or {}, dialect), for_request=for_request)


@pytest.mark.parametrize(
    ("schema", "result"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        (
            {"allOf": [{"type": "object"}], "nullable": True},
            {"anyOf": [{"allOf": [{"type": "object"}]}, {"type": "null"}]},
        ),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"exclusiveMinimum": 3}, {"exclusiveMinimum": 3}),
        ({"type": "string", "example": "x", "description": "d", "discriminator": {}, "x-a": 1}, {"type": "string"}),
        ({"type": "string", "pattern": "((("}, {"type": "string"}),
        ({"type": "file"}, {}),
        ({"type": "string", "format": "binary"}, {}),
        (
            {"items": [{"type": "string"}], "additionalItems": False},
            {"prefixItems": [{"type": "string"}], "items": {"not": {}}},
        ),
        ({"oneOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}]}),
        (
            {"required": "x", "properties": [], "enum": [], "multipleOf": 0, "maxLength": -1, "minimum": float("inf")},
            {},
        ),
        ({"$id": "http://169.254.169.254/", "$schema": "http://x/", "$dynamicRef": "http://x/#y"}, {}),
        (False, {"not": {}}),
        (None, {}),
    ],
)
def test_a_schema_is_translated_and_what_is_unsound_is_dropped(schema: Any, result: dict[str, Any]) -> None:
    assert alone(schema) == result


def test_only_what_is_reachable_is_taken_along_and_cycles_stay_references() -> None:
    root = {"components": {"schemas": {"A": {"properties": {"b": {"$ref": "#/components/schemas/B"}}}, "Unused": {}}}}
    root["components"]["schemas"]["B"] = {"properties": {"a": {"$ref": "#/components/schemas/A"}}}
    result = alone({"$ref": "#/components/schemas/A"}, root=root)
    assert result == {
        "$ref": "#/$defs/A",
        "$defs": {
            "A": {"properties": {"b": {"$ref": "#/$defs/B"}}},
            "B": {"properties": {"a": {"$ref": "#/$defs/A"}}},
        },
    }


def test_siblings_of_a_reference_count_in_3_1_only_and_nullable_always() -> None:
    root = {"A": {"type": "string"}}
    schema = {"$ref": "#/A", "maxLength": 2}
    assert alone(schema, root=root)["$ref"] == "#/$defs/A"
    assert "maxLength" not in alone(schema, root=root)
    assert alone(schema, root=root, dialect=Dialect.JSON_SCHEMA)["maxLength"] == 2
    nullable = alone({"$ref": "#/A", "nullable": True}, root=root)
    assert nullable["anyOf"] == [{"$ref": "#/$defs/A"}, {"type": "null"}]


def test_definitions_of_the_same_name_are_kept_apart() -> None:
    root = {"a": {"X": {"type": "string"}}, "b": {"X": {"type": "integer"}}}
    result = alone({"allOf": [{"$ref": "#/a/X"}, {"$ref": "#/b/X"}]}, root=root)
    assert sorted(part["type"] for part in result["$defs"].values()) == ["integer", "string"]


def test_remote_and_dangling_references_allow_everything_and_are_told() -> None:
    done = translated({"$ref": "http://169.254.169.254/x"}, SchemaDocument({}), for_request=True)
    assert done.schema == {}
    assert "not followed" in done.warnings[0]
    assert alone({"properties": {"a": {"$ref": "#/nowhere"}}}) == {"properties": {"a": {}}}


def test_read_only_properties_are_not_required_of_requests_nor_write_only_ones_of_answers() -> None:
    schema = {
        "properties": {"id": {"$ref": "#/Id"}, "secret": {"writeOnly": True}, "name": {}},
        "required": ["id", "secret", "name"],
    }
    root = {"Id": {"type": "string", "readOnly": True}}
    assert alone(schema, root=root)["required"] == ["secret", "name"]
    assert alone(schema, root=root, for_request=False)["required"] == ["id", "name"]


def test_combinations_that_explode_or_contain_themselves_are_cut() -> None:
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/d{n + 1}"}, {"anyOf": [{"$ref": f"#/d{n + 1}"}]}]} for n in range(40)}
    for root in ({**doubling, "d40": {"type": "string"}}, {"d0": {"allOf": [{"$ref": "#/d0"}]}}):
        done = translated({"$ref": "#/d0"}, SchemaDocument(root), for_request=True)
        assert any("too many schemas" in warning for warning in done.warnings)
        assert jsonschema_rs.Draft202012Validator(done.schema, offline=True).is_valid("x") in (True, False)


def test_depth_is_bounded_and_told() -> None:
    schema: dict[str, Any] = {}
    for _ in range(500):
        schema = {"properties": {"a": schema}}
    done = translated(schema, SchemaDocument({}), for_request=True)
    assert "too deep" in done.warnings[0]
    jsonschema_rs.Draft202012Validator(done.schema, offline=True)


KEYWORDS = [
    "type",
    "enum",
    "const",
    "$ref",
    "properties",
    "items",
    "required",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "pattern",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "additionalProperties",
    "patternProperties",
    "nullable",
    "format",
    "prefixItems",
    "if",
    "then",
    "multipleOf",
    "dependentRequired",
    "$defs",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["string", "object", "integer", "#", "#/$defs/a", "#/properties/a", "((", "^a+$", "http://x/"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYWORDS, "a"]), inner, max_size=4),
    max_leaves=20,
)


@given(schema=st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=6), value=VALUES)
@example(schema={"dependentRequired": {"a": ["b", "b"]}}, value=None)
def test_whatever_the_schema_its_translation_compiles_and_checks(schema: dict[str, Any], value: Any) -> None:
    for dialect in Dialect:
        done = translated(schema, SchemaDocument(schema, dialect), for_request=True, usable_pattern=_linear)
        validator = jsonschema_rs.Draft202012Validator(
            done.schema, offline=True, pattern_options=jsonschema_rs.RegexOptions(), validate_formats=False
        )
        try:
            json.dumps(value, allow_nan=False).encode()
        except ValueError:
            continue
        assert validator.is_valid(value) in (True, False)


def _linear(pattern: str, _: Sequence[str]) -> bool:
    try:
        jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions())
    except ValueError:
        return False
    return True


def test_types_are_read_through_references_and_alternatives() -> None:
    root = {"S": {"type": "string"}, "L": {"$ref": "#/L"}}
    document = SchemaDocument(root)
    assert value_types({"anyOf": [{"$ref": "#/S"}, {"type": ["integer", "null"]}]}, document) == frozenset(
        {"string", "integer", "null"}
    )
    assert value_types({"$ref": "#/S", "nullable": True}, document) == frozenset({"string", "null"})
    assert value_types({"$ref": "#/L"}, document) is None
    assert value_types({"anyOf": [{}, {"type": "string"}]}, document) is None


def test_files_are_known_in_both_spellings() -> None:
    assert is_binary({"type": "string", "format": "binary"})
    assert is_binary({"type": "string", "contentMediaType": "image/png"})
    assert not is_binary({"contentMediaType": "image/png", "contentEncoding": "base64"})
    assert not is_binary({"type": "string", "format": "byte"})
