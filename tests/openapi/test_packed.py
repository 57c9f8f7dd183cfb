"""A document that is opened in pieces says what it said when it was read, and is read as far as is asked for."""

import gc
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.model import digest
from isthmus.openapi.document import OpenApiDocument, read_document
from isthmus.openapi.operations import Compiled, compile_operations
from isthmus.openapi.packed import packed, unpacked

PET = {"type": "object", "properties": {"name": {"type": "string"}, "tag": {"$ref": "#/components/schemas/Tag"}}}


def answer(schema: Any) -> dict[str, Any]:
    return {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Haustiere, „süß“"},
    "security": [{"key": []}],
    "paths": {
        "/pets": {
            "parameters": [{"$ref": "#/components/parameters/Limit"}],
            "get": {"operationId": "list", "summary": "List", "responses": answer({"type": "array"})},
            "post": {
                "operationId": "add",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                "responses": answer({"$ref": "#/components/schemas/Pet"}),
            },
        },
        "/pets/{id}": {"$ref": "#/components/pathItems/pet"},
        "/images": {"get": {"servers": [{"url": "https://images.example.com"}], "responses": {}}},
    },
    "components": {
        "schemas": {"Pet": PET, "Tag": {"type": "string", "description": "A word"}},
        "parameters": {"Limit": {"name": "limit", "in": "query", "schema": {"type": "integer"}}},
        "pathItems": {"pet": {"get": {"operationId": "get", "tags": ["pets"], "responses": {}}}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "key"}},
        "": {"paths": {"type": "string"}},
        "x-nothing": None,
    },
}


def read(document: dict[str, Any] = DOCUMENT) -> tuple[OpenApiDocument, Compiled]:
    found = read_document(json.dumps(document).encode(), "pets.json")
    return found, compile_operations(found, "pets", reserved={("header", "x-key")})


def opened(content: bytes) -> Compiled:
    return unpacked(content, "pets.json").compiled


def test_what_is_opened_says_the_same() -> None:
    document, compiled = read()
    found = unpacked(packed(document, compiled), "pets.json")
    assert found.compiled == compiled
    assert [(o.output, [p.schema for p in o.parameters]) for o in found.compiled.operations] == [
        (o.output, [p.schema for p in o.parameters]) for o in compiled.operations
    ]
    assert digest(found.document.root) == digest(document.root)
    assert (found.document.version, found.document.schemas.dialect) == (document.version, document.schemas.dialect)


def test_references_lead_through_what_is_in_pieces() -> None:
    document = unpacked(packed(*read()), "").document.schemas
    assert document.resolve("#/components/schemas/Pet/properties/name") == {"type": "string"}
    assert document.resolve("#/paths/~1pets/get/operationId") == "list"
    with pytest.raises(LookupError):
        document.resolve("#/components/schemas/None")


def test_a_piece_is_read_when_it_is_asked_for_and_not_before() -> None:
    content = packed(*read())
    damaged = content.replace(b'"operationId":"add"', b'"operationId":"add}')
    operations = {operation.original: operation for operation in opened(damaged).operations}
    assert operations["list"].summary == "List"
    assert operations["get"].parameters[0].name == "id"
    with pytest.raises(ValueError, match="delimiter"):
        _ = operations["add"].parameters


def test_the_same_piece_is_the_same_object_each_time() -> None:
    operations = opened(packed(*read())).operations
    document = operations[0].document
    assert operations[0].parameters is operations[0].parameters
    assert document.root["components"]["schemas"]["Pet"] is document.root["components"]["schemas"]["Pet"]
    assert operations[1].output == {"$ref": "#/components/schemas/Pet"}


def test_pieces_that_were_read_are_kept_from_the_garbage_collector() -> None:
    names = [f"Pet{number}" for number in range(200)]
    document = {**DOCUMENT, "components": DOCUMENT["components"] | {"schemas": dict.fromkeys([*names, "Pet"], PET)}}
    pieces = unpacked(packed(*read(document)), "").document.schemas.root["components"]["schemas"]
    found = [pieces[name] for name in names]
    looked_through = set(map(id, gc.get_objects()))
    assert sum(id(each) in looked_through for each in found) < 64


@given(
    st.binary(max_size=200) | st.recursive(st.integers() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_bytes_that_are_no_document_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no packed document"):
        unpacked(content, "")


@given(st.data())
def test_a_document_that_lost_bytes_is_refused(data: st.DataObject) -> None:
    content = packed(*read())
    with pytest.raises(ValueError, match="no packed document"):
        unpacked(content[: data.draw(st.integers(0, len(content) - 1))], "")


def test_what_is_no_plain_data_is_not_packed() -> None:
    document, compiled = read()
    compiled = Compiled(compiled.operations, (object(),))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no plain data"):
        packed(document, compiled)
