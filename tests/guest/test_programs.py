"""How a program is run: its result, its variables, its output, its end."""

import asyncio
import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.program import RESULT, STAR, Source, compile_program, parse, star_importer
from tests.simulators.guest_host import GaveUp, Sandbox


@pytest.mark.parametrize(
    ("source", "value"),
    [
        *(("1+1", 2), ("x = 5\nx", 5), ("", None), ("x = 5", None), ("print(1)", None), ("# only a comment", None)),
        *(("if True:\n    5", None), ("[i for i in range(3)]", [0, 1, 2]), ("'a';'b'", "b"), ("None", None)),
        ("async def f():\n    return 4\nf()", 4),
        ("async def f():\n    return 4\nawait f()", 4),
        ("import asyncio\nawait asyncio.sleep(3)\n5", 5),
        ("import time\ntime.sleep(3)\n5", 5),
    ],
)
def test_the_value_of_the_last_expression_is_the_result(box: Sandbox, source: str, value: Any) -> None:
    assert box.value(source) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        *(("return 5", 5), ("return", None), ("x = 1\nif x:\n    return 'in if'\n'after'", "in if")),
        ("x = 0\nif x:\n    return 1\n'last'", "last"),
        ("for i in range(9):\n    if i == 4:\n        return i", 4),
        ("try:\n    return 1\nfinally:\n    done = True", 1),
        ("try:\n    1/0\nexcept ZeroDivisionError as e:\n    return str(e)", "division by zero"),
        ("import contextlib\nwith contextlib.suppress(BaseException):\n    return 3", 3),
        ("while True:\n    return await github.get(n=1)", {"operation": "github.get", "n": 1}),
        ("def f():\n    return g()\ndef g():\n    return 7\nreturn f()", 7),
        ("class A:\n    x = 3\n    def m(self):\n        return y + self.x\ny = 4\nreturn A().m()", 7),
        ("total: int = 0\nfor total in [1, 2]:\n    pass\nreturn total", 2),
        ("x: int\nreturn 'x' in globals()", False),
        ("from math import *\nreturn floor(pi)", 3),
        ("from __future__ import annotations\nreturn 1", 1),
        ("if (n := 5) > 3:\n    return [m := k for k in range(n)] + [m]", [0, 1, 2, 3, 4, 4]),
        ("exec('z = 3')\nreturn z", 3),
        ("return sorted(k for k in locals() if k == 'here') if (here := 1) else 0", ["here"]),
        ("match {'a': 1, 'b': 2}:\n    case {'a': one, **rest}:\n        return [one, rest]", [1, {"b": 2}]),
        (
            "match [1, 2, 3]:\n    case [first, *others] as all_of_it:\n        return [first, others, all_of_it]",
            [1, [2, 3], [1, 2, 3]],
        ),
        ("x = 1\ndel x\nreturn 'x' in globals()", False),
        ("import os.path as p, json\nreturn [p.basename('/a/b'), json.dumps(1)]", ["b", "1"]),
        (
            "def outer():\n    v = 1\n    def inner():\n        nonlocal v\n        v += 1\n        return v\n    return inner()\nreturn outer()",  # noqa: E501 (a program in one line)
            2,
        ),
        ("f = [lambda: i for i in range(3)]\nreturn [g() for g in f]", [2, 2, 2]),
    ],
)
def test_a_top_level_return_ends_the_program_with_its_value(box: Sandbox, source: str, value: Any) -> None:
    assert box.value(source) == value


@pytest.mark.parametrize("last", ["", "\nreturn 1"])
def test_variables_live_from_one_program_to_the_next(box: Sandbox, last: str) -> None:
    source = textwrap.dedent("""
        import json as j
        from math import pi
        x, (y, *z) = 1, (2, 3)
        def f(): return x
        class C: pass
        for i in range(2): pass
        with open('/dev/null') as file: pass
        try: raise ValueError
        except ValueError as gone: pass
        [w := k for k in range(2)]
        async def main(): return x
        if True: inner = 1
    """)
    outcome = box.run(source + last)
    assert outcome["ok"], outcome["error"]
    assert outcome["names"] == ["pi", "x", "y", "z", "f", "C", "i", "file", "w", "main", "inner"]
    assert box.value("[f(), pi > 3, y, z, C.__name__, i, w, inner, j.dumps(1), await main()]") == [
        *(1, True, 2, [3], "C", 1, 1, 1, "1", 1)
    ]


def test_a_function_sees_variables_that_a_later_program_changes(box: Sandbox) -> None:
    box.run("x = 1\ndef f(): return x\nreturn f")
    assert box.value("x = 2\nf()") == 2


@pytest.mark.parametrize("source", ["yield 1\nreturn 2", "return 1\nyield from []"])
def test_a_top_level_yield_is_a_syntax_error(box: Sandbox, source: str) -> None:
    assert "'yield' outside function" in box.error(source)["message"]


def test_a_class_has_its_plain_name_under_a_top_level_return(box: Sandbox) -> None:
    assert box.value("class A:\n    def m(self): pass\nreturn [A.__qualname__, A.m.__qualname__, A.__module__]") == [
        *("A", "A.m", "__main__")
    ]


def test_definitions_can_be_pickled_and_their_source_read(box: Sandbox) -> None:
    source = "import pickle, inspect\nclass A: pass\ndef f():\n    return 1\n[type(pickle.loads(pickle.dumps(A()))) is A, inspect.getsource(f)]"  # noqa: E501 (a program in one line)
    assert box.value(source) == [True, "def f():\n    return 1\n"]


# -- properties of the transformation: with a `return` at its end, a module body does what it does without

_NAMES = st.sampled_from(["a", "b", "c"])
_VALUES = st.one_of(st.integers(0, 3).map(str), _NAMES, st.just("[v for v in range(2)]"), st.just("(lambda: a)()"))


def _block(lines: list[str]) -> str:
    return "\n".join("    " + line for text in lines for line in text.split("\n"))


_SIMPLE = st.one_of(
    st.builds("{} = {}".format, _NAMES, _VALUES),
    st.builds("{}: int = {}".format, _NAMES, _VALUES),
    st.builds("({} := {})".format, _NAMES, _VALUES),
    st.builds("[{} := v for v in range(2)]".format, _NAMES),
    st.builds("del {}".format, _NAMES),
    st.builds("import math as {}".format, _NAMES),
    st.builds("def {}(a=1):\n    global b\n    b = a\n    return c".format, _NAMES),
    st.builds("class {}:\n    a = 1\n    b = a".format, _NAMES),
    st.builds("{}, *{} = 1, 2".format, _NAMES, _NAMES),
    st.builds("{} = {}()".format, _NAMES, _NAMES),
    st.builds("exec('{} = 1')".format, _NAMES),
)
_STATEMENTS = st.recursive(
    _SIMPLE,
    lambda inner: st.one_of(
        st.builds(
            lambda name, body: f"for {name} in range(2):\n{_block(body)}",
            _NAMES,
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda value, body: f"if {value}:\n{_block(body)}", _VALUES, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda name, body: f"try:\n{_block(body)}\nexcept Exception as {name}:\n    pass",
            _NAMES,
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(
            lambda name, body: (
                f"match {name}:\n    case [{name}, *_]:\n        pass\n    case {name}:\n    {_block(body).replace(chr(10), chr(10) + '    ')}"  # noqa: E501 (a program in one line)
            ),
            _NAMES,
            st.lists(inner, min_size=1, max_size=2),
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.lists(_STATEMENTS, max_size=6))
def test_a_body_binds_the_same_names_with_and_without_a_return(statements: list[str]) -> None:
    body = "\n".join(["a = b = c = 0", *statements])
    plain: dict[str, Any] = {}
    with_return: dict[str, Any] = {}
    assert _ending(body, plain) == _ending(f"{body}\nreturn 1", with_return)
    assert _shape(plain) == _shape(with_return)


def _ending(text: str, namespace: dict[str, Any]) -> str:
    namespace[STAR] = star_importer(namespace)
    source = Source(text, 1)
    try:
        code = compile_program(source, parse(source), touches_calls=False)
    except SyntaxError as error:
        return f"syntax {error.msg}"
    try:
        value = eval(code.code, namespace)
        if code.is_coroutine:
            asyncio.run(value)
    except Exception as error:  # noqa: BLE001 (any error is a program's ending)
        return f"{type(error).__name__} {error}"
    return "done"


def _shape(namespace: dict[str, Any]) -> dict[str, str]:
    kept = {name: value for name, value in namespace.items() if not name.startswith((" ", "_"))}
    return {
        name: repr(value).partition(" at 0x")[0].replace("program.<locals>.", "")
        for name, value in kept.items()
        if name != RESULT
    }


# -- output


def test_output_of_both_streams_comes_in_order(box: Sandbox) -> None:
    outcome = box.run(
        "import sys\nprint('a')\nprint('b', file=sys.stderr)\nsys.stdout.buffer.write(b'c\\n')\nsys.__stdout__.write('d')"  # noqa: E501 (a program in one line)
    )
    assert outcome["output"] == "a\nb\nc\nd"


def test_the_first_line_is_shown_at_once_and_later_ones_in_time(box: Sandbox) -> None:
    outcome = box.run("print('first')\nfor _ in range(100): print('more')\nimport time\ntime.sleep(1)\nprint('late')")
    assert [step["output"] for step in box.host.steps] == ["first\n", "more\n" * 100]
    assert box.host.steps[0]["wake_after_ms"] == 0
    assert outcome["output"].endswith("more\nlate\n")


def test_long_output_is_shown_every_eight_kilobytes(box: Sandbox) -> None:
    box.run("for _ in range(40): print('x' * 999)")
    assert max(len(step["output"]) for step in box.host.steps) <= 9_000


def test_output_beyond_the_limit_ends_the_program(box: Sandbox) -> None:
    outcome = box.run("while True:\n    print('é' * 100)", output_bytes=1_000)
    assert outcome["error"]["code"] == "limit"
    assert outcome["error"]["line"] == 2
    assert 996 <= len(outcome["output"].encode()) <= 1_000


def test_a_program_that_swallows_the_limit_fails_or_loses_its_interpreter(box: Sandbox) -> None:
    swallow = "try:\n        print('x' * 100)\n    except Exception: pass"
    assert box.run(f"for _ in range(20):\n    {swallow}\n5", output_bytes=1_000)["error"]["code"] == "limit"
    assert box.run(f"while True:\n    {swallow}", output_bytes=1_000)["error"]["type"] == GaveUp.__name__
    assert sum(len(step["output"]) for step in box.host.steps) == 1_000


def test_a_replaced_stdout_harms_nobody_but_its_program(box: Sandbox) -> None:
    box.run("import sys\nsys.stdout.close()\nsys.stdout = sys.stderr = None\nsys.__stdout__ = 5")
    assert box.run("print('still here')")["output"] == "still here\n"


def test_lone_surrogates_are_printed_as_escapes(box: Sandbox) -> None:
    assert box.run("print('a\\ud800b')")["output"] == "a\\ud800b\n"


def test_warnings_are_shown_with_their_line(box: Sandbox) -> None:
    outcome = box.run(
        "import warnings\nfor _ in range(3):\n    warnings.warn('old way')\nasync def f(): pass\nf()\nx = 1"
    )
    lines = outcome["output"].splitlines()
    assert lines[0] == "Warning: old way (line 3)"
    assert lines[1].startswith("Warning: coroutine 'f' was never awaited")
    assert len(lines) == 2


def test_input_says_that_nobody_is_there(box: Sandbox) -> None:
    error = box.error("input('name? ')")
    assert error["type"] == "EOFError"
    assert "nobody is there" in error["message"]
    assert box.value("import sys\nsys.stdin.read()") == ""


# -- the end


@pytest.mark.parametrize(
    "source", ["import sys\nsys.exit()", "exit()", "quit(0)", "raise SystemExit", "import sys\nsys.exit(0)"]
)
def test_an_exit_without_a_code_ends_the_program_well(box: Sandbox, source: str) -> None:
    outcome = box.run(f"print('before')\n{source}")
    assert outcome["ok"]
    assert outcome["notes"] == ["the program ended itself by sys.exit()"]
    assert outcome["output"] == "before\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import sys\nsys.exit(3)", "the program called sys.exit(3)"),
        ("import sys\nsys.exit({'a': 1})", "the program called sys.exit({'a': 1})"),
        ("import os\nos._exit(0)", "the program called os._exit(0)"),
        ("import os\nos.abort()", "the program called os.abort()"),
        ("raise KeyboardInterrupt", "the program ended itself by KeyboardInterrupt"),
        ("raise GeneratorExit('x')", "the program ended itself by GeneratorExit: x"),
        ("import asyncio\nraise asyncio.CancelledError('why')", "the program ended itself by CancelledError: why"),
        (
            "import asyncio\nawait asyncio.sleep(0)\nraise asyncio.CancelledError('why')",
            "the program ended itself by CancelledError: why",
        ),
        (
            "import sys, asyncio\nasync def f(): sys.exit(4)\nawait asyncio.gather(f())",
            "the program called sys.exit(4)",
        ),
    ],
)
def test_other_exits_are_failures_and_the_next_program_runs(box: Sandbox, source: str, message: str) -> None:
    outcome = box.run(f"print('before')\n{source}")
    assert (outcome["error"]["code"], outcome["error"]["message"]) == ("exit", message)
    assert outcome["output"] == "before\n"
    assert box.value("await github.get(n=1)")["n"] == 1


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import asyncio\nawait asyncio.Future()", 2),
        ("import asyncio\nawait asyncio.Queue().get()", 2),
        ("import asyncio\nlock = asyncio.Lock()\nawait lock.acquire()\nawait lock.acquire()", 4),
        ("import asyncio\nasync def f():\n    await asyncio.Event().wait()\nawait asyncio.gather(f(), f())", 3),
        ("import asyncio\nasync def f():\n    await asyncio.Event().wait()\nasyncio.run(f())", 3),
        (
            "import asyncio\nasync def f():\n    await asyncio.Event().wait()\n"
            "async with asyncio.TaskGroup() as g:\n    g.create_task(f())",
            4,
        ),
    ],
)
def test_a_deadlock_is_an_error_with_its_line(box: Sandbox, source: str, line: int) -> None:
    error = box.error(source)
    assert "deadlock" in error["trace"]
    assert error["line"] == line


def test_a_program_that_spins_until_a_call_is_over_comes_to_its_end(box: Sandbox) -> None:
    source = "import asyncio\ntask = asyncio.create_task(github.get(n=1))\nwhile not task.done():\n    await asyncio.sleep(0)\ntask.result().n"  # noqa: E501 (a program in one line)
    assert box.value(source) == 1


def test_tasks_that_wait_for_calls_are_finished_and_others_cancelled(box: Sandbox) -> None:
    source = textwrap.dedent("""
        import asyncio
        seen = []
        async def calls():
            seen.append((await github.a(n=1)).n)
            seen.append((await github.b(n=2)).n)
        async def sleeps():
            await asyncio.sleep(1000)
        tasks = [asyncio.create_task(calls()), asyncio.create_task(sleeps())]
        x = 1
    """)
    outcome = box.run(source + "await asyncio.sleep(0)")
    assert outcome["notes"] == ["1 task still waiting when the program ended, cancelled"]
    assert box.value("seen") == [1, 2]


def test_an_error_of_a_task_that_nobody_awaited_ends_the_program(box: Sandbox) -> None:
    source = "import asyncio\nasync def f():\n    raise ValueError('lost')\ntask = asyncio.create_task(f())\nawait asyncio.sleep(0)\n5"  # noqa: E501 (a program in one line)
    error = box.error(source)
    assert (error["type"], error["line"]) == ("ValueError", 3)


def test_asyncio_run_in_a_program_that_is_already_in_the_loop_nests(box: Sandbox) -> None:
    source = textwrap.dedent("""
        import asyncio
        order = []
        async def other():
            for i in range(3):
                order.append(i)
                await asyncio.sleep(0)
        async def main():
            await asyncio.sleep(1)
            return 'main'
        task = asyncio.create_task(other())
        result = asyncio.run(main())
        await task
        [result, order, asyncio.current_task() is not None]
    """)
    assert box.value(source) == ["main", [0, 1, 2], True]


def test_time_passes_while_a_program_sleeps(box: Sandbox) -> None:
    box.host.answer("github.slow", ("value", 1), after=2)
    assert box.value("import time\nc = github.slow()\ntime.sleep(3)\nc + 1") == 2
    assert box.host.now == 3
    assert box.error("import time\ntime.sleep(-1)")["type"] == "ValueError"
    assert box.error("import time\ntime.sleep('1')")["type"] == "TypeError"


# -- randomness


_DRAWS = """
import random, secrets, uuid, os, tempfile
[random.random(), random.Random().random(), random.SystemRandom().random(), secrets.token_hex(8), str(uuid.uuid4()),
 os.urandom(8).hex(), next(tempfile._get_candidate_names()), random.sample(range(1000), 3)]
"""


def test_the_same_seed_draws_the_same_and_another_seed_draws_another(box: Sandbox) -> None:
    first, again, other = (box.run(_DRAWS, seed=seed)["value"] for seed in ("aa", "aa", "bb"))
    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_a_program_can_seed_its_own_generator(box: Sandbox) -> None:
    source = "import random\nrandom.seed(5)\na = random.random()\nrandom.seed(5)\n[a == random.random(), random.Random(5).random() == a]"  # noqa: E501 (a program in one line)
    assert box.value(source) == [True, True]
