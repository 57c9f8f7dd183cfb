"""Credentials that stand in the configuration: the operator's own, and those of principals.

    local            whoever runs Isthmus, over stdio or unnamed on this machine: `auth`
    another one      the entry of `auth_for` that is called so; or `auth`, if the upstream is `shared`

Where there is neither, a principal is refused: nobody comes to use another's credential because nobody thought of it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from isthmus.config.model import Auth, UpstreamConfig
from isthmus.errors import ConfigurationError, PermissionDenied
from isthmus.model import Credential, Principal, Tokens

_UNSENDABLE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_NO_SECRET = re.compile(r"accept(-.*)?|user-agent|.*-version", re.IGNORECASE)  # headers that say what we speak
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


TokensOf = Callable[[str, str], Tokens | None]
"""Where the access tokens of an upstream come from, for a principal of that name."""


def no_tokens(_upstream: str, _principal: str) -> None:
    """Nowhere."""


class StaticCredentials:
    """A CredentialSource that resolves `auth` and `auth_for` of each upstream once, when it is made.

    Values for security schemes (`auth.schemes`) stay under their names: the upstream, which has the document,
    knows their places. Access tokens are had when they are needed, from where `tokens` says.
    """

    def __init__(self, configs: Mapping[str, UpstreamConfig], tokens: TokensOf = no_tokens) -> None:
        """
        Raises:
            ConfigurationError: a credential cannot be sent as it is; the message names its place, never its value.
        """
        local = Principal().name
        self._credentials = {
            name: replace(credential_from(config.auth, f"upstreams.{name}.auth"), tokens=tokens(name, local))
            for name, config in configs.items()
            if config.auth is not None
        }
        self._of_principals = {
            (name, who): replace(credential_from(auth, f"upstreams.{name}.auth_for.{who}"), tokens=tokens(name, who))
            for name, config in configs.items()
            for who, auth in config.auth_for.items()
        }
        self._guarded = frozenset(name for name, config in configs.items() if _is_guarded(config))
        every = [auth for config in configs.values() for auth in (config.auth, *config.auth_for.values())]
        self._secrets = frozenset(secret for auth in every if auth is not None for secret in secrets_of(auth))

    async def credential(self, upstream: str, principal: Principal) -> Credential | None:
        """What the configuration says `upstream` accepts from a principal; None where it says nothing.

        Raises:
            PermissionDenied: it is the operator's own, and not shared.
        """
        if (own := self._of_principals.get((upstream, principal.name))) is not None:
            return own
        if principal != Principal() and upstream in self._guarded:
            raise PermissionDenied(
                f"{upstream} has no credential for {principal.name}",
                hint=f"the operator can add one to upstreams.{upstream}.auth_for in isthmus.yaml, or share his own "
                "with everybody, as shared: true",
            )
        return self._credentials.get(upstream)

    def secrets(self) -> frozenset[str]:
        """All values that must never be seen, for the Redactor."""
        return self._secrets


def _is_guarded(config: UpstreamConfig) -> bool:
    """Whether what it is used with is somebody's own. A command has its operator's files and environment."""
    return not config.shared and bool(config.auth or config.auth_for or config.command)


def credential_from(auth: Auth, place: str = "auth") -> Credential:
    """The places of a request that `auth` fills. `place` is where it stands in the configuration, for messages.

    Raises:
        ConfigurationError: two entries want the same place, or a value or name cannot be sent.
    """
    headers: dict[str, str] = {}
    for name, value, origin in _headers(auth):
        if name.lower() in map(str.lower, headers):
            raise ConfigurationError(
                f"{place}.{origin}: the header {name} is filled twice", remedy="remove one of them"
            )
        headers[name] = value
    if (auth.oauth2 or auth.oauth) and "authorization" in map(str.lower, headers):
        raise ConfigurationError(f"{place}: two credentials want the header Authorization", remedy="remove one of them")
    key = auth.api_key
    credential = Credential(
        headers=headers,
        query={key.name: key.value.get_secret_value()} if key and key.location == "query" else {},
        cookies={key.name: key.value.get_secret_value()} if key and key.location == "cookie" else {},
        schemes={name: value.get_secret_value() for name, value in auth.schemes.items()},
    )
    _check(credential, place)
    return credential


def secrets_of(auth: Auth) -> Iterator[str]:
    """Every value in `auth` that is secret, also as it is sent."""
    kept = (
        auth.bearer,
        auth.basic and auth.basic.password,
        auth.api_key and auth.api_key.value,
        auth.oauth2 and auth.oauth2.client_secret,
        auth.oauth and auth.oauth.client_secret,
    )
    yield from (secret.get_secret_value() for secret in kept if secret)
    for name, text, _ in _headers(auth):
        if not _NO_SECRET.fullmatch(name):
            yield text
            yield text.partition(" ")[2]  # without `Bearer`, `Token`
    for value in auth.schemes.values():
        yield from _scheme_secrets(value.get_secret_value())


def _scheme_secrets(value: str) -> Iterator[str]:
    yield value
    if ":" in value:  # a user and a password, sent as Basic
        yield value.partition(":")[2]
        yield base64.b64encode(value.encode()).decode()


def _headers(auth: Auth) -> Iterator[tuple[str, str, str]]:
    """(name, value, key of the configuration) of each header."""
    if auth.bearer:
        yield "Authorization", f"Bearer {auth.bearer.get_secret_value()}", "bearer"
    if auth.basic:
        pair = f"{auth.basic.username}:{auth.basic.password.get_secret_value()}"
        yield "Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}", "basic"
    if auth.api_key and auth.api_key.location == "header":
        yield auth.api_key.name, auth.api_key.value.get_secret_value(), "api_key"
    for name, value in auth.headers.items():
        yield name, value.get_secret_value(), f"headers.{name}"


def _check(credential: Credential, place: str) -> None:
    for name in credential.headers:
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError(f"{place}: {name!r} is no header's name", remedy="use letters, digits and hyphens")
    for values in (credential.headers, credential.query, credential.cookies, credential.schemes):
        for name, value in values.items():
            if not value.strip() or _UNSENDABLE.search(value):
                raise ConfigurationError(
                    f"{place}: the value for {name} is empty, or holds a line break or another control character",
                    remedy="check the variable that it comes from",
                )
