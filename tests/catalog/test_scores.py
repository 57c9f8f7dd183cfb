from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.scores import Scores, Standing

ADDED = st.floats(0, 4)
TERM = st.tuples(ADDED, st.dictionaries(st.integers(0, 59), st.floats(0, 1)))


@given(st.lists(st.sampled_from([0.0, 0.5, 0.7]), min_size=60, max_size=60), st.lists(TERM, max_size=8))
def test_the_best_come_first_and_equal_ones_in_their_order(
    own: list[float], terms: list[tuple[float, dict[int, float]]]
) -> None:
    scores, standing = list(own), []
    for most, worths in terms:
        for place, worth in worths.items():
            scores[place] += most * worth
        standing.append(Standing(most, list(worths)))
    expected = sorted((place for place in range(60) if scores[place]), key=lambda place: -scores[place])
    for many in (1, 8, 64):
        assert list(Scores(scores, standing, max(own)).best_first(many)) == expected
