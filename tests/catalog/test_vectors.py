import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.terms import stem
from isthmus.catalog.vectors import CODE_BYTES, DIMENSIONS, Codes, Direction, Vectors, code, shrunk, square, vectors

ROW = st.tuples(st.integers(0, 255), st.lists(st.integers(1, 255), min_size=DIMENSIONS, max_size=DIMENSIONS))


def like(one: list[int], small: Sequence[int]) -> float:
    (found,) = Direction(one).likenesses([(small, square(small))])
    return found


def likeness(one: str, other: str) -> float:
    first, second = (vectors().of((stem(word), 1) for word in text.split()) for text in (one, other))
    small = shrunk(second)
    return like(first, small)


@given(st.lists(ROW, min_size=1, max_size=5), st.lists(st.integers(0, 6), min_size=5, max_size=5))
def test_the_vector_of_a_text_is_the_sum_of_those_of_its_terms(
    rows: list[tuple[int, list[int]]], weights: list[int]
) -> None:
    terms = [f"t{n}" for n in range(len(rows))]
    read = Vectors.read(json.dumps(terms).encode() + b"\n" + b"".join(bytes([size, *row]) for size, row in rows))
    weighed = list(zip(terms, rows, weights, strict=False))
    expected = [sum(size * weight * (row[n] - 128) for _, (size, row), weight in weighed) for n in range(DIMENSIONS)]
    assert read.of([*((term, weight) for term, _, weight in weighed), ("unknown", 3)]) == expected


VECTOR = st.lists(st.integers(-(10**6), 10**6), min_size=DIMENSIONS, max_size=DIMENSIONS)


@given(VECTOR)
def test_a_vector_in_bytes_points_the_same_way_and_has_a_code(vector: list[int]) -> None:
    small = shrunk(vector)
    assert max(abs(each - 128) for each in small) in (0, 127)
    assert 0 <= code(vector) < 2 ** (8 * CODE_BYTES)
    assert (code(vector) ^ code([each * 2 for each in vector])).bit_count() == 0
    assert Direction(vector).code == code(vector)
    if any(vector):
        assert like(vector, small) > 0.99


@given(VECTOR, VECTOR)
def test_a_likeness_is_the_cosine_between_two_vectors(one: list[int], other: list[int]) -> None:
    small = shrunk(other)
    numbers = [each - 128 for each in small]
    lengths = math.hypot(*one) * math.hypot(*numbers)
    cosine = sum(a * b for a, b in zip(one, numbers, strict=True)) / lengths if lengths else 0.0
    assert like(one, small) == pytest.approx(cosine, abs=1e-9)


def test_what_means_nothing_points_nowhere_and_is_like_nothing() -> None:
    nothing, something = [0] * DIMENSIONS, [1] * DIMENSIONS
    assert not Direction(nothing)
    assert Direction(something)
    assert like(nothing, shrunk(something)) == 0
    assert like(something, shrunk(nothing)) == 0


CODE = st.integers(0, 2 ** (8 * CODE_BYTES) - 1)


@given(st.lists(CODE, max_size=40) | st.lists(st.sampled_from([0, 1, 3, 2**255 - 1]), max_size=40), CODE)
def test_the_most_alike_differ_in_the_fewest_bits_and_come_in_their_order(codes: list[int], wanted: int) -> None:
    found = list(Codes(b"".join(each.to_bytes(CODE_BYTES) for each in codes)).most_alike(wanted))
    assert found == sorted(range(len(codes)), key=lambda place: (codes[place] ^ wanted).bit_count())


def test_words_that_mean_the_same_are_more_alike_than_others() -> None:
    assert likeness("film", "movie") > likeness("film", "invoice") + 0.2
    assert likeness("remove a repository", "delete repo") > likeness("remove a repository", "list payments") + 0.2


def test_a_file_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="1 vectors of 128 dimensions do not take 5 bytes"):
        Vectors.read(b'["a"]\n12345')
