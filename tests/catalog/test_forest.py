from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.forest import LEAVES, Forest

NAMES = ("a", "b", "c")
WORTHS = st.floats(-3, 3)
TREES = st.recursive(
    WORTHS, lambda part: st.tuples(st.sampled_from(NAMES), st.floats(-2, 2), part, part).map(list), max_leaves=LEAVES
).filter(lambda tree: isinstance(tree, list))
ROWS = st.lists(st.tuples(*[st.floats(-3, 3)] * 3), max_size=60)


def worth(tree: Any, row: tuple[float, ...]) -> float:
    while isinstance(tree, list):
        name, threshold, below, above = tree
        tree = below if row[NAMES.index(name)] <= threshold else above
    return float(tree)


@given(st.lists(TREES, max_size=20), ROWS)
def test_each_row_gets_what_the_leaves_are_worth_that_it_comes_to(trees: list[Any], rows: list[Any]) -> None:
    expected = [sum(worth(tree, row) for tree in trees) for row in rows]
    assert Forest.read(trees, NAMES).sums(rows) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "tree", [["d", 1, 0, 1], ["a", 1, 0], 3, "a", {"a": 1}, ["a", 1, 0, "x"], ["a", 1, 0, float("inf")]]
)
def test_what_is_no_tree_over_what_is_measured_is_refused(tree: Any) -> None:
    with pytest.raises(ValueError, match="no question about what is measured"):
        Forest.read([tree], NAMES)


def test_a_tree_of_more_leaves_than_a_byte_has_bits_is_refused() -> None:
    tree: Any = 0
    for leaf in range(LEAVES):
        tree = ["a", leaf, leaf, tree]
    with pytest.raises(ValueError, match="a tree of 9 leaves"):
        Forest.read([tree], NAMES)
