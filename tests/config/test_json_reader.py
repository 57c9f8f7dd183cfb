"""JSON is read with comments, trailing commas and lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.config.faults import Findings, Unreadable
from isthmus.config.json_reader import read_json
from isthmus.config.nodes import MAX_DEPTH, Node, plain


def read(text: str) -> Node:
    findings = Findings()
    node = read_json(text, findings)
    assert findings.faults == []
    return node


def test_comments_and_trailing_commas_are_taken_as_editors_take_them() -> None:
    text = '{\n\t// a comment\n\t"a": [1, 2,], /* another\n */ "url": "http://x//y",\n}\n'
    assert plain(read(text)) == {"a": [1, 2], "url": "http://x//y"}


def test_every_value_knows_its_line() -> None:
    node = read('{"a": 1,\n "b": {\n  "c": [true,\n   null]}}')
    assert node.entries["b"].entries["c"].place.line == 3
    assert node.entries["b"].entries["c"].items[1].place.line == 4
    assert node.entries["b"].entries["c"].items[1].place.path == ("b", "c", 1)


def test_a_duplicate_key_is_a_fault() -> None:
    findings = Findings()
    read_json('{"a": 1,\n"a": 2}', findings)
    assert [(fault.place.line, fault.problem) for fault in findings.faults] == [
        (2, "the key is there twice, first on line 1")
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{"a": 1\n"b": 2}', 2, "',' or '}' is expected"),
        ('{"a" 1}', 1, "':' after a key is expected"),
        ("{a: 1}", 1, "a stray sign"),
        ('{"a": 1}\n{}', 2, "nothing more after the value is expected"),
        ('{"a": "x\n"}', 1, "a quote that is not closed"),
        (r'{"a": "\q"}', 1, "a bad escape"),
        ('{"a": 01}', 1, "a stray sign"),
        ('{"a": ,}', 1, "a value is expected"),
        ("", 1, "a value is expected"),
        ("[" * 100_000, 1, f"more than {MAX_DEPTH} levels deep"),
        ("[" + "1," * 60_000 + "]", 1, "more than 50,000 values"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(Unreadable) as raised:
        read(text)
    assert raised.value.fault.place.line == line
    assert words in raised.value.fault.problem


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_json, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_all_of_json_is_read_as_json_reads_it(value: object, indent: int | str | None, escaped: bool) -> None:
    assert plain(read(json.dumps(value, indent=indent, ensure_ascii=escaped))) == value


@given(st.text(alphabet=st.sampled_from('{}[]",:\\/*u0a1.-e \n\tntf'), max_size=60) | st.text(max_size=40))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    findings = Findings()
    try:
        node = read_json(text, findings)
    except Unreadable:
        return
    plain(node)
