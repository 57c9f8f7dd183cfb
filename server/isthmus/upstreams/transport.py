"""A connection to one upstream: its own pool, and an address rule that is asked when connecting.

Names are resolved here and the addresses checked, so that a name cannot lead to one address when it is checked and to
another when it is used.
"""

from __future__ import annotations

import http.cookiejar
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterable
from functools import cache
from typing import Any

import anyio
import anyio.to_thread
import httpcore2
import httpx2

from isthmus.openapi.servers import address_problem

MAX_HOPS = 5
"""Redirects that are followed, within the origin."""

KEEP_ALIVE = 30.0
"""Seconds for which an idle connection is kept."""

USER_AGENT = "isthmus/0.1"

TRANSPORT_ERRORS: tuple[type[Exception], ...] = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
    httpcore2.ConnectionNotAvailable,
)
"""All that a client of ours may raise on account of the network or the other side."""

NEVER_SENT: tuple[type[Exception], ...] = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpcore2.ConnectError,
    httpcore2.ConnectTimeout,
    httpcore2.PoolTimeout,
)
"""Those after which it is certain that the request did not leave."""


_READING = threading.Lock()


class AddressRefused(httpcore2.ConnectError):
    """An upstream's name leads only to addresses that are not allowed."""


def open_client(
    *,
    trusted: bool,
    tls: bool,
    timeout: float,
    connections: int = 100,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> httpx2.AsyncClient:
    """A client without cookies, redirects, proxies or anything else from the environment, to be entered by its owner.

    `trusted`: the operator named the origin, so it may be private. `timeout` (s) bounds connecting and each silence.
    """
    return httpx2.AsyncClient(
        transport=transport or _Transport(trusted=trusted, tls=tls, connections=connections),
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
        cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=())),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"},
    )


class _Transport(httpx2.AsyncBaseTransport):
    """HTTP/1.1 over a pool whose connections are checked."""

    def __init__(self, *, trusted: bool, tls: bool, connections: int) -> None:
        self._trusted, self._tls, self._connections = trusted, tls, connections
        self._pool: httpcore2.AsyncConnectionPool | None = None  # there is none before the first request

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the caller reads the response's stream."""
        url = request.url
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        context = await anyio.to_thread.run_sync(_trust) if self._tls and self._pool is None else None
        pool = self._pool = self._pool or self._opened(context)
        response = await pool.handle_async_request(
            httpcore2.Request(
                request.method,
                target,
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        stream = _Stream(response.stream)
        return httpx2.Response(response.status, headers=response.headers, stream=stream, extensions=response.extensions)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.aclose()

    def _opened(self, context: ssl.SSLContext | None) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=self._connections,
            max_keepalive_connections=self._connections,
            keepalive_expiry=KEEP_ALIVE,
            network_backend=CheckedBackend(trusted=self._trusted),
        )


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to those addresses of a host that are allowed."""

    def __init__(self, *, trusted: bool) -> None:
        self._trusted = trusted
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to the first allowed address that accepts one."""
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in await self._addresses(host, port, timeout):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """The pool's waiting between attempts."""
        await anyio.sleep(seconds)

    async def _addresses(self, host: str, port: int, seconds: float | None) -> list[str]:
        try:
            with anyio.fail_after(seconds):
                found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"{host} could not be looked up in time") from None
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} cannot be looked up: {error}") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        problems = {address: address_problem(address, trusted=self._trusted) for address in addresses}
        allowed = [address for address in addresses if not problems[address]]
        if not allowed and addresses:
            raise AddressRefused(f"{host} leads to {addresses[0]}: {problems[addresses[0]]}")
        return allowed


def _trust() -> ssl.SSLContext:
    """Which authorities are believed: the same for every connection, and read once.

    It takes 20 to 100 ms, so it is done in a thread, and where a request is to be sent: many a process only searches.
    """
    with _READING:
        return _read_trust()


@cache
def _read_trust() -> ssl.SSLContext:
    return httpx2.create_ssl_context()
