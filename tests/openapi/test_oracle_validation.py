"""Our verdict on values against jsonschema's: small random schemas, in both dialects, and values that nearly fit them.

The reference reads schemas for itself. Its leniencies are those that are documented: `oneOf` counts as `anyOf`, and
`nullable` of the old dialect allows None.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.model import Dialect, Effect, Operation, Parameter, SchemaDocument
from isthmus.validation import Validation

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: pip install 'isthmus[contracts]'")

NAMES = ("a", "b", "c")
TEXTS = ("", "a", "ab", "abc", "1", "ä€𝄞")
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from((-1.5, 0.0, 0.5, 1.0, 2.0)), st.sampled_from(TEXTS)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
OF_TYPE: Mapping[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(TEXTS),
    "integer": st.integers(-3, 3) | st.sampled_from((0.0, 1.0)),
    "number": st.integers(-3, 3) | st.sampled_from((-1.5, 0.5, 2.0)),
    "boolean": st.booleans(),
}
COUNTS, NUMBERS = st.integers(0, 3), st.sampled_from((-2, -1, 0, 0.5, 1, 2))


@cache
def schemas(dialect: Dialect, references: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of a dialect; some refer to others."""
    leaves = st.one_of(_string(), _number(dialect), _simple(), _enumerated())
    if references:
        leaves |= st.sampled_from(references).map(lambda name: {"$ref": f"#/components/schemas/{name}"})
    return st.recursive(
        _nullable(leaves, dialect),
        lambda inner: _nullable(st.one_of(_object(inner), _array(inner), _combined(inner)), dialect),
        max_leaves=5,
    )


def _string() -> st.SearchStrategy[dict[str, Any]]:
    optional = {"minLength": COUNTS, "maxLength": COUNTS, "pattern": st.sampled_from(("^a", "b$", "[0-9]", "^$"))}
    return st.fixed_dictionaries({"type": st.just("string")}, optional=optional)


def _number(dialect: Dialect) -> st.SearchStrategy[dict[str, Any]]:
    old = dialect is Dialect.OPENAPI_3_0
    exclusive = st.booleans() if old else NUMBERS
    optional = {
        "minimum": NUMBERS,
        "maximum": NUMBERS,
        "exclusiveMinimum": exclusive,
        "exclusiveMaximum": exclusive,
        "multipleOf": st.sampled_from((1, 2, 0.5)),
    }
    return st.fixed_dictionaries({"type": st.sampled_from(("integer", "number"))}, optional=optional)


def _simple() -> st.SearchStrategy[dict[str, Any]]:
    kinds = st.sampled_from(("boolean", "string", "integer", "number", "array", "object"))
    return st.just({}) | kinds.map(lambda kind: {"type": kind})


def _enumerated() -> st.SearchStrategy[dict[str, Any]]:
    values = st.lists(VALUES, min_size=1, max_size=3)
    return values.map(lambda options: {"enum": options})


def _object(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    optional = {
        "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        "additionalProperties": st.booleans() | inner,
        "minProperties": COUNTS,
        "maxProperties": COUNTS,
        "type": st.just("object"),
    }
    return st.fixed_dictionaries({}, optional=optional)


def _array(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    optional = {"minItems": COUNTS, "maxItems": COUNTS, "uniqueItems": st.booleans()}
    return st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional=optional)


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    optional = {"allOf": several, "anyOf": several, "oneOf": several, "not": inner}
    return st.fixed_dictionaries({}, optional=optional)


def _nullable(plain: st.SearchStrategy[Any], dialect: Dialect) -> st.SearchStrategy[dict[str, Any]]:
    if dialect is Dialect.OPENAPI_3_0:
        return st.tuples(plain, st.booleans()).map(lambda pair: {**pair[0], "nullable": True} if pair[1] else pair[0])
    return plain


@st.composite
def cases(draw: st.DrawFn, dialect: Dialect) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """A schema, the document that it refers to, and a value."""
    root = {
        "components": {
            "schemas": {"Leaf": draw(schemas(dialect, ())), "Node": draw(schemas(dialect, ("Leaf",)))},
        }
    }
    schema = draw(schemas(dialect, ("Leaf", "Node")))
    return schema, root, _near(draw, schema, root["components"]["schemas"], 0)


def _near(draw: st.DrawFn, schema: Any, named: Mapping[str, Any], depth: int) -> Any:
    """A value that takes after a schema, mostly: bounds and combinations are not heeded."""
    if isinstance(schema, bool) or depth > 5 or draw(st.integers(0, 9)) == 0:
        return draw(VALUES)
    if "$ref" in schema:
        return _near(draw, named[schema["$ref"].rpartition("/")[2]], named, depth + 1)
    branches = [branch for keyword in ("allOf", "anyOf", "oneOf") for branch in schema.get(keyword, ())]
    if branches:
        return _near(draw, draw(st.sampled_from(branches)), named, depth + 1)
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    kind = schema.get("type") or ("object" if schema.keys() & {"properties", "required"} else None)
    if kind == "array":
        items = schema.get("items", True)
        return [_near(draw, items, named, depth + 1) for _ in range(draw(COUNTS))]
    if kind == "object":
        return {
            name: _near(draw, schema.get("properties", {}).get(name, True), named, depth + 1)
            for name in draw(st.lists(st.sampled_from(NAMES), unique=True))
        }
    bounds = [schema[keyword] for keyword in ("minimum", "maximum") if keyword in schema]
    at_a_bound = draw(st.booleans())
    if bounds and at_a_bound:
        return draw(st.sampled_from(bounds))
    return draw(OF_TYPE.get(str(kind), VALUES))


def translated(schema: Any, dialect: Dialect) -> Any:
    """The schema in 2020-12, with the documented leniencies; nothing of it is the product's code."""
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema and dialect is Dialect.OPENAPI_3_0:
        result: dict[str, Any] = {"$ref": schema["$ref"]}
    else:
        result = {key: _keyword(key, value, dialect) for key, value in schema.items() if key != "nullable"}
    if "oneOf" in result:
        result["allOf"] = [*result.get("allOf", ()), {"anyOf": result.pop("oneOf")}]
    if dialect is Dialect.OPENAPI_3_0:
        _bounds(result)
    return {"anyOf": [result, {"type": "null"}]} if schema.get("nullable") else result


def _keyword(key: str, value: Any, dialect: Dialect) -> Any:
    if key in ("allOf", "anyOf", "oneOf"):
        return [translated(part, dialect) for part in value]
    if key == "properties":
        return {name: translated(part, dialect) for name, part in value.items()}
    return translated(value, dialect) if key in ("items", "not", "additionalProperties") else value


def _bounds(result: dict[str, Any]) -> None:
    """In the old dialect `exclusiveMinimum` is a word on `minimum`."""
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if result.pop(exclusive, False) and bound in result:
            result[exclusive] = result.pop(bound)


def reference_verdict(schema: Any, root: Mapping[str, Any], dialect: Dialect, value: Any) -> bool:
    """What jsonschema says."""
    named = {name: translated(part, dialect) for name, part in root["components"]["schemas"].items()}
    whole = {**translated(schema, dialect), "components": {"schemas": named}}
    return bool(jsonschema.Draft202012Validator(whole).is_valid(value))


def our_verdicts(schema: Any, root: Mapping[str, Any], dialect: Dialect, value: Any) -> tuple[bool, bool]:
    """What we say of a value as an argument, and as an answer."""
    document, validation = SchemaDocument(root, dialect), Validation()
    parameters = (Parameter("v", "v", "argument", True, schema),)
    operation = Operation("api.op", "api", "op", Effect.READ, parameters, output=schema, document=document)
    return validation.arguments_problems(operation, {"v": value}) == [], not validation.answer_problems(
        operation, value
    )


@pytest.mark.parametrize("dialect", Dialect)
def test_our_verdict_on_a_value_is_that_of_jsonschema(dialect: Dialect) -> None:
    seen = {True: 0, False: 0}

    @settings(max_examples=400, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(cases(dialect))
    def agree(case: tuple[dict[str, Any], dict[str, Any], Any]) -> None:
        schema, root, value = case
        expected = reference_verdict(schema, root, dialect, value)
        assert our_verdicts(schema, root, dialect, value) == (expected, expected)
        seen[expected] += 1

    agree()
    assert min(seen.values()) > 80, seen


NEW, OLD = Dialect.JSON_SCHEMA, Dialect.OPENAPI_3_0


@pytest.mark.parametrize(
    ("dialect", "schema", "value", "expected"),
    [
        (NEW, {"oneOf": [{"type": "integer"}, {"type": "number"}]}, 1, True),  # both fit: a slip of documents
        (NEW, {"type": "integer"}, 2.0, True),
        (NEW, {"type": "integer"}, 2.5, False),
        (NEW, {"type": "integer"}, True, False),
        (NEW, {"enum": [1]}, True, False),
        (NEW, {"enum": [1]}, 1.0, True),
        (NEW, {"minLength": 2, "type": "string"}, "𝄞", False),  # one character, two UTF-16 units
        (NEW, {"type": "array", "uniqueItems": True}, [1, True], True),
        (NEW, {"type": "array", "uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2, "a": 1}], False),
        (NEW, {"exclusiveMinimum": 1}, 1, False),
        (OLD, {"minimum": 1, "exclusiveMinimum": True}, 1, False),
        (OLD, {"minimum": 1, "exclusiveMinimum": False}, 1, True),
        (OLD, {"maximum": 1, "exclusiveMaximum": True}, 1, False),
        (OLD, {"exclusiveMaximum": True}, 9, True),
        (OLD, {"type": "string", "enum": ["a"], "nullable": True}, None, True),
        (OLD, {"allOf": [{"type": "string"}], "nullable": True}, None, True),
        (OLD, {"allOf": [{"type": "string", "nullable": True}]}, None, True),
        (OLD, {"type": "string", "nullable": False}, None, False),
        (OLD, {"$ref": "#/components/schemas/Text", "maxLength": 1}, "ab", True),  # siblings of references are ignored
        (NEW, {"$ref": "#/components/schemas/Text", "maxLength": 1}, "ab", False),
    ],
)
def test_both_say_what_was_decided(dialect: Dialect, schema: dict[str, Any], value: Any, expected: bool) -> None:
    root: dict[str, Any] = {"components": {"schemas": {"Text": {"type": "string"}}}}
    assert reference_verdict(schema, root, dialect, value) is expected
    assert our_verdicts(schema, root, dialect, value) == (expected, expected)
