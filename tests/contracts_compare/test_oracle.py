"""What is called compatible is held against jsonschema: no value that fitted before may be refused now."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.contracts.compare import Change, compare
from isthmus.contracts.lock import locked, read, written
from isthmus.contracts.verdicts import Class
from isthmus.model import Effect, JsonSchema, Operation, Parameter, SchemaDocument
from tests.simulators import schemas

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: pip install 'isthmus[contracts]'")

SEEDS = st.integers(0, 2**32)


def operation(inward: JsonSchema, outward: JsonSchema, definitions: dict[str, Any]) -> Operation:
    document = SchemaDocument({"$defs": definitions})
    parameter = Parameter("value", "value", "body", True, inward)
    return Operation("up.act", "up", "act", Effect.READ, (parameter,), output=outward, document=document)


def changes(before: Operation, after: Operation) -> tuple[Change, ...]:
    return compare(locked([before]), locked([after]))


def breaks(before: Any, after: Any, side: str, old_defs: dict[str, Any], new_defs: dict[str, Any]) -> bool:
    found = changes(operation(before, before, old_defs), operation(after, after, new_defs))
    return any(one.kind is Class.BREAKING and one.side == side for one in found)


def made(seed: int) -> tuple[random.Random, dict[str, Any], Any, dict[str, Any], Any]:
    """A schema with its definitions, and a relation of it with its own."""
    rng = random.Random(seed)
    names = ("P", "Q") if rng.random() < 0.6 else ()
    before_defs = {name: schemas.schema(rng, 2, names) for name in names}
    before = schemas.schema(rng, 3, names)
    after_defs = {
        name: schemas.related(rng, one, names) if rng.random() < 0.4 else one for name, one in before_defs.items()
    }
    after = schemas.related(rng, before, names) if rng.random() < 0.8 else before
    return rng, before_defs, before, after_defs, after


def leads_round(definitions: dict[str, Any]) -> bool:
    """Whether a definition is held against itself on the spot: no validator ends on that."""

    def here(node: Any) -> set[str]:
        if not isinstance(node, dict):
            return set()
        if "$ref" in node:
            return {node["$ref"].rpartition("/")[2]}
        return {n for key in ("allOf", "anyOf") for part in node.get(key, ()) for n in here(part)} | here(
            node.get("not")
        )

    for name in definitions:
        seen: set[str] = set()
        waiting = here(definitions[name])
        while waiting:
            one = waiting.pop()
            if one == name:
                return True
            if one not in seen:
                seen.add(one)
                waiting |= here(definitions[one])
    return False


def validator(node: Any, definitions: dict[str, Any]) -> Any:
    return jsonschema.Draft202012Validator({"allOf": [node], "$defs": definitions})


@settings(max_examples=400, derandomize=True)
@given(SEEDS)
def test_nothing_that_could_be_sent_is_refused_after_a_compatible_change(seed: int) -> None:
    rng, before_defs, before, after_defs, after = made(seed)
    if leads_round(before_defs) or leads_round(after_defs) or breaks(before, after, "input", before_defs, after_defs):
        return
    sent = validator(schemas.documented(before), {n: schemas.documented(one) for n, one in before_defs.items()})
    taken = validator(after, after_defs)
    root = {"$defs": before_defs}
    for _ in range(60):
        value = schemas.value(rng, before, root)
        assert not sent.is_valid(value) or taken.is_valid(value), (value, before, after)


@settings(max_examples=400, derandomize=True)
@given(SEEDS)
def test_answers_have_the_shape_that_programs_know_after_a_compatible_change(seed: int) -> None:
    rng, before_defs, before, after_defs, after = made(seed)
    if leads_round(before_defs) or leads_round(after_defs) or breaks(before, after, "output", before_defs, after_defs):
        return
    given_now = validator(schemas.documented(after), {n: schemas.documented(one) for n, one in after_defs.items()})
    known = validator(schemas.shape_only(before), {n: schemas.shape_only(one) for n, one in before_defs.items()})
    root = {"$defs": after_defs}
    for _ in range(60):
        value = schemas.value(rng, after, root)
        assert not given_now.is_valid(value) or known.is_valid(value), (value, before, after)


@settings(max_examples=200, derandomize=True)
@given(SEEDS)
def test_nothing_has_changed_between_a_contract_and_itself(seed: int) -> None:
    _, definitions, schema, _, _ = made(seed)
    one = operation(schema, schema, definitions)
    again = operation(schema, schema, dict(reversed(definitions.items())))
    lock = locked([one])
    assert changes(one, again) == ()
    assert compare(read(written(lock)), lock) == ()
    assert written(read(written(lock))) == written(locked([again]))


@pytest.mark.parametrize("side", ["input", "output"])
def test_the_oracle_has_compatible_changes_to_judge(side: str) -> None:
    judged = 0
    for seed in range(200):
        _, before_defs, before, after_defs, after = made(seed)
        judged += before != after and not breaks(before, after, side, before_defs, after_defs)
    assert judged > 20
