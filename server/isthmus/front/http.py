"""MCP over Streamable HTTP: the official SDK behind a door of our own (`http_door`), on uvicorn.

Stateless: each request stands for itself, so that any server on the same data folder serves any of them. What continues
is named in it: the session, by its handle. Both eras of the protocol are spoken, each request in its own.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from isthmus.config.http import HttpConfig
from isthmus.config.http_checks import is_loopback, name_of
from isthmus.errors import ConfigurationError
from isthmus.front.calls import Application
from isthmus.front.http_door import PRINCIPAL, Door, Identify, Names, Resource, Rules
from isthmus.front.http_turns import Turns
from isthmus.front.opened import Opened
from isthmus.front.server import build
from isthmus.model import Principal

PATH = "/mcp"
"""Where the endpoint is, unless `http.url` says otherwise."""

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
"""Names that no page can make a browser take for another machine's."""

KEEP_ALIVE = 75
"""Seconds for which a connection is kept that asks nothing."""

HEADER_BYTES = 65_536
"""Of a request line and its headers."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a server listens, and what clients call its endpoint."""

    url: str
    address: str


def rules(config: HttpConfig, identify: Identify | None) -> Rules:
    """How the door is kept, by the configuration."""
    path = urlsplit(config.url).path if config.url else PATH
    names = {name.lower() for name in config.hosts}
    if not is_unspecified(config.host):
        names.add(bracketed(name_of(config.host)))
    if is_loopback(config.host) or is_unspecified(config.host):
        names.update(LOOPBACK)
    if config.url:
        names.add(bracketed(urlsplit(config.url).hostname or ""))
    resource = None
    if config.oidc is not None and config.url is not None:
        resource = Resource(config.url, config.oidc.issuer, tuple(config.oidc.scopes))
    return Rules(path, Names(frozenset(names), frozenset(config.origins)), config.body_bytes, identify, resource)


def is_unspecified(host: str) -> bool:
    """Whether an address stands for all of this machine's."""
    return name_of(host) in ("0.0.0.0", "::")  # noqa: S104 - recognised, not listened on


def bracketed(name: str) -> str:
    """A name as a Host header has it.

    >>> bracketed("::1"), bracketed("a.example")
    ('[::1]', 'a.example')
    """
    return f"[{name}]" if ":" in name else name


@asynccontextmanager
async def listening(
    config: HttpConfig,
    identify: Identify | None,
    open_application: Callable[[], AbstractAsyncContextManager[Application]],
) -> AsyncIterator[Listening]:
    """Listen, and answer, until the end of the context; then let what is under way end, for `config.drain` seconds.

    The application is opened meanwhile; tools wait for it.

    Raises:
        ConfigurationError: the address cannot be listened on, or the certificate cannot be used.
    """
    server = _Server(_uvicorn_config(config))
    with _bound(config) as listener:
        opened = Opened()
        sessions = StreamableHTTPSessionManager(
            build(opened.application, _asker), stateless=True, max_request_body_size=config.body_bytes
        )

        def why_not() -> str:
            return "it is ending" if server.should_exit else opened.why_not()

        server.config.app = Door(rules(config, identify), sessions.handle_request, why_not, Turns(config.requests_each))
        _load(server.config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(opened.hold, open_application)
            async with sessions.run(), anyio.create_task_group() as serving:
                serving.start_soon(server.serve, [listener])
                yield _listening(config, listener)
                server.should_exit = True
            tasks.cancel_scope.cancel()


def _asker(context: ServerRequestContext[Any]) -> Principal:
    """Who sends a request: what the door has found out."""
    principal: Principal = context.request.scope[PRINCIPAL]  # type: ignore[union-attr] # over HTTP there always is one
    return principal


class _Server(uvicorn.Server):
    """Listens; what signals mean is decided by whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _nobody(*_: Any) -> None:
    """Stands for the application until there is one."""


def _uvicorn_config(config: HttpConfig) -> uvicorn.Config:
    return uvicorn.Config(
        _nobody,
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=config.connections,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=config.drain,  # type: ignore[arg-type] # it is only ever waited for
        h11_max_incomplete_event_size=HEADER_BYTES,
        ssl_certfile=config.tls.certificate if config.tls else None,
        ssl_keyfile=config.tls.key if config.tls else None,
    )


def _load(config: uvicorn.Config) -> None:
    try:
        config.load()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        problem = f"http.tls: the certificate and its key cannot be used: {type(error).__name__}"
        raise ConfigurationError(
            problem, remedy="name two PEM files that belong together, the key unencrypted"
        ) from None


def _bound(config: HttpConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listener = socket.create_server((config.host.strip("[]"), config.port), family=family, backlog=1024)
    except OSError as error:
        problem = f"{config.host}:{config.port} cannot be listened on: {error.strerror}"
        raise ConfigurationError(
            problem, remedy="name another address or port, as http: {host: ..., port: ...}"
        ) from None
    # asyncio does so for sockets that it knows for TCP; of an accepted one it does not. Answers would wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _listening(config: HttpConfig, listener: socket.socket) -> Listening:
    address = f"{bracketed(config.host.strip('[]'))}:{listener.getsockname()[1]}"
    return Listening(config.url or f"{'https' if config.tls else 'http'}://{address}{PATH}", address)
