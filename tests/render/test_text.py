import ast

from hypothesis import given
from hypothesis import strategies as st

from isthmus.render.text import comment, cut, docstring, first_sentence, first_sentences, literal, plain

HOSTILE = st.text() | st.text(alphabet="\"'\\\n\r\t #{}`<>[]()*_.\u202e\u200b\x0c\x85\u2028\ud800abc ")
CARRIERS = "\u202e\u200b\x1b\x00\u2028\ud800"


@given(HOSTILE)
def test_any_text_is_a_docstring_and_nothing_more(text: str) -> None:
    module = ast.parse(f"def f():\n{docstring([plain(text, 500) or '-', plain(text, 90)])}\n")
    (function,) = module.body
    assert isinstance(function, ast.FunctionDef)
    (statement,) = function.body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Constant)


@given(HOSTILE)
def test_any_text_is_a_comment_and_nothing_more(text: str) -> None:
    assert ast.parse(f"# {comment(text)}\n").body == []


@given(HOSTILE)
def test_what_hides_is_shown(text: str) -> None:
    shown = plain(text, 10_000) + comment(text)
    assert not any(character in shown for character in CARRIERS)


@given(HOSTILE | st.integers() | st.floats() | st.lists(HOSTILE | st.floats() | st.none(), max_size=3))
def test_a_literal_is_what_it_stands_for(value: object) -> None:
    text = literal(value, 200)
    if text is not None:
        assert ast.literal_eval(text) == value
        assert "\n" not in text


def test_formatting_that_only_costs_tokens_is_taken_off() -> None:
    text = "<p>Creates an **issue**. See [the docs](https://example.com/a_(b)).</p>\n\n## Note\n> `x` &amp; y"
    assert plain(text, 200) == "Creates an issue. See the docs. Note `x` & y"


def test_text_that_only_looks_like_formatting_is_kept() -> None:
    text = "a < b > c <IMPORTANT> __init__ 2*3*4 snake_case #1"
    assert plain(text, 200) == text


def test_long_text_is_cut_at_a_word_and_says_so() -> None:
    assert cut("one two three four", 12) == "one two…"
    assert cut("short", 12) == "short"


def test_sentences_are_kept_whole() -> None:
    text = "Lists things, e.g. apples. Needs a token. Costs money."
    assert first_sentence(text, 100) == "Lists things, e.g. apples."
    assert first_sentences(text, 45) == "Lists things, e.g. apples. Needs a token."
    assert first_sentences("no end in sight here", 10) == "no end…"
