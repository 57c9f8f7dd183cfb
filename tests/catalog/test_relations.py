"""What operations have to do with one another is kept, and says the same when it is opened."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalog.catalog import Catalog, Part
from isthmus.catalog.relations import Relations
from isthmus.model import Effect, Operation, Parameter, Route

ID = {"type": "object", "properties": {"id": {"type": "string"}}}
LISTING = {"type": "object", "properties": {"result": {"type": "array", "items": ID}}}


def operation(route: str, output: Any = None, *names: str) -> Operation:
    method, _, path = route.partition(" ")
    holes = [Parameter(part[1:-1], part[1:-1], "path", True, {}) for part in path.split("/") if part.startswith("{")]
    optional = [Parameter(name, name, "query", False, {}) for name in names]
    name = f"{method}_{path}".lower().translate({47: "_", 123: None, 125: None})
    effect = Effect.READ if method == "GET" else Effect.WRITE
    parameters = (*holes, *optional)
    return Operation(f"up.{name}", "up", route, effect, parameters, output=output, route=Route(method, path))


OPERATIONS = (
    operation("GET /zones", LISTING, "alt", "page"),
    operation("GET /users", {"type": "array", "items": ID}, "alt"),
    operation("POST /zones/{zone_id}/dns", None, "alt"),
    operation("GET /users/{user_id}", None, "alt"),
    *(operation(f"GET /things/{number}", None, "alt", "page") for number in range(12)),
)


def told(relations: Relations) -> Any:
    return relations.common, [
        {name: source.text() for name, source in relations.chains.sources(each).items()} for each in OPERATIONS
    ]


def test_what_was_kept_says_what_was_found() -> None:
    found = Relations.build(OPERATIONS)
    again = Relations.unpacked(found.packed(OPERATIONS), OPERATIONS)
    assert told(again) == told(found)
    assert told(found)[0] == {"alt"}
    assert told(found)[1][2] == {"zone_id": "up.get__zones().result[].id"}


def test_what_is_kept_is_found_again_in_operations_whose_details_nobody_reads() -> None:
    def unread() -> Any:
        raise AssertionError("read")

    late = [
        Operation.late(unread, id=o.id, upstream=o.upstream, original=o.original, effect=o.effect, route=o.route)
        for o in OPERATIONS
    ]
    relations = Relations.unpacked(Relations.build(OPERATIONS).packed(OPERATIONS), late)
    assert [source.place for source in relations.chains.sources(OPERATIONS[2]).values()] == [".result[].id"]


@given(
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["common", "finders", "producers", "nouns", "paths"]),
        st.lists(st.lists(st.integers() | st.text(max_size=3) | st.none(), max_size=4), max_size=3),
    ).map(lambda value: json.dumps(value).encode())
)
def test_bytes_that_are_no_relations_are_refused_or_give_some(content: bytes) -> None:
    with suppress(ValueError):
        told(Relations.unpacked(content, OPERATIONS))


def test_a_catalog_finds_relations_where_its_parts_bring_none() -> None:
    catalog = Catalog.build(OPERATIONS)
    assert catalog.common("up") == {"alt"}
    assert catalog.common("unheard_of") == frozenset()
    assert list(catalog.sources(OPERATIONS[2])) == ["zone_id"]


def test_a_part_that_was_related_answers_to_other_spellings() -> None:
    part = Part.build(OPERATIONS).related(Relations())
    assert Catalog([part]).resolve("up.GetZones") is OPERATIONS[0]
    assert Catalog([part]).common("up") == frozenset()


@pytest.mark.parametrize("number", [-1, 99])
def test_relations_of_other_operations_are_refused(number: int) -> None:
    said = json.loads(Relations.build(OPERATIONS).packed(OPERATIONS))
    said["finders"][0][0] = number
    with pytest.raises(ValueError, match="no relations"):
        Relations.unpacked(json.dumps(said).encode(), OPERATIONS)
