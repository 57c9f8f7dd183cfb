"""Where access tokens come from: one source for each upstream and principal, whoever asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from isthmus.config.model import UpstreamConfig
from isthmus.model import Principal, Tokens

if TYPE_CHECKING:
    from isthmus.redaction import Redactor


def access_tokens(configs: Mapping[str, UpstreamConfig], redactor: Redactor) -> Callable[[str, str], Tokens | None]:
    """The source for an upstream and a principal, by their names; None where it takes no access tokens.

    What the sources get, `redactor` takes out of all that is told from then on.
    """
    made: dict[tuple[str, str], Tokens | None] = {}

    def of(upstream: str, principal: str) -> Tokens | None:
        key = upstream, principal
        if key not in made:
            made[key] = _source(upstream, principal, configs[upstream], redactor)
        return made[key]

    return of


def _source(upstream: str, principal: str, config: UpstreamConfig, redactor: Redactor) -> Tokens | None:
    auth = config.auth if principal == Principal().name else config.auth_for.get(principal)
    if auth is None or auth.oauth2 is None:
        return None
    from isthmus.credentials.client_credentials import ClientCredentials

    return ClientCredentials(upstream, auth.oauth2, partial(redactor.learn, f"{upstream}/{principal}"), time.monotonic)
