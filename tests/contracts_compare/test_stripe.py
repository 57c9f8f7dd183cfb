"""Stripe's document of 2022 against that of 2025: fifty breaking changes that were read in both documents by hand."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from isthmus.contracts.compare import Change, compare
from isthmus.contracts.lock import Lock, locked
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations

FACTS = json.loads(Path(__file__).with_name("stripe.json").read_text())


@cache
def lock(path: Path) -> Lock:
    return locked(compile_operations(read_document(path.read_bytes(), path.name), "stripe").operations)


@pytest.fixture
def changes(test_data: Path) -> tuple[Change, ...]:
    return compare(lock(test_data / "specs" / "stripe-2022.json.gz"), lock(test_data / "specs" / "stripe.json.gz"))


def test_fifty_changes_that_were_read_in_both_documents_are_found_and_classed(changes: tuple[Change, ...]) -> None:
    found = {(one.rule, one.side, one.pointer, one.member): one for one in changes}
    assert len(FACTS) == 50
    for fact in FACTS:
        change = found[fact["rule"], fact["side"], fact["pointer"], fact["member"]]
        assert change.kind.value == fact["class"]
        assert fact["operation"] in change.operations


def test_every_operation_that_is_in_one_document_only_is_told(changes: tuple[Change, ...], test_data: Path) -> None:
    before, after = (
        set(lock(test_data / "specs" / f"{name}.json.gz").operations) for name in ("stripe-2022", "stripe")
    )
    told = {rule: {one.operations[0] for one in changes if one.rule == rule} for rule in {one.rule for one in changes}}
    assert told["operation-added"] == after - before
    assert told["operation-removed"] | told.get("operation-renamed", set()) == before - after


@pytest.mark.slow
def test_three_thousand_operations_are_the_same_as_themselves(test_data: Path) -> None:
    locks = [lock(test_data / "specs" / f"{name}.json.gz") for name in ("github", "cloudflare", "stripe")]
    assert sum(len(one.operations) for one in locks) > 3_000
    assert all(compare(one, one) == () for one in locks)
