"""`isthmus install CLIENT`: one more server in a client's own file, which starts Isthmus with a configuration."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isthmus.cli.clients import CLIENTS, ClientFile, files_here, is_ours
from isthmus.cli.common import add_config, loaded, say
from isthmus.errors import ConfigurationError

STARTS_AGAIN = {
    "claude-desktop": "quit Claude Desktop, and start it again",
    "claude-code": "start Claude Code in this folder; it asks once whether you trust the server",
    "cursor": "Cursor asks, or starts it, under Settings, MCP",
    "vscode": "VS Code starts it when a chat in agent mode needs it",
}
"""What is still to be done, by client."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which client, and what it is to start."""
    parser.add_argument("client", choices=CLIENTS, help="the client; claude-code: in the project of this folder")
    parser.add_argument(
        "--file", metavar="FILE", type=Path, help="the client's file, where it is not at its usual place"
    )
    parser.add_argument("--name", default="isthmus", help="what the client calls the server (default: isthmus)")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="take out the servers that the configuration has, so that the client meets them through Isthmus alone",
    )
    parser.add_argument("--print", action="store_true", help="only print what would be written")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Change the client's file; it is kept as it was beside it."""
    found = loaded(arguments)
    file = files_here(arguments.client)[0]
    if arguments.file is not None:
        file = ClientFile(file.client, arguments.file, file.collection)
    before = file.servers()
    if arguments.name in before and not is_ours(before[arguments.name]):
        remedy = "give Isthmus another one with --name"
        raise ConfigurationError(f"another server has the name {arguments.name!r}", file=str(file.path), remedy=remedy)
    taken_out = [name for name in before if arguments.replace and _has(found.configuration.upstreams, name)]
    ours = {name for name, server in before.items() if is_ours(server)}
    after = {name: server for name, server in before.items() if name not in {*taken_out, *ours}}
    after[arguments.name] = entry(found.path, arguments.client)
    if arguments.print:
        say(json.dumps({file.collection: after}, indent=2, ensure_ascii=False))
        return 0
    kept = file.write(after)
    say(f"{CLIENTS[file.client]} has the server {arguments.name!r} now: {file.path}")
    if taken_out:
        say(f"taken out there, since {found.path.name} has them: {', '.join(taken_out)}")
    if kept is not None:
        say(f"as the file was before its first change, it is kept in {kept.name}")
    say(f"next: {STARTS_AGAIN[file.client]}")
    return 0


def entry(configuration: Path, client: str) -> Mapping[str, Any]:
    """How a client starts Isthmus with a configuration: by this very Python, whatever the client's PATH is."""
    args = ["-m", "isthmus", "serve", "--config", str(configuration)]
    return {**({"type": "stdio"} if client == "vscode" else {}), "command": sys.executable, "args": args}


def _has(upstreams: Mapping[str, object], name: str) -> bool:
    from isthmus.catalog.names import upstream_name

    return upstream_name(name) in upstreams
