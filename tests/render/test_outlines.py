import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model import SchemaDocument
from isthmus.render.outlines import in_order, outline
from isthmus.render.text import comment

NOTHING = SchemaDocument({})


def of(*names: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {**{name: {} for name in names}, **more}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (of("ok", "error"), "{ok, error}"),
        ({"type": "array", "items": of("a", "id")}, "[{id, a}]"),
        (of("ok", result={"type": "array", "items": of("url", "name", "id")}), "{result: [{name, id, url}], ok}"),
        (of("html_url", "body"), "{body, html_url}"),
        ({"anyOf": [{"type": "null"}, of("id")]}, "{id}"),
        (of("a-b"), '{"a-b"}'),
        ({"type": "string"}, ""),
        ({"type": "array"}, ""),
        ({"$ref": "#/gone"}, ""),
    ],
)
def test_an_outline_names_what_tells_most_first(schema: Any, expected: str) -> None:
    assert outline(schema, NOTHING) == expected


def test_many_fields_are_cut_with_a_sign() -> None:
    wide = of(*(f"field_{n}" for n in range(30)))
    assert outline(wide, NOTHING, 40) == "{field_0, field_1, field_2, field_3, …}"


def test_the_payload_of_an_envelope_is_first_and_links_are_last() -> None:
    assert [name for name, _ in in_order({"a_url": 1, "ok": 2, "data": 3})] == ["data", "ok", "a_url"]


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["properties", "items", "anyOf", "type", "data"]) | st.text(max_size=5), inner
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_whatever_a_schema_says_its_outline_is_a_comment_of_bounded_length(schema: Any) -> None:
    text = outline(schema, NOTHING)
    assert len(text) <= 90
    assert ast.parse(f"x = 1  # {comment(text)}").body
