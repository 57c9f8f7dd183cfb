"""Servers: the one URL that an API's requests go to, and what a document may say about it.

Credentials are bound to an origin. The operator's `base_url` decides on it; a document's own `servers` count where
there is none, and those of single paths and operations only within the same origin.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from isthmus.errors import ConfigurationError
from isthmus.openapi.document import OpenApiDocument
from isthmus.openapi.nodes import mapping_of, text_of

_VARIABLE = re.compile(r"\{([^{}]+)\}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Server:
    """Where requests go. `trusted`: the operator named this origin, so it may lie in a private network."""

    url: str  # no trailing slash
    trusted: bool

    @property
    def origin(self) -> str:
        """`https://api.example.com:443`."""
        return origin(self.url)


def origin(url: str) -> str:
    """Scheme, host and port of a URL, in one spelling: `https://api.example.com:443`."""
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}:{_port(parts)}"


def choose_server(document: OpenApiDocument, base_url: str | None, variables: Mapping[str, str]) -> Server:
    """The server of a document: `base_url`, or the first of its `servers` with its variables filled in.

    Raises:
        ConfigurationError: there is none, it is no http(s) URL, or a variable has a value that is not allowed.
    """
    if base_url is not None:
        return Server(_valid(base_url, "base_url", document.source), trusted=True)
    first = next(_servers(document.root), None)
    url = _resolved(first or {"url": "/"}, variables, document.source)
    url = urljoin(document.source, url) if _is_url(document.source) else url
    if not _is_url(url):
        raise ConfigurationError(
            f"the OpenAPI document names no server ({url!r})" if first else "the OpenAPI document names no server",
            file=document.source,
            remedy="set base_url to the API's address, such as https://api.example.com/v1",
        )
    url = _valid(url, "servers", document.source)
    return Server(url, trusted=_is_url(document.source) and origin(url) == origin(document.source))


def local_server(
    item: Mapping[str, Any],
    operation: Mapping[str, Any],
    document: OpenApiDocument,
    server: Server,
    variables: Mapping[str, str],
) -> tuple[str, str]:
    """The URL for one operation, and the foreign URL that it names and that is not followed (or an empty text)."""
    own = next(_servers(operation), None) or next(_servers(item), None)
    if own is None:
        return server.url, ""
    try:
        url = urljoin(server.url + "/", _resolved(own, variables, document.source)).rstrip("/")
        same = origin(url) == server.origin
    except (ConfigurationError, ValueError):
        return server.url, text_of(own.get("url"))
    return (url, "") if same else (server.url, url)


def address_problem(host: str, *, trusted: bool) -> str:
    """Why a host (a name, or an address that a name led to) must not be connected to; empty where it may be.

    Link-local addresses, where clouds keep their metadata, are refused always; loopback and private ones unless the
    operator named the origin. Names pass here: what they resolve to is asked about when connecting.
    """
    if host.lower().rstrip(".") == "localhost":
        return "" if trusted else f"{host} is this machine"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_link_local or address.is_multicast or address.is_unspecified or str(address) in _METADATA:
        return f"{host} is a link-local, multicast or metadata address"
    if not address.is_global and not trusted:
        return f"{host} is a private or loopback address"
    return ""


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, by its name or its address."""
    host = (urlsplit(url).hostname or "").lower()
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_METADATA = frozenset({"fd00:ec2::254", "100.100.100.200", "192.0.0.192"})


def _servers(owner: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    servers = owner.get("servers")
    for server in servers if isinstance(servers, list) else []:
        if text_of(mapping_of(server).get("url")):
            yield server


def _resolved(server: Mapping[str, Any], variables: Mapping[str, str], source: str) -> str:
    declared = mapping_of(server.get("variables"))
    return _VARIABLE.sub(lambda match: _variable(match[1], declared, variables, source), server["url"]).strip()


def _variable(name: str, declared: Mapping[str, Any], given: Mapping[str, str], source: str) -> str:
    node = mapping_of(declared.get(name))
    value = given.get(name, node.get("default"))
    if value is None or value == "":
        raise ConfigurationError(
            f"the server's URL has a variable {name!r} without a value",
            file=source,
            remedy=f"set server_variables: {{{name}: ...}}, or base_url",
        )
    allowed = node.get("enum")
    if name in given and isinstance(allowed, list) and allowed and value not in map(str, allowed):
        raise ConfigurationError(
            f"server_variables.{name} is {value!r}, which the document does not allow",
            file=source,
            remedy=f"use one of {', '.join(map(str, allowed[:20]))}",
        )
    return str(value)


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _valid(url: str, place: str, source: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme.lower() in _DEFAULT_PORTS and bool(parts.hostname) and _port(parts) > 0
    except ValueError:
        sound = False
    if not sound or re.search(r"[\x00-\x20\\]", url):
        raise ConfigurationError(f"{place}: {url!r} is no http or https URL", file=source, remedy="give a full URL")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{place}: a server's URL has no user, query or fragment", file=source, remedy="use auth for credentials"
        )
    return url.rstrip("/")


def _port(parts: SplitResult) -> int:
    return parts.port or _DEFAULT_PORTS.get(parts.scheme.lower(), 0)
