"""What a conversation begins with: the answers that are known before anything is loaded, and who gets them.

They are the same whatever the upstreams are or do, so they need nothing of the house. `Opening` gives them while the
SDK is still being imported, and only to requests that it understands in full; everything else waits for the SDK. Once
that is there, it answers with the same objects (`server.build`): not even the spelling depends on who answers.

    2024-11-05 to 2025-11-25   `initialize`, then `ping` and `tools/list`
    2026-07-28                 `server/discover` and `tools/list`, each with the envelope of that revision
"""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType
from typing import Any, Literal, TypeAlias

from isthmus import __version__
from isthmus.front.messages import Message
from isthmus.front.tools import DEFINITIONS, INSTRUCTIONS

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""The revisions that begin with `initialize`."""

MODERN_VERSION = "2026-07-28"
"""The revision whose requests carry an envelope each."""

SERVER_INFO: Mapping[str, Any] = {"name": "isthmus", "title": "Isthmus", "version": __version__}
CAPABILITIES: Mapping[str, Any] = {"tools": {"listChanged": False}}

_PREFIX = "io.modelcontextprotocol/"
_MODERN: Mapping[str, Any] = {
    "resultType": "complete",
    "ttlMs": 0,
    "cacheScope": "private",
    "_meta": {f"{_PREFIX}serverInfo": SERVER_INFO},
}

Answer: TypeAlias = Mapping[str, Any]


def initialized(version: str) -> Answer:
    """The result of `initialize` for a revision that it has agreed on."""
    return {
        "protocolVersion": version,
        "capabilities": CAPABILITIES,
        "serverInfo": SERVER_INFO,
        "instructions": INSTRUCTIONS,
    }


def discovered() -> Answer:
    """The result of `server/discover`."""
    return {
        "supportedVersions": [MODERN_VERSION],
        "capabilities": CAPABILITIES,
        "instructions": INSTRUCTIONS,
        **_MODERN,
    }


def listed(version: str) -> Answer:
    """The result of `tools/list` in a revision."""
    return {"tools": DEFINITIONS, **(_MODERN if version == MODERN_VERSION else {})}


def called(params: Message, text: str, *, is_error: bool) -> Answer:
    """The result of a `tools/call` with these params, which is a text."""
    more = {each: _MODERN[each] for each in ("resultType", "_meta")} if _is_modern(params, _SEARCH_ENVELOPED) else {}
    return {"content": [{"text": text, "type": "text"}], "isError": is_error, **more}


class Opening:
    """Answers the first messages of one conversation. The first request decides which era it is in."""

    def __init__(self) -> None:
        self._era: Literal["handshake", "modern", "over"] | None = None

    def answer(self, message: Message) -> Answer | None:
        """The result of a request; None for whatever the SDK is to answer, or to hear.

        >>> Opening().answer({"jsonrpc": "2.0", "id": 1, "method": "ping"}) is None
        True
        """
        if "method" not in message or "id" not in message:
            return None
        method, params = message["method"], message.get("params") or {}
        match self._era:
            case None:
                return self._first(method, params)
            case "handshake" if method == "initialize":
                self._era = "over"
                return None
            case "handshake" if not _fits(params, _BARE):
                return None
            case "handshake":
                return {"ping": {}, "tools/list": listed(HANDSHAKE_VERSIONS[-1])}.get(method)
            case "modern" if _is_modern(params, _ENVELOPED):
                return _modern(method)
        return None

    def is_search(self, message: Message) -> bool:
        """Whether it calls `search`, and is understood in full; `called` gives the result."""
        if message.get("method") != "tools/call" or "id" not in message:
            return False
        params = message.get("params") or {}
        fits = _fits(params, _SEARCH) if self._era == "handshake" else _is_modern(params, _SEARCH_ENVELOPED)
        return fits and self._era in ("handshake", "modern") and params["name"] == "search"

    def close(self) -> None:
        """Answer nothing from now on."""
        self._era = "over"

    def _first(self, method: str, params: Message) -> Answer | None:
        self._era = "over"
        if method == "initialize" and _fits(params, _INITIALIZE) and params["protocolVersion"] in HANDSHAKE_VERSIONS:
            self._era = "handshake"
            return initialized(params["protocolVersion"])
        if method != "initialize" and _is_modern(params, _ENVELOPED):
            self._era = "modern"
            return _modern(method)
        return None


def _modern(method: str) -> Answer | None:
    return {"server/discover": discovered(), "tools/list": listed(MODERN_VERSION)}.get(method)


def _is_modern(params: Message, shape: Shape) -> bool:
    return _fits(params, shape) and params["_meta"][f"{_PREFIX}protocolVersion"] == MODERN_VERSION


# ---------------------------------------------------------------- what is understood in full

Shape: TypeAlias = "type | tuple[type, ...] | list[Shape] | Mapping[str | EllipsisType, Shape | None]"
"""A type, several, a list of a shape, or an object: shapes of its members by name, `!` before those that must be there.

None is the shape of what must not be there, and `...` stands for all members that are not named.
"""

_ICON: Shape = {"!src": str, "mimeType": str, "sizes": [str], "theme": None}
_CLIENT: Shape = {
    "!name": str,
    "!version": str,
    "title": str,
    "description": str,
    "websiteUrl": str,
    "icons": [_ICON],
}
_CAPABILITIES: Shape = {
    "experimental": {...: dict},
    "extensions": {...: dict},
    "roots": {"listChanged": bool},
    "sampling": {"context": dict, "tools": dict},
    "elicitation": {"form": dict, "url": dict},
    "tasks": None,
}
_META: Shape = {
    "progressToken": (int, str),
    f"{_PREFIX}protocolVersion": None,
    f"{_PREFIX}clientCapabilities": None,
    f"{_PREFIX}clientInfo": None,
    f"{_PREFIX}logLevel": None,
}
_BARE: Shape = {"_meta": _META, "cursor": None}
_INITIALIZE: Shape = {"!protocolVersion": str, "!capabilities": _CAPABILITIES, "!clientInfo": _CLIENT, "_meta": _META}
_ENVELOPE: Shape = {
    "progressToken": (int, str),
    f"!{_PREFIX}protocolVersion": str,
    f"!{_PREFIX}clientCapabilities": _CAPABILITIES,
    f"{_PREFIX}clientInfo": _CLIENT,
    f"{_PREFIX}logLevel": None,
}
_ENVELOPED: Shape = {"!_meta": _ENVELOPE, "cursor": None}
_CALL: Mapping[str | EllipsisType, Shape | None] = {
    "!name": str,
    "arguments": dict,
    "task": None,
    "inputResponses": None,
    "requestState": None,
}
_SEARCH: Shape = {**_CALL, "_meta": _META}
_SEARCH_ENVELOPED: Shape = {**_CALL, "!_meta": _ENVELOPE}


def _fits(value: Any, shape: Shape | None) -> bool:
    """Whether a value has a shape; the exact types count, so that a boolean is no integer.

    >>> _fits({"a": 1, "b": [True]}, {"!a": int, "b": [bool]}), _fits({"b": []}, {"!a": int}), _fits(True, int)
    (True, False, False)
    """
    match shape:
        case None:
            return False
        case list():
            return type(value) is list and all(_fits(item, shape[0]) for item in value)
        case Mapping():
            return type(value) is dict and _members_fit(value, shape)
        case tuple():
            return type(value) in shape
    return type(value) is shape


def _members_fit(value: Message, shape: Mapping[str | EllipsisType, Shape | None]) -> bool:
    if ... in shape:
        return all(_fits(member, shape[...]) for member in value.values())
    named = {name.removeprefix("!"): name for name in shape if isinstance(name, str)}
    present = all(name in value for name, spelt in named.items() if spelt.startswith("!"))
    return present and all(_fits(value[name], shape[spelt]) for name, spelt in named.items() if name in value)
