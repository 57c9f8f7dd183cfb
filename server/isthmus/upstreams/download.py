"""OpenAPI documents, fetched over HTTP. Imported where there are such: the HTTP client takes long to be."""

from __future__ import annotations

import anyio
import httpx2

from isthmus.errors import LimitExceeded, UpstreamError
from isthmus.openapi.document import MAX_DOCUMENT_BYTES
from isthmus.openapi.servers import origin
from isthmus.upstreams.reading import read_bounded
from isthmus.upstreams.transport import MAX_HOPS, TRANSPORT_ERRORS, open_client

FETCH_SECONDS = 60.0
"""For a whole document."""


async def download(source: str, transport: httpx2.AsyncBaseTransport | None) -> bytes:
    """The bytes of the document at a URL, through redirects within its origin.

    Raises:
        UpstreamError: the URL did not give it.
    """
    tls = source.lower().startswith("https://")
    try:
        with anyio.fail_after(FETCH_SECONDS):
            async with open_client(trusted=True, tls=tls, timeout=30.0, transport=transport) as client:
                return await _follow(client, source)
    except TimeoutError:
        raise UpstreamError(f"the OpenAPI document at {source} did not arrive in {FETCH_SECONDS:.0f} s") from None
    except LimitExceeded:
        raise UpstreamError(f"the OpenAPI document at {source} has more than {MAX_DOCUMENT_BYTES:,} bytes") from None
    except TRANSPORT_ERRORS as error:
        raise UpstreamError(f"the OpenAPI document at {source} cannot be fetched: {error}"[:500]) from None


async def _follow(client: httpx2.AsyncClient, source: str) -> bytes:
    url = httpx2.URL(source)
    for _ in range(MAX_HOPS):
        async with client.stream(
            "GET", url, headers={"Accept": "application/json, application/yaml, */*;q=0.5"}
        ) as got:
            if got.is_redirect:
                url = url.join(got.headers.get("location", ""))
                if origin(str(url)) != origin(source):
                    raise UpstreamError(f"{source} redirects to {url}, another origin", hint="set openapi to that URL")
                continue
            if got.status_code != 200:
                raise UpstreamError(f"{source} answered HTTP {got.status_code}", status=got.status_code)
            return await read_bounded(got, MAX_DOCUMENT_BYTES)
    raise UpstreamError(f"{source} redirects more than {MAX_HOPS} times")
