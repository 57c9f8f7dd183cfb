from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import InvalidArguments
from isthmus.openapi.styles import deep_pairs, header_text, path_text, query_pairs

COLORS = ["blue", "black", "brown"]
RGB = {"R": 100, "G": 200, "B": 150}


# the table of the OpenAPI specification, "Style Examples"
@pytest.mark.parametrize(
    ("style", "explode", "value", "written"),
    [
        ("matrix", False, "blue", ";color=blue"),
        ("matrix", False, COLORS, ";color=blue,black,brown"),
        ("matrix", False, RGB, ";color=R,100,G,200,B,150"),
        ("matrix", True, COLORS, ";color=blue;color=black;color=brown"),
        ("matrix", True, RGB, ";R=100;G=200;B=150"),
        ("label", False, "blue", ".blue"),
        ("label", False, COLORS, ".blue,black,brown"),
        ("label", False, RGB, ".R,100,G,200,B,150"),
        ("label", True, COLORS, ".blue.black.brown"),
        ("label", True, RGB, ".R=100.G=200.B=150"),
        ("simple", False, "blue", "blue"),
        ("simple", False, COLORS, "blue,black,brown"),
        ("simple", False, RGB, "R,100,G,200,B,150"),
        ("simple", True, COLORS, "blue,black,brown"),
        ("simple", True, RGB, "R=100,G=200,B=150"),
    ],
)
def test_path_styles(style: str, explode: bool, value: Any, written: str) -> None:
    assert path_text("color", value, style=style, explode=explode) == written


@pytest.mark.parametrize(
    ("style", "explode", "value", "written"),
    [
        ("form", False, "blue", "color=blue"),
        ("form", False, "", "color="),
        ("form", False, COLORS, "color=blue,black,brown"),
        ("form", False, RGB, "color=R,100,G,200,B,150"),
        ("form", True, COLORS, "color=blue&color=black&color=brown"),
        ("form", True, RGB, "R=100&G=200&B=150"),
        ("form", True, [], ""),
        ("spaceDelimited", False, COLORS, "color=blue%20black%20brown"),
        ("pipeDelimited", False, COLORS, "color=blue%7Cblack%7Cbrown"),
        ("pipeDelimited", True, COLORS, "color=blue&color=black&color=brown"),
        ("deepObject", True, RGB, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
        ("deepObject", True, 7, "color=7"),
        ("form", True, True, "color=true"),
        ("form", True, None, "color="),
        ("form", True, "a b&c=d/é", "color=a%20b%26c%3Dd%2F%C3%A9"),
        ("form", True, [{"a": 1}], "color=%7B%22a%22%3A1%7D"),
    ],
)
def test_query_styles(style: str, explode: bool, value: Any, written: str) -> None:
    pairs = query_pairs("color", value, style=style, explode=explode)
    assert "&".join(f"{name}={text}" for name, text in pairs) == written


def test_reserved_characters_pass_where_the_document_allows_them_but_none_that_ends_a_value() -> None:
    assert query_pairs("q", "a/b:c?&d#e+", allow_reserved=True) == [("q", "a/b:c?%26d%23e%2B")]


def test_deep_objects_nest_as_stripe_writes_them() -> None:
    value = {"a": {"b": 1}, "tags": ["x", "y"], "items": [{"price": "p"}, {"price": "q"}], "off": None}
    assert deep_pairs("p", value) == [
        ("p[a][b]", "1"),
        ("p[tags][]", "x"),
        ("p[tags][]", "y"),
        ("p[items][0][price]", "p"),
        ("p[items][1][price]", "q"),
        ("p[off]", ""),
    ]


def test_headers_join_with_commas_and_refuse_control_characters() -> None:
    assert header_text("h", COLORS) == "blue,black,brown"
    assert header_text("h", RGB) == "R,100,G,200,B,150"
    assert header_text("h", RGB, explode=True) == "R=100,G=200,B=150"
    for text in ("a\r\nX: y", "a\nb", "a\0b", "a\x7fb"):
        with pytest.raises(InvalidArguments, match="control characters"):
            header_text("h", text)


@pytest.mark.parametrize(
    "value", ["", ".", "..", "../x", "a/../../b", "%2e%2e", "%252e%252e/x", "..\\x", ["..", "a"], [], {}, "a\0"]
)
def test_what_would_leave_its_place_in_the_path_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArguments):
        path_text("name", value)


@given(st.text(max_size=30))
def test_a_text_is_one_step_of_a_path_or_is_refused(text: str) -> None:
    try:
        written = path_text("name", text)
    except InvalidArguments:
        return
    assert written.isascii()
    assert not set(written) & set("/?#\\ \r\n")
    assert written not in ("", ".", "..")
