"""YAML is read strictly, with a line for every fault."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.config.faults import Findings, Unreadable
from isthmus.config.nodes import MAX_DEPTH, plain
from isthmus.config.yaml_reader import read_yaml


def data(text: str) -> object:
    findings = Findings()
    node = read_yaml(text, findings)
    assert findings.faults == []
    return plain(node)


def problem(text: str) -> tuple[int, str]:
    """The line and the problem of the only fault of a text."""
    findings = Findings()
    try:
        read_yaml(text, findings)
    except Unreadable as error:
        findings.faults.append(error.fault)
    (fault,) = findings.faults
    return fault.place.line, fault.problem


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("1.10", 1.1),
        ("-1.5e+3", -1500.0),
        (".inf", float("inf")),
        ("10.0.0.1", "10.0.0.1"),
        ("-y", "-y"),
        ("a b: c".replace(": ", ":"), "a b:c"),
        ("'012'", "012"),
        ('"no"', "no"),
        ("! plain", "plain"),
        ("!!str 012", "012"),
        ("8080:80", "8080:80"),
    ],
)
def test_a_scalar_means_what_every_reader_of_yaml_takes_it_for(scalar: str, value: object) -> None:
    assert data(f"key: {scalar}") == {"key": value}


@pytest.mark.parametrize(
    "scalar",
    [
        "no",
        "Yes",
        "on",
        "OFF",
        "TRUE",
        "012",
        "-012.5",
        "1e3",
        "1.5e3",
        "0x1F",
        "0o17",
        "1_000",
        "12:30:45",
        "2026-01-01",
        "<<",
        "=",
    ],
)
def test_a_scalar_that_readers_disagree_on_is_a_fault(scalar: str) -> None:
    line, told = problem(f"first: 1\nkey: {scalar}")
    assert line == 2
    assert told.startswith("some readers of YAML take this for a")


def test_keys_are_text_whatever_they_look_like() -> None:
    assert data("on: 1\n012: 2\n~: 3\n") == {"on": 1, "012": 2, "~": 3}


def test_an_alias_stands_for_its_anchor() -> None:
    assert data("a: &x [1, 2]\nb: *x\n") == {"a": [1, 2], "b": [1, 2]}


def test_a_duplicate_key_is_told_with_both_lines() -> None:
    assert problem("a: 1\nb: 2\na: 3\n") == (3, "the key is there twice, first on line 1")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: &x [*x]\n", 1, "an alias (*) names no anchor"),
        ("a: 1\nb: *hunter2\n", 2, "an alias (*) names no anchor"),
        ("a:\n\tb: 1\n", 2, "a tab is used for indentation"),
        ("a: 1\n---\nb: 1\n", 2, "a second document begins"),
        ("? [a]\n: 1\n", 1, "a key is a list or a mapping"),
        ("a: &x k\n*x : 1\n", 2, "a key is an alias"),
        ("# nothing\n", 1, "the file is empty"),
        ("a: !!python/name:os.system x\n", 1, "a YAML tag (!) is not allowed"),
        ("a: 'x\n", 2, "this is no YAML: found unexpected end of stream"),
        ("a: b: c\n", 1, "this is no YAML: mapping values are not allowed"),
        ("x: " + "[" * 10_000, 1, f"nested more than {MAX_DEPTH} levels deep"),
        ("a: 1" + "0" * 5000, 1, "a number of too many digits"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, line: int, words: str) -> None:
    told = problem(text)
    assert told[0] == line
    assert told[1].startswith(words)


def test_aliases_cannot_multiply_values() -> None:
    bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    assert "counting each alias" in problem(bomb)[1]


def test_aliases_cannot_add_up_to_depth() -> None:
    tower = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [[[[*a{n - 1}]]]]\n" for n in range(1, 2000))
    assert problem(tower) == (9, f"nested more than {MAX_DEPTH} levels deep")


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#,? \n\t~0.5\\x"), max_size=80) | st.text(max_size=40))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    findings = Findings()
    try:
        node = read_yaml(text, findings)
    except Unreadable:
        return
    plain(node)


# What that writer leaves without quotes is what YAML 1.1 takes for text, which is not always what 1.2 does.
_undisputed = st.text(st.characters(codec="utf-8", exclude_categories=["C"])).filter(
    lambda text: not re.match(r"[-+.]*[0-9]", text)
)
_plain_data = st.recursive(
    st.booleans() | st.integers(-(2**70), 2**70) | _undisputed,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), _plain_data, min_size=1))
def test_what_another_writer_of_yaml_wrote_is_read_as_it_was(content: dict[str, object]) -> None:
    import yaml

    assert data(yaml.safe_dump(content, allow_unicode=True)) == content
