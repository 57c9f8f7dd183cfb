"""The MCP server: two tools over whatever transport, both protocol eras, by the official SDK's low-level server.

The low-level one, because the schemas are written by hand, byte for byte (`tools.py`), and the results are text only.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server

from isthmus.errors import ProgramError
from isthmus.front import opening, tools
from isthmus.front.calls import Application, failure, found
from isthmus.front.consent import Seal, carries_questions, consent_of, input_required, replies_of
from isthmus.model import Principal
from isthmus.render.results_blocks import Block

PROGRESS_CHARACTERS = 200
"""Of what a program prints, this much of the last line goes into a progress notification."""

WAITING_TOLD_EVERY = 1.0
"""Seconds between two progress notifications while a program waits for the sandbox."""


Asker = Callable[[ServerRequestContext[Any]], Principal]
"""Tells who sends a request."""


def build(application: Callable[[], Awaitable[Application]], asker: Asker | None = None) -> Server[Any]:
    """The server. `application` is awaited at each call of a tool, so that the first answers need not wait for it.

    Without an `asker` there is one principal, `local`, who has a session of its own. With one, requests have nothing in
    common but what they name: an execution that names no session gets a new one.
    """

    async def list_tools(_: ServerRequestContext[Any], __: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=list(_TOOLS))

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        try:
            match params.name:
                case "search":
                    return _text(await found(await application(), params.arguments or {}, _principal(asker, context)))
                case "execute":
                    return await _execute(
                        await application(),
                        params,
                        context,
                        _principal(asker, context),
                        None if asker is None else "new",
                    )
                case name:
                    raise ProgramError(f"there is no tool {name[:100]!r}; there are search and execute")
        except Exception as error:  # noqa: BLE001 - the SDK would tell the client the words of it, which may be anybody's
            return _text(failure(params.name, error), is_error=True)

    server: Server[Any] = Server(
        opening.SERVER_INFO["name"],
        version=opening.SERVER_INFO["version"],
        title=opening.SERVER_INFO["title"],
        instructions=tools.INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    server.middleware.append(_as_written)
    return server


async def _as_written(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Answer with the very objects of `opening`: the SDK spells each revision its own way."""
    result = await call_next(ctx)
    match ctx.method, result:
        case "initialize", {"protocolVersion": str(version)}:
            return dict(opening.initialized(version))
        case "server/discover", _:
            return dict(opening.discovered())
        case "tools/list", _:
            return dict(opening.listed(ctx.protocol_version))
    return result


_TOOLS = tuple(types.Tool.model_validate(dict(definition)) for definition in tools.DEFINITIONS)


def _principal(asker: Asker | None, context: ServerRequestContext[Any]) -> Principal:
    return Principal() if asker is None else asker(context)


async def _execute(
    application: Application,
    params: types.CallToolRequestParams,
    context: ServerRequestContext[Any],
    principal: Principal,
    otherwise: str | None,
) -> types.CallToolResult | types.InputRequiredResult:
    """Run a program, in the session `otherwise` where it names none; or go on with one that waited for replies."""
    given = params.arguments or {}
    asked = tools.execute_arguments(given)
    session = asked.session or otherwise
    if params.request_state is not None:
        session = Seal(application.key, time.time).opened(params.request_state, principal, given)
        application.answer(replies_of(params.input_responses, application.questions(principal)), principal)
    progress = Progress(context)
    async with _told_while_preparing(application, progress):
        rendered = await application.execute(
            asked.code,
            session=session,
            timeout=asked.timeout,
            printed=progress.printed,
            principal=principal,
            consent=consent_of(context),
        )
    if rendered.questions and carries_questions(context):
        state = Seal(application.key, time.time).sealed(rendered.facts["execution"], principal, given)
        return input_required(rendered.questions, state)
    content: list[types.ContentBlock] = [types.TextContent(text=rendered.text)]
    content.extend(map(_block, rendered.blocks))
    return types.CallToolResult(content=content, is_error=rendered.is_error, _meta={"isthmus": dict(rendered.facts)})


@asynccontextmanager
async def _told_while_preparing(application: Application, progress: Progress) -> AsyncIterator[None]:
    """While the sandbox is being prepared (on a machine's first run it is compiled), tell who waits that it goes on."""

    async def tell() -> None:
        began = anyio.current_time()
        while waited_for := application.preparing():
            await progress.waited(f"{waited_for} ({anyio.current_time() - began:.0f} s so far)")
            await anyio.sleep(WAITING_TOLD_EVERY)

    if not application.preparing():
        yield
        return
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell)
        yield
        tasks.cancel_scope.cancel()


class Progress:
    """Tells a client that asked for it what a program waits for before it runs, and what it prints."""

    def __init__(self, context: ServerRequestContext[Any]) -> None:
        self._session = context.session
        self._amount = 0.0  # only ever grows, as the protocol asks

    async def waited(self, what: str) -> None:
        """Say what the program waits for."""
        await self._tell(1, what)

    async def printed(self, text: str) -> None:
        """Send the last line of `text`; the amount grows by its characters."""
        await self._tell(len(text), text.rstrip().rpartition("\n")[2])

    async def _tell(self, amount: int, line: str) -> None:
        self._amount += amount
        shown = line[-PROGRESS_CHARACTERS:].encode("utf-8", "replace").decode()
        await self._session.report_progress(self._amount, None, shown)


def _block(block: Block) -> types.ContentBlock:
    data = base64.b64encode(block.data).decode()
    match block.kind:
        case "image":
            return types.ImageContent(data=data, mime_type=block.mime_type)
        case "audio":
            return types.AudioContent(data=data, mime_type=block.mime_type)
        case _:
            resource = types.BlobResourceContents(
                uri=f"isthmus://workspace/{block.name}", blob=data, mime_type=block.mime_type
            )
            return types.EmbeddedResource(resource=resource)


def _text(text: str, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=is_error)
