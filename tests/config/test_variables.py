"""Variables are expanded in values, after parsing, and only there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.config.faults import Findings, Place
from isthmus.config.nodes import Node
from isthmus.config.variables import expand

PLACE = Place(7, ("upstreams", "a", "env", "A"))


def expanded(text: str, **environ: str) -> object:
    findings = Findings()
    value = expand(Node(text, PLACE), environ, findings).value
    assert findings.faults == []
    return value


def fault(text: str, **environ: str) -> tuple[str, str]:
    findings = Findings()
    expand(Node(text, PLACE), environ, findings)
    (found,) = findings.faults
    assert found.place == PLACE
    return found.problem, found.remedy


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "one"),
        ("x${A}y${B}z", "xoneytwoz"),
        ("${env:A}", "one"),
        ("${A:-default}", "one"),
        ("${NONE:-}", ""),
        ("${NONE:-http://127.0.0.1:8080/mcp}", "http://127.0.0.1:8080/mcp"),
        ("${EMPTY:-default}", "default"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("pa$$word$1 $(id) `id` $A $", "pa$$word$1 $(id) `id` $A $"),
        ("${TRICKY}", "${A} $${A}"),
    ],
)
def test_a_variable_is_replaced_by_its_value(text: str, value: str) -> None:
    assert expanded(text, A="one", B="two", EMPTY="", TRICKY="${A} $${A}") == value


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("${NONE}", "the variable NONE is not set", "set it in the environment of isthmus"),
        ("${EMPTY}", "the variable EMPTY is empty", "set it in the environment of isthmus"),
        ("${token}", "the variable token is not set", "did you mean 'TOKEN'?"),
        ("${input:key}", "VS Code asks its user", "set a variable"),
        ("${workspaceFolder}/x", "the variable workspaceFolder is not set", "only an editor knows"),
        ("${", "a '${' that is no variable", "a literal '${' is '$${'"),
        ("${}", "a '${' that is no variable", "a literal '${' is '$${'"),
        ("${${TOKEN}}", "a '${' that is no variable", "a literal '${' is '$${'"),
        ("${A B}", "a '${' that is no variable", "a literal '${' is '$${'"),
        ("a\0b", "the text holds NUL", "remove it"),
        ("a\ud800b", "the text holds NUL or half a character", "remove it"),
    ],
)
def test_what_cannot_be_expanded_is_told_with_its_place(text: str, problem: str, remedy: str) -> None:
    told = fault(text, TOKEN="canary", EMPTY="")
    assert problem in told[0]
    assert remedy in told[1]
    assert "canary" not in str(told)


@given(st.text().filter(lambda text: "${" not in text and "\0" not in text))
def test_a_text_without_variables_stays_as_it_is(text: str) -> None:
    findings = Findings()
    node = Node(text, PLACE)
    assert findings.faults or expand(node, {}, findings) == node


def test_a_variable_that_holds_no_text_is_a_fault() -> None:
    assert fault("${RAW}", RAW="\udcff")[0].startswith("the text holds NUL or half a character")


@given(st.text().filter(lambda text: "\0" not in text))
def test_what_a_variable_holds_is_never_interpreted(value: str) -> None:
    assert expanded("a${X:-d}b", X=value) == f"a{value or 'd'}b"
