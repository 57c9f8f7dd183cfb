"""`isthmus token NAME`: a bearer token for a principal of `isthmus serve --http`, and what the configuration keeps."""

from __future__ import annotations

import argparse
import re
import secrets

from isthmus.cli.common import log, say
from isthmus.errors import ConfigurationError
from isthmus.model import Principal


def arguments(parser: argparse.ArgumentParser) -> None:
    """Whose token it is to be."""
    parser.add_argument("principal", metavar="NAME", help="whose it is to be: letters, digits and . _ @ + -")


def run(arguments: argparse.Namespace) -> int:
    """Print the token, which is shown this once, and the entry for the configuration.

    Raises:
        ConfigurationError: nobody can be called so.
    """
    from isthmus.config.http import TokenConfig
    from isthmus.identity.tokens import digest_of, new_token

    [pattern] = [each.pattern for each in TokenConfig.model_fields["principal"].metadata if hasattr(each, "pattern")]
    name = arguments.principal
    if not re.fullmatch(pattern, name) or name == Principal().name:
        raise ConfigurationError(
            f"{name[:100]!r} is no name for a principal",
            remedy="take letters, digits and . _ @ + -, as in alice or alice@example.com; not 'local'",
        )
    token = new_token(secrets.token_urlsafe)
    log(f"the token of {name}; it is shown this once, and stands nowhere else:")
    say(token)
    log("for isthmus.yaml, under http: tokens:")
    log(f'  - {{principal: {name}, sha256: "{digest_of(token)}"}}')
    return 0
