import contextlib
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import ConfigurationError
from isthmus.model import Dialect, SchemaDocument
from isthmus.openapi.document import read_document
from isthmus.openapi.nodes import follow
from isthmus.openapi.operations import compile_operations
from isthmus.openapi.plain_yaml import YamlError, load_yaml

MINIMAL: dict[str, Any] = {"openapi": "3.1.0", "paths": {}}


def refusal(content: bytes, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_document(content, "api.json", **options)
    assert caught.value.remedy
    return str(caught.value)


def test_json_yaml_and_gzip_of_either_are_read() -> None:
    text = json.dumps(MINIMAL).encode()
    for content in (text, b"\xef\xbb\xbf" + text, gzip.compress(text), b"openapi: 3.1.0\npaths: {}\n"):
        assert dict(read_document(content, "x").root) == MINIMAL


def test_the_version_decides_how_schemas_are_read() -> None:
    assert read_document(b'{"openapi": "3.0.3", "paths": {}}', "x").schemas.dialect is Dialect.OPENAPI_3_0
    assert read_document(b"openapi: 3.1\npaths: {}", "x").schemas.dialect is Dialect.JSON_SCHEMA


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"<!doctype html><html>", "is HTML or XML"),
        (b'{"swagger": "2.0"}', "has no `paths`"),
        (b'{"openapi": 9, "paths": []}', "version 9, which is not known"),
        (b'{"openapi": "3.0.0"}', "has no `paths`"),
        (b'{"paths": {}}', "has no `openapi` version"),
        (b"[]", "is a list"),
        (b'{"openapi": "3.1.0",\n "paths": {"/a": ', "api.json:2:"),
        (b'{"openapi": "3.1.0", "paths": {}, "paths": {}}', "the key 'paths' stands twice"),
        (b'{"openapi": "3.1.0", "n": %s}' % (b"9" * 5000), "thousands of digits"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"\xff\xfe\x00", "not valid UTF-8"),
        (b"\x80abc", "not valid UTF-8"),
        (b"\x1f\x8bgarbage", "no valid gzip"),
        (b"a: 1\na: 2\n", "api.json:2:"),
        (b"openapi: !!python/object:os.system x", "not accepted"),
        (b"a: [1, 2\nb: 3", "cannot be read as YAML"),
    ],
)
def test_what_is_no_document_is_refused_with_what_it_is(content: bytes, said: str) -> None:
    assert said in refusal(content)


def test_a_document_is_bounded_before_and_after_unpacking() -> None:
    assert "larger than 1,000 bytes" in refusal(b" " * 1001, limit=1000)
    assert "larger than 1,000 bytes" in refusal(gzip.compress(b" " * 1_000_000), limit=1000)


def test_lone_surrogates_in_a_document_become_replacement_characters() -> None:
    document = read_document(b'{"openapi": "3.1.0", "paths": {}, "info": {"title": "a\\ud800\\ud83d\\ude00"}}', "x")
    assert document.title == "a\ufffd\U0001f600"


def test_yaml_is_read_as_json_would_be() -> None:
    text = "a: 2020-01-01\nb: no\nc: 0x1F\nd: 1.5\ne: ~\n200: true\nf: '1'\ng: .inf\nh: 012\n"
    assert load_yaml(text) == {
        "a": "2020-01-01", "b": "no", "c": 31, "d": 1.5, "e": None, "200": True, "f": "1", "g": ".inf", "h": 12,
    }  # fmt: skip


def test_yaml_merges_give_way_to_the_keys_beside_them() -> None:
    assert load_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc:\n  x: 4\n  <<: [*a]\n")["b"] == {"x": 3, "y": 2}


def test_yaml_bombs_and_cycles_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    for bomb in ("\n".join(lines), "a: &a [*a]", "[" * 5000 + "]" * 5000):
        with pytest.raises(YamlError):
            load_yaml(bomb)


@given(st.binary(max_size=200) | st.text(alphabet="{}[]&*!<:,-#|>\"'\n a0", max_size=80).map(str.encode))
def test_any_bytes_are_a_document_or_a_configuration_error(content: bytes) -> None:
    with contextlib.suppress(ConfigurationError):
        read_document(content, "x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=6)
            | st.sampled_from(
                ["$ref", "get", "parameters", "in", "name", "schema", "requestBody", "content", "application/json"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(paths=st.dictionaries(st.just("/") | st.text(max_size=5).map("/".__add__), JSON, max_size=4), components=JSON)
def test_any_paths_compile_to_operations_or_warnings(paths: dict[str, Any], components: Any) -> None:
    document = read_document(json.dumps(MINIMAL | {"paths": paths, "components": components}).encode(), "x")
    compiled = compile_operations(document, "api")
    assert len({operation.id for operation in compiled.operations}) == len(compiled.operations)


def test_references_are_followed_within_the_document_only() -> None:
    schemas = SchemaDocument({"a": {"$ref": "#/b"}, "b": {"x": 1}, "c": {"$ref": "#/d"}, "d": {"$ref": "#/c"}, "e": 5})
    assert follow({"$ref": "#/a"}, schemas) == {"x": 1}
    for reference in ("#/c", "#/e", "#/missing", "https://evil.example/x", "other.json#/a"):
        with pytest.raises(LookupError):
            follow({"$ref": reference}, schemas)
