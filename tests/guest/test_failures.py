"""What a program is told of the exception that ended it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.guest_host import Sandbox, sandbox


def test_a_traceback_shows_the_programs_own_lines_with_carets(box: Sandbox) -> None:
    error = box.error("def f(x):\n    y = 1 + x['a']\n    return y\n\nz = f({})")
    assert error["trace"].splitlines() == [
        '  File "<program>", line 5, in the program',
        "    z = f({})",
        "        ^^^^^",
        '  File "<program>", line 2, in f',
        "    y = 1 + x['a']",
        "            ^^^^^^",
        "KeyError: 'a'",
    ]
    assert (error["line"], error["column"], error["message"]) == (2, 13, "'a'")


def test_frames_of_the_standard_library_are_not_shown(box: Sandbox) -> None:
    error = box.error("import json\ndef inner():\n    return json.loads('{bad')\ninner()")
    assert (error["type"], error["line"]) == ("JSONDecodeError", 3)
    assert "decoder.py" not in error["trace"]
    assert "/" not in error["trace"]


def test_columns_count_characters(box: Sandbox) -> None:
    error = box.error("'äöü'; 1/0")
    assert error["column"] == 8
    assert error["trace"].splitlines()[2] == "           ^^^"


def test_a_function_of_an_earlier_program_shows_its_own_lines(box: Sandbox) -> None:
    box.run("# one\ndef f():\n    return 1/0")
    error = box.error("x = 1\ny = 2\nf()")
    assert error["line"] == 3
    assert '  File "<program 1>", line 2, in f' not in error["trace"]
    assert '  File "<program 1>", line 3, in f\n    return 1/0' in error["trace"]


def test_a_program_can_print_its_own_traceback(box: Sandbox) -> None:
    output = box.run("import traceback\ntry:\n    1/0\nexcept Exception:\n    traceback.print_exc()")["output"]
    assert "line 3" in output
    assert "1/0" in output


def test_causes_are_told_in_a_line_each(box: Sandbox) -> None:
    source = "try:\n    {}['k']\nexcept KeyError as error:\n    raise ValueError('bad') from error"
    assert box.error(source)["trace"].splitlines()[-1] == "Caused by: KeyError: 'k' (line 2: {}['k'])"
    source = "try:\n    {}['k']\nexcept KeyError:\n    raise ValueError('bad')"
    assert box.error(source)["trace"].splitlines()[-1] == "While handling: KeyError: 'k' (line 2: {}['k'])"


def test_the_leaves_of_a_group_are_told_with_their_lines(box: Sandbox) -> None:
    box.host.fail("github.a", hint="look elsewhere")
    source = "import asyncio\nasync def f():\n    await github.a()\nasync with asyncio.TaskGroup() as group:\n    group.create_task(f())"  # noqa: E501 (a program in one line)
    error = box.error(source)
    assert error["type"] == "ExceptionGroup"
    assert "  - NotFound: not there (line 3: await github.a())" in error["trace"]
    assert error["hint"] == "look elsewhere"


@pytest.mark.parametrize(
    "source",
    [
        "class E(Exception):\n    def __str__(self): raise SystemExit(0)\n    def __repr__(self): return 5\nraise E()",
        "class E(Exception):\n    def __str__(self): return 5\nraise E()",
        "a = ValueError('a'); b = KeyError('b')\na.__cause__ = b; b.__cause__ = a; a.__context__ = b; b.__context__ = a\nraise a",  # noqa: E501 (a program in one line)
        "e = ValueError('x')\ne.__notes__ = ['n' * 1000] * 100_000\nraise e",
        "e = ValueError('x')\ne.__notes__ = 5\nraise e",
        "class M(type):\n    def __getattribute__(c, n): raise SystemExit\nclass E(Exception, metaclass=M): pass\nraise E()",  # noqa: E501 (a program in one line)
        "class E(Exception):\n    def __getattribute__(s, n): raise KeyboardInterrupt\nraise E()",
        "raise ValueError('x' * 10_000_000)",
        "raise ExceptionGroup('g', [ValueError(i) for i in range(1000)])",
        "raise ValueError('\\ud800')",
        "import sys\nsys.excepthook = 5\nsys.tracebacklimit = -5\nraise ValueError('x')",
        "class E(AttributeError):\n    obj = property(lambda s: 1/0)\nraise E('x')",
        "def f(n): return f(n + 1)\nf(0)",
    ],
)
def test_a_hostile_exception_is_told_in_bounds(box: Sandbox, source: str) -> None:
    error = box.error(source)
    assert len(error["trace"]) + len(error["message"]) < 20_000
    assert error["type"]
    assert box.value("1 + 1") == 2


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        *(
            ("githb.get()", "did you mean `github`?"),
            ("json.dumps(1)", "add `import json`"),
            ("x = true", "in Python: True"),
        ),
        *(
            ("import httplib2", "no network"),
            ("import pandas as pd", "standard library"),
            ("import bs4", "html.parser"),
        ),
        ("(await github.get(n=1)).x", ""),
        # Closed by the program itself: an exception keeps what it is about, and so the coroutine, past the test.
        ("async def f(): return github\nc = f()\ntry: c.x\nfinally: c.close()", "without await"),
        ("x = {'a': 1}\nx.a", "write ['a']"),
        ("def f(): return f()\nf()", "use a loop"),
        ("open('/etc/nothing-here')", "/workspace"),
        ("await 5", "needs no await"),
        ("raise MemoryError", "memory"),
        ("None.x", "None"),
    ],
)
def test_common_mistakes_get_a_hint(box: Sandbox, source: str, hint: str) -> None:
    assert hint in box.error(source)["hint"]


def test_no_local_variable_is_told(box: Sandbox) -> None:
    error = box.error("password = 'canary-value'\ndef f(p):\n    raise ValueError('no detail')\nf(password)")
    assert "canary" not in str(error)


def test_running_out_of_memory_has_a_code_of_its_own(box: Sandbox) -> None:
    assert box.error("raise MemoryError")["code"] == "memory"


FAILURES = st.sampled_from(
    [
        *("1 / 0", "json.loads('{')", "open('/home/x')", "{}['a']", "int('x')", "f(f)", "[][1]", "re.compile('(')"),
        *("raise ExceptionGroup('g', [ValueError(1)])", "github.fail()", "eval('1 +')", "import nope", "None.x"),
        *("json.loads('[' * 100_000)", "asyncio.run(asyncio.wait_for(asyncio.sleep(9), 0.01))", "(lambda: g(1))()"),
        *("[1 / n for n in [0]]", "traceback.print_exc(); 1 / 0", "exec('1 / 0')", "raise KeyError('x') from None"),
    ]
)
SETTINGS = (
    "{}",
    "def h():\n    {}\nh()",
    "try:\n    {}\nfinally:\n    pass",
    "try:\n    1 / 0\nexcept Exception:\n    {}",
)
FOREIGN = re.compile(r"/(home|Users|work|root|opt|tmp|usr|guest|0)/|\\.py\\b|site-packages|wasm|<frozen")


@given(st.lists(st.tuples(FAILURES, st.sampled_from(SETTINGS)), min_size=1, max_size=3))
@settings(max_examples=60)
def test_no_failure_shows_a_path_or_a_frame_that_is_not_the_programs(parts: list[tuple[str, str]]) -> None:
    head = "import asyncio, json, re, traceback\ndef f(x): return x.y\ndef g(x): return x + ''\n"
    with sandbox() as box:
        box.host.fail("github.fail")
        for line, setting in parts:
            error = box.error(head + setting.format(line))
            shown = "\n".join([error["message"], error["trace"], error["hint"]]).replace("/home/x", "")
            assert not FOREIGN.search(shown), shown
            assert '  File "<program' in error["trace"]
            assert error["line"] is not None


def test_tracebacks_that_a_program_prints_show_no_frame_of_ours(box: Sandbox) -> None:
    box.host.fail("github.fail")
    caught = "    github.fail().x\nexcept Exception:\n    traceback.print_exc()\n    logging.exception('no')\n"
    outcome = box.run(f"import traceback, logging\ntry:\n{caught}traceback.print_stack()")
    assert "github.fail().x" in outcome["output"]
    assert "NotFound" in outcome["output"]
    assert "wasm_runtime/guest/" not in outcome["output"]
