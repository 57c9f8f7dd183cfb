"""The tools of real MCP servers: their stubs read, and called through the production upstream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isthmus.errors import IsthmusError
from isthmus.model import Call, Operation, Principal
from isthmus.validation import Validation
from tests.simulators.mcp_server import SimulatedServer, running, text, upstream_of
from tests.simulators.samples import NoSample, Samples
from tests.stub_conformance.findings import Findings, hold_types, read_stubs

Sent = tuple[str, Any]


async def tool_list_findings(path: Path, count: int | None = None) -> Findings:
    """All tools of a server, or the first `count` of them: stubs, types, calls, judgements."""
    findings = Findings(f"mcp {path.stem}")
    tools = json.loads(path.read_text())["tools"][:count]
    arrived: list[Sent] = []

    def answer(name: str, arguments: Any) -> dict[str, Any]:
        arrived.append((name, arguments))
        return text("done", structuredContent={}) if name in typed else text("done")

    typed = {tool["name"] for tool in tools if "outputSchema" in tool}
    upstream = upstream_of(SimulatedServer(tools, answer))
    by_name = {tool["name"]: tool for tool in tools}
    async with running(upstream) as watch:
        operations = (await watch.ready()).operations
        findings.operations = len(operations)
        findings.failures += [f"{name} is no operation" for name in by_name.keys() - {o.original for o in operations}]
        for operation in operations:
            if (read := read_stubs(findings, operation)) is None:
                continue
            schema = by_name[operation.original]["inputSchema"]
            for generous, arguments in _made(findings, schema, operation):
                if generous:
                    hold_types(findings, operation, read, arguments)
                problems = Validation().arguments_problems(operation, arguments)
                findings.failures += [f"{operation.id}: we refuse: {one}" for one in problems]
                arrived.clear()
                try:
                    await upstream.call(Call(operation, arguments, Principal()), None)
                except IsthmusError as error:
                    findings.failures.append(f"{operation.id}: not sent: {error}")
                    continue
                findings.calls += 1
                findings.failures += [f"{operation.id}: {one}" for one in _wrong(operation, schema, arrived)]
                findings.judged += 1
    return findings


def _made(findings: Findings, schema: Any, operation: Operation) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Arguments by Python name that fit the schema: all that it takes, and only what it needs."""
    from openapi_schema_validator import OAS31Validator

    names = {parameter.wire: parameter.name for parameter in operation.parameters}
    for generous in (True, False):
        try:
            # A body without fields is a right one where nothing is required.
            made = Samples({"openapi": "3.1", **schema}, OAS31Validator, generous).value({"type": "object", **schema})
        except NoSample:
            findings.unmade += 1
            continue
        yield generous, {names.get(wire, wire): value for wire, value in made.items()}


def _wrong(operation: Operation, schema: Any, arrived: list[Sent]) -> Iterator[str]:
    """What jsonschema holds against what reached the server."""
    from openapi_schema_validator import OAS31Validator

    if [name for name, _ in arrived] != [operation.original]:
        yield f"{len(arrived)} calls arrived"
    for _, arguments in arrived:
        for error in OAS31Validator(schema).iter_errors(arguments):
            yield f"sent {arguments!r:.200}, and {error.message:.200}"
