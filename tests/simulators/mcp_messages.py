"""The first messages of MCP clients, in both eras, as plain data."""

from __future__ import annotations

from typing import Any

INFO = {"name": "test", "version": "1"}
PREFIX = "io.modelcontextprotocol/"
ENVELOPE = {f"{PREFIX}protocolVersion": "2026-07-28", f"{PREFIX}clientCapabilities": {}, f"{PREFIX}clientInfo": INFO}
"""The `_meta` of every request of the modern era."""


def request(method: str, params: Any = None, identity: int | str = 1) -> dict[str, Any]:
    """A request."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": identity, "method": method}
    return message if params is None else {**message, "params": params}


def initialize(version: str = "2025-11-25", **more: Any) -> dict[str, Any]:
    """The handshake; its id is `init`."""
    return request("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": INFO, **more}, "init")


def call(code: str, identity: int | str = 1, **meta: Any) -> dict[str, Any]:
    """A call of `execute`."""
    params = {"name": "execute", "arguments": {"code": code}, **({"_meta": meta} if meta else {})}
    return request("tools/call", params, identity)
