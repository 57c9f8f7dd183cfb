"""The nouns that cross floors: operations, calls, principals, and what came of a call.

Everything here is a frozen value. A JSON Schema is kept as the mapping that its upstream sent, together with
the document that its `$ref`s point into, so that a document of 20 MB is never copied or inlined.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from isthmus_sandbox.protocol import Failure

JsonSchema = Mapping[str, Any]
"""A JSON Schema, or an OpenAPI 3.0 schema object, as the upstream wrote it."""

Location = Literal["argument", "path", "query", "header", "cookie", "body"]
"""Where a parameter travels. `argument` is a tool's argument (MCP); the others are HTTP's."""

UPSTREAM_RESERVED = frozenset(
    {"isthmus", "skills", "upstreams", "call", "search", "help", "save_skill", "simulate", "uses"}
)
"""Names that an upstream may not have: programs use them for something else."""

SIMULATE, USES = "isthmus.simulate", "isthmus.uses"
RENOUNCING = frozenset({SIMULATE, USES})
"""The host's operations by which a program gives up a part of what it may do, from there to its end."""


class Effect(StrEnum):
    """What an operation does to the world. One that is not known counts as a write."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"


class Dialect(StrEnum):
    """How the schemas of a document are to be read."""

    JSON_SCHEMA = "json-schema"  # MCP tools, OpenAPI 3.1
    OPENAPI_3_0 = "openapi-3.0"  # `nullable`, boolean `exclusiveMinimum`, `$ref` without siblings


@dataclass(frozen=True, slots=True, eq=False)
class SchemaDocument:
    """The document in which local references (`#/components/schemas/Pet`) are looked up.

    Where it is read in pieces, when they are needed, `content` is all of its text, as JSON: for who looks for
    something in it without reading it.
    """

    root: Mapping[str, Any]
    dialect: Dialect = Dialect.JSON_SCHEMA
    content: bytes = field(default=b"", repr=False)

    def resolve(self, reference: str) -> Any:
        """The node that a local JSON pointer names.

        Raises:
            LookupError: the reference is remote, which is never followed, or points at nothing.
        """
        if reference == "#":
            return self.root
        if not reference.startswith("#/"):
            raise LookupError(f"remote reference {reference!r} is not followed")
        node: Any = self.root
        for part in reference[2:].split("/"):
            key = _unescape_pointer(part)
            if isinstance(node, Mapping) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            else:
                raise LookupError(f"reference {reference!r} points at nothing")
        return node


def _unescape_pointer(part: str) -> str:
    if "%" in part:
        from urllib.parse import unquote

        part = unquote(part)
    return part.replace("~1", "/").replace("~0", "~") if "~" in part else part


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of an operation, as programs write it and as the upstream knows it."""

    name: str  # a Python identifier, unique in its operation
    wire: str  # the upstream's own name
    location: Location
    required: bool
    schema: JsonSchema = field(compare=False)
    description: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """The HTTP method (upper case) and path template of an OpenAPI operation."""

    method: str
    path: str


Details = tuple[tuple[Parameter, ...], JsonSchema | None]
"""What an operation takes and gives: its `parameters` and its `output`."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that an upstream can do.

    `summary` and `description` are the upstream's own text: data to be quoted and bounded, never to be trusted.
    Parameters stand in the order in which a stub shows them: the required ones first.

    `effect` is what counts. `claim` is what the upstream calls it, where that is milder and is not believed.

    Of thousands of operations few are ever called or shown, so that `late` ones read their details when these are
    first asked for, and keep them. Such details are the same whenever they are read: the operation is a value still.
    """

    id: str  # `github.issues.create`: Python identifiers joined by dots, the first is the upstream
    upstream: str
    original: str  # the upstream's own name: a tool's, an operationId, `GET /pets/{id}`, `resources/read file:///x`
    effect: Effect
    parameters: tuple[Parameter, ...]
    summary: str = ""
    description: str = ""
    output: JsonSchema | None = field(default=None, compare=False)
    document: SchemaDocument = field(default=SchemaDocument({}), compare=False)
    route: Route | None = None
    tags: tuple[str, ...] = ()
    deprecated: bool = False
    accepts_more: bool = False  # arguments beyond `parameters` are passed on as they are
    held: str = ""  # why it is held back until the operator accepts it: `has changed since it was locked (...)`
    method: str = ""  # the MCP method that performs it, where that is not `tools/call`: `resources/read`, `prompts/get`
    observed: int = 0  # how many answers `output` was learned from; 0 where the upstream declares it
    claim: Effect | None = None
    details: Callable[[], Details] | None = field(default=None, compare=False, repr=False)  # of a late one

    @property
    def declared(self) -> Effect:
        """What the upstream calls it, proven or not: part of its contract, and no authority."""
        return self.claim or self.effect

    @property
    def is_resource(self) -> bool:
        """Whether it reads one resource of an MCP server, and only that one: it is data rather than an interface."""
        return self.method == "resources/read" and not self.parameters

    @classmethod
    def late(cls, details: Callable[[], Details], **said: Any) -> Operation:
        """An operation whose parameters and output are given by `details`; `said` are its other fields."""
        operation = cls(**said, parameters=(), details=details)
        for name in _DETAILS:
            object.__delattr__(operation, name)
        return operation

    def having(self, **said: Any) -> Operation:
        """The same operation with other values of some fields, late if it is late. See `dataclasses.replace`."""
        kept = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _DETAILS} | said
        if self.details is not None and _DETAILS.isdisjoint(said):
            return Operation.late(**kept)
        return Operation(**{"parameters": self.parameters, "output": self.output, **kept, "details": None})

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What stands in no slot: the details of a late operation, the first time."""
            if name not in _DETAILS or self.details is None:
                raise AttributeError(name)
            for each, value in zip(("parameters", "output"), self.details(), strict=True):
                object.__setattr__(self, each, value)
            return getattr(self, name)


_DETAILS = frozenset({"parameters", "output"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. Over stdio there is one, `local`."""

    name: str = "local"


@dataclass(frozen=True, slots=True)
class Call:
    """A request of a program, resolved: the operation, its arguments by Python name, and who asks."""

    operation: Operation
    arguments: Mapping[str, Any]
    principal: Principal


@dataclass(frozen=True, slots=True)
class Answer:
    """What an upstream answered: plain data (`bytes` may stand anywhere in it), and remarks for the record."""

    value: Any
    warnings: tuple[str, ...] = ()


class UpstreamState(StrEnum):
    """How an upstream stands."""

    CONNECTING = "connecting"
    READY = "ready"
    FAILED = "failed"  # it will be tried again


@dataclass(frozen=True, slots=True)
class UpstreamSnapshot:
    """All that is known of one upstream at one moment. A failed one keeps the operations that it last had."""

    name: str
    state: UpstreamState
    operations: tuple[Operation, ...] = ()
    purpose: str = ""  # one line, for the map; the upstream's own text
    problem: str = ""  # why it is not ready, for the operator and the model
    detail: str = ""  # what it said of that itself, for the operator alone: it may name paths of this machine
    warnings: tuple[str, ...] = ()  # what was left out of it, and why
    digest: str = ""  # of what the operations were made of, where that is kept on disk


class Tokens(Protocol):
    """Access tokens of one client of one upstream, had when they are needed and renewed before they expire."""

    async def token(self) -> str:
        """One that counts now.

        Raises:
            UpstreamError: there is none to be had; the hint says what to do. Nothing was sent to the upstream.
        """
        ...

    async def other(self, refused: str) -> str | None:
        """Another in the place of one that the upstream has refused; None where that would be no use.

        Raises:
            UpstreamError: there is none to be had.
        """
        ...

    async def changed(self) -> None:
        """Return once there may be one where there was none."""
        ...


@dataclass(frozen=True, slots=True)
class Credential:
    """What an upstream accepts, as the places of a request that it fills. Never shown, logged or recorded."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    schemes: Mapping[str, str] = field(default_factory=dict, repr=False)  # values whose places the document knows
    tokens: Tokens | None = field(default=None, repr=False)  # for the header `Authorization`

    def bearing(self, token: str) -> Credential:
        """The same with an access token in its place."""
        return replace(self, headers={**self.headers, "Authorization": f"Bearer {token}"}, tokens=None)


CallStatus = Literal["done", "failed", "refused", "cancelled", "unknown", "simulated"]
"""`failed`: the upstream said no. `unknown`: it was sent, and no answer came. `refused`: it was never sent.

`simulated`: it was not sent, and answered by an example.
"""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call of an execution, for its report: never its arguments, never its answer."""

    operation: str
    effect: Effect
    status: CallStatus
    ms: float
    warnings: tuple[str, ...] = ()
    taken: bool = False  # answered from the journal of the execution that this one continues


@dataclass(frozen=True, slots=True)
class Change:
    """What an execution did to the world, or, `simulated`, would have done. `arguments` is a text, safe to show."""

    operation: str
    effect: Effect
    arguments: str
    status: CallStatus


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked before a call is made: from the gateway's own record, and nothing that a program says.

    `id` is the same when the same call of the same execution asks again. `keeps`: the reply may count for later calls.
    """

    id: str
    execution: str
    session: str
    principal: str
    operation: str
    upstream: str
    effect: Effect
    arguments: Mapping[str, Any]  # as they are to be sent, by Python name
    why: str
    keeps: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person said. `keep` names the arguments that are to be the same when it counts again; None: only once.

    `reason` is told to the program where the call is refused.
    """

    approved: bool
    keep: tuple[str, ...] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that is to be told of one execution, before it is laid out for the model.

    `value` is plain data (bytes anywhere) where `kind` is `json`, a text where it is `text`.
    """

    execution: str
    session: str
    ok: bool
    kind: Literal["json", "text", "none"] = "none"
    value: Any = None
    output: str = ""
    error: Failure | None = None
    notes: tuple[str, ...] = ()  # mended source, dropped variables, upstreams that are missing
    calls: tuple[CallRecord, ...] = ()
    ms: float = 0.0
    changes: tuple[Change, ...] = ()
    waits: tuple[Question, ...] = ()  # what it still waits for: it has not ended


def digest(value: object) -> str:
    """A stable hash of plain data (SHA-256, hexadecimal), for addressing calls and catalogs."""
    return hashlib.sha256(_STABLE.encode(value).encode()).hexdigest()


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else repr(value)


_STABLE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)
