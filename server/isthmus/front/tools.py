"""The two tools, as a client is told of them.

These texts are the same, byte for byte, whatever the upstreams are or do: prompt caches live on that. Each
client truncates at 2 KB, so the essentials come first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from isthmus.errors import ProgramError

if TYPE_CHECKING:
    from isthmus.render.fragments import Detail

INSTRUCTIONS = """\
Isthmus joins you to all of the user's APIs through two tools. `search` finds operations and returns Python stubs; \
`execute` runs Python that calls them, already authenticated, in a sandbox.
Work like this: search once with all that you need (a list of queries is fine; an empty query gives a map), then \
write one program that does the whole job: call, filter, join and count in code, use asyncio.gather for many calls, \
and let the last expression be only what you need to know. Data that you do not return costs no tokens. Variables \
stay from one execute to the next, and /workspace keeps files: pass `session` where a result names one. \
A function worth keeping: \
`save_skill(f, "what it does")`; later sessions find it by search.
A failed call raises; its message says what fits. What policy refuses, only the user can allow: tell him the remedy."""

SEARCH = """\
Find operations of the connected APIs: Python stubs for `execute`, best first.
query: words for what you want to do, an id (github.issues.create), a glob (github.issues.*), an API's name, \
or a list of these. Empty: a map of all APIs."""

EXECUTE = """\
Run Python in a sandbox where each API is a client: `issues = await github.issues.list(owner="o", repo="r")`. \
Take names and arguments from `search`.
Full standard library, top-level await, asyncio.gather for many calls at once. Results are plain data with \
attribute access (issue.title). You get back the value of the last expression and what was printed: \
return only what you need. Failed calls raise UpstreamError. help(github.issues.create) \
and search("...") work inside. Variables and /workspace stay in the session. No other network."""

SEARCH_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "query": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "upstream": {"type": "string", "description": "Only this API"},
        "detail": {"enum": ["names", "signatures", "full"], "default": "signatures"},
        "limit": {"type": "integer", "default": 8},
    },
    "required": ["query"],
    "additionalProperties": False,
}

EXECUTE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "thoughts": {"type": "string", "description": "The plan, briefly"},
        "code": {"type": "string", "description": "Python"},
        "session": {"type": "string", "description": 'Handle from an earlier result, or "new"'},
        "timeout": {"type": "number", "description": "Seconds"},
    },
    "required": ["code"],
    "additionalProperties": False,
}

META: Mapping[str, Any] = {"anthropic/alwaysLoad": True, "anthropic/maxResultSizeChars": 200_000}

DEFINITIONS: Sequence[Mapping[str, Any]] = (
    {
        "name": "search",
        "description": SEARCH,
        "inputSchema": SEARCH_SCHEMA,
        "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
        "_meta": META,
    },
    {
        "name": "execute",
        "description": EXECUTE,
        "inputSchema": EXECUTE_SCHEMA,
        "annotations": {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": True},
        "_meta": META,
    },
)
"""The two tools as they are sent, in every revision of the protocol."""


@dataclass(frozen=True, slots=True)
class SearchArguments:
    """What `search` was asked."""

    query: str | list[str]
    upstream: str | None = None
    detail: Detail = "signatures"
    limit: int = 8


@dataclass(frozen=True, slots=True)
class ExecuteArguments:
    """What `execute` was asked. The thoughts were for the model's own good; nothing reads them."""

    code: str
    session: str | None = None
    timeout: float | None = None


def search_arguments(given: Mapping[str, Any]) -> SearchArguments:
    """Read the arguments of `search`.

    Raises:
        ProgramError: one does not fit; the message names it and says what fits.
    """
    from isthmus.render.fragments import Detail  # a call has time for it; the first answer has not

    _known(given, SEARCH_SCHEMA)
    query = given.get("query", "")
    if not isinstance(query, str) and not (isinstance(query, list) and all(isinstance(q, str) for q in query)):
        raise ProgramError("query: a string, or a list of strings")
    detail: Detail | None = next((each for each in get_args(Detail) if each == given.get("detail", "signatures")), None)
    if detail is None:
        raise ProgramError('detail: "names", "signatures" or "full"')
    limit = 8 if given.get("limit") is None else given["limit"]
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 50:
        raise ProgramError("limit: a whole number from 1 to 50")
    return SearchArguments(query, _text(given, "upstream"), detail, limit)


def execute_arguments(given: Mapping[str, Any]) -> ExecuteArguments:
    """Read the arguments of `execute`.

    Raises:
        ProgramError: one does not fit; the message names it and says what fits.
    """
    _known(given, EXECUTE_SCHEMA)
    code = given.get("code")
    if not isinstance(code, str):
        raise ProgramError("code: a string, the Python program")
    timeout = given.get("timeout")
    if timeout is not None and (not isinstance(timeout, int | float) or isinstance(timeout, bool) or not timeout > 0):
        raise ProgramError("timeout: seconds, a number above 0")
    return ExecuteArguments(code, _text(given, "session"), timeout)


def _known(given: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    if unknown := sorted(set(given) - set(schema["properties"])):
        known = ", ".join(schema["properties"])
        raise ProgramError(f"there is no argument {unknown[0]!r}; there are {known}")


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise ProgramError(f"{name}: a string")
    return value or None
