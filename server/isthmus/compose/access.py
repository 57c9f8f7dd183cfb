"""Where access tokens come from: one source for each upstream and principal, whoever asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.compose.configured import data_of
from isthmus.config.model import Configuration, OAuth2
from isthmus.model import Principal, Tokens

if TYPE_CHECKING:
    from isthmus.redaction import Redactor
    from isthmus.stores.logins import LoginFile

_LOCAL = Principal().name


def access_tokens(configuration: Configuration, base: Path, redactor: Redactor) -> Callable[[str, str], Tokens | None]:
    """The source for an upstream and a principal, by their names; None where it takes no access tokens.

    What the sources get, `redactor` takes out of all that is told from then on.
    """
    made: dict[tuple[str, str], Tokens | None] = {}

    def of(upstream: str, principal: str) -> Tokens | None:
        key = upstream, principal
        if key not in made:
            made[key] = new(upstream, principal, partial(redactor.learn, f"{upstream}/{principal}"))
        return made[key]

    def new(upstream: str, principal: str, learn: Callable[..., None]) -> Tokens | None:
        config = configuration.upstreams[upstream]
        auth = config.auth if principal == _LOCAL else config.auth_for.get(principal)
        if auth is not None and auth.oauth2 is not None:
            return _by_client_credentials(upstream, auth.oauth2, learn)
        if auth is not None and auth.oauth is not None:
            return _by_login(upstream, config.url or "", login_file(configuration, base, upstream), learn)
        return None

    return of


def login_file(configuration: Configuration, base: Path, upstream: str) -> LoginFile:
    """Where the login to an upstream is kept.

    Raises:
        ConfigurationError: there is no folder for data.
    """
    from isthmus.stores.logins import LoginFile
    from isthmus.stores.private import PrivateStores

    data = data_of(configuration, base)
    box = PrivateStores(data, configuration.private).box
    return LoginFile(data, box, upstream, configuration.upstreams[upstream].url or "")


def _by_client_credentials(upstream: str, said: OAuth2, learn: Callable[..., None]) -> Tokens:
    from isthmus.credentials.client_credentials import ClientCredentials

    return ClientCredentials(upstream, said, learn, time.monotonic)


def _by_login(upstream: str, url: str, file: LoginFile, learn: Callable[..., None]) -> Tokens:
    from isthmus.credentials.logged_in import LoggedIn
    from isthmus.stores.logins import Login

    async def renew(login: Login) -> Login:
        from isthmus.credentials.oauth import renewed

        return await renewed(url, login)

    return LoggedIn(upstream, file, renew, learn, time.time)
