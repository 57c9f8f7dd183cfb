"""The shape of `isthmus.yaml`. The JSON Schema in `specs/` is generated from these classes.

Unknown keys are errors everywhere: a misspelt policy must not be a missing policy.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from isthmus.model import Effect


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiKey(_Closed):
    """A key that travels under a name of its own."""

    value: SecretStr
    name: str
    location: Annotated[Literal["header", "query", "cookie"], Field(alias="in")] = "header"


class Basic(_Closed):
    """HTTP basic authentication."""

    username: str
    password: SecretStr


class Auth(_Closed):
    """How an HTTP upstream is authenticated. Several may be given; all are sent."""

    bearer: SecretStr | None = None
    basic: Basic | None = None
    api_key: ApiKey | None = None
    headers: dict[str, SecretStr] = {}
    schemes: dict[str, SecretStr] = {}  # by the name of a security scheme in the OpenAPI document


class UpstreamConfig(_Closed):
    """One upstream: exactly one of `openapi`, `command` and `url`."""

    # an OpenAPI service
    openapi: str | None = None  # a file (relative to the configuration) or a URL
    base_url: str | None = None
    server_variables: dict[str, str] = {}
    # an MCP server over stdio
    command: list[str] | None = None
    env: dict[str, SecretStr] = {}
    cwd: str | None = None
    # an MCP server over HTTP
    url: str | None = None
    transport: Literal["http", "sse"] = "http"
    # all
    auth: Auth | None = None
    allow: list[Effect] | None = None  # effects; None: what `policy.allow` says
    only: list[str] | None = None  # globs of operations, without the upstream's name
    effects: dict[str, Effect] = {}  # the operator's word on an operation's effect, by glob
    description: str | None = None
    timeout: Annotated[float, Field(gt=0, le=3600)] = 30.0  # seconds for one call


class PolicyConfig(_Closed):
    """What programs may do. Deny wins."""

    allow: list[Effect] = [Effect.READ]
    approve: list[Effect] = []
    deny: list[str] = []


class Limits(_Closed):
    """Bounds of one execution. Each is named in the error that it causes."""

    wall: Annotated[float, Field(gt=0, le=3600)] = 50.0  # seconds
    cpu: Annotated[float, Field(gt=0, le=3600)] = 20.0  # seconds of processor time
    memory_mb: Annotated[int, Field(ge=64, le=3072)] = 256
    calls: Annotated[int, Field(ge=1)] = 1000
    parallel: Annotated[int, Field(ge=1, le=1000)] = 32
    output_tokens: Annotated[int, Field(ge=200, le=100_000)] = 6000  # of a result, for the model
    search_tokens: Annotated[int, Field(ge=200, le=50_000)] = 1200
    output_bytes: Annotated[int, Field(ge=1000)] = 10_000_000  # printed in all
    code_bytes: Annotated[int, Field(ge=1000)] = 262_144
    answer_bytes: Annotated[int, Field(ge=1000)] = 33_554_432  # of one upstream's answer to one call
    spare_workers: Annotated[int, Field(ge=0, le=64)] = 2
    sessions: Annotated[int, Field(ge=1)] = 64
    session_idle: Annotated[float, Field(gt=0)] = 3600.0  # seconds


class Configuration(_Closed):
    """The whole of `isthmus.yaml`."""

    upstreams: dict[str, UpstreamConfig] = {}
    policy: PolicyConfig = PolicyConfig()
    limits: Limits = Limits()
