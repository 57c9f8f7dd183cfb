"""What an upstream says of itself is shown without the secrets that it was given."""

from dataclasses import replace

from isthmus.model import Route, SchemaDocument, UpstreamSnapshot, UpstreamState
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
