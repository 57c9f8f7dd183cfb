"""What an upstream says of itself, without the secrets that it was given: it may be careless, or worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from isthmus.model import Operation, Parameter, SchemaDocument, UpstreamSnapshot
from isthmus.redaction import Redactor


@dataclass(slots=True, eq=False)
class Cleaning:
    """Takes secrets out of snapshots and operations; gives back the same object where there are none.

    The schemas of an OpenAPI document are left as they are: it says the same to everyone, and may have 20 MB.
    """

    redactor: Redactor
    _last: tuple[SchemaDocument, bool] | None = field(default=None, repr=False)  # a document, and whether one is in it

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
        """Its summary and its documentation, and the schemas of a tool; itself where no secret stands in them.

        A late operation stays late, unless a secret stands anywhere in its document.
        """
        if operation.details is not None and not self._concerns(operation.document):
            return operation
        summary, description = self.redactor.text(operation.summary), self.redactor.text(operation.description)
        parameters = tuple(map(self._parameter, operation.parameters))
        changed = any(one is not other for one, other in zip(parameters, operation.parameters, strict=True))
        if changed or summary != operation.summary or description != operation.description:
            operation = operation.having(summary=summary, description=description, parameters=parameters)
        return operation if operation.route else self._tool(operation)

    def _concerns(self, document: SchemaDocument) -> bool:
        """Whether a secret stands in a document; operations of one come one after the other."""
        if self._last is None or self._last[0] is not document:
            self._last = document, self.redactor.holds(document.content)
        return self._last[1]

    def _parameter(self, parameter: Parameter) -> Parameter:
        cleaned = self.redactor.text(parameter.description)
        return parameter if cleaned == parameter.description else replace(parameter, description=cleaned)

    def _tool(self, operation: Operation) -> Operation:
        data = self.redactor.data
        root: Mapping[str, object] = data(operation.document.root)
        if root is not operation.document.root:
            operation = operation.having(document=SchemaDocument(root, operation.document.dialect))
        parameters = tuple(replace(each, schema=data(each.schema)) for each in operation.parameters)
        return operation.having(parameters=parameters, output=data(operation.output))
