import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model import SchemaDocument
from isthmus.render.types import Annotator

PET = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "owner": {"$ref": "#/defs/Owner"}},
    "required": ["id"],
}
ROOT: dict[str, Any] = {
    "defs": {
        "Pet": PET,
        "Owner": {"type": "object", "properties": {"pets": {"type": "array", "items": {"$ref": "#/defs/Pet"}}}},
        "Loop": {"$ref": "#/defs/Loop"},
        "Base": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
        "Big": {"allOf": [{"$ref": "#/defs/Base"}, {"type": "object", "properties": {"n": {"type": "number"}}}]},
    }
}
BOMB: dict[str, Any] = {
    "defs": {f"B{n}": {"allOf": [{"$ref": f"#/defs/B{n + 1}"}] * 2} for n in range(40)} | {"B40": {"type": "string"}}
}


def written(schema: Any, root: dict[str, Any] = ROOT, **options: Any) -> tuple[str, str]:
    annotator = Annotator(SchemaDocument(root), **options)
    text = annotator.annotate(schema, "thing").text
    return text, "\n".join(definition.text for definition in annotator.definitions(400))


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "Any"),
        (True, "Any"),
        ({"type": "string"}, "str"),
        ({"type": "string", "format": "binary"}, "bytes"),
        ({"type": ["string", "null"]}, "str | None"),
        ({"type": "string", "nullable": True}, "str | None"),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, "int | None"),
        ({"anyOf": [{"$ref": "#/defs/Pet"}], "nullable": True}, "Pet | None"),
        ({"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}, "str | list[str]"),
        ({"enum": ["a", "b", None]}, 'Literal["a", "b", None]'),
        ({"const": 3}, "Literal[3]"),
        ({"enum": [[1], {}]}, "Any"),
        ({"type": "array"}, "list"),
        ({"type": "array", "items": {"$ref": "#/defs/Pet"}}, "list[Pet]"),
        ({"type": "object"}, "dict"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "dict[str, int]"),
        ({"properties": {"x": {}}}, "Thing"),
        ({"$ref": "#/defs/Nowhere"}, "Any"),
        ({"$ref": "https://example.com/x"}, "Any"),
        ({"$ref": "#/defs/Loop"}, "Any"),
        ({"type": "array", "items": [{"type": "string"}]}, "list"),
        ({"type": 7, "enum": "no", "properties": [], "anyOf": {}}, "Any"),
    ],
)
def test_a_schema_is_written_as_a_python_type(schema: Any, text: str) -> None:
    assert written(schema)[0] == text


def test_objects_with_names_are_defined_and_cycles_end_by_name() -> None:
    text, definitions = written({"$ref": "#/defs/Pet"}, depth=3, limit=5)
    assert text == "Pet"
    assert definitions == (
        "class Pet(TypedDict):\n    id: int; owner: Owner\nclass Owner(TypedDict):\n    pets: list[Pet]"
    )


def test_beyond_the_depth_an_object_is_a_dict() -> None:
    assert written({"$ref": "#/defs/Pet"}, depth=0)[1] == "class Pet(TypedDict):\n    id: int; owner: dict"


def test_all_of_is_one_object() -> None:
    assert written({"$ref": "#/defs/Big"})[1] == "class Big(TypedDict):\n    id: str; n: float"


def test_an_all_of_that_doubles_forty_times_ends() -> None:
    assert written({"$ref": "#/defs/B0"}, BOMB)[0] in {"str", "Any"}


def test_optional_fields_of_what_is_written_are_told_apart_and_read_only_ones_left_out() -> None:
    schema = {
        "properties": {"a": {}, "b": {"type": "string"}, "c": {"readOnly": True}, "class": {"type": "string"}},
        "required": ["b"],
    }
    assert written(schema, writing=True)[1] == (
        'class Thing(TypedDict):\n    b: str\n    # optional:\n    a: Any\n    # "class": str'
    )


def test_what_does_not_fit_is_named_and_counted() -> None:
    schema = {"properties": {f"field_{n}": {"type": "string"} for n in range(90)}}
    annotator = Annotator(SchemaDocument({}))
    annotator.annotate(schema, "thing")
    (definition,) = annotator.definitions(100)
    assert "# also: field_9, field_10" in definition.text
    assert definition.text.endswith("and 75 more")


def test_a_long_enumeration_says_how_many_are_left() -> None:
    annotation = Annotator(SchemaDocument({})).annotate({"enum": [f"v{n}" for n in range(52)]}, "x")
    assert annotation.text.endswith('"v11"] | str')
    assert annotation.notes == ("…and 40 more",)


def test_two_types_of_one_name_are_told_apart() -> None:
    annotator = Annotator(SchemaDocument({}), limit=5)
    one = annotator.annotate({"properties": {"a": {}}}, "thing").text
    other = annotator.annotate({"properties": {"b": {}}}, "thing").text
    assert one != other


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYWORDS = ["type", "enum", "const", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "required", "nullable"]
TYPES = st.sampled_from(["string", "object", "array", "null", "integer"])
SCHEMA = st.recursive(
    JSON | st.fixed_dictionaries({"type": TYPES}),
    lambda inner: st.dictionaries(
        st.sampled_from([*KEYWORDS, "additionalProperties", "format", "readOnly"]),
        inner | st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=4) | TYPES,
        max_size=5,
    ),
    max_leaves=12,
)


@given(SCHEMA, st.booleans(), st.booleans())
def test_whatever_the_schema_the_text_parses_and_names_nothing_undefined(
    schema: Any, writing: bool, described: bool
) -> None:
    annotator = Annotator(SchemaDocument(schema if isinstance(schema, dict) else {}), writing=writing, depth=2, limit=4)
    text = annotator.annotate(schema, "thing").text
    definitions = annotator.definitions(200, described=described)
    module = ast.parse("\n".join([f"x: {text}", *(definition.text for definition in definitions)]))
    names = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)} - {"x"}
    fields = {n.target.id for n in ast.walk(module) if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    known = {"Any", "Literal", "TypedDict", "str", "int", "float", "bool", "bytes", "list", "dict"}
    assert names - fields <= known | {definition.name for definition in definitions}
