"""The shape of `http:` in `isthmus.yaml`: where `isthmus serve --http` listens, and whom it believes.

What it cannot say (that an address that others reach needs authentication) is in `http_checks`.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from isthmus.config.closed import Closed

PrincipalName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$")]
"""A principal of the configuration's own. Those of an issuer hold a colon: neither can be taken for the other."""


class TokenConfig(Closed):
    """A bearer token, by its hash. `isthmus token NAME` makes one, and prints what belongs here."""

    principal: PrincipalName = Field(description="Who has the token; several tokens may be one principal's.")
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        description="The SHA-256 of the token, in hexadecimal. The token itself stands nowhere, and must be random.",
    )
    expires: date | None = Field(default=None, description="The last day on which it is accepted: '2027-01-31' (UTC).")


class OidcConfig(Closed):
    """An issuer of access tokens: OpenID Connect, or OAuth 2.0 with metadata and a set of keys."""

    issuer: str = Field(description="The issuer's identifier, a URL; exactly as it stands in 'iss' of its tokens.")
    audience: str | None = Field(
        default=None, min_length=1, description="What 'aud' of a token must name. By default, http.url."
    )
    scopes: list[Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]] = Field(
        default=[], description="Scopes that a token must have, all of them."
    )
    claim: str = Field(
        default="sub",
        min_length=1,
        description="The claim that says who it is. It must be one that the issuer, and no user, decides.",
    )
    jwks: str | None = Field(
        default=None, description="Where its keys are. By default, its metadata is asked for them."
    )


class TlsConfig(Closed):
    """A certificate of this server's own. Without one, put it behind a proxy that has one."""

    certificate: str = Field(min_length=1, description="A file: the certificate, and those between it and its root.")
    key: str = Field(min_length=1, description="A file: its private key, without a passphrase.")


class HttpConfig(Closed):
    """How `isthmus serve --http` is reached, and by whom."""

    host: str = Field(default="127.0.0.1", min_length=1, description="The address to listen on.")
    port: int = Field(default=8931, ge=0, le=65535, description="The port; 0 takes a free one, which the log names.")
    url: str | None = Field(
        default=None, description="The endpoint's URL as clients know it, where a proxy is before it: https://host/mcp."
    )
    hosts: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[],
        description="More names by which clients reach it, as 'name' or 'name:port'. Requests to others are refused.",
    )
    origins: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[],
        description="Web pages from elsewhere whose requests are accepted, as 'https://name'. By default, none.",
    )
    tokens: list[TokenConfig] = Field(default=[], description="Who may come with a token of this file.")
    oidc: OidcConfig | None = Field(default=None, description="Who may come with a token of an issuer.")
    tls: TlsConfig | None = None
    body_bytes: int = Field(default=1_048_576, ge=1000, le=67_108_864, description="Bytes of one request.")
    connections: int = Field(default=2000, ge=1, le=100_000, description="Connections at the same time.")
    requests_each: int = Field(
        default=1000, ge=1, le=100_000, description="Requests of one principal that are answered at the same time."
    )
    drain: float = Field(
        default=60.0,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds that what is under way may take to end, once the server was told to.",
    )

    @property
    def authenticates(self) -> bool:
        """Whether who asks must say so."""
        return bool(self.tokens) or self.oidc is not None
