"""A document that has been read, with its operations, as bytes; and back, ten times as fast as it was read.

    read = unpacked(packed(document, compiled), "api.json")

Written with `marshal`, which keeps what is the same object the same: an operation's schemas are parts of the document
afterwards, as they were before. It trusts its input, as every format does that is as fast: who reads such bytes must
know that they were written by `packed`, in the same version of Python.
"""

from __future__ import annotations

import marshal
from dataclasses import dataclass
from typing import Any

from isthmus.model import Dialect, Effect, Operation, Parameter, Route, SchemaDocument
from isthmus.openapi.document import OpenApiDocument
from isthmus.openapi.operations import Compiled


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document and its operations. `key` says what they were made of; empty where they are not kept."""

    document: OpenApiDocument
    compiled: Compiled
    key: str = ""


def packed(document: OpenApiDocument, compiled: Compiled) -> bytes:
    """The bytes of a document and its operations.

    Raises:
        ValueError: something in it is no plain data.
    """
    root, dialect = document.root, document.schemas.dialect.value
    rows = [_row(operation) for operation in compiled.operations]
    content: Any = (document.version, dialect, root, rows, compiled.warnings)
    return marshal.dumps(content)


def unpacked(content: bytes, source: str) -> ReadDocument:
    """What `packed` was given; `source` is where the document came from.

    Raises:
        ValueError: the bytes are none of `packed`.
    """
    try:
        version, dialect, root, rows, warnings = marshal.loads(content)  # noqa: S302 (see the module)
        schemas = SchemaDocument(root, Dialect(dialect))
        operations = tuple(_operation(row, schemas) for row in rows)
    except (EOFError, TypeError, ValueError) as error:
        raise ValueError(f"no packed document: {type(error).__name__}") from None
    return ReadDocument(OpenApiDocument(source, version, schemas), Compiled(operations, warnings))


def _row(operation: Operation) -> tuple[Any, ...]:
    return (
        operation.id,
        operation.upstream,
        operation.original,
        operation.effect.value,
        [(p.name, p.wire, p.location, p.required, p.schema, p.description) for p in operation.parameters],
        operation.summary,
        operation.description,
        operation.output,
        (operation.route.method, operation.route.path) if operation.route else None,
        operation.tags,
        operation.deprecated,
        operation.accepts_more,
    )


def _operation(row: tuple[Any, ...], document: SchemaDocument) -> Operation:
    id_, upstream, original, effect, parameters, summary, description, output, route, tags, deprecated, more = row
    return Operation(
        id=id_,
        upstream=upstream,
        original=original,
        effect=Effect(effect),
        parameters=tuple(Parameter(*each) for each in parameters),
        summary=summary,
        description=description,
        output=output,
        document=document,
        route=Route(*route) if route else None,
        tags=tags,
        deprecated=deprecated,
        accepts_more=more,
    )
