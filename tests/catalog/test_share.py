"""Shares of an index: packed and opened they are the same, and joined they find what an index over all finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.index import Index
from isthmus.catalog.share import Share
from isthmus.model import Effect, Operation, Parameter, Route

WORDS = st.text(st.sampled_from("abc é日_-/{}."), max_size=12)
OPERATION = st.builds(
    lambda name, summary, description, wire, path: Operation(
        f"up.{name}",
        "up",
        name,
        Effect.READ,
        (Parameter("p", wire, "query", True, {}, summary),),
        summary,
        description,
        route=Route("GET", f"/{path}"),
    ),
    *(WORDS for _ in range(5)),
)


def operation(full: str, summary: str) -> Operation:
    upstream, _, local = full.partition(".")
    return Operation(full, upstream, local, Effect.READ, (), summary)


ONE = [operation("shop.orders.list", "List orders"), operation("shop.orders.create", "Place an order")]
OTHER = [operation("mail.send", "Send a message about an order"), operation("mail.list", "List messages")]


@given(st.lists(OPERATION, max_size=5))
def test_a_share_is_the_same_after_it_was_packed(operations: list[Operation]) -> None:
    share = Share.read(operations)
    assert Share.unpacked(share.packed()) == share


@given(st.binary(max_size=200))
def test_bytes_that_are_no_share_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no share"):
        Share.unpacked(content)


@given(st.data())
def test_a_share_that_lost_bytes_is_refused(data: st.DataObject) -> None:
    packed = Share.read(ONE).packed()
    length = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(ValueError, match="no share"):
        Share.unpacked(packed[:length])


@pytest.mark.parametrize("query", ["list orders", "send a message", "order", "place an order", "messages", "zebra"])
def test_joined_shares_find_what_one_index_over_all_finds(query: str) -> None:
    whole = Index.build([*ONE, *OTHER])
    joined = Index.of([(ONE, Share.read(ONE)), (OTHER, Share.unpacked(Share.read(OTHER).packed()))])
    assert joined.search(query) == whole.search(query)
    assert joined.near("ordr") == whole.near("ordr")
