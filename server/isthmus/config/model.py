"""The shape of `isthmus.yaml`. The JSON Schema in `specs/` is generated from these classes.

Unknown keys are errors everywhere: a misspelt policy must not be a missing policy. The descriptions are what an editor
shows to who writes the file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from isthmus.config.closed import Closed as _Closed
from isthmus.config.http import HttpConfig
from isthmus.config.private import PrivateConfig
from isthmus.config.skills import SkillsConfig
from isthmus.model import Effect

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Span = Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)]


class ApiKey(_Closed):
    """A key that travels under a name of its own."""

    value: SecretStr = Field(description="The key; best as ${NAME}, which is taken from the environment.")
    name: str = Field(min_length=1, description="The header, query parameter or cookie that carries it.")
    location: Literal["header", "query", "cookie"] = Field(
        default="header", alias="in", description="Where it travels."
    )


class Basic(_Closed):
    """HTTP basic authentication."""

    username: str
    password: SecretStr = Field(description="Best as ${NAME}, which is taken from the environment.")


class OAuth(_Closed):
    """A login with a browser, by `isthmus login`. Most servers need nothing here: write `auth: oauth`."""

    client_id: str | None = Field(
        default=None,
        min_length=1,
        description="A client registered by hand, where servers register none by themselves.",
    )
    client_secret: SecretStr | None = Field(default=None, description="Its secret, if it has one; best as ${NAME}.")
    port: int | None = Field(
        default=None,
        ge=1024,
        le=65_535,
        description="The port of http://127.0.0.1:PORT/callback, where that address was registered. By default, any.",
    )


class OAuth2(_Closed):
    """An access token by the grant 'client credentials': for machines, without a person."""

    token_url: str = Field(description="Where tokens are had: https, or http on this machine.")
    client_id: str = Field(min_length=1, description="As whom they are asked for.")
    client_secret: SecretStr = Field(description="Best as ${NAME}, which is taken from the environment.")
    scope: str | None = Field(default=None, min_length=1, description="Scopes to ask for, separated by spaces.")
    audience: str | None = Field(default=None, min_length=1, description="For whom, where the issuer wants 'audience'.")
    resource: str | None = Field(default=None, min_length=1, description="For what, where it wants 'resource'.")


class Auth(_Closed):
    """How an HTTP upstream is authenticated. Several may be given; all are sent."""

    bearer: SecretStr | None = Field(default=None, description="A token for 'Authorization: Bearer'; best as ${NAME}.")
    basic: Basic | None = None
    api_key: ApiKey | None = None
    headers: dict[str, SecretStr] = Field(default={}, description="Headers to be sent with every request, by name.")
    schemes: dict[str, SecretStr] = Field(
        default={}, description="Credentials by the name of a security scheme in the OpenAPI document."
    )
    oauth2: OAuth2 | None = None
    oauth: OAuth | None = None


class UpstreamConfig(_Closed):
    """One upstream: exactly one of `openapi`, `command` and `url`."""

    # an OpenAPI service
    openapi: str | None = Field(
        default=None,
        min_length=1,
        description="An OpenAPI document (2.0, 3.0, 3.1): a URL, or a file, relative to this one.",
    )
    base_url: str | None = Field(default=None, description="Where the service is, if not where its document says.")
    server_variables: dict[str, str] = Field(
        default={}, description="Values for the variables in the document's server URL."
    )
    # an MCP server over stdio
    command: list[str] | None = Field(
        default=None,
        min_length=1,
        description="An MCP server to be started: program and arguments. No shell is involved.",
    )
    env: dict[str, SecretStr] = Field(default={}, description="Variables for the command; it sees few others of ours.")
    cwd: str | None = Field(
        default=None, min_length=1, description="The command's working directory; this file's, by default."
    )
    # an MCP server over HTTP
    url: str | None = Field(default=None, description="An MCP server over HTTP.")
    transport: Literal["http", "sse"] = Field(
        default="http", description="'sse' for servers that know no Streamable HTTP."
    )
    # all
    auth: Auth | None = Field(default=None, description="How an HTTP upstream is authenticated.")
    auth_for: dict[Annotated[str, Field(min_length=1, max_length=200)], Auth] = Field(
        default={},
        description="The same for principals of 'http', by name. Who has none is refused, unless 'auth' is 'shared'.",
    )
    shared: bool = Field(
        default=False,
        description="Whether all principals of 'http' share it: its connection, and what 'auth' or 'env' hold.",
    )
    allow: list[Effect] | None = Field(
        default=None,
        description="What programs may do here: read, write, destructive. By default, what policy.allow says.",
    )
    only: list[str] | None = Field(
        default=None,
        description="Globs of the operations that exist for programs, without the upstream's name: 'issues.*'.",
    )
    effects: dict[str, Effect] = Field(
        default={},
        description="Your word on what operations do, by glob, before the upstream's own; the first that fits counts.",
    )
    believe: bool = Field(
        default=False,
        description="Whether a tool that calls itself read-only counts as a read, now and later. If not, it is a "
        "write, unless 'effects' says otherwise.",
    )
    description: str | None = Field(default=None, description="What it is for, in a line; search shows it.")
    timeout: Seconds = Field(default=30.0, description="Seconds for one call.")


class RuleConfig(_Closed):
    """One rule on calls: which it is about, and what it says of them. A rule without 'then' only bounds."""

    name: str | None = Field(default=None, min_length=1, max_length=80, description="How refusals call the rule.")
    operations: list[str] = Field(
        default=["*"], min_length=1, description="Globs of operation ids, as 'shop.refunds.*'. By default, all."
    )
    effects: list[Effect] = Field(
        default=list(Effect), min_length=1, description="Only calls of these effects. By default, all."
    )
    principals: list[str] = Field(
        default=["*"], min_length=1, description="Globs of who asks; over stdio it is 'local'. By default, everyone."
    )
    then: Literal["allow", "approve", "deny"] | None = Field(
        default=None, description="What becomes of calls that fit. Deny wins over approve, and approve over allow."
    )
    arguments: dict[str, dict[str, Any] | bool] = Field(
        default={},
        description="JSON Schemas by argument, as {amount: {maximum: 100}}. Each named one must be given, and fit. "
        "With 'then: allow', and without 'then', calls whose arguments do not fit are refused.",
    )
    calls: int | None = Field(default=None, ge=0, description="How many calls that fit one execution may make.")
    reason: str = Field(default="", max_length=300, description="Why; told with a refusal, and with a question.")


class FlowConfig(_Closed):
    """Labels of operations, as globs. Who has read untrusted and private data may write to a sink if you agree."""

    untrusted: list[str] = Field(default=[], description="What they answer may be written by anybody: mail, issues.")
    private: list[str] = Field(default=[], description="What they answer is not for everybody.")
    sink: list[str] = Field(default=[], description="What they are given goes where others read it.")


class PolicyConfig(_Closed):
    """What programs may do. Deny wins."""

    allow: list[Effect] = Field(
        default=[Effect.READ],
        description="Effects that are allowed everywhere, and globs of operations that are allowed whatever they do.",
    )
    allow_operations: list[str] = Field(
        default=[],
        description="Globs of operation ids that are allowed whatever they do; the same as a glob in 'allow'.",
    )
    approve: list[Effect] = Field(
        default=[], description="Effects for which you are asked, call by call, and globs of such operations."
    )
    approve_operations: list[str] = Field(
        default=[], description="Globs of operation ids for which you are asked; the same as a glob in 'approve'."
    )
    deny: list[str] = Field(
        default=[], description="Globs of operation ids, as 'github.repos.delete'. Deny wins over all else."
    )
    rules: list[RuleConfig] = Field(
        default=[], description="Rules by operation, effect, principal and arguments, before what effects say."
    )
    flow: FlowConfig = Field(default=FlowConfig(), description="Which operations bring in, or give out, what data.")
    writes: Literal["send", "simulate"] = Field(
        default="send",
        description="'simulate': what would change the world is not sent, but listed, and answered by an example.",
    )
    patience: Span = Field(
        default=600.0,
        description="Seconds that a question to you stays open, and a program waits for it, before it is put aside.",
    )


class Limits(_Closed):
    """Bounds of one execution. Each is named in the error that it causes."""

    wall: Seconds = Field(
        default=50.0, description="Seconds for one execution: waiting for its place and for upstreams included."
    )
    cpu: Seconds = Field(default=20.0, description="Seconds of processor time for one execution.")
    memory_mb: int = Field(default=256, ge=64, le=3072, description="Memory of one interpreter, in MiB.")
    calls: int = Field(default=1000, ge=1, le=1_000_000, description="Calls of one execution.")
    parallel: int = Field(default=32, ge=1, le=1000, description="Calls of one execution at the same time.")
    output_tokens: int = Field(default=6000, ge=200, le=100_000, description="Tokens of one result, for the model.")
    search_tokens: int = Field(default=1200, ge=200, le=50_000, description="Tokens of one answer of search.")
    output_bytes: int = Field(
        default=10_000_000, ge=1000, le=1_000_000_000, description="Bytes that a program may print in all."
    )
    code_bytes: int = Field(default=262_144, ge=1000, le=16_777_216, description="Bytes of one program.")
    answer_bytes: int = Field(
        default=33_554_432, ge=1000, le=1_073_741_824, description="Bytes of an upstream's answer to one call."
    )
    spare_workers: int = Field(default=2, ge=0, le=64, description="Interpreters that are kept ready.")
    executions: int = Field(
        default=1000, ge=1, le=100_000, description="Executions at the same time; each has an interpreter of its own."
    )
    executions_each: int = Field(
        default=500, ge=1, le=100_000, description="Executions of one principal at the same time."
    )
    queue: int = Field(
        default=1000, ge=1, le=100_000, description="Executions that wait for a place, their time counted by 'wall'."
    )
    queue_each: int = Field(default=250, ge=1, le=100_000, description="Executions of one principal that wait so.")
    sessions: int = Field(
        default=32,
        ge=1,
        le=100_000,
        description="Sessions whose variables are kept while they are not in use.",
    )
    sessions_each: int = Field(default=4, ge=1, le=100_000, description="Sessions of one principal that are kept so.")
    sessions_mb: int = Field(
        default=1024, ge=16, le=1_048_576, description="Memory of all sessions that are kept so, in MiB."
    )
    session_idle: Span = Field(default=3600.0, description="Seconds after which an unused session's variables go.")
    session_kept: Span = Field(
        default=604_800.0, description="Seconds after which an unused session ends, and its files are removed."
    )
    kept_sessions: int = Field(
        default=1000, ge=1, le=100_000, description="Sessions of one principal that are kept; the longest unused goes."
    )
    kept_mb: int = Field(
        default=2048, ge=1, le=1_048_576, description="Files of all sessions of one principal that are kept, in MiB."
    )


class JournalConfig(_Closed):
    """What is kept of executions, in the folder for data: programs, calls and answers, for replay and resuming."""

    days: float = Field(
        default=30.0, gt=0, le=36_500, allow_inf_nan=False, description="Days after which an execution is forgotten."
    )
    mb: int = Field(
        default=1024, ge=1, le=1_048_576, description="MiB of all journals; the oldest are forgotten first."
    )
    each_mb: int = Field(
        default=64, ge=1, le=65_536, description="MiB of one execution's steps and answers; beyond, it has no replay."
    )


class AuditConfig(_Closed):
    """The audit log: a record before each call and one after it, allowed or refused, without secrets."""

    enabled: bool = Field(default=True, description="Whether the file is written.")
    file: str | None = Field(
        default=None, min_length=1, description="Where. By default, audit.jsonl in the folder for data."
    )
    mb: int = Field(default=16, ge=1, le=65_536, description="MiB after which the file is moved aside.")
    files: int = Field(default=8, ge=1, le=10_000, description="Files moved aside that are kept; the oldest goes.")
    arguments: Literal["digest", "text"] = Field(
        default="digest",
        description="What is told of a call's arguments beside their names: a digest, or their text and errors.",
    )
    opentelemetry: bool = Field(
        default=False, description="Whether calls are also sent as spans, where OTEL_EXPORTER_OTLP_ENDPOINT says."
    )


class Configuration(_Closed):
    """The whole of `isthmus.yaml`."""

    upstreams: dict[str, UpstreamConfig] = Field(
        default={}, description="MCP servers and OpenAPI services, by the name that programs use."
    )
    policy: PolicyConfig = Field(default=PolicyConfig(), description="What programs may do, everywhere.")
    limits: Limits = Field(default=Limits(), description="Bounds of one execution.")
    journal: JournalConfig = Field(default=JournalConfig(), description="What is kept of executions.")
    audit: AuditConfig = Field(default=AuditConfig(), description="What is on record of calls.")
    http: HttpConfig | None = Field(
        default=None, description="How `isthmus serve --http` is reached, and by whom; by default, on 127.0.0.1 only."
    )
    skills: SkillsConfig = Field(default=SkillsConfig(), description="Functions that programs save for later ones.")
    private: PrivateConfig | None = Field(
        default=None, description="What of upstreams' answers the model need not see; by default, nothing."
    )
    lock: str | None = Field(
        default=None,
        min_length=1,
        description="The lock file of `isthmus lock`. By default, isthmus.lock beside this file, where there is one.",
    )
    recordings: str = Field(
        default="recordings",
        min_length=1,
        description="The folder of recorded executions, which `isthmus record` keeps and `check --replay` runs.",
    )
    hold_back: list[Literal["breaking", "description"]] = Field(
        default=["breaking", "description"],
        description="Which changes since the lock hold an operation back until you accept them: 'breaking' ones, and "
        "a tool's 'description' (what a model reads of it).",
    )
    data: str | None = Field(
        default=None,
        min_length=1,
        description="The folder for what outlives the server: workspaces, journals. By default, your own data folder.",
    )
