import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.terms import Analyzer, actions, split, stem, verb_action


@pytest.mark.parametrize("text", ["listForRepo", "list-for-repo", "list_for_repo", "LIST FOR REPO", "list/for/{repo}"])
def test_every_way_of_writing_a_name_gives_the_same_words(text: str) -> None:
    assert split(text) == ["list", "for", "repo"]


def test_scripts_without_spaces_are_taken_in_pairs() -> None:
    assert split("搜索关键词 and Größe") == ["搜索", "索关", "关键", "键词", "and", "grosse"]


@pytest.mark.parametrize(
    "family",
    [
        ["issue", "issues"],
        ["create", "creates", "created", "creating"],
        ["repository", "repositories"],
        ["notification", "notifications", "notificate"],
        ["stop", "stopped", "stopping"],
        ["box", "boxes"],
        ["organize", "organization", "organizations"],
        ["delete", "deleted", "deleting"],
    ],
)
def test_inflections_share_a_stem(family: list[str]) -> None:
    assert len({stem(word) for word in family}) == 1


@pytest.mark.parametrize(("one", "other"), [("status", "state"), ("user", "use"), ("access", "accent")])
def test_different_words_keep_different_stems(one: str, other: str) -> None:
    assert stem(one) != stem(other)


@given(st.text())
def test_any_text_has_terms(text: str) -> None:
    assert all(Analyzer().terms(text))


def test_what_an_operation_does_is_said_by_its_name_or_else_by_its_method() -> None:
    assert verb_action(stem("adding")) == "~create"
    assert actions(["label"], "POST") == {"~create"}
    assert actions(["delet", "label"], "POST") == {"~delete"}
    assert actions(["label"], "") == set()
