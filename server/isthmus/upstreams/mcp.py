"""An MCP server as an upstream: connected by one task, listed, watched, reconnected; called from any task."""

from __future__ import annotations

import base64
import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
from mcp.client.stdio import DEFAULT_INHERITED_ENV_VARS
from mcp.shared.exceptions import MCPError

from isthmus.config.model import UpstreamConfig
from isthmus.errors import InvalidArguments, UpstreamUnavailable
from isthmus.model import Answer, Call, Credential, Effect, Operation, Tokens, UpstreamSnapshot, UpstreamState
from isthmus.ports import Publish
from isthmus.turns import aside
from isthmus.upstreams.backoff import Backoff
from isthmus.upstreams.mcp_beside import LIST, operations_beside, request_of
from isthmus.upstreams.mcp_channel import Channel
from isthmus.upstreams.mcp_http import Endpoint, HttpChannel, SseChannel, credential_of
from isthmus.upstreams.mcp_listing import listed_beside, listed_resources, listed_tools
from isthmus.upstreams.mcp_process import Launch
from isthmus.upstreams.mcp_results import failure_of, resources_of, value_of
from isthmus.upstreams.mcp_session import ClosedByProbe, Connection, Era, Welcome, connect
from isthmus.upstreams.mcp_stdio import StdioChannel
from isthmus.upstreams.mcp_tools import held_back, operations_of, remembered
from isthmus.upstreams.mcp_trouble import NotSent, leaves, problem_of, trouble_of
from isthmus.upstreams.words import one_line, redacted
from isthmus_sandbox.values import check, is_large

log = logging.getLogger(__name__)

MAX_REMARKS = 100
"""Warnings of one snapshot; the last one then counts those left out."""

HURRIED = 3
"""Short connections in a row after which calls no longer cut the back-off short: this server dies of being called."""

MANY_TOOLS = 200
"""Tools beyond which they are read in a thread, so that everything else goes on meanwhile."""

Problems = Callable[[Operation, Any], Sequence[str]]
"""What is wrong with an answer, by its operation's output schema; each a sentence."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an upstream waits for what, in seconds."""

    connect: float = 60.0  # for a connection, from starting the command to the list of tools
    beside: float = 10.0  # for what a server has beside tools; they do not wait longer for it
    probe: float = 2.0  # for a server to say that it speaks the newest protocol
    settle: float = 0.2  # after a change of the tools, before they are listed again
    grace: float = 2.0  # for a process to end by itself, and again once it has been told to
    backoff: Backoff = field(default_factory=Backoff)


class McpUpstream:
    """One configured MCP server.

    `open_channel` makes the way to it for one connection; by default that is what `config` says: a command, or a URL.
    """

    def __init__(
        self,
        config: UpstreamConfig,
        name: str,
        *,
        tokens: Tokens | None = None,
        answer_bytes: int = 33_554_432,
        problems: Problems = lambda _operation, _value: (),
        patience: Patience = Patience(),
        open_channel: Callable[[], Channel] | None = None,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._tokens = tokens
        self._name = name
        self._problems = problems
        self._patience = patience
        self._open_channel = open_channel or (
            lambda: _channel(config, tokens, answer_bytes, patience.grace, environment)
        )
        self._clock = clock
        self._chance = chance
        self._secrets = _secrets_of(config)
        self._era = Era.UNKNOWN
        self._connection: Connection | None = None
        self._effects: dict[str, Effect] = {}  # of each tool as it was first listed, by its original name
        self._snapshot = UpstreamSnapshot(name, UpstreamState.CONNECTING, purpose=self._purpose(Welcome(Era.UNKNOWN)))
        self._turned = anyio.Event()  # set, and replaced, whenever the snapshot changes
        self._hurry = anyio.Event()  # set by a call that finds no connection
        self._may_hurry = True  # once for each failure
        self._trying = True  # whether a connection is being made, or is there

    @property
    def name(self) -> str:
        """The Python name by which programs know it."""
        return self._name

    async def run(self, publish: Publish) -> None:
        """Connect, list, publish, watch, and reconnect with back-off; until cancelled."""
        failures = 0
        while True:
            began = self._clock()
            self._trying = True
            # One that has failed is told as failed, with its reason, until it is there again.
            self._publish(publish)
            problem, detail = await self._live(publish)
            self._trying = False
            failures = self._patience.backoff.failures(failures, self._clock() - began)
            self._may_hurry = self._may_hurry and failures <= HURRIED
            self._publish(publish, state=UpstreamState.FAILED, problem=problem, detail=detail)
            log.info("upstream %s: %s %s", self._name, problem, detail)
            await self._pause(self._patience.backoff.delay(failures, self._chance))

    async def call(self, call: Call, credential: Credential | None) -> Answer:
        """Perform one call; a connection that is found dead is made anew, once, before anything was sent.

        Raises:
            InvalidArguments: the arguments cannot be written as JSON.
            UpstreamUnavailable: no answer came; where it was sent, it may have happened.
            UpstreamError: the tool failed.
        """
        arguments = wire_arguments(call)
        try:
            return await self._perform(call, arguments, credential)
        except NotSent as first:
            log.debug("upstream %s: %s; once more", self._name, first)
        try:
            return await self._perform(call, arguments, credential)
        except NotSent as again:
            raise UpstreamUnavailable(f"{self._name}: {again}; the call was not sent", sent=False) from again

    async def _live(self, publish: Publish) -> tuple[str, str]:
        """One connection from beginning to end; why it ended, and what the server itself said of that."""
        try:
            return await self._connected(publish, self._era)
        except ClosedByProbe:
            # Asked what it does not know, it has ended; it is not asked again.
            return await self._connected(publish, Era.LEGACY)

    async def _connected(self, publish: Publish, era: Era) -> tuple[str, str]:
        channel = self._open_channel()
        deadline = anyio.current_time() + self._patience.connect
        try:
            # The scope surrounds the connection, which may not outlive a scope that is younger than itself.
            with anyio.CancelScope(deadline=deadline) as scope:
                async with connect(channel) as connection:
                    welcome = await connection.negotiate(era, self._patience.probe)
                    self._era = welcome.era
                    await self._list(connection, channel, welcome, publish)
                    scope.deadline = float("inf")
                    await self._serve(connection, channel, welcome, publish)
            if scope.cancelled_caught:
                return self._told(f"it did not connect within {self._patience.connect:g} s", channel)
        except Exception as error:  # noqa: BLE001 - the border: whatever a server causes becomes its problem
            if any(isinstance(leaf, ClosedByProbe) for leaf in leaves(error)):
                raise ClosedByProbe from None
            if self._connection is None and era is Era.MODERN:
                self._era = Era.UNKNOWN  # another version of it may run by now
            return self._told(problem_of(error), channel)
        finally:
            self._connection = None
        return self._told("the connection has ended", channel)

    async def _serve(self, connection: Connection, channel: Channel, welcome: Welcome, publish: Publish) -> None:
        """Watch a connection until it is lost; list its tools again whenever they change."""
        connection.watch()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow, connection, channel, welcome, publish)
            await connection.lost.wait()
            tasks.cancel_scope.cancel()

    async def _follow(self, connection: Connection, channel: Channel, welcome: Welcome, publish: Publish) -> None:
        quiet = self._patience.settle
        while True:
            await connection.changed.wait()
            await anyio.sleep(quiet)
            began = self._clock()
            try:
                await self._list(connection, channel, welcome, publish)
            except MCPError as error:
                remark = f"its tools have changed, and were not listed: {problem_of(error)}"
                self._publish(publish, warnings=(remark, *self._snapshot.warnings)[:MAX_REMARKS])
            # A server that announces a change after every list gets a tenth of the time, not all of it.
            quiet = max(self._patience.settle, 10 * (self._clock() - began))

    async def _list(self, connection: Connection, channel: Channel, welcome: Welcome, publish: Publish) -> None:
        """List the tools and what is beside them, and publish it; from then on the connection can be used."""
        connection.changed = anyio.Event()
        listed, cut = await listed_tools(connection, self._config.timeout)
        found = await listed_beside(connection, welcome.capabilities, self._patience.beside)
        operations = await aside(len(listed) > MANY_TOOLS, operations_of, self._name, listed)
        tools = held_back(self._effects, operations)
        self._effects = remembered(self._effects, tools)
        beside = await aside(len(found) > MANY_TOOLS, operations_beside, self._name, found, tools.operations)
        self._connection = connection
        self._may_hurry = True
        self._publish(
            publish,
            state=UpstreamState.READY,
            operations=(*tools.operations, *beside.operations),
            purpose=self._purpose(welcome),
            problem="",
            detail="",
            warnings=_bounded((*cut, *channel.remarks(), *tools.remarks, *beside.remarks)),
        )

    async def _perform(self, call: Call, arguments: dict[str, Any], credential: Credential | None) -> Answer:
        connection = await self._usable()
        operation, seconds = call.operation, self._config.timeout
        method, params = request_of(operation, arguments)
        headers = connection.parameter_headers(operation.document.root, arguments) | _headers_of(credential)
        try:
            # The dispatcher's own time-out tells the server; this one is for a server that does not even listen.
            with anyio.fail_after(seconds + 10):
                if method == LIST:
                    return Answer(*resources_of(*await listed_resources(connection, seconds)))
                result = await connection.request(method, params, timeout=seconds, headers=headers)
        except Exception as error:
            trouble = trouble_of(error, operation, seconds)
            if isinstance(trouble, NotSent):
                connection.lost.set()  # whoever is served next is served by another
            raise trouble from error
        if (failure := failure_of(operation, result)) is not None:
            raise failure
        large = is_large(result)
        value, remarks = await aside(large, value_of, operation, result)
        return Answer(value, (*remarks, *await aside(large, self._problems, operation, value)))

    async def _usable(self) -> Connection:
        """The connection, waited for where it is being made; a failed one is tried again at once, but once."""
        with anyio.move_on_after(self._config.timeout):
            while (connection := self._connection) is None or connection.lost.is_set():
                if not self._trying and not self._may_hurry:
                    break
                self._hurry.set()
                await self._turned.wait()
            else:
                return connection
        reason = self._snapshot.problem or "it is still connecting"
        raise UpstreamUnavailable(f"{self._name} is not connected: {reason}", hint="the call was not sent", sent=False)

    async def _pause(self, seconds: float) -> None:
        """Wait before the next attempt; other tokens cut that short, and a call, once after each good connection."""
        async with anyio.create_task_group() as tasks:
            tasks.cancel_scope.deadline = anyio.current_time() + seconds
            if self._tokens is not None:
                tasks.start_soon(self._until_other_tokens, self._tokens, tasks.cancel_scope)
            if not self._may_hurry:
                await anyio.sleep_forever()
            await self._hurry.wait()
            self._may_hurry = False
            tasks.cancel_scope.cancel()
        self._hurry = anyio.Event()

    async def _until_other_tokens(self, tokens: Tokens, scope: anyio.CancelScope) -> None:
        await tokens.changed()
        scope.cancel()

    def _publish(self, publish: Publish, **changes: Any) -> None:
        self._snapshot = replace(self._snapshot, **changes)
        publish(self._snapshot)
        self._turned.set()
        self._turned = anyio.Event()

    def _told(self, problem: str, channel: Channel) -> tuple[str, str]:
        told = "; ".join(part for part in (problem, channel.epitaph()) if part)
        return self._clean(told), self._clean(channel.last_words())

    def _clean(self, text: str) -> str:
        return one_line(redacted(text, self._secrets), 800)

    def _purpose(self, welcome: Welcome) -> str:
        lines = (line.strip() for line in welcome.instructions[:2000].splitlines())
        instructions = next((line for line in lines if line and not line.startswith("#")), "")
        return one_line(self._config.description or instructions or welcome.title, 200)


def wire_arguments(call: Call) -> dict[str, Any]:
    """The arguments under the upstream's own names; bytes as base64, as JSON knows no other way.

    Raises:
        InvalidArguments: they cannot be written as JSON; the message names the place.
    """
    arguments = dict(call.arguments)
    try:
        check(arguments, "arguments")  # one lone surrogate would end the whole session
    except ValueError as error:
        raise InvalidArguments(f"{call.operation.id}: {error}") from None
    wires = {parameter.name: parameter.wire for parameter in call.operation.parameters}
    return {wires.get(name, name): _as_json(value) for name, value in arguments.items()}


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value


def _headers_of(credential: Credential | None) -> dict[str, str]:
    """A caller's own credential, for HTTP; it goes before that of the configuration."""
    if credential is None:
        return {}
    cookies = "; ".join(f"{name}={value}" for name, value in credential.cookies.items())
    return {**credential.headers, **({"Cookie": cookies} if cookies else {})}


def _channel(
    config: UpstreamConfig, tokens: Tokens | None, answer_bytes: int, grace: float, environment: Mapping[str, str]
) -> Channel:
    if config.url is not None:
        endpoint = Endpoint(config.url, config.timeout, answer_bytes, credential_of(config.auth, tokens))
        return SseChannel(endpoint) if config.transport == "sse" else HttpChannel(endpoint)
    return StdioChannel(launch_of(config, environment), limit=answer_bytes, grace=grace)


def launch_of(config: UpstreamConfig, environment: Mapping[str, str]) -> Launch:
    """How to start the command of an upstream: with the few variables that any program needs, and its own."""
    inherited = {key: environment[key] for key in DEFAULT_INHERITED_ENV_VARS if key in environment}
    own = {key: value.get_secret_value() for key, value in config.env.items()}
    directory = None if config.cwd is None else str(Path(config.cwd).expanduser())
    return Launch(tuple(config.command or ()), {**inherited, **own}, directory)


def _secrets_of(config: UpstreamConfig) -> tuple[str, ...]:
    """What must not be repeated, however the upstream came to say it."""
    credential = credential_of(config.auth)
    places = (credential.headers, credential.query, credential.cookies)
    values = [value for place in places for value in place.values()]
    bare = [value.partition(" ")[2] for value in values]
    return tuple(
        value for value in (*values, *bare, *(secret.get_secret_value() for secret in config.env.values())) if value
    )


def _bounded(remarks: tuple[str, ...]) -> tuple[str, ...]:
    over = len(remarks) - MAX_REMARKS
    return remarks if over <= 0 else (*remarks[: MAX_REMARKS - 1], f"and {over + 1:,} more remarks of this kind")
