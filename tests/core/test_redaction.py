"""Redaction looks at the JSON of data first, and closer only where a secret can be: it finds no less for that."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.compact import compact
from isthmus.redaction import MARK, Redactor, forms, rewritten

TEXTS = st.text(st.sampled_from('abcé"\\/\n\x00\u2028 %+=\ud800'), max_size=12)
SECRETS = st.lists(TEXTS.filter(lambda text: len(text) >= 4), min_size=1, max_size=3)


def data(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.one_of(leaf, st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=6)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(leaf, inner, max_size=3),
        max_leaves=8,
    )


@given(st.data(), SECRETS)
def test_what_a_walk_through_all_of_the_data_finds_is_found(draw: st.DataObject, secrets: list[str]) -> None:
    held = st.sampled_from([form for secret in secrets for form in forms(secret)])
    leaf = st.builds(lambda before, secret, after: before + secret + after, TEXTS, st.just("") | held, TEXTS)
    value = draw.draw(data(leaf | leaf.map(lambda text: text.encode("utf-8", "surrogatepass"))))
    redactor = Redactor(secrets)

    def walked(each: Any) -> Any:
        if isinstance(each, bytes):
            for form in sorted({form for secret in secrets for form in forms(secret)}, key=lambda f: (-len(f), f)):
                each = each.replace(form.encode("utf-8", "surrogatepass"), MARK.encode())
            return each
        return redactor.text(each) if isinstance(each, str) else each

    assert repr(redactor.data(value)) == repr(rewritten(value, walked))


def test_data_without_a_secret_comes_back_itself() -> None:
    value = {"a": ["text", 1, None, b"\xff"], "b": {"c": "hunter2"}}
    assert Redactor(["hunter22"]).data(value) is value


@given(TEXTS, TEXTS.filter(lambda text: "\ud800" not in text), TEXTS)
def test_the_json_of_a_text_holds_that_of_every_part_of_it(before: str, part: str, after: str) -> None:
    whole = (before + part + after).replace("\ud800", "")
    assert compact(part)[1:-1] in compact(whole)


@pytest.mark.parametrize("value", ["\ud800", b"\xff", object(), {"a": [b"\xff"]}])
def test_what_has_no_json_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"JSON|serialize"):
        compact(value)
