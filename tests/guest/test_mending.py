"""Source that is not quite Python, and source that is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.mending import parse_forgivingly
from guest.program import Source
from tests.simulators.guest_host import Sandbox


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("```python\n1+1\n```", "removed a Markdown fence"),
        ("```\n1+1\n```\n", "removed a Markdown fence"),
        ("Here is the program:\n\n```py\n1+1\n```\nIt adds.", "removed a Markdown fence"),
        ("```python\n1+1", "removed a Markdown fence"),
        ("1+1\n```", "removed a Markdown fence"),
        ("~~~python\n1+1\n~~~", "removed a Markdown fence"),
        ("    x = 1\n    x + 1", "removed common indentation"),
        ("\tx = 1\n\n\tx + 1", "removed common indentation"),
        ("1\u00a0+ 1", "replaced non-printing characters"),
        ("\ufeff1+1", None),
        ("1 +\u200b 1", "replaced non-printing characters"),
        ("len(\u201cab\u201d)", "replaced typographic quotes"),
        ("x = 1\r\nx + 1\r\n", None),
        (
            json.dumps({"thoughts": "t", "code": "x = 1\nx + 1"}),
            'took the program out of a JSON object with "code"; lines are counted in it',
        ),
        (
            '{"thoughts": null, "code": "1 + 1"}',
            'took the program out of a JSON object with "code"; lines are counted in it',
        ),
    ],
)
def test_what_is_nearly_python_is_mended_and_noted(box: Sandbox, source: str, note: str | None) -> None:
    outcome = box.run(source)
    assert outcome["ok"], outcome["error"]
    if note is not None:
        assert outcome["value"] == 2
        assert outcome["notes"] == [note]


@pytest.mark.parametrize(
    "source",
    [
        "x = '''\n```python\n1\n```\n'''\nx",
        "x = '\u00a0\u201c'\nx",
        "if 1:\n    x = 1\nx",
        "{'code': '1'}",
        '{"code": "1"}',
    ],
)
def test_source_that_is_python_is_left_as_it_is(box: Sandbox, source: str) -> None:
    assert box.run(source)["notes"] == []


def test_lines_and_columns_of_mended_source_are_those_of_the_submitted_one(box: Sandbox) -> None:
    error = box.error("Text.\n\n```python\n    x = 1\n    y = x / 0\n```")
    assert (error["line"], error["column"]) == (5, 9)
    assert "line 5" in error["trace"]
    error = box.error("```python\n    x = 1\n    y = = 2\n```")
    assert (error["line"], error["column"], error["code"]) == (3, 9, "syntax")


@pytest.mark.parametrize(
    ("source", "line", "hint"),
    [
        ("x = 1\nprint 'x'", 2, "Python 3"),
        ("const x = 1;\nconsole.log(x)", 1, "JavaScript"),
        ("async function main() {\n  return 1\n}", 1, "JavaScript"),
        ("pip install requests", 1, "shell"),
        ("$ ls -la", 1, "shell"),
        ('{\n "a": 1,\n "b": [1 2]\n}', None, "JSON"),
        ("def f():\n    await g()", 2, "async def"),
        ("x = (1,\ny = 2", None, "bracket"),
        ("x = 'abc", 1, "close the quotes"),
        ("class A:\n    return 1", 2, ""),
        ("x = 5 +\n", 1, ""),
        ("for x in y\n    pass", 1, ""),
    ],
)
def test_a_syntax_error_has_its_line_and_a_hint(box: Sandbox, source: str, line: int | None, hint: str) -> None:
    error = box.error(source)
    assert error["code"] == "syntax"
    assert hint in error["hint"]
    assert error["line"] == line or line is None
    assert error["type"] in ("SyntaxError", "IndentationError")
    assert error["trace"].startswith('  File "<program>", line ')


def test_a_syntax_error_shows_the_line_and_a_caret(box: Sandbox) -> None:
    assert box.error("x = 1\n  \n'é'; x = = 2")["trace"].splitlines()[:3] == [
        '  File "<program>", line 3',
        "    'é'; x = = 2",
        "             ^",
    ]


@pytest.mark.parametrize(
    "source",
    ["(" * 100_000, "[" * 250 + "]" * 250, "x = 1\0", "x = '\ud800'", "x = " + "9" * 5_000_000, "\\", "\n" * 5 + "'"],
)
def test_source_that_breaks_parsers_is_a_syntax_error(box: Sandbox, source: str) -> None:
    assert box.error(source)["code"] == "syntax"


def test_a_syntax_error_of_eval_is_told_as_the_programs_own_line(box: Sandbox) -> None:
    error = box.error("x = 1\neval('1 +')")
    assert (error["type"], error["line"], error["code"]) == ("SyntaxError", 2, "program")


@given(st.text())
def test_any_text_is_mended_or_a_syntax_error(text: str) -> None:
    try:
        mended = parse_forgivingly(Source(text, 1))
    except SyntaxError:
        return
    assert mended.tree is not None


_PROGRAMS = st.sampled_from(
    ["x = 1\nx + 1", "def f():\n    return '''\n  a'''\nf()", "for i in range(2):\n\n    print(i)", "1"]
)


@given(_PROGRAMS, st.sampled_from(["", "    ", "\t"]), st.booleans(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_wrappings_in_any_combination_come_off(
    program: str, indent: str, fence: bool, end: str, envelope: bool
) -> None:
    text = (
        "\n".join(indent + line if line else line for line in program.split("\n")) if "'''" not in program else program
    )
    text = f"```python\n{text}\n```" if fence else text
    text = text.replace("\n", end)
    text = json.dumps({"thoughts": "", "code": text}) if envelope else text
    mended = parse_forgivingly(Source(text, 1))
    if mended.notes or not envelope:
        assert len(mended.tree.body) == len(parse_forgivingly(Source(program, 1)).tree.body)
