"""`isthmus import`: a configuration with the MCP servers that another client on this machine has."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isthmus.cli.clients import CLIENTS, ClientFile, files_here, in_our_words, is_ours
from isthmus.cli.common import log, say
from isthmus.cli.init import HEAD, LOGIN, SCHEMA, TAIL, TRUST, write_configuration
from isthmus.config.clients import COLLECTIONS
from isthmus.errors import ConfigurationError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Whose servers, and where the file goes."""
    known = ", ".join(CLIENTS)
    parser.add_argument(
        "source",
        nargs="?",
        metavar="CLIENT_OR_FILE",
        help=f"{known}, or a file of a client (default: the one there is)",
    )
    parser.add_argument("--config", metavar="FILE", type=Path, default=Path("isthmus.yaml"), help="the file to write")
    parser.add_argument("--force", action="store_true", help="replace what is there")


def run(arguments: argparse.Namespace) -> int:
    """Write the file and its schema, and check what was written."""
    from isthmus.config.loader import load

    source = _source(arguments.source)
    upstreams = ours(source)
    path: Path = arguments.config
    text = HEAD.format(schema=SCHEMA) + rendered(upstreams) + TAIL
    write_configuration(path, text, force=arguments.force, private=True)
    say(f"wrote {path}, for you alone to read: {len(upstreams)} from {source.path}: {', '.join(upstreams)}")
    if secrets := [name for name, each in upstreams.items() if each.get("env") or "headers" in each.get("auth", {})]:
        say(f"what {', '.join(secrets)} get in env and headers stands in it as it stood there; ${{NAME}} keeps it out")
    load(path, os.environ)
    say(f"next: isthmus doctor --config {path}; then isthmus install {source.client or 'CLIENT'} --replace")
    return 0


def _source(named: str | None) -> ClientFile:
    """The file: the one that is named, or else the only one that names a server."""
    if named is not None and named not in CLIENTS:
        files = [ClientFile("", Path(named), collection) for collection in COLLECTIONS]
    else:
        clients = CLIENTS if named is None else [named]
        files = [file for client in clients for file in files_here(client)]
    found = [file for file in files if not all(map(is_ours, file.servers().values()))]
    if len(found) == 1:
        return found[0]
    if found:
        choices = "; ".join(f"{file.path} ({', '.join(file.servers())})" for file in found)
        raise ConfigurationError(f"several files have servers: {choices}", remedy="name one of them")
    looked = ", ".join(dict.fromkeys(str(file.path) for file in files))
    remedy = "name a file with an mcpServers object, or begin with 'isthmus init'"
    raise ConfigurationError(f"there is no server: looked into {looked}", remedy=remedy)


def ours(source: ClientFile) -> dict[str, Any]:
    """Its servers as upstreams, by the names that programs call them, in our own spelling; but for Isthmus itself.

    Raises:
        ConfigurationError: with all that cannot be taken over, each with its place and remedy.
    """
    from isthmus.config.clients import normalised
    from isthmus.config.faults import Findings, InvalidConfiguration, Unreadable
    from isthmus.config.nodes import plain
    from isthmus.config.reader import read_tree

    findings = Findings()
    try:
        root = read_tree(source.path, findings)
    except Unreadable as error:
        raise InvalidConfiguration(str(source.path), [error.fault]) from None
    servers = root.entries[source.collection]
    kept = servers.with_entries({name: node for name, node in servers.entries.items() if not is_ours(plain(node))})
    tree = normalised(root.with_entries({source.collection: kept}), findings)
    if findings.faults:
        raise InvalidConfiguration(str(source.path), findings.faults)
    for warning in findings.warnings(str(source.path)):
        log(f"note: {warning}")
    return dict(in_our_words(plain(tree.entries["upstreams"])))


def rendered(upstreams: Mapping[str, Any]) -> str:
    """The entries as YAML, below `upstreams:`."""
    import yaml

    lines: list[str] = []
    for name, entry in upstreams.items():
        # An entry is a block, so that lines can be added to it; what stands in it is on one line each.
        flow = None if any(isinstance(value, list | dict) for value in entry.values()) else False
        text = yaml.safe_dump({name: entry}, sort_keys=False, allow_unicode=True, width=110, default_flow_style=flow)
        login = [f"  {LOGIN}"] if "url" in entry and "auth" not in entry else []
        lines += [*text.splitlines(), *login, f"  {TRUST}"]
    return "".join(f"  {line}\n" for line in lines)
