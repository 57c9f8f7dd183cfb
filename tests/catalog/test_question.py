import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.question import Question
from isthmus.catalog.thesaurus import Thesaurus

WORDS = Thesaurus({}, frozenset({"please", "specific"}))


def read(text: str) -> Question:
    return Question.read(text, WORDS)


def words(text: str, kind: str) -> set[str]:
    return {each.word for each in read(text).wanted if getattr(each, kind)}


def test_what_is_quoted_or_has_a_digit_is_a_value() -> None:
    assert words("rename the project 'Big Launch' with gid 12ab to \"Moon\"", "value") == {
        "big",
        "launch",
        "12ab",
        "moon",
    }


def test_a_word_that_is_also_said_outside_quotes_is_no_value() -> None:
    assert words("set the title to 'title'", "value") == set()


def test_a_capital_in_mid_sentence_makes_a_name() -> None:
    assert words("Films with Clara Bow. Find them", "name") == {"clara", "bow"}


def test_filler_counts_less_and_repetition_more() -> None:
    weights = {each.word: each.weight for each in read("labels, labels of one specific issue").wanted}
    assert weights["specific"] < weights["issue"] < weights["labels"]


def test_verbs_tell_what_is_to_be_done_in_their_order() -> None:
    assert read("add a label, then remove the old one").actions == ("~create", "~delete")


@pytest.mark.parametrize(("query", "plural"), [("list all issues", True), ("get the issue", False), ("get it", None)])
def test_the_first_noun_tells_whether_one_or_many_are_wanted(query: str, plural: bool | None) -> None:
    assert read(query).plural is plural


def test_questions_and_identifiers_are_recognised() -> None:
    assert read("who played in it").asks
    assert not read("play it").asks
    assert read("the task with gid x").identified
    assert read("task 77123").identified
    assert not read("my task").identified


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert all(each.term and each.weight > 0 for each in read(text).wanted)


def test_a_long_text_is_read_in_linear_time() -> None:
    for piece in ("a", "'a ", '"', "<", "1x", "https://", "' "):
        assert read(piece * 50_000) is not None
