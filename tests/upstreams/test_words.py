import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.upstreams.words import one_line, redacted


@given(st.text(max_size=200), st.integers(5, 50))
def test_a_line_is_one_line_within_its_limit_and_without_invisible_characters(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()


def test_bidirectional_zero_width_and_tag_characters_are_left_out() -> None:
    assert one_line("a\u202eb\u200bc\U000e0041d\x1b[8m", 80) == "abcd[8m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot read /root/.config/token: canary-7f3a", "cannot read /root/.config/token: ***"),
        ("Authorization: Bearer abcdefgh.ijk rejected", "Authorization: Bearer *** rejected"),
        ("connecting to https://me:pw@host/x", "connecting to https://***@host/x"),
        ('{"api_key": "abc"}', '{"api_key": "***"}'),
        ("invalid token supplied", "invalid token supplied"),
    ],
)
def test_what_looks_like_a_secret_is_not_repeated(text: str, shown: str) -> None:
    assert redacted(text, []) == shown


def test_known_secrets_go_longest_first_so_that_none_leaves_a_rest() -> None:
    assert redacted("hunter2000", ["hunter2", "hunter2000"]) == "***"
