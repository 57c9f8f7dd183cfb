"""Calls of a document's operations with arguments of their own schemas, and what an independent judge says of them.

case = Case(root, operation, makers_for(root))
case.arguments      what a program would give, by Python name
record(tally, case, Judge(root, origin_of(root)), recorded)
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from isthmus.model import Operation
from isthmus.openapi.inputs import is_ours
from isthmus.openapi.plan import read_plan
from isthmus.openapi.security import reserved_places, security_schemes
from isthmus.validation import Validation
from tests.simulators.openapi_faults import Faults, known_faults
from tests.simulators.openapi_inputs import ABSENT, BodySchema, Given, Makers, declared_parameters, wire_inputs
from tests.simulators.openapi_judge import Judge
from tests.simulators.openapi_service import Recorded
from tests.simulators.samples import Samples


@dataclass
class Tally:
    """What came of the requests to one service."""

    judged: int = 0  # requests of which nothing was left out
    partly: int = 0
    read_back: int = 0  # parameters that the judge read as they were given
    left_out: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)


def sampled(operations: tuple[Operation, ...], count: int) -> list[Operation]:
    """The same few of the operations every time, from everywhere in the document."""
    return sorted(operations, key=lambda one: zlib.crc32(one.original.encode()))[:count]


class Case:
    """An operation with values for what it takes, by the names of the wire and as a program would give them."""

    def __init__(self, root: Mapping[str, Any], operation: Operation, makers: Makers) -> None:
        assert operation.route is not None
        self.operation, self.makers = operation, makers
        self.path = operation.route.path
        self.place = f"{operation.route.method} {self.path}"
        self.node = makers.parameters.followed(root["paths"][self.path])[operation.route.method.lower()]
        self.declared = declared_parameters(makers.parameters, operation.route.method, self.path)
        self.given = _as_declared(wire_inputs(self.declared, _body_schema(operation), makers), operation, makers)
        self.names: dict[tuple[str, str], str] = {(one.location, one.wire): one.name for one in operation.parameters}
        given = {**self.given.parameters, **_fields(self.given, operation)}
        self.arguments = {self.names.get(key, key[1]): value for key, value in given.items() if self._is_taken(key)}

    def _is_taken(self, key: tuple[str, str]) -> bool:
        return key in self.names or (key[0] == "body" and self.operation.accepts_more)

    @property
    def misfits(self) -> list[str]:
        """Parameters that the document has and the operation has not, and values that our validation refuses."""
        places = reserved_places(security_schemes(self.operation.document))
        given = {**self.given.parameters, **_fields(self.given, self.operation)}
        missing = [
            key for key in given if not self._is_taken(key) and not is_token_again(key[1], self.declared.get(key))
        ]
        lost = [key for key in missing if not is_ours(*key, places)]  # type: ignore[arg-type]
        problems = Validation().arguments_problems(self.operation, self.arguments)
        return [f"{self.place}: lost {key}" for key in lost] + [f"{self.place}: we refuse: {one}" for one in problems]

    def faults(self, recorded: Recorded) -> Faults:
        sent = recorded.headers.get("content-type", ""), recorded.body
        return known_faults(self.node, self.path, self.declared, sent, self.makers.parameters)


def record(tally: Tally, case: Case, judge: Judge, recorded: Recorded) -> None:
    """Hold a request against the judge, but for what the judge cannot tell."""
    faults = case.faults(recorded)
    tally.left_out.update(faults.causes)
    if faults.whole:
        return
    tally.judged += not faults.causes
    tally.partly += bool(faults.causes)
    for complaint in judge.complaints(recorded):
        excused = complaint.parameter in faults.parameters if complaint.parameter else bool(faults.body)
        if not excused:
            tally.disagreements.append(f"{case.place}: {complaint.text}")
    tally.disagreements += [f"{case.place}: {one}" for one in _altered_body(case.given.body, recorded)]
    if not faults.parameters:
        tally.disagreements += _misread(tally, case, judge.parameters(recorded))


def _misread(tally: Tally, case: Case, read: Mapping[tuple[str, str], Any]) -> Iterator[str]:
    """The parameters that the judge does not read as they were given."""
    for key, value in case.given.parameters.items():
        if key in case.names:
            found = read.get(key, ABSENT)
            if found == value or (isinstance(found, str) and found == _text(value)):
                tally.read_back += 1
            else:
                yield f"{case.place}: {key} was {value!r:.100}, and is read as {found!r:.100}"


def _altered_body(given: Any, recorded: Recorded) -> Iterator[str]:
    """What of a body in JSON, or of the plain fields of a form, did not arrive."""
    media_type = recorded.headers.get("content-type", "").partition(";")[0]
    if given is ABSENT or not (given or recorded.body):
        return
    if media_type.endswith(("/json", "+json")) and recorded.json != given:
        yield f"the body {given!r:.200} arrived as {recorded.body[:200]!r}"
    if media_type.endswith("urlencoded"):
        plain = {name: _text(value) for name, value in given.items() if not isinstance(value, dict | list)}
        yield from (f"{name} did not arrive" for name, text in plain.items() if (name, text) not in recorded.form)


def is_token_again(name: str, node: Any) -> bool:
    """Whether a parameter or a field is, by its own words, the bearer token that travels in its header."""
    told = str(node.get("description")) if isinstance(node, Mapping) else ""
    return name in ("token", "access_token", "oauth_token") and told.startswith(("Authentication token", "OAuth"))


def _as_declared(given: Given, operation: Operation, makers: Makers) -> Given:
    """The same without what no program is told of: its token, and what an example adds to a body beyond the schema."""
    body = _body_schema(operation)
    if body is not None and isinstance(given.body, dict):
        fields = makers.bodies.followed(body.schema).get("properties", {})
        given = Given(given.parameters, {k: v for k, v in given.body.items() if not is_token_again(k, fields.get(k))})
    if body is None or not body.fields or operation.accepts_more or not isinstance(given.body, dict):
        return given
    declared = set(_declared(body.schema, makers.bodies, 0))
    return Given(given.parameters, {name: value for name, value in given.body.items() if name in declared})


def _declared(schema: Any, samples: Samples, depth: int) -> Iterator[str]:
    node = samples.followed(schema)
    if isinstance(node, Mapping) and depth < 8:
        yield from node.get("properties", {})
        for keyword in ("allOf", "anyOf", "oneOf"):
            for part in node.get(keyword) or ():
                yield from _declared(part, samples, depth + 1)


def _body_schema(operation: Operation) -> BodySchema | None:
    body = read_plan(operation).inputs.body
    return None if body is None else BodySchema(body.schema, not body.optional, body.listing is not None)


def _fields(given: Given, operation: Operation) -> dict[tuple[str, str], Any]:
    """The body as the arguments that it is given by: its fields, or the whole."""
    if given.body is ABSENT:
        return {}
    body = _body_schema(operation)
    if body is None or not body.fields:
        return {("body", "body"): given.body}
    return {("body", name): value for name, value in given.body.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def origin_of(root: Mapping[str, Any]) -> str:
    parts = urlsplit(root["servers"][0]["url"])
    return f"{parts.scheme}://{parts.netloc}"
