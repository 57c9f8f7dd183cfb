"""What must be true of a server that others can reach, before it starts.

reachable from elsewhere     it authenticates, and says by which names it is reached
more than one principal      what they share, they share because the configuration says so
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from isthmus.config.faults import Findings
from isthmus.config.nodes import Node
from isthmus.model import Principal

METADATA = "/.well-known/"
_HEALTH = ("/healthz", "/readyz")


def check_http(root: Node, findings: Findings) -> None:
    """Find what is wrong with `http:`, and with upstreams in the light of it."""
    http = root.entries.get("http")
    if http is None or not isinstance(http.value, Mapping):
        return
    entries = http.entries
    authenticates = bool(entries["tokens"].items if "tokens" in entries else ()) or "oidc" in entries
    _check_addresses(http, findings)
    _check_reach(http, findings, authenticates=authenticates)
    _check_tokens(entries, findings)
    _check_oidc(entries, findings)
    if authenticates:
        upstreams = root.entries.get("upstreams")
        for node in upstreams.entries.values() if upstreams else ():
            _check_shared(node, findings)


def is_loopback(host: str) -> bool:
    """Whether an address or a name, with or without a port, is this machine's own and nobody else's.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost:8931"), is_loopback("[::1]:80"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    name = name_of(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def name_of(host: str) -> str:
    """The name in `name:port`, in small letters; addresses of IPv6 without their brackets.

    >>> name_of("Example.com:80"), name_of("[::1]:80"), name_of("::1")
    ('example.com', '::1', '::1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return (host if host.count(":") > 1 else host.partition(":")[0]).lower()


def _text(entries: Mapping[str, Node], key: str) -> str:
    node = entries.get(key)
    return node.value if node is not None and isinstance(node.value, str) else ""


def _check_addresses(http: Node, findings: Findings) -> None:
    entries = http.entries
    if (url := entries.get("url")) is not None and isinstance(url.value, str):
        problem = _no_endpoint(url.value)
        if problem:
            findings.fault(url.place, problem, "write the endpoint as clients know it: https://host/mcp")
    for origin in entries["origins"].items if "origins" in entries else ():
        if isinstance(origin.value, str) and not _is_origin(origin.value):
            remedy = "write scheme, host and port only: https://app.example.com"
            findings.fault(origin.place, "this is no origin of a web page", remedy)
    for host in entries["hosts"].items if "hosts" in entries else ():
        if isinstance(host.value, str) and any(c in host.value for c in "/@*? \t"):
            findings.fault(host.place, "this is no name of a host", "write 'name' or 'name:port', without a scheme")


def _no_endpoint(url: str) -> str:
    """What keeps a URL from being that of an endpoint; empty where nothing does."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "this is no URL"
    if parts.scheme not in {"http", "https"} or not host:
        return "this is no http or https URL"
    if parts.username is not None or parts.query or parts.fragment:
        return "the URL of an endpoint has a scheme, a host and a path, and nothing else"
    if parts.path in ("", "/", *_HEALTH) or parts.path.startswith(METADATA):
        return "the URL has no path of its own"
    if parts.scheme == "http" and not is_loopback(host):
        return "tokens would travel over plain http, readable by all between"
    return ""


def _is_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(parts.scheme and host) and origin == f"{parts.scheme}://{parts.netloc}" and parts.username is None


def _check_reach(http: Node, findings: Findings, *, authenticates: bool) -> None:
    entries = http.entries
    host = _text(entries, "host") or "127.0.0.1"
    names = [(entries["host"], host)] if "host" in entries else []
    if url := _text(entries, "url"):
        names.append((entries["url"], urlsplit(url).netloc if not _no_endpoint(url) else "localhost"))
    names += [(each, str(each.value)) for each in (entries["hosts"].items if "hosts" in entries else ())]
    exposed = [node for node, name in names if not is_loopback(name)]
    if exposed and not authenticates:
        problem = "whoever reaches this address could run programs with your credentials: nobody has to say who he is"
        remedy = "add tokens (`isthmus token NAME` makes one) or oidc under 'http', or keep to 127.0.0.1"
        findings.fault(exposed[0].place, problem, remedy)
    if _is_any(host) and not url and not entries.get("hosts"):
        remedy = "add url: https://host/mcp, or hosts: [name] with the names that clients use"
        findings.fault(entries["host"].place, "by which names this server is reached is not said", remedy)
    plain = "tls" not in entries and not url.startswith("https:")
    if exposed and plain:
        text = "tokens travel over plain http, readable by all between: add tls, or a proxy that has it, and its url"
        findings.remark(exposed[0].place, text)


def _is_any(host: str) -> bool:
    try:
        return ip_address(name_of(host)).is_unspecified
    except ValueError:
        return False


def _check_tokens(entries: Mapping[str, Node], findings: Findings) -> None:
    seen: set[str] = set()
    for token in entries["tokens"].items if "tokens" in entries else ():
        digest = _text(token.entries, "sha256")
        if digest in seen:
            remedy = "give each entry a token of its own: `isthmus token NAME` makes one"
            findings.fault(token.entries["sha256"].place, "another entry has this token", remedy)
        seen.update({digest} - {""})
        if _text(token.entries, "principal") == Principal().name:
            problem = "this name is that of whoever uses Isthmus over stdio"
            findings.fault(token.entries["principal"].place, problem, "take another, as the person's own")


def _check_oidc(entries: Mapping[str, Node], findings: Findings) -> None:
    oidc = entries.get("oidc")
    if oidc is None or not oidc.entries:
        return
    for key in ("issuer", "jwks"):
        if (url := oidc.entries.get(key)) is not None and isinstance(url.value, str) and not _is_safe(url.value):
            remedy = "write it as https://host/path; plain http is for this machine only"
            findings.fault(url.place, "this is no URL from which keys can be trusted", remedy)
    if "url" not in entries:
        problem = "clients of an issuer ask for tokens by this server's URL, and it is not said"
        findings.fault(oidc.place, problem, "add url: https://host/mcp under 'http'")


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.query or parts.fragment or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def _check_shared(upstream: Node, findings: Findings) -> None:
    """What all principals would use alike is shared by the operator's word, or not at all."""
    entries = upstream.entries
    if "shared" in entries and entries["shared"].value is True:
        return
    if "command" in entries:
        problem = "one process, with your own files and credentials, would serve every principal of 'http'"
        remedy = "add shared: true if they may share it, or leave it out of this configuration"
        findings.fault(upstream.place, problem, remedy)
    elif "auth" in entries and "auth_for" not in entries:
        problem = "one credential would serve every principal of 'http'"
        remedy = "add shared: true if they may share it, or auth_for: {NAME: {bearer: ${TOKEN}}} for each"
        findings.fault(entries["auth"].place, problem, remedy)
