"""What an upstream says of itself, without the secrets that it was given: it may be careless, or worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from isthmus.model import Operation, Parameter, SchemaDocument, UpstreamSnapshot
from isthmus.redaction import Redactor


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Takes secrets out of snapshots and operations; gives back the same object where there are none.

    The schemas of an OpenAPI document are left as they are: it says the same to everyone, and may have 20 MB.
    """

    redactor: Redactor

    def snapshot(self, snapshot: UpstreamSnapshot) -> UpstreamSnapshot:
        """What it says of its state; the operations are left, and are cleaned one by one."""
        text = self.redactor.text
        return replace(
            snapshot,
            purpose=text(snapshot.purpose),
            problem=text(snapshot.problem),
            detail=text(snapshot.detail),
            warnings=tuple(map(text, snapshot.warnings)),
        )

    def operation(self, operation: Operation) -> Operation:
        """Its summary and its documentation, and the schemas of a tool; itself where no secret stands in them."""
        summary, description = self.redactor.text(operation.summary), self.redactor.text(operation.description)
        parameters = tuple(map(self._parameter, operation.parameters))
        changed = any(one is not other for one, other in zip(parameters, operation.parameters, strict=True))
        if changed or summary != operation.summary or description != operation.description:
            operation = replace(operation, summary=summary, description=description, parameters=parameters)
        return operation if operation.route else self._tool(operation)

    def _parameter(self, parameter: Parameter) -> Parameter:
        cleaned = self.redactor.text(parameter.description)
        return parameter if cleaned == parameter.description else replace(parameter, description=cleaned)

    def _tool(self, operation: Operation) -> Operation:
        data = self.redactor.data
        root: Mapping[str, object] = data(operation.document.root)
        if root is not operation.document.root:
            operation = replace(operation, document=SchemaDocument(root, operation.document.dialect))
        parameters = tuple(replace(each, schema=data(each.schema)) for each in operation.parameters)
        return replace(operation, parameters=parameters, output=data(operation.output))
