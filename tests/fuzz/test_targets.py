"""The targets of the fuzzer hold for their seeds, for what is near them, and for whatever hypothesis thinks of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_for_its_seeds_and_for_each_of_their_beginnings(name: str) -> None:
    for seed in TARGETS[name].seeds:
        for length in range(0, len(seed) + 1, 1 + len(seed) // 60):
            TARGETS[name].feed(seed[:length])


@pytest.mark.parametrize("name", TARGETS)
@given(st.data())
def test_a_target_holds_for_seeds_with_some_bytes_changed(name: str, data: st.DataObject) -> None:
    seed = bytearray(data.draw(st.sampled_from(TARGETS[name].seeds)))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(seed) - 1), st.integers(0, 255)), max_size=8)):
        seed[at] = byte
    TARGETS[name].feed(bytes(seed))


@pytest.mark.parametrize("name", ["frames", "channel", "cleaner", "guest", "wire", "bodies"])
@given(data=st.binary(max_size=400))
def test_a_target_holds_for_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name].feed(data)
