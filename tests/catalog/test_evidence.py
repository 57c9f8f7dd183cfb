import json
from dataclasses import replace

import pytest

from isthmus.catalog.elsewhere import SIGNS, Elsewhere, elsewhere
from isthmus.catalog.evidence import EVIDENCE, Conviction, Evidence, conviction
from isthmus.catalog.index import Index
from isthmus.catalog.vectors import CODE_BYTES, DIMENSIONS, Direction, code, shrunk, vectors
from isthmus.model import Effect, Operation


def operation(name: str, summary: str) -> Operation:
    return Operation(f"shop.{name}", "shop", name, Effect.READ, (), summary)


SHOP = Index.build(
    [
        operation("list_orders", "List the orders of a customer"),
        operation("get_order", "Get an order with its items"),
        operation("refund_payment", "Refund a payment"),
        operation("blorp_frobnicator", "Blorp the frobnicator"),
    ]
)


def measured(query: str) -> dict[str, float]:
    [found] = SHOP.evidence(query)
    return dict(zip(EVIDENCE, found.measures, strict=True))


def direction(text: str) -> Direction:
    return Direction(vectors().of([(term, 1) for term in text.split()]))


def packed(*texts: str) -> bytes:
    """A file with a group for each text."""
    every = [vectors().of([(term, 1) for term in text.split()]) for text in texts]
    head = json.dumps({f"group {place}": 1 for place in range(len(texts))}).encode()
    codes = [code(each).to_bytes(CODE_BYTES)[:SIGNS] for each in every]
    return b"".join([head, b"\n", *(shrunk(each).tobytes() for each in every), *codes])


def test_what_a_catalog_is_about_is_nearer_than_what_is_on_offer_elsewhere_and_other_things_are_not() -> None:
    assert measured("the orders of my customer")["ahead_of_ten"] > 0
    assert measured("tracks of a music playlist")["ahead_of_ten"] < -0.3


def test_nouns_are_counted_in_one_head_and_a_command_is_told() -> None:
    found = measured("list orders of a customer")
    assert (found["nouns"], found["commands"]) == (2, 1)
    assert measured("which orders has a customer")["commands"] == 0
    assert measured("payment webhook")["nouns"] == 1


@pytest.mark.parametrize(
    "query", ["list orders", "refund a payment", "orders of a customer", "blorp frobnicator", "frobnicator", "items"]
)
def test_what_is_there_is_found(query: str) -> None:
    assert SHOP.search(query).hits


@pytest.mark.parametrize(
    "query", ["add a track to a playlist", "delete the webhook of a repository", "weather forecast for tomorrow"]
)
def test_what_other_apis_offer_is_not_found(query: str) -> None:
    assert not SHOP.search(query).hits


def test_the_nearest_elsewhere_come_first_and_groups_can_be_left_out() -> None:
    offered = Elsewhere.read(packed("order custom", "music playlist", "weather forecast"))
    music = offered.nearest(direction("playlist track music"))
    assert music == sorted(music, reverse=True)
    assert music[0] > 0.5
    assert offered.nearest(direction("playlist track music"), without={"group 1"}) == music[1:]
    assert offered.nearest(direction("qqqq")) == []


def test_a_file_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="2 operations do not take"):
        Elsewhere.read(packed("order", "music")[:-1])


def test_words_alone_decide_where_none_is_known() -> None:
    near = ["nearest", 1.5, -1, 1]
    weighed = Conviction.read(json.dumps({"trees": [near], "least": 0.5}))
    some = EVIDENCE.index("nouns")
    assert weighed.convinced(Evidence(tuple(float(place == some) for place in range(len(EVIDENCE))), False, False))
    assert not weighed.convinced(Evidence((0.0,) * len(EVIDENCE), False, False))
    assert not weighed.convinced(Evidence((1.0,) * len(EVIDENCE), False, True))
    assert weighed.convinced(Evidence((2.0,) * len(EVIDENCE), False, True))
    assert weighed.convinced(Evidence((0.0,) * len(EVIDENCE), True, True))


def test_trees_ask_for_what_is_measured() -> None:
    with pytest.raises(ValueError, match="no question about what is measured"):
        Conviction.read('{"trees": [["luck", 1, 0, 1]], "least": 0}')


def test_what_is_shipped_believes_what_is_nearer_and_knows_many_operations() -> None:
    [found] = SHOP.evidence("orders of my customer")
    far = [each - 0.5 if name in EVIDENCE[:3] else each for name, each in zip(EVIDENCE, found.measures, strict=True)]
    assert conviction().worth(found) > conviction().worth(replace(found, measures=tuple(far)))
    assert elsewhere().firsts[-1] * DIMENSIONS == len(elsewhere().vectors) > 1_000_000
