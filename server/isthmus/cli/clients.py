"""Other MCP clients on this machine: where each keeps its servers, and how these files are read and changed."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.config.places import home
from isthmus.errors import ConfigurationError
from isthmus.stores.whole import write_whole

CLIENTS: Mapping[str, str] = {
    "claude-desktop": "Claude Desktop",
    "claude-code": "Claude Code",
    "cursor": "Cursor",
    "vscode": "VS Code",
}
"""The clients that are known, by the names that commands take."""

BACKUP = ".before-isthmus"
"""What is appended to a file's name where it is kept as it was before its first change."""

_INPUT = re.compile(r"\$\{input:([^}]*)\}")
_ENVIRONMENT = re.compile(r"\$\{env:([^}]*)\}")


@dataclass(frozen=True, slots=True)
class ClientFile:
    """The file in which a client keeps its servers. `collection` is what it calls them there."""

    client: str
    path: Path
    collection: str = "mcpServers"

    def content(self) -> dict[str, Any]:
        """All that stands in it; nothing where there is no file, or an empty one.

        Raises:
            ConfigurationError: it is not the JSON that can be changed and written again.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._fault(f"it cannot be read: {error}", "see that it is a file of yours, in UTF-8") from None
        try:
            content = json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError):
            remedy = "it may have comments, which would be lost: add the server by hand, as the README shows"
            raise self._fault("it is not plain JSON", remedy) from None
        if not isinstance(content, dict) or not isinstance(content.get(self.collection, {}), dict):
            raise self._fault(f"there is no mapping {self.collection!r} in it", "mend it, or move it away")
        return content

    def servers(self) -> dict[str, Any]:
        """The servers that it names."""
        return dict(self.content().get(self.collection, {}))

    def write(self, servers: Mapping[str, Any]) -> Path | None:
        """Put these in the place of its servers; all else stays. Gives where it is kept as it was, if it was there.

        Raises:
            ConfigurationError: it cannot be written; then it is as it was.
        """
        content = {**self.content(), self.collection: dict(servers)}
        kept = self.path.with_name(self.path.name + BACKUP)
        real = self.path.resolve()  # where it is a link, what it leads to is changed
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if (there := self.path.exists()) and not kept.exists():
                shutil.copy2(real, kept)
            mode = stat.S_IMODE(real.stat().st_mode) if there else 0o600
            write_whole(real, json.dumps(content, indent=2, ensure_ascii=False) + "\n", mode)
        except OSError as error:
            raise self._fault(f"it cannot be written: {error.strerror}", "see that you may write there") from None
        return kept if there else None

    def _fault(self, problem: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(problem, file=str(self.path), remedy=remedy)


def files_of(client: str, folder: Path, environ: Mapping[str, str], platform: str) -> tuple[ClientFile, ...]:
    """Where a client keeps servers, first where one more is to be added. `platform` is as `sys.platform` has it.

    Raises:
        ConfigurationError: the environment names no home.
    """
    if not (own := home(environ)):
        raise ConfigurationError("the environment names no home", remedy="name the file with --file")
    if client == "cursor":
        return (ClientFile(client, Path(own) / ".cursor/mcp.json"),)
    if client == "claude-code":
        return ClientFile(client, folder / ".mcp.json"), ClientFile(client, Path(own) / ".claude.json")
    data = _application_data(Path(own), environ, platform)
    if client == "vscode":
        return (ClientFile(client, data / "Code/User/mcp.json", "servers"),)
    return (ClientFile(client, data / "Claude/claude_desktop_config.json"),)


def files_here(client: str) -> tuple[ClientFile, ...]:
    """The same, on this machine and in this folder."""
    return files_of(client, Path.cwd(), os.environ, sys.platform)


def _application_data(own: Path, environ: Mapping[str, str], platform: str) -> Path:
    if platform == "darwin":
        return own / "Library/Application Support"
    if platform == "win32":
        return Path(environ.get("APPDATA") or own / "AppData/Roaming")
    return Path(environ.get("XDG_CONFIG_HOME") or own / ".config")


def is_ours(server: object) -> bool:
    """Whether a server of a client is Isthmus itself.

    >>> is_ours({"command": "/venv/bin/isthmus", "args": ["serve"]})
    True
    """
    if not isinstance(server, dict):
        return False
    command, args = server.get("command"), server.get("args")
    if not isinstance(command, str) or not isinstance(args, list) or "serve" not in args:
        return False
    return re.split(r"[/\\]", command)[-1] in ("isthmus", "isthmus.exe") or "isthmus" in args


def in_our_words(value: Any) -> Any:
    """What a client writes, with variables as Isthmus writes them.

    >>> in_our_words({"TOKEN": "${env:GITHUB_TOKEN}", "KEY": "${input:api-key}"})
    {'TOKEN': '${GITHUB_TOKEN}', 'KEY': '${API_KEY}'}
    """
    if isinstance(value, str):
        asked = _INPUT.sub(lambda found: "${" + re.sub(r"\W+", "_", found[1]).upper() + "}", value)
        return _ENVIRONMENT.sub(r"${\1}", asked)
    if isinstance(value, dict):
        return {key: in_our_words(each) for key, each in value.items()}
    return [in_our_words(each) for each in value] if isinstance(value, list) else value
