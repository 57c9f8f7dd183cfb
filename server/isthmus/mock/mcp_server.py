"""An MCP server over stdio with the tools of a lock: it checks arguments, and answers from recordings and schemas."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from isthmus import __version__
from isthmus.contracts.lock import LockedUpstream
from isthmus.contracts.recorded import RecordedCall
from isthmus.contracts.unlocked import unlocked
from isthmus.errors import UpstreamError
from isthmus.mock.answers import Answers, keyed
from isthmus.model import Effect, Operation
from isthmus.openapi.schema import standalone
from isthmus.validation import Validation


@dataclass
class MockTools:
    """The tools of a locked upstream."""

    operations: Sequence[Operation]
    answers: Answers
    _validation: Validation = field(default_factory=Validation)

    def listed(self) -> list[types.Tool]:
        """The tools, as a server lists them."""
        return [_tool(operation) for operation in self.operations]

    async def called(self, name: str, given: Mapping[str, Any]) -> types.CallToolResult:
        """The result of one call."""
        operation = next((one for one in self.operations if one.original == name), None)
        if operation is None:
            return _text(f"there is no tool {name!r:.100}", is_error=True)
        names = {one.wire: one.name for one in operation.parameters}
        arguments = {names.get(wire, wire): value for wire, value in given.items()}
        if problems := self._validation.arguments_problems(operation, arguments):
            return _text("; ".join(problems), is_error=True)
        try:
            value = self.answers.answer(operation, arguments)
            value = await value if inspect.isawaitable(value) else value
        except UpstreamError as error:
            return _text(error.message, is_error=True)
        if operation.output is None:
            return _text(value if isinstance(value, str) else json.dumps(value))
        wrapped = value if isinstance(value, dict) else {"result": value}
        return types.CallToolResult(content=[types.TextContent(text=json.dumps(value))], structured_content=wrapped)


def tools_of(upstream: LockedUpstream, seed: str = "", recorded: Iterable[RecordedCall] = ()) -> MockTools:
    """The tools that a lock has of an upstream, which answer as recorded, or as their schemas say.

    What it has beside tools is not mocked over the wire.
    """
    operations = [operation for operation in unlocked(upstream) if not operation.method]
    return MockTools(operations, Answers(recorded=keyed(recorded, operations), seed=seed))


async def serve(name: str, tools: MockTools) -> None:
    """Serve one client on stdin and stdout until it goes away."""

    async def list_tools(_: ServerRequestContext[Any], __: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools.listed())

    async def call_tool(_: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
        return await tools.called(params.name, params.arguments or {})

    server: Server[Any] = Server(
        f"mock of {name}", version=__version__, on_list_tools=list_tools, on_call_tool=call_tool
    )
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def _tool(operation: Operation) -> types.Tool:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {one.wire: one.schema for one in operation.parameters},
        "required": [one.wire for one in operation.parameters if one.required],
        "additionalProperties": operation.accepts_more,
    }
    output = None
    if operation.output is not None:
        output = standalone(operation.output, operation.document, for_request=False)
        if output.get("type") != "object":
            definitions = output.pop("$defs", None)
            output = {"type": "object", "properties": {"result": output}, "required": ["result"]}
            output |= {"$defs": definitions} if definitions else {}
    hints = types.ToolAnnotations(
        read_only_hint=operation.declared is Effect.READ, destructive_hint=operation.declared is Effect.DESTRUCTIVE
    )
    return types.Tool(
        name=operation.original,
        description="",
        input_schema=standalone(schema, operation.document, for_request=True),
        output_schema=output,
        annotations=hints,
    )


def _text(text: str, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=is_error)
