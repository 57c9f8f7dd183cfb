"""What an upstream says of itself is shown without the secrets that it was given."""

import json
from dataclasses import replace
from typing import Any

import pytest

from isthmus.model import Operation, Route, SchemaDocument, UpstreamSnapshot, UpstreamState
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from isthmus.openapi.packed import packed, unpacked
from isthmus.redaction import MARK, Redactor
from isthmus.service.cleaning import Cleaning
from tests.simulators.upstream import operation

SECRET = "canary-4711-token"
CLEAN = Cleaning(Redactor([SECRET]))


def test_a_snapshot_says_nothing_of_a_secret() -> None:
    said = f"bad token {SECRET}"
    snapshot = UpstreamSnapshot("up", UpstreamState.FAILED, (), said, said, said, (said,))
    cleaned = CLEAN.snapshot(snapshot)
    assert SECRET not in repr(cleaned)
    assert cleaned.problem == f"bad token {MARK}"


def test_a_tool_says_nothing_of_a_secret_in_its_documentation_or_schemas() -> None:
    schema = {"type": "string", "default": SECRET, "description": SECRET}
    tool = operation("up.get", required={"id": schema})
    tool = replace(
        tool, summary=SECRET, description=f"use {SECRET}", output=schema, document=SchemaDocument({"$defs": schema})
    )
    cleaned = CLEAN.operation(tool)
    told = [cleaned.summary, cleaned.description, cleaned.output, cleaned.document.root]
    assert SECRET not in repr([*told, *(parameter.schema for parameter in cleaned.parameters)])
    assert cleaned.id == "up.get"


def test_a_large_document_is_left_as_it_is() -> None:
    document = SchemaDocument({"paths": {}})
    cleaned = CLEAN.operation(replace(operation("up.get"), document=document, route=Route("GET", "/")))
    assert cleaned.document is document


def kept(description: str) -> Operation:
    parameter = {"name": "q", "in": "query", "description": description, "schema": {}}
    listing = {"operationId": "list", "parameters": [parameter], "responses": {}}
    whole: dict[str, Any] = {"openapi": "3.1.0", "paths": {"/": {"get": listing}}}
    document = read_document(json.dumps(whole).encode(), "")
    return unpacked(packed(document, compile_operations(document, "up")), "").compiled.operations[0]


def test_what_is_read_late_is_not_read_where_no_secret_stands_in_the_document() -> None:
    operation = kept("what to look for")
    assert CLEAN.operation(operation) is operation
    assert CLEAN.operation(operation).details is not None


@pytest.mark.parametrize("secret", [SECRET, 'quoted"and\\slashed', "süßes-geheimnis", "a/b+c=d&e"])
def test_a_secret_that_would_be_read_late_is_taken_out(secret: str) -> None:
    cleaned = Cleaning(Redactor([secret])).operation(kept(f"use {secret} or so"))
    assert cleaned.parameters[0].description == f"use {MARK} or so"
    assert cleaned.having(held="for a reason").parameters == cleaned.parameters
