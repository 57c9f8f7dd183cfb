"""Skills as programs have them: saved with all that they need, imported, called, counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.simulators.guest_host import Request, Sandbox

DOUBLE = "def double(n: int) -> int:\n    return 2 * n\n"


def offer(box: Sandbox, *notes: str, **sources: str) -> None:
    """The host has these skills."""

    def load(request: Request) -> Sequence[tuple[str, Any]]:
        name = request.arguments["name"]
        if name not in sources:
            return [("error", {"type": "NotFound", "message": f"there is no skill {name!r}", "hint": "did you mean?"})]
        found = {"name": name, "version": 1, "hash": f"sha256:{name}", "source": sources[name], "notes": list(notes)}
        return [("value", found)]

    box.host.answers["isthmus.skills.load"] = load
    box.host.answer("isthmus.skills.used", ("value", None))
    box.host.answer("isthmus.skills.names", ("value", sorted(sources)))


def asked(box: Sandbox, what: str) -> list[dict[str, Any]]:
    return [each.arguments for each in box.host.requests if each.operation == f"isthmus.skills.{what}"]


def saved(box: Sandbox, source: str) -> str:
    """The source that a program's one call of save_skill sends."""
    box.value(source)
    [request] = asked(box, "save")
    return str(request["source"])


def test_a_function_is_saved_as_it_was_written(box: Sandbox) -> None:
    text = "def double(n: int) -> int:\n    # twice\n    return 2 * n"
    assert saved(box, f"x = 1\n{text}\nsave_skill(double, 'Twice a number.')") == f"{text}\n"
    assert asked(box, "save")[0] | {"source": ""} == {"name": "double", "source": "", "description": "Twice a number."}


def test_the_imports_that_it_uses_are_saved_with_it_and_no_others(box: Sandbox) -> None:
    function = "def words(text):\n    return regex.split(' ', text), date\n"
    source = f"import json, re as regex\nfrom datetime import date, timedelta\n{function}"
    assert saved(box, f"{source}save_skill(words, 'Words.')") == (
        f"import re as regex\nfrom datetime import date\n\n\n{function}"
    )


def test_imports_of_earlier_programs_are_found(box: Sandbox) -> None:
    box.value("import re")
    assert saved(box, "def words(text):\n    return re.split(' ', text)\nsave_skill(words, 'Words.')").startswith(
        "import re\n"
    )


def test_a_function_of_an_earlier_program_can_be_saved(box: Sandbox) -> None:
    box.value(DOUBLE)
    box.value("x = 1")
    assert saved(box, "save_skill(double, 'Twice.')") == DOUBLE


def test_a_function_within_another_is_saved_without_its_indentation(box: Sandbox) -> None:
    triple = "    @staticmethod\n    def triple(n):\n        return 3 * n\n"
    source = f"def make():\n{triple}    return triple.__func__\nsave_skill(make(), 'Thrice.')"
    assert saved(box, source) == "@staticmethod\ndef triple(n):\n    return 3 * n\n"


def test_without_a_description_the_docstring_counts(box: Sandbox) -> None:
    box.value("def double(n):\n    '''Twice a number.\n\n    And more.'''\n    return 2 * n\nsave_skill(double)")
    assert asked(box, "save")[0]["description"] == "Twice a number."


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("save_skill(len, 'Length.')", "takes a function, not builtin_function_or_method"),
        ("save_skill('double', 'Twice.')", "takes a function, not str"),
        ("save_skill(lambda n: n, 'Same.')", "was not defined with `def`"),
        ("exec('def made(n): return n')\nsave_skill(made, 'Same.')", "was not defined with `def`"),
        ("def double(n):\n    return 2 * n\nsave_skill(double)", "takes a description"),
        ("def double(n):\n    return 2 * n\nsave_skill(double, ' ')", "takes a description"),
    ],
)
def test_what_cannot_be_saved_is_said_at_the_programs_line(box: Sandbox, program: str, told: str) -> None:
    error = box.error(program)
    assert told in error["message"]
    assert error["line"] == program.count("\n") + 1


def test_what_the_host_refuses_ends_the_program(box: Sandbox) -> None:
    box.host.fail("isthmus.skills.save", "InvalidArguments", "double does not stand alone: line 2: `k`", hint="pass it")
    error = box.error(f"{DOUBLE}save_skill(double, 'Twice.')\nprint('not reached')")
    assert (error["type"], error["line"], error["hint"]) == ("InvalidArguments", 3, "pass it")
    assert box.host.output == ""


def test_a_skill_is_imported_and_called(box: Sandbox) -> None:
    offer(box, double=DOUBLE)
    assert box.value("from skills import double\ndouble(21)") == 42
    assert box.value("import skills\nskills.double(4)") == 8
    assert box.value("import skills\ndir(skills)") == ["double"]


def test_it_is_asked_for_once_in_a_program_and_anew_in_the_next(box: Sandbox) -> None:
    offer(box, double=DOUBLE)
    box.value("import skills\nskills.double(1) + skills.double(2)")
    assert len(asked(box, "load")) == 1
    offer(box, double=DOUBLE.replace("2 *", "3 *"))
    assert box.value("from skills import double\ndouble(1)") == 3


def test_a_skill_calls_upstreams_with_and_without_await(box: Sandbox) -> None:
    box.host.answer("github.issues.get", ("value", {"number": 1, "body": None}))
    offer(
        box,
        body="def body(n):\n    return github.issues.get(number=n).body is None\n",
        title="async def title(n):\n    issue = await github.issues.get(number=n)\n    return issue.number\n",
    )
    assert box.value("from skills import body, title\n[body(1), await title(1)]") == [True, 1]


def test_skills_import_skills(box: Sandbox) -> None:
    offer(box, double=DOUBLE, four="from skills import double\n\n\ndef four(n):\n    return double(double(n))\n")
    assert box.value("from skills import four\nfour(1)") == 4
    assert {use[0]: use[3] for use in asked(box, "used")[0]["uses"]} == {"double": 2, "four": 1}


def test_skills_that_need_each_other_are_an_error_not_an_endless_loop(box: Sandbox) -> None:
    offer(box, a="from skills import b\ndef a(): pass\n", b="from skills import a\ndef b(): pass\n")
    error = box.error("from skills import a")
    assert (error["type"], error["message"]) == ("NoSkill", "the skill a needs itself")


def test_a_skill_that_is_not_there_is_an_import_error_with_the_hosts_hint(box: Sandbox) -> None:
    offer(box, double=DOUBLE)
    error = box.error("from skills import duoble")
    assert (error["message"], error["hint"]) == ("there is no skill 'duoble'", "did you mean?")
    assert box.value("try:\n    from skills import duoble\nexcept ImportError:\n    found = False\nfound") is False


@pytest.mark.parametrize("name", ["__wrapped__", "_x", "Upper", "x" * 65, "é"])
def test_names_that_no_skill_has_are_not_asked_for(box: Sandbox, name: str) -> None:
    offer(box)
    assert box.value(f"import skills\nhasattr(skills, {name!r})") is False
    assert asked(box, "load") == []


def test_calls_and_failures_are_told_when_the_program_ends(box: Sandbox) -> None:
    offer(box, half="def half(n):\n    if n % 2:\n        raise ValueError(n)\n    return n // 2\n")
    box.value("from skills import half\nhalf(2), half(4)\ntry:\n    half(3)\nexcept ValueError:\n    pass")
    assert asked(box, "used") == [{"uses": [["half", "sha256:half", True, 3, 1]]}]


def test_a_program_that_fails_tells_too(box: Sandbox) -> None:
    offer(box, half="def half(n):\n    raise ValueError(n)\n")
    box.error("from skills import half\nhalf(1)")
    assert asked(box, "used") == [{"uses": [["half", "sha256:half", True, 1, 1]]}]


def test_a_skill_that_lives_on_in_the_session_is_counted_for_the_program_that_calls_it(box: Sandbox) -> None:
    offer(box, double=DOUBLE)
    box.value("from skills import double")
    assert box.value("double(2)") == 4
    assert asked(box, "used") == [{"uses": [["double", "sha256:double", False, 1, 0]]}]
    box.value("1 + 1")
    assert asked(box, "used") == []


def test_a_host_that_keeps_no_record_fails_no_program(box: Sandbox) -> None:
    offer(box, double=DOUBLE)
    box.host.fail("isthmus.skills.used", "LimitExceeded", "no more calls")
    assert box.value("from skills import double\ndouble(2)") == 4


def test_what_the_host_says_of_a_skill_is_noted(box: Sandbox) -> None:
    offer(box, "the skill double may be broken: shop.get is gone", double=DOUBLE)
    assert box.run("from skills import double\ndouble(2)")["notes"] == [
        "the skill double may be broken: shop.get is gone"
    ]


def test_a_traceback_shows_the_skills_own_line(box: Sandbox) -> None:
    offer(box, half="def half(n):\n    return n // 0\n")
    error = box.error("from skills import half\nhalf(1)")
    assert error["line"] == 2
    assert 'File "<skill half>", line 2, in half' in error["trace"]
    assert "return n // 0" in error["trace"]


def test_a_skill_keeps_its_name_its_signature_and_its_documentation(box: Sandbox) -> None:
    offer(box, double='def double(n: int) -> int:\n    """Twice."""\n    return 2 * n\n')
    program = (
        "import inspect\nfrom skills import double\n[double.__name__, double.__doc__, str(inspect.signature(double))]"
    )
    assert box.value(program) == ["double", "Twice.", "(n: int) -> int"]


def test_an_imported_skill_is_saved_again_as_it_is(box: Sandbox) -> None:
    offer(box, double=DOUBLE)
    assert saved(box, "from skills import double\nsave_skill(double, 'The same.')") == DOUBLE
