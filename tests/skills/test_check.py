"""What may be saved: one function that stands alone. Nothing is ever run to find out."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from isthmus.errors import InvalidArguments
from isthmus.skills.check import MAX_NESTING, checked, example_in, signature_of

UPSTREAMS = ("shop", "tracker")


def test_a_function_of_parameters_builtins_and_standard_library_stands_alone() -> None:
    source = (
        "import re\nfrom datetime import date\n\n\n"
        "def words(text: str, *, least: int = 2, **more) -> list[str]:\n"
        "    def long(word):\n        nonlocal least\n        return len(word) >= least\n"
        "    found = {w: date.today() for w in re.split(' ', text) if long(w)}\n"
        "    try:\n        import json\n        return [json.dumps(w) for w in found]\n"
        "    except ValueError as error:\n        return [str(error)]\n"
    )
    facts = checked("words", source, UPSTREAMS)
    assert facts.signature == "def words(text: str, *, least: int=2, **more) -> list[str]"
    assert facts.needs == ()


def test_upstreams_other_skills_and_the_names_of_programs_are_there() -> None:
    source = (
        "from skills import normalise\nfrom upstreams import tracker\nfrom upstreams.errors import RateLimited\n\n\n"
        "async def late(n):\n"
        "    try:\n        order = await shop.orders.get(order=n)\n"
        "        more = await call('shop.orders.list', {})\n        help(search)\n"
        "    except (NotFound, Refused, RateLimited):\n        return await tracker.report(n)\n"
        "    return normalise(order), more, late\n"
    )
    assert checked("late", source, UPSTREAMS).needs == ("normalise",)


def test_annotations_are_not_looked_up() -> None:
    assert checked("f", "def f(issue: Issue) -> Answer:\n    x: Unknown = issue\n    return x\n", ()).signature


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return text + SUFFIX", "line 2: `SUFFIX` is neither its own"),
        ("return helper(text)", "line 2: `helper`"),
        ("return [x for x in rows]", "line 2: `rows`"),
        ("return (lambda: other)()", "line 2: `other`"),
        ("return unknown.orders.get()", "line 2: `unknown`"),
        ("import requests\n    return requests", "line 2: `requests` is not in the standard library"),
        ("from numpy import array\n    return array", "line 2: `numpy`"),
        ("from . import x\n    return x", "relative"),
        ("global count\n    count = 1", "line 2: `global count` changes"),
        ("import builtins\n    builtins.print = None", "line 3: it changes `builtins`"),
        ("import sys\n    sys.modules['re'] = None", "line 3: it changes `sys`"),
        ("import sys\n    del sys.path[0]", "line 3: it changes `sys`"),
        ("shop.orders.get = None", "line 2: it changes `shop`"),
        ("tracker.x[0].y += 1", "line 2: it changes `tracker`"),
    ],
)
def test_what_is_not_its_own_is_named_with_its_line(body: str, told: str) -> None:
    with pytest.raises(InvalidArguments) as raised:
        checked("f", f"def f(text):\n    {body}\n", UPSTREAMS)
    assert told in raised.value.message
    assert raised.value.hint


def test_what_it_makes_it_may_change() -> None:
    body = ("rows[0].x = 1", "shop.x = 2", "made = {}", "made['a'] = re", "return made")
    source = "import re\n\ndef f(rows, shop):\n" + "".join(f"    {line}\n" for line in body)
    assert checked("f", source, UPSTREAMS)


def test_all_faults_are_told_together() -> None:
    with pytest.raises(InvalidArguments) as raised:
        checked("f", "def f():\n    a()\n    b()\n    return c\n", ())
    assert [name in raised.value.message for name in ("line 2: `a`", "line 3: `b`", "line 4: `c`")] == [True] * 3


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("", "one function"),
        ("x = 1\n", "line 1 is something else"),
        ("def g(): pass\n", "line 1 is something else"),
        ("def f(): pass\nprint('run')\n", "line 2 is something else"),
        ("def f(): pass\ndef g(): pass\n", "line 2 is something else"),
        ("class f: pass\n", "line 1 is something else"),
        ("if True:\n    def f(): pass\n", "line 1 is something else"),
        ("f = lambda: 1\n", "line 1 is something else"),
        ("import builtins\nbuiltins.print = lambda *a: None\n", "line 2 is something else"),
        ("def f(:\n", "is no Python: line 1"),
        ("def f(): return '\0'\n", "cannot be read|is no Python"),
        ("#" * 65_537, "65,537 characters"),
        ("def f():\n    return " + "-" * 5000 + "1\n", "nests more than|cannot be read"),
        ("def f():\n    return x" + "+x" * 3000 + "\n", "nests more than|cannot be read"),
        ("def f():\n    return " + "f" + "()" * 1000 + "\n", "nests more than"),
    ],
)
def test_what_is_no_single_function_is_refused(source: str, told: str) -> None:
    with pytest.raises(InvalidArguments) as raised:
        checked("f", source, ())
    assert any(each in raised.value.message for each in told.split("|"))


@pytest.mark.parametrize(
    "name", ["", "F", "1f", "f-g", "_f", "../f", "f/g", "f.py", "é", "x" * 65, "f\n", "con", "nul"]
)
def test_names_are_strict(name: str) -> None:
    with pytest.raises(InvalidArguments):
        checked(name, f"def {name}(): pass\n", ())


@pytest.mark.parametrize("name", ["print", "list", "class", "match", "call", "skills", "search", "save_skill"])
def test_names_that_mean_something_else_are_refused(name: str) -> None:
    with pytest.raises(InvalidArguments, match="means something else"):
        checked(name, f"def {name}(): pass\n", ())


def test_the_name_of_an_upstream_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="the name of an upstream"):
        checked("shop", "def shop(): pass\n", UPSTREAMS)


@given(st.text(alphabet="def f(x):\n return+-[]{}'\"\\#.,*=lambdawifor 0\0\ud800é", max_size=200))
@example("def f():\n    return f'{f'{1}'}'\n")
@example("def f(x, /, y=[lambda: 0], *a, z: int=3, **k) -> 'f': yield\n")
def test_whatever_is_sent_ends_in_facts_or_in_an_error_of_the_program(source: str) -> None:
    with contextlib.suppress(InvalidArguments):
        assert checked("f", source, UPSTREAMS).signature.startswith(("def f(", "async def f("))


def test_what_nests_as_deep_as_allowed_can_be_read() -> None:
    deep = MAX_NESTING - 10
    assert checked("f", f"def f():\n    return {'[' * deep}{']' * deep}\n", ())


def test_a_signature_is_one_line_and_its_name_where_it_cannot_be_read() -> None:
    assert signature_of("f", 'def f(a="x\\ny", *b):\n    """d"""\n') == "def f(a='x\\ny', *b)"
    assert signature_of("f", "def f(") == "def f(...)"


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("def f(n): return n\nprint(f(x))\nr = await f(2, k=[1, {'a': -1}])", "f(2, k=[1, {'a': -1}])"),
        ("for x in y: f(x)", "f(x)"),
        ("g.f(1)", ""),
        ("def f(n): return n", ""),
        ("f(", ""),
        (f"f({'-' * 9000}1)", ""),
        (f"f('{'x' * 300}')", ""),
        ("f('a\\nb')", "f('a\\nb')"),
        ("f('\\u202e')", "f('\\u202e')"),
    ],
)
def test_an_example_is_a_call_as_the_program_wrote_it(program: str, found: str) -> None:
    assert example_in(program, "f") == found
