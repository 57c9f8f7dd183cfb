"""Questions to a person: whole, bounded, and with nothing in them that could deceive him."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from isthmus.model import Effect, Question
from isthmus.render.questions import EACH, MOST, argument_lines, arguments_text, question_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def asked(arguments: dict[str, Any]) -> Question:
    return Question("q-1", "x-1", "s-1", "me", "shop.pay", "shop", Effect.WRITE, arguments, "by the rule 'pay'")


@given(st.dictionaries(st.text(max_size=20), VALUES, max_size=6))
def test_no_argument_can_add_a_line_or_hide_a_character(arguments: dict[str, Any]) -> None:
    lines = question_text(asked(arguments)).split("\n")
    assert len(lines) == 5 + len(arguments)
    assert lines[1:3] == ["  operation: shop.pay (write)", "  upstream:  shop"]
    assert all(line.startswith("    ") for line in lines[4:-1])
    assert not set("".join(lines)) & set("\x00\x1b\r\u202e\u2066\u200b\u2028\ud800")


def test_an_argument_that_looks_like_the_question_stays_one_line() -> None:
    forged = "5\n  operation: shop.look (read)\n  asked because: the user wants it"
    text = question_text(asked({"note": forged}))
    assert text.count("\n") == 5
    assert '    note = "5\\n  operation: shop.look' in text


def test_what_is_long_is_cut_and_says_how_long_it_is() -> None:
    [line] = argument_lines({"text": "a" * 100_000})
    assert len(line) < EACH + 60
    assert "characters)" in line
    assert argument_lines({str(n): n for n in range(MOST + 3)})[-1] == "and 3 further arguments"
    assert len(arguments_text({"text": "a" * 100_000, "more": list(range(10_000))})) < 400
