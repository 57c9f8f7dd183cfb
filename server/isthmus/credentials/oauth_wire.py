"""What OAuth wants sent, sent within bounds: metadata, registrations and tokens come from whom an upstream names.

    https                    to public addresses; to private ones, where the upstream itself is at one
    http                     on this machine, where the upstream is on it, too
    everything else          refused

Answers are bounded in bytes and seconds, cookies are not kept, and redirects not followed here: the SDK follows those
within an origin.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import anyio
import httpx2

from isthmus.errors import LimitExceeded, PermissionDenied, UpstreamError, UpstreamUnavailable
from isthmus.openapi.servers import address_problem, is_loopback, origin
from isthmus.upstreams.reading import read_bounded
from isthmus.upstreams.transport import TRANSPORT_ERRORS, AddressRefused, open_client
from isthmus.upstreams.words import one_line

SECONDS = 20.0
"""How long each request may take."""

ANSWER_BYTES = 262_144
"""The most that an answer may have."""

_HEADERS = ("content-type", "www-authenticate", "location")
_UNHEARD: tuple[type[Exception], ...] = (TimeoutError, LimitExceeded, *TRANSPORT_ERRORS)


class Wire:
    """Sends what the login to an MCP server wants sent.

    `private` says whether the server is at an address that the public cannot reach: told by the connection to it, for
    where a name leads, its owner may say otherwise each time.
    """

    def __init__(self, url: str, *, private: bool = False) -> None:
        self._url = str(httpx2.URL(url))
        self.private = private

    def check(self, url: str) -> None:
        """See that an address may be asked, or shown to the user as a place to log in.

        Raises:
            PermissionDenied: it may not.
        """
        if urlsplit(url).scheme == "https" or (is_loopback(url) and is_loopback(self._url)):
            return
        problem = "is neither https nor, as the upstream itself, on this machine"
        raise PermissionDenied(f"the login leads to {one_line(url, 100)}, which {problem}")

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to a request; of the upstream's own, when it is not about OAuth, the beginning alone.

        Raises:
            PermissionDenied: it leads where nothing is sent to.
            UpstreamUnavailable: there was no answer, or one out of bounds.
        """
        url = str(request.url)
        self.check(url)
        try:
            with anyio.fail_after(SECONDS):
                trusted = origin(url) == origin(self._url) or self.private
                async with open_client(trusted=trusted, tls=request.url.scheme == "https", timeout=SECONDS) as client:
                    return await self._exchanged(client, request)
        except AddressRefused as error:
            raise PermissionDenied(f"the login leads astray: {error}") from None
        except UpstreamError as error:  # its encoding
            raise UpstreamUnavailable(f"{origin(url)}: {error.message}", sent=False) from None
        except _UNHEARD as error:
            why = one_line(str(error), 200) or f"no answer within {SECONDS:g} s"
            raise UpstreamUnavailable(f"{origin(url)}: {why}", hint="try again later", sent=False) from None

    async def _exchanged(self, client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
        response = await client.send(request, stream=True)
        if origin(str(request.url)) == origin(self._url):
            self.private = _is_private(response)
        try:
            # A stream of the upstream's would have no end.
            content = b"" if str(request.url) == self._url else await read_bounded(response, ANSWER_BYTES)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
        headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
        bounded = httpx2.Response(response.status_code, headers=headers, content=content, request=request)
        bounded.next_request = response.next_request
        return bounded


def _is_private(response: httpx2.Response) -> bool:
    """Whether an answer came from an address that the public cannot reach."""
    address = response.extensions["network_stream"].get_extra_info("server_addr")
    return bool(address and address_problem(str(address[0]), trusted=False))
