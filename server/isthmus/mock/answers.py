"""What a mock answers: by a function of the test, else as recorded, else an example of what the operation describes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.catalog.catalog import bind
from isthmus.coercion import coerced
from isthmus.contracts.examples import example
from isthmus.contracts.recorded import RecordedCall, RecordedError
from isthmus.errors import (
    ConfigurationError,
    InvalidArguments,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    UpstreamError,
    UpstreamUnavailable,
)
from isthmus.model import Operation, SchemaDocument, digest
from isthmus.openapi.bodies import is_json
from isthmus.openapi.nodes import follow, mapping_of
from isthmus.openapi.operations import success_statuses

Recorded = Mapping[tuple[str, str], Any]
"""Answers by operation and digest of the arguments (`isthmus.model.digest`), as a journal addresses calls.

A `RecordedError` is raised.
"""

Function = Callable[..., Any]
"""Takes the arguments by their names in Python, and gives the answer; or raises an `UpstreamError`."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Where answers come from. `functions` are by operation id, or by the upstream's own name for it."""

    functions: Mapping[str, Function] = field(default_factory=dict)
    recorded: Recorded = field(default_factory=dict)
    seed: str = ""

    def answer(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        """The answer to one call; it may be an awaitable, where a function gives one.

        Raises:
            UpstreamError: an error is recorded.
        """
        function = self.functions.get(operation.id) or self.functions.get(operation.original)
        if function is not None:
            return function(**arguments)
        key = (operation.id, digest(dict(arguments)))
        if key not in self.recorded:
            return self.example(operation)
        if isinstance(answer := self.recorded[key], RecordedError):
            raise error_of(answer)
        return answer

    def example(self, operation: Operation) -> Any:
        """The document's own example of a success, or one made of its schema; null where neither is there."""
        for media in _success_media(operation):
            given = _given(media, operation.document)
            if given:
                return given[0]
        return example(operation.output, operation.document.resolve, f"{self.seed}:{operation.id}")


def success_status(operation: Operation) -> int:
    """The status of the first success that a document describes."""
    statuses = success_statuses(_responses(operation))
    return int(statuses[0]) if statuses and str(statuses[0]).isdigit() else 200


def has_answer(operation: Operation) -> bool:
    """Whether a document describes a JSON answer of a success."""
    return bool(_success_media(operation))


def _responses(operation: Operation) -> Mapping[str, Any]:
    """The responses in the document that an HTTP operation was compiled from; of a lock, there are none."""
    if operation.route is None:
        return {}
    document = operation.document
    try:
        item = follow(mapping_of(document.root.get("paths")).get(operation.route.path), document)
        return mapping_of(follow(item.get(operation.route.method.lower()), document).get("responses"))
    except LookupError:
        return {}


def _success_media(operation: Operation) -> list[Mapping[str, Any]]:
    responses = _responses(operation)
    found: list[Mapping[str, Any]] = []
    for status in success_statuses(responses):
        try:
            content = mapping_of(follow(responses[status], operation.document).get("content"))
        except LookupError:
            continue
        found += [mapping_of(node) for media, node in content.items() if is_json(media) or media == "*/*"]
    return found


def _given(media: Mapping[str, Any], document: SchemaDocument) -> list[Any]:
    """The examples that a media type gives itself."""
    found = [media["example"]] if "example" in media else []
    for named in mapping_of(media.get("examples")).values():
        try:
            one = follow(named, document)
        except LookupError:
            continue
        found += [one["value"]] if "value" in one else []
    return found


def error_of(recorded: RecordedError) -> UpstreamError:
    """The error that a program was told of, to be raised again."""
    kinds = (InvalidArguments, NotFound, OutcomeUnknown, PermissionDenied, RateLimited, UpstreamUnavailable)
    kind = next((each for each in kinds if each.__name__ == recorded.type), UpstreamError)
    return kind(recorded.message, status=recorded.status, body=recorded.body, hint=recorded.hint)


_OURS = frozenset({"InvalidArguments", "Refused", "LimitExceeded"})
"""Errors that Isthmus itself raises before anything is sent; those of an upstream have a status, too."""


def came_from_upstream(call: RecordedCall) -> bool:
    """Whether its answer, or its error, was the upstream's own."""
    if not call.answered or call.is_hosts:
        return False
    if call.error is None:
        return call.status == "done"
    ours = call.error.type in _OURS and call.error.status is None
    return call.status in ("failed", "unknown") and not ours


def keyed(calls: Iterable[RecordedCall], operations: Iterable[Operation]) -> dict[tuple[str, str], Any]:
    """What upstreams answered, by operation and arguments; of equal calls, the last one counts."""
    known = {operation.id: operation for operation in operations}
    found: dict[tuple[str, str], Any] = {}
    for call in filter(came_from_upstream, calls):
        if (operation := known.get(call.operation)) is not None and (bound := bound_of(operation, call)) is not None:
            found[operation.id, digest(bound)] = call.error or call.answer
    return found


def bound_of(operation: Operation, call: RecordedCall) -> dict[str, Any] | None:
    """The arguments of a call by their names in Python, mended; None where it does not take them any more."""
    try:
        return coerced(operation, bind(operation, call.positional, call.arguments))
    except InvalidArguments:
        return None


def read_answers(path: Path) -> list[RecordedCall]:
    """Answers from a file: a JSON list of `{"operation": ..., "arguments": {...}, "answer": ...}`.

    Raises:
        ConfigurationError: it cannot be read, or an entry is no such object; the message says which.
    """
    remedy = 'write a list of {"operation": "shop.orders.get", "arguments": {"order": "ord_1"}, "answer": {...}}'
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"the answers cannot be read: {reason}", file=str(path), remedy=remedy) from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the answers are no JSON: {error}"[:200], file=str(path), remedy=remedy) from None
    found: list[RecordedCall] = []
    for place, entry in enumerate(entries if isinstance(entries, list) else [None]):
        well = isinstance(entry, dict) and isinstance(entry.get("operation"), str) and "answer" in entry
        if not well or not isinstance(entry.get("arguments", {}), dict):
            raise ConfigurationError(f"entry {place} is no recorded answer", file=str(path), remedy=remedy)
        given = entry.get("arguments", {})
        found.append(RecordedCall(entry["operation"], given, answered=place + 1, answer=entry["answer"]))
    return found
