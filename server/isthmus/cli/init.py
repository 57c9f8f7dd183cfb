"""`isthmus init`: a configuration to begin with, that an editor can complete and check."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from isthmus.cli.common import say
from isthmus.errors import ConfigurationError

SCHEMA = "isthmus.schema.json"
"""The JSON Schema, beside the configuration: editors find it without a network."""

HEAD = """\
# yaml-language-server: $schema={schema}
#
# What Isthmus stands in front of, and what programs may do there. Unknown keys are errors; `isthmus doctor` says what
# comes of this file. ${{NAME}} in a value is taken from the environment, ${{NAME:-default}} too; keep secrets there.

upstreams:
"""

TAIL = """\

  # An OpenAPI service: a document (a URL, or a file beside this one), and how to authenticate.
  #
  # github:
  #   openapi: https://example.com/api.github.com.json
  #   base_url: https://api.github.com       # where the document does not say it
  #   auth: {bearer: "${GITHUB_TOKEN}"}      # or basic, api_key, headers, schemes, oauth2
  #   allow: [read, write]                   # default: what policy.allow says
  #   only: ["issues.*", "pulls.*"]          # the operations that exist for programs; default: all

  # An MCP server that is started here; no shell is involved, and of our environment it sees little but `env`.
  #
  # files:
  #   command: [npx, -y, "@modelcontextprotocol/server-filesystem", ~/Documents]
  #   env: {LOG_LEVEL: error}
  #   effects: {"read_*": read, "list_*": read}   # what its tools do, by your word; whatever is not named is a write

  # An MCP server over HTTP.
  #
  # tracker:
  #   url: https://mcp.example.com/mcp
  #   auth: oauth                            # you log in: `isthmus login`; or {bearer: "${TRACKER_TOKEN}"}, or others
  #   believe: true                          # take its own word for which of its tools only read, now and later

# What programs may do, where an upstream does not say: read, write, destructive. A GET is a read; a tool of an MCP
# server is a write until you say what it does (`effects`), or that its server is to be believed (`believe`).
# `isthmus doctor` lists them. Deny wins over everything; its entries are globs of whole ids: "github.repos.delete".
policy:
  allow: [read]
  deny: []

# Bounds of one execution; these are the defaults. All of them: see the schema.
limits:
  wall: 50            # seconds, waiting included
  cpu: 20             # seconds of processor time
  memory_mb: 256
  calls: 1000
  output_tokens: 6000
"""

TRUST = "# believe: true    # if it is to say itself which of its tools only read; `isthmus doctor` lists these"
"""What is still to be decided about an MCP server. Nobody but the operator can."""

LOGIN = "# auth: oauth       # if one logs in there with a browser; then run `isthmus login`"
"""The same about one over HTTP that nobody has a credential for yet."""

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


def arguments(parser: argparse.ArgumentParser) -> None:
    """One upstream to begin with, and where the file goes."""
    upstream = parser.add_mutually_exclusive_group()
    upstream.add_argument("--openapi", metavar="URL_OR_FILE", help="begin with an OpenAPI service")
    upstream.add_argument("--mcp", metavar="COMMAND", help="begin with an MCP server that this command starts")
    upstream.add_argument("--url", metavar="URL", help="begin with an MCP server over HTTP")
    parser.add_argument("--name", help="what programs call it (default: taken from the address or the command)")
    parser.add_argument("--config", metavar="FILE", type=Path, default=Path("isthmus.yaml"), help="the file to write")
    parser.add_argument("--force", action="store_true", help="replace what is there")


def run(arguments: argparse.Namespace) -> int:
    """Write the file and its schema, and check what was written."""
    from isthmus.config.loader import load

    path: Path = arguments.config
    write_configuration(path, rendered(arguments), force=arguments.force)
    load(path, os.environ)
    say(f"wrote {path} and {path.parent / SCHEMA}\nnext: isthmus doctor --config {path}")
    return 0


def rendered(arguments: argparse.Namespace) -> str:
    """The text of the configuration."""
    return HEAD.format(schema=SCHEMA) + _upstream(arguments) + TAIL


def _upstream(arguments: argparse.Namespace) -> str:
    if arguments.openapi is not None:
        return _entry(arguments.name or _from_address(arguments.openapi), f"openapi: {scalar(arguments.openapi)}")
    if arguments.url is not None:
        return _entry(arguments.name or _from_address(arguments.url), f"url: {scalar(arguments.url)}", LOGIN, TRUST)
    if arguments.mcp is not None:
        command = _split(arguments.mcp)
        words = ", ".join(map(scalar, command))
        return _entry(arguments.name or _from_command(command), f"command: [{words}]", TRUST)
    words = ", ".join(map(scalar, [sys.executable, "-m", "isthmus.demo.tickets"]))
    comment = "  # A support desk to play with, which comes with Isthmus: replace it by what you use.\n"
    believed = "believe: true    # which of its tools only read, it says itself; it is ours"
    return comment + _entry(arguments.name or "tickets", f"command: [{words}]", believed)


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command, posix=os.name != "nt")
    except ValueError as error:
        raise ConfigurationError(f"--mcp: {error}", remedy="close the quotes") from None
    if not words:
        raise ConfigurationError("--mcp: there is no command", remedy="name a program and its arguments") from None
    return words


def _entry(name: str, *lines: str) -> str:
    from isthmus.catalog.names import upstream_name

    return "".join([f"  {upstream_name(name)}:\n", *(f"    {line}\n" for line in lines)])


def _from_address(address: str) -> str:
    """The telling part of a host's or file's name: `api.github.com` and `github.json` give `github`."""
    host = urlsplit(address).hostname
    if host is None:
        return Path(address).name.split(".")[0]
    labels = [label for label in host.split(".") if label not in {"api", "mcp", "www", "docs"}]
    return labels[-2] if len(labels) > 1 else labels[0] if labels else host


def _from_command(command: list[str]) -> str:
    """The telling part of a package's name: `@modelcontextprotocol/server-filesystem` gives `filesystem`."""
    words = [word for word in command[1:] if not word.startswith("-")] or command[:1]
    name = PurePosixPath(words[0]).name.split("@")[0].split(".")[0]
    return re.sub(r"^(mcp-)?server-|^mcp-|-mcp$|-mcp-server$|-server$", "", name) or name


def scalar(text: str) -> str:
    """A text as YAML has it: in quotes wherever that is safer."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return "".join(map(_escaped, json.dumps(text, ensure_ascii=False)))


def _escaped(character: str) -> str:
    """A character in double quotes; YAML takes some that cannot be seen for line breaks."""
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def write_configuration(path: Path, content: str, *, force: bool, private: bool = False) -> None:
    """Write a configuration and, beside it, its schema. `private`: it is for its owner alone to read.

    Raises:
        ConfigurationError: it is there, and `force` is not given; or it cannot be written.
    """
    from isthmus.config.schema import text as schema_text

    _write(path, content, force=force, private=private)
    _write(path.parent / SCHEMA, schema_text(), force=True)


def _write(path: Path, content: str, *, force: bool, private: bool = False) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8", newline="\n") as file:
            if private:
                path.chmod(0o600)
            file.write(content)
    except FileExistsError:
        raise ConfigurationError(
            "the file is there already", file=str(path), remedy="use --force to replace it"
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        remedy = "name another file with --config"
        raise ConfigurationError(f"it cannot be written: {reason}", file=str(path), remedy=remedy) from None
