"""What a shape cannot say: contradictions, addresses, paths, and rules that would rule nothing.

These look at the tree rather than at the model, so that they are told together with wrong types elsewhere.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from isthmus.config.clients import GLOBS
from isthmus.config.faults import Findings, Place, nearest, quoted
from isthmus.config.http_checks import check_http
from isthmus.config.nodes import Node, node_at, plain
from isthmus.config.private_checks import check_private, private_globs

KINDS = ("openapi", "command", "url")
"""What an upstream is one of."""

_BELONGS = {
    "base_url": ("openapi",),
    "server_variables": ("openapi",),
    "env": ("command",),
    "cwd": ("command",),
    "transport": ("url",),
    "auth": ("openapi", "url"),
    "auth_for": ("openapi", "url"),
}
_NOT_FOR_COMMANDS = "give a command its credentials under 'env'"
_PSEUDO = ("/proc", "/sys", "/dev")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_WILD = re.compile(r"[*?\[]")


def check(root: Node, folder: Path, home: str | None, findings: Findings) -> Node:
    """The tree with its paths made absolute, from `folder` (the file's own) and `home` (for `~`)."""
    for key in ("data", "lock", "recordings"):
        if (path := root.entries.get(key)) is not None and path.value:
            root = root.with_entries({**root.entries, key: _absolute(path, folder, home)})
    root = _with_skills(root, folder, home, findings)
    check_http(root, findings)
    check_private(root, findings)
    upstreams = root.entries.get("upstreams")
    if upstreams is None:
        _check_policy(root, [], findings)
        return root
    for node in upstreams.entries.values():
        _check_upstream(node, findings)
    _check_policy(root, sorted(upstreams.entries), findings)
    placed = {name: _placed(node, folder, home, findings) for name, node in upstreams.entries.items()}
    return root.with_entries({**root.entries, "upstreams": upstreams.with_entries(placed)})


def _with_skills(root: Node, folder: Path, home: str | None, findings: Findings) -> Node:
    """The tree with the folder of skills made absolute. It may not be there yet; what is there is a folder."""
    skills = root.entries.get("skills")
    said = skills.entries.get("folder") if skills is not None else None
    if skills is None or said is None or not isinstance(said.value, str) or not said.value:
        return root
    placed = _absolute(said, folder, home)
    path = Path(str(placed.value))
    try:
        resolved = path.resolve()
        fits = resolved.is_dir() or (not resolved.exists() and resolved.parent.is_dir())
    except (OSError, ValueError, RuntimeError):
        fits, resolved = False, path
    if not fits or f"{resolved}/".startswith(tuple(f"{root}/" for root in _PSEUDO)):
        remedy = f"name a folder of your project, as skills: {{folder: skills}}; it is looked for from {folder}"
        findings.fault(said.place, "this is no folder, and none can be made here", remedy)
    return root.with_entries({**root.entries, "skills": skills.with_entries({**skills.entries, "folder": placed})})


def _check_upstream(node: Node, findings: Findings) -> None:
    entries = node.entries
    kinds = [kind for kind in KINDS if kind in entries]
    if isinstance(node.value, Mapping) and not kinds:
        remedy = "add openapi (a document), command (an MCP server to start) or url (an MCP server over HTTP)"
        findings.fault(node.place, "the upstream has none of openapi, command and url", remedy)
    for extra in kinds[1:]:
        problem = f"{extra!r} stands beside {kinds[0]!r}: an upstream is one of them"
        findings.fault(entries[extra].place, problem, "make two upstreams of it, or remove one key")
    for key in entries.keys() & _BELONGS.keys():
        if len(kinds) == 1 and kinds[0] not in _BELONGS[key]:
            remedy = (
                _NOT_FOR_COMMANDS
                if key in ("auth", "auth_for")
                else f"remove it; it belongs to {' or '.join(_BELONGS[key])}"
            )
            findings.fault(entries[key].place, f"{key!r} means nothing for an upstream with {kinds[0]!r}", remedy)
    for key in ("url", "base_url"):
        if key in entries:
            _check_url(entries[key], findings)
    theirs = entries["auth_for"].entries.values() if "auth_for" in entries else ()
    for auth in (entries.get("auth"), *theirs):
        _check_auth(auth, entries, findings)
        if auth is not None:
            _check_tokens(auth, entries, findings)
    for auth in theirs:
        if auth.value == "oauth" or "oauth" in auth.entries:
            problem = "`isthmus login` logs in whoever runs it, and nobody else"
            findings.fault(auth.place, problem, "give this principal a credential of another kind, as bearer: ${TOKEN}")
    _check_env(entries, findings)
    _check_command(entries, findings)


def _check_url(node: Node, findings: Findings) -> None:
    """An http or https address with a host, and nothing secret in it. What it is, is not repeated."""
    if not isinstance(node.value, str):
        return
    try:
        parts = urlsplit(node.value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        findings.fault(node.place, "this is no URL", "write it as https://host/path")
        return
    if parts.scheme not in {"http", "https"} or re.search(r"\s", node.value):
        findings.fault(node.place, "this is no http or https URL", "write it as https://host/path")
    elif not host:
        findings.fault(node.place, "the URL has no host", "write it as https://host/path")
    elif parts.username is not None or parts.password is not None:
        remedy = "give them as auth: {basic: {username: ..., password: ${NAME}}}"
        findings.fault(node.place, "the URL holds a user name or password", remedy)
    elif parts.fragment:
        findings.fault(node.place, "the URL has a fragment (#), which is never sent", "remove it")


def _check_auth(auth: Node | None, entries: Mapping[str, Node], findings: Findings) -> None:
    if auth is None or auth.value in (None, {}):
        return
    if isinstance(auth.value, str) and auth.value != "oauth":
        findings.fault(auth.place, *_auth_word(auth.value))
    for name, value in (auth.entries.get("headers") or replace(auth, value={})).entries.items():
        if not _HEADER.fullmatch(name):
            findings.fault(
                value.place, "this is no name of a header", "letters, digits and '-'; the value follows ': '"
            )
    for node in _texts(auth):
        if re.search(r"[\r\n]", str(node.value)):
            remedy = "remove it, perhaps at the end of the variable that it comes from"
            findings.fault(node.place, "the value holds a line break, and headers cannot", remedy)
    if "schemes" in auth.entries and "url" in entries:
        remedy = "use bearer, basic, api_key, headers or oauth2"
        findings.fault(auth.entries["schemes"].place, "an MCP server has no security schemes", remedy)
    for key in ("url", "base_url", "openapi"):
        if key in entries and _is_exposed(str(entries[key].value)):
            problem = "the credential would travel over plain http, readable by all between"
            findings.fault(entries[key].place, problem, "use https; http is for this machine only")


def _check_tokens(auth: Node, entries: Mapping[str, Node], findings: Findings) -> None:
    """A secret goes where tokens are had, an address like any other; and a token has its place for itself."""
    found = [kind for kind in ("oauth", "oauth2", "bearer", "basic") if kind in auth.entries]
    for kind in found[1:] if "oauth" in found or "oauth2" in found else ():
        problem = f"{kind!r} stands beside {found[0]!r}, and both want the header Authorization"
        findings.fault(auth.entries[kind].place, problem, "remove one of them")
    if "oauth" in auth.entries and "url" not in entries:
        remedy = "use oauth2 (client credentials), or give a token, as bearer: ${TOKEN}"
        findings.fault(auth.entries["oauth"].place, "only MCP servers over HTTP tell how to log in", remedy)
    url = auth.entries["oauth2"].entries.get("token_url") if "oauth2" in auth.entries else None
    if url is not None:
        _check_url(url, findings)
        if _is_exposed(str(url.value)):
            problem = "the secret would travel over plain http, readable by all between"
            findings.fault(url.place, problem, "use https; http is for this machine only")


def _auth_word(word: str) -> tuple[str, str]:
    if word == "passthrough":
        remedy = "give this upstream a credential of its own, as auth: {bearer: ${TOKEN}}"
        return "a client's token is never passed on: the MCP specification forbids it", remedy
    return (
        "a mapping is wanted, and this is text",
        "write auth: {bearer: ${TOKEN}}, or another kind; or auth: oauth",
    )


def _is_exposed(url: str) -> bool:
    """Whether it is plain http to another machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
    except ValueError:
        return False
    if parts.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


def _texts(node: Node) -> list[Node]:
    parts = [*node.entries.values(), *node.items]
    return [node] if isinstance(node.value, str) else [text for part in parts for text in _texts(part)]


def _check_env(entries: Mapping[str, Node], findings: Findings) -> None:
    for name, node in (entries["env"].entries if "env" in entries else {}).items():
        if not name or "=" in name or "\0" in name:
            findings.fault(node.place, "this is no name of a variable", "write NAME: value, with a space after ':'")


def _check_command(entries: Mapping[str, Node], findings: Findings) -> None:
    if "command" in entries and entries["command"].items:
        program = entries["command"].items[0]
        if isinstance(program.value, str) and not program.value.strip():
            findings.fault(program.place, "the program to start has no name", "name it first: [program, argument, ...]")


def _placed(node: Node, folder: Path, home: str | None, findings: Findings) -> Node:
    """An upstream with its paths absolute. A command runs in the file's folder, unless it says otherwise."""
    entries = dict(node.entries)
    command, cwd, document = entries.get("command"), entries.get("cwd"), entries.get("openapi")
    if command is not None and command.items:
        entries["command"] = replace(command, value=tuple(_from_home(item, home) for item in command.items))
        entries["cwd"] = _absolute(cwd or Node(".", node.place.below("cwd")), folder, home)
        if cwd is not None and isinstance(cwd.value, str) and not Path(str(entries["cwd"].value)).is_dir():
            findings.fault(cwd.place, "there is no such directory", f"it is looked for from {folder}")
    if document is not None and isinstance(document.value, str) and document.value:
        if "://" in document.value or _SCHEME.match(document.value):
            _check_url(document, findings)
        else:
            entries["openapi"] = _absolute(document, folder, home)
            _check_file(document.place, Path(str(entries["openapi"].value)), folder, findings)
    return node.with_entries(entries) if entries else node


def _from_home(node: Node, home: str | None) -> Node:
    """`~` and `~/...` from the user's home; all else as it is."""
    if home and isinstance(node.value, str) and (node.value == "~" or node.value.startswith("~/")):
        return replace(node, value=home.rstrip("/") + node.value[1:])
    return node


def _absolute(node: Node, folder: Path, home: str | None) -> Node:
    expanded = _from_home(node, home)
    return replace(expanded, value=str(folder / expanded.value)) if isinstance(expanded.value, str) else expanded


def _check_file(place: Place, path: Path, folder: Path, findings: Findings) -> None:
    """A document is a regular file. It is looked at here, and not read."""
    remedy = "name a JSON or YAML file, or a URL"
    try:
        resolved = path.resolve()
        mode = resolved.stat().st_mode
    except (OSError, ValueError, RuntimeError):
        findings.fault(place, "there is no such document", f"{remedy}; a relative path is looked for from {folder}")
        return
    if not stat.S_ISREG(mode) or str(resolved).startswith(tuple(f"{root}/" for root in _PSEUDO)):
        findings.fault(place, "this is no regular file", remedy)


def _check_policy(root: Node, known: list[str], findings: Findings) -> None:
    for globs in _globs(root):
        for glob in globs.items:
            if isinstance(glob.value, str):
                _check_rule(glob.value, glob.place, known, findings)
    rules = node_at(root, ("policy", "rules"))
    names: set[object] = set()
    for rule in rules.items if rules else ():
        _check_arguments(rule, findings)
        if (name := rule.entries.get("name")) is not None and isinstance(name.value, str):
            if name.value in names:
                findings.fault(name.place, "another rule has this name", "give each a name of its own")
            names.add(name.value)
    _remark_overruled(root, findings)


def _globs(root: Node) -> Iterator[Node]:
    """Every list of globs of operation ids."""
    policy = root.entries.get("policy")
    for key in GLOBS if policy else ():
        if (node := policy.entries.get(key)) is not None:  # type: ignore[union-attr]
            yield node
    if (flow := node_at(root, ("policy", "flow"))) is not None:
        yield from flow.entries.values()
    yield from private_globs(root)
    rules = node_at(root, ("policy", "rules"))
    for rule in rules.items if rules else ():
        if (operations := rule.entries.get("operations")) is not None:
            yield operations


def _check_arguments(rule: Node, findings: Findings) -> None:
    """Schemas that do not compile would refuse everything, or nothing."""
    for node in (rule.entries.get("arguments") or replace(rule, value={})).entries.values():
        if isinstance(node.value, Mapping | bool):
            from isthmus.validation import schema_problem

            if problem := schema_problem(plain(node)):
                remedy = "write a JSON Schema, as {maximum: 100} or {enum: [a, b]}; references are not followed"
                findings.fault(node.place, f"this is no JSON Schema that can be used: {problem}", remedy)


def _check_rule(glob: str, place: Place, known: list[str], findings: Findings) -> None:
    first, dot, _ = glob.partition(".")
    if glob == "*":
        return
    if not dot and not _WILD.search(glob):
        remedy = f"write '{glob}.*'" if glob in known else "write it as 'upstream.operation', or with '*'"
        findings.fault(place, "the rule would match nothing: it is no glob of operation ids", remedy)
    elif dot and not _WILD.search(first) and first not in known:
        near = nearest(first, known)
        meant = f"did you mean {near}?" if near else f"there are {', '.join(known) or 'none'}"
        findings.remark(place, f"{quoted(glob)} matches nothing: there is no upstream {quoted(first)}; {meant}")


def _remark_overruled(root: Node, findings: Findings) -> None:
    """Say where an operation that is allowed by name is denied as well: deny wins."""
    allowed, denied = (node_at(root, ("policy", key)) for key in ("allow_operations", "deny"))
    for rule in allowed.items if allowed else ():
        for deny in denied.items if denied else ():
            if isinstance(rule.value, str) and isinstance(deny.value, str) and fnmatchcase(rule.value, deny.value):
                text = f"{quoted(rule.value)} is allowed here, and denied by {quoted(deny.value)}: deny wins"
                findings.remark(rule.place, text)
