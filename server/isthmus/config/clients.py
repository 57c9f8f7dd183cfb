"""The spellings of other clients, brought into ours before anything is checked.

Claude Desktop, Claude Code, Cursor and others write an `mcpServers` object, VS Code a `servers` object:

    {"mcpServers": {"files": {"command": "npx", "args": ["-y", "server-files"], "env": {"TOKEN": "..."}},
                    "tracker": {"type": "http", "url": "https://...", "headers": {"Authorization": "..."}}}}

Such an object may stand in the place of `upstreams`, under it, or beside it, and each of its entries may carry keys of
ours as well (`allow`, `only`, ...). Nodes keep their places, so that a fault is told in the words of the file.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import replace

from isthmus.catalog.names import identifier, upstream_name
from isthmus.config.faults import Findings, nearest, quoted
from isthmus.config.model import Configuration, Limits, PolicyConfig
from isthmus.config.nodes import Node, kind

COLLECTIONS = ("mcpServers", "servers")
"""What other clients call `upstreams`."""

TYPES: Mapping[str, str] = {
    "stdio": "command",
    "http": "url",
    "streamable-http": "url",
    "streamableHttp": "url",
    "sse": "url",
}
"""The `type`s that clients write, each with the key that must stand beside it."""

_HARMLESS = frozenset({"alwaysAllow", "alwaysLoad", "autoApprove", "dev", "gallery", "version"})
_REFUSED = {
    "envFile": "list the variables under 'env', as NAME: ${NAME}",
    "disabledTools": "name them in policy.deny, as 'upstream.operation'",
    "excludeTools": "name them in policy.deny, as 'upstream.operation'",
    "includeTools": "name them under 'only'",
    "tools": "name them under 'only'",
}


def normalised(root: Node, findings: Findings) -> Node:
    """The tree in our own spelling: `upstreams` by their Python names, commands as lists, headers under `auth`."""
    entries = dict(root.entries)
    collections = [found for key in ("upstreams", *COLLECTIONS) if (found := entries.pop(key, None)) is not None]
    if collections and "upstreams" not in root.entries:
        entries = _ours(entries, findings)
    named = [pair for collection in collections for pair in _members(collection, findings)]
    names = _names(named, findings)
    upstreams = {names[key]: _entry(node, findings) for key, node in named if key in names and not _disabled(node)}
    for key, node in named:
        if _disabled(node):
            findings.remark(node.place, f"the upstream {quoted(key)} is disabled here, and left out")
    if collections:
        entries["upstreams"] = _collection(collections[0], upstreams)
    if "policy" in entries:
        entries["policy"] = _policy(entries["policy"], names)
    return root.with_entries(entries)


def _collection(first: Node, upstreams: Mapping[str, Node]) -> Node:
    return first.with_entries(upstreams) if upstreams or isinstance(first.value, Mapping) else first


def _ours(entries: Mapping[str, Node], findings: Findings) -> dict[str, Node]:
    """The keys of a client's own file that concern us: all that are ours, or look as if they were meant to be."""
    known = [*Configuration.model_fields, *COLLECTIONS]
    inner = PolicyConfig.model_fields.keys() | Limits.model_fields.keys()
    kept = {key: node for key, node in entries.items() if key in inner or nearest(key, known, cutoff=0.7)}
    for key in entries.keys() - kept.keys():
        findings.remark(entries[key].place, "a key of another client, ignored")
    return kept


def _members(collection: Node, findings: Findings) -> list[tuple[str, Node]]:
    """The upstreams of a collection by the names that the file gives them; a collection in a collection is opened."""
    if not isinstance(collection.value, Mapping):
        remedy = "write each upstream under its name: 'name:' and, indented below it, its openapi, command or url"
        findings.fault(collection.place, f"a mapping of upstreams is wanted, and this is {kind(collection)}", remedy)
    members: list[tuple[str, Node]] = []
    for key, node in collection.entries.items():
        nested = key in COLLECTIONS and isinstance(node.value, Mapping) and not _is_entry(node)
        members += _members(node, findings) if nested else [(key, node)]
    return members


def _is_entry(node: Node) -> bool:
    return any(not isinstance(part.value, Mapping) for part in node.entries.values())


def _disabled(node: Node) -> bool:
    entries = node.entries
    return ("disabled" in entries and entries["disabled"].value is True) or (
        "enabled" in entries and entries["enabled"].value is False
    )


def _names(named: list[tuple[str, Node]], findings: Findings) -> dict[str, str]:
    """The Python name of each upstream; one that cannot have a name of its own is a fault."""
    names: dict[str, str] = {}
    for key, node in named:
        name = _name(key, node, findings)
        first = next((other for other, taken in names.items() if taken == name), None)
        if key in names or first is not None:
            problem = f"two upstreams are called {name} in programs: {quoted(first or key)} and {quoted(key)}"
            findings.fault(node.place, problem, "rename one of them")
        elif name is not None:
            names[key] = name
    return names


def _name(key: str, node: Node, findings: Findings) -> str | None:
    if not re.search(r"\w", key):
        findings.fault(node.place, "an upstream's name has a letter in it", "give it a name, such as 'github'")
        return None
    name = upstream_name(key)
    bare = identifier(key)
    if name != bare or keyword.iskeyword(key):
        problem = "programs use this name for something else"
        findings.fault(node.place, problem, f"rename it, for example to {bare.rstrip('_')}_api")
        return None
    if key.isidentifier() and key.isascii() and not key.startswith("_"):
        return key
    findings.remark(node.place, f"the upstream {quoted(key)} is called {name} in programs and rules")
    return name


def _entry(node: Node, findings: Findings) -> Node:
    """One upstream in our spelling."""
    if not isinstance(node.value, Mapping):
        return node
    entries = {key: part for key, part in node.entries.items() if key not in {"disabled", "enabled"}}
    for key in entries.keys() & _REFUSED.keys():
        findings.fault(entries.pop(key).place, f"{key} is not taken over from other clients", _REFUSED[key])
    for key in entries.keys() & _HARMLESS:
        findings.remark(entries.pop(key).place, "a key of another client, ignored")
    _take_type(entries, findings)
    _take_command(entries, findings)
    _take_headers(entries, findings)
    _take_login(entries, findings)
    return node.with_entries(entries)


def _take_type(entries: dict[str, Node], findings: Findings) -> None:
    said = entries.pop("type", None)
    if said is None:
        return
    wanted = TYPES.get(said.value) if isinstance(said.value, str) else None
    if wanted is None:
        findings.fault(said.place, "an unknown type of server", f"write one of {', '.join(TYPES)}, or leave it out")
    elif wanted not in entries:
        findings.fault(said.place, f"a server of this type has a {wanted!r}, and there is none", f"add {wanted!r}")
    elif said.value == "sse" and "transport" not in entries:
        entries["transport"] = said


def _take_command(entries: dict[str, Node], findings: Findings) -> None:
    """`command: npx` and `args: [...]` as one list."""
    args = entries.pop("args", None)
    command = entries.get("command")
    if args is not None and not isinstance(args.value, tuple):
        findings.fault(args.place, f"a list is wanted, and this is {kind(args)}", "write args: [first, second]")
    if command is None or not isinstance(command.value, str):
        if args is not None:
            findings.fault(args.place, "'args' belongs to a 'command' that is one text", "put all into 'command'")
        return
    if args is None and _several_words(command.value):
        remedy = "write it as a list, [program, first argument, ...]: no shell takes it apart"
        findings.fault(command.place, "the command is one text of several words", remedy)
    entries["command"] = replace(command, value=(command, *(args.items if args else ())))


def _several_words(command: str) -> bool:
    """Whether a text is a whole command line, rather than a program in a folder whose name has spaces."""
    program, space, _ = command.strip().partition(" ")
    return bool(space) and "/" not in program and "\\" not in program


def _take_headers(entries: dict[str, Node], findings: Findings) -> None:
    """`headers` as part of `auth`."""
    headers = entries.pop("headers", None)
    if headers is None:
        return
    auth = entries.get("auth") or replace(headers, value={})
    if "headers" in auth.entries:
        findings.fault(headers.place, "'headers' stands here and under 'auth' too", "keep those under 'auth'")
    elif isinstance(auth.value, Mapping):
        entries["auth"] = auth.with_entries({**auth.entries, "headers": headers})


_LOGIN = {"clientId": "client_id", "callbackPort": "port"}
"""What Claude Code writes under `oauth`, in our words."""


def _take_login(entries: dict[str, Node], findings: Findings) -> None:
    """`auth: oauth` as a mapping, and the `oauth` of other clients as a part of `auth`."""
    auth, theirs = entries.get("auth"), entries.pop("oauth", None)
    if theirs is not None and auth is not None:
        findings.fault(theirs.place, "'oauth' stands here, and other credentials too", "keep one of them")
    elif auth is not None and auth.value == "oauth":
        entries["auth"] = auth.with_entries({"oauth": Node({}, auth.place.below("oauth"))})
    elif theirs is not None:
        for key in theirs.entries.keys() - _LOGIN.keys():
            findings.remark(theirs.entries[key].place, "a key of another client, ignored")
        said = {_LOGIN[key]: node for key, node in theirs.entries.items() if key in _LOGIN}
        login = theirs.with_entries(said) if isinstance(theirs.value, Mapping) else theirs
        entries["auth"] = Node({"oauth": login}, theirs.place)


GLOBS = ("deny", "allow_operations", "approve_operations")
"""Keys of the policy that hold globs of whole operation ids."""


def _policy(policy: Node, names: Mapping[str, str]) -> Node:
    """The rules with the upstreams' Python names, and the operations among what is allowed in a list of their own."""
    entries = dict(policy.entries)
    if not entries:
        return policy
    for key in ("allow", "approve"):
        _split_globs(entries, key)
    for key in GLOBS:
        if key in entries:
            entries[key] = _all_renamed(entries[key], names)
    if flow := entries.get("flow"):
        entries["flow"] = flow.with_entries({key: _all_renamed(node, names) for key, node in flow.entries.items()})
    if (rules := entries.get("rules")) and rules.items:
        entries["rules"] = replace(rules, value=tuple(_rule(rule, names) for rule in rules.items))
    return policy.with_entries(entries)


def _split_globs(entries: dict[str, Node], key: str) -> None:
    """Globs among effects, to a list of their own."""
    said = entries.get(key)
    globs = [item for item in said.items if isinstance(item.value, str) and _is_glob(item.value)] if said else []
    if said and globs:
        entries[key] = replace(said, value=tuple(item for item in said.items if item not in globs))
        listed = entries.get(f"{key}_operations") or replace(said, value=())
        entries[f"{key}_operations"] = replace(listed, value=(*listed.items, *globs))


def _rule(rule: Node, names: Mapping[str, str]) -> Node:
    if (operations := rule.entries.get("operations")) is None:
        return rule
    return rule.with_entries({**rule.entries, "operations": _all_renamed(operations, names)})


def _all_renamed(globs: Node, names: Mapping[str, str]) -> Node:
    if not isinstance(globs.value, tuple):
        return globs
    return replace(globs, value=tuple(_renamed(item, names) for item in globs.items))


def _is_glob(text: str) -> bool:
    return "." in text or "*" in text


def _renamed(item: Node, names: Mapping[str, str]) -> Node:
    """A glob with the upstream's Python name in the place of the one that the file gives it."""
    if not isinstance(item.value, str):
        return item
    longest = max((name for name in names if item.value.startswith(f"{name}.")), key=len, default=None)
    return item if longest is None else replace(item, value=names[longest] + item.value[len(longest) :])
