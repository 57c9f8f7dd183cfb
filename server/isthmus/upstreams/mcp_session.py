"""One MCP connection: negotiated with bounded patience, and read as plain data.

The handshake goes through the SDK's session. Lists and calls do not: its models refuse a whole answer for one bad
field, and reading such an answer again would mean to send the call again. They pass by its dispatcher instead.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.client import ClientSession, IncomingMessage
from mcp.client.subscriptions import SubscriptionLost, listen
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
    find_invalid_x_mcp_header,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    CONNECTION_CLOSED,
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
    UNSUPPORTED_PROTOCOL_VERSION,
    Implementation,
    PromptListChangedNotification,
    ResourceListChangedNotification,
    ToolListChangedNotification,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from isthmus.errors import UpstreamUnavailable
from isthmus.upstreams.mcp_channel import Channel, Spout, Tap
from isthmus.upstreams.mcp_http import NO_TOKEN
from isthmus.upstreams.words import one_line

log = logging.getLogger(__name__)

CLIENT = Implementation(name="isthmus", version="0.1.0")

_CHANGES = (ToolListChangedNotification, ResourceListChangedNotification, PromptListChangedNotification)
_CAPABILITIES = ("tools", "resources", "prompts")

LISTEN_AGAIN = 5.0
"""Seconds before a lost subscription to changes is asked for again."""


class Era(StrEnum):
    """Which of the two protocols a server speaks; learnt once, kept for the life of the process."""

    UNKNOWN = "unknown"
    LEGACY = "legacy"  # `initialize`, 2024-11-05 to 2025-11-25
    MODERN = "modern"  # `server/discover`, 2026-07-28


class ClosedByProbe(Exception):
    """The connection ended while the server was asked which protocol it speaks: some exit on what they do not know."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a server said of itself."""

    era: Era
    title: str = ""
    instructions: str = ""
    capabilities: frozenset[str] = frozenset()  # of `tools`, `resources` and `prompts`
    announces: frozenset[str] = frozenset()  # those whose changes it tells of


class Connection:
    """A connection in use. Its methods may be called from any task."""

    def __init__(self, session: ClientSession, dispatcher: JSONRPCDispatcher, tap: Tap, tasks: TaskGroup) -> None:
        self._session = session
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._tap = tap
        self.changed = anyio.Event()  # the tools may have; to be replaced by whoever takes note

    @property
    def lost(self) -> anyio.Event:
        """Set when nothing can be sent any more."""
        return self._tap.ended

    @property
    def modern(self) -> bool:
        """Whether the protocol is that of 2026-07-28."""
        return self._session.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def negotiate(self, era: Era, probe: float) -> Welcome:
        """Agree on a protocol. A server of unknown era has `probe` seconds to say that it knows the newer one.

        Raises:
            ClosedByProbe: it ended the connection for being asked; `Era.LEGACY` may do.
            UpstreamUnavailable, MCPError, ValidationError: it cannot be talked to.
        """
        if era is Era.LEGACY or (era is Era.UNKNOWN and not await self._discovered(probe)):
            await self._initialize()
        elif era is Era.MODERN:
            await self._session.discover()
        return self._welcome()

    async def request(
        self, method: str, params: Mapping[str, Any], *, timeout: float, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a request and give its result as it came. Abandoned, it is cancelled at the server.

        Raises:
            MCPError: the server's error; REQUEST_TIMEOUT; CONNECTION_CLOSED.
        """
        stamped, own_headers = self._stamp(method, params)
        options: CallOptions = {"timeout": timeout, "headers": {**own_headers, **(headers or {})}}
        return await self._dispatcher.send_raw_request(method, stamped, options)

    def parameter_headers(self, schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
        """The headers that a tool wants some of its arguments repeated in (2026-07-28)."""
        if not self.modern or find_invalid_x_mcp_header(schema) is not None:
            return {}
        return mcp_param_headers(x_mcp_header_map(schema), arguments)

    def watch(self) -> None:
        """Ask to be told of changes where the protocol wants to be asked."""
        if self.modern and (announced := self._welcome().announces):
            self._tasks.start_soon(self._listen, announced)

    async def heard(self, message: IncomingMessage) -> None:
        """Take note of a notification."""
        if isinstance(message, _CHANGES):
            self.changed.set()

    async def _discovered(self, probe: float) -> bool:
        try:
            with anyio.fail_after(probe):
                await self._session.discover()
        except MCPError as error:
            if error.code == CONNECTION_CLOSED and self.lost.is_set():
                raise ClosedByProbe from error
            if error.code == NO_TOKEN:  # which says nothing of the protocol, and that nothing else will do
                raise
            return False
        except (TimeoutError, ValidationError, RuntimeError):
            return False  # no evidence of the newer protocol
        return True

    async def _initialize(self) -> None:
        try:
            await self._session.initialize()
        except MCPError as error:
            if error.code != UNSUPPORTED_PROTOCOL_VERSION:
                raise
            await self._session.discover()  # it was slow, not silent: by now it has taken the first question

    def _welcome(self) -> Welcome:
        session, info = self._session, self._session.server_info
        said = {name: getattr(session.server_capabilities, name, None) for name in _CAPABILITIES}
        return Welcome(
            era=Era.MODERN if self.modern else Era.LEGACY,
            title=(info.title or info.name) if info else "",
            instructions=session.instructions or "",
            capabilities=frozenset(name for name, one in said.items() if one is not None),
            announces=frozenset(name for name, one in said.items() if one is not None and one.list_changed),
        )

    def _stamp(self, method: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """The parameters and headers that the protocol in use wants with every request."""
        version = self._session.protocol_version or ""
        if not self.modern:
            return dict(params), {MCP_PROTOCOL_VERSION_HEADER: version}
        meta = {
            PROTOCOL_VERSION_META_KEY: version,
            CLIENT_INFO_META_KEY: CLIENT.model_dump(by_alias=True, mode="json", exclude_none=True),
            CLIENT_CAPABILITIES_META_KEY: {},
        }
        headers = {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: method}
        if isinstance(name := params.get(NAME_BEARING_METHODS.get(method, "")), str):
            headers[MCP_NAME_HEADER] = encode_header_value(name)
        return {**params, "_meta": meta}, headers

    async def _listen(self, announced: frozenset[str]) -> None:
        """Hold the subscription to changes for as long as the connection lives."""
        while not self.lost.is_set():
            try:
                async with listen(
                    self._session,
                    tools_list_changed="tools" in announced,
                    resources_list_changed="resources" in announced,
                    prompts_list_changed="prompts" in announced,
                ) as subscription:
                    async for _ in subscription:
                        self.changed.set()
            except MCPError as error:
                if error.code in (METHOD_NOT_FOUND, CONNECTION_CLOSED):
                    return
            except SubscriptionLost:
                log.debug("the subscription to changes was lost")
            await anyio.sleep(LISTEN_AGAIN)
            self.changed.set()  # what changed meanwhile was not told


@asynccontextmanager
async def connect(channel: Channel) -> AsyncIterator[Connection]:
    """A connection over a channel, not yet negotiated. To be entered and left in one task."""
    async with channel.open() as (source, sink):
        tap = Tap(source)
        dispatcher = _Dispatcher(tap, Spout(sink, tap))
        holder: list[Connection] = []

        async def heard(message: IncomingMessage) -> None:
            await holder[0].heard(message)

        session = ClientSession(dispatcher=dispatcher, client_info=CLIENT, message_handler=heard)
        async with anyio.create_task_group() as tasks:
            holder.append(Connection(session, dispatcher, tap, tasks))
            async with session:
                yield holder[0]
            tasks.cancel_scope.cancel()


class _Dispatcher(JSONRPCDispatcher):
    """The SDK's dispatcher, which mends what servers get wrong in the handshake before the SDK refuses it."""

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None, **options: Any
    ) -> dict[str, Any]:
        """As its parent's."""
        result = await super().send_raw_request(method, params, opts, **options)
        return mended_greeting(result) if method == "initialize" else result


def mended_greeting(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result of `initialize` in the shape that the protocol wants, from whatever came.

    Raises:
        UpstreamUnavailable: it speaks no version of the protocol that we do; both are named.
    """
    version = result.get("protocolVersion")
    if version not in HANDSHAKE_PROTOCOL_VERSIONS:
        ours = ", ".join(HANDSHAKE_PROTOCOL_VERSIONS)
        theirs = one_line(str(version), 40)
        raise UpstreamUnavailable(
            f"it speaks version {theirs!r} of the protocol; isthmus speaks {ours} and {MODERN_PROTOCOL_VERSIONS[-1]}",
            hint="update the server, or isthmus",
        )
    info, capabilities = result.get("serverInfo"), result.get("capabilities")
    info = info if isinstance(info, Mapping) else {}
    said = capabilities if isinstance(capabilities, Mapping) else {}
    return {
        "protocolVersion": version,
        "capabilities": {
            "tools": {},
            **{name: _announced(said[name]) for name in _CAPABILITIES if said.get(name) is not None},
        },
        "serverInfo": {
            "name": _text(info.get("name")),
            "version": _text(info.get("version")),
            "title": _text(info.get("title")) or None,
        },
        "instructions": _text(result.get("instructions")) or None,
    }


def _announced(capability: Any) -> dict[str, bool]:
    return {"listChanged": isinstance(capability, Mapping) and capability.get("listChanged") is True}


def _text(value: Any) -> str:
    return value[:10_000].encode("utf-8", "replace").decode() if isinstance(value, str) else ""
