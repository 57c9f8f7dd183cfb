"""`isthmus logout [UPSTREAM]`: end a login, at the server and here."""

from __future__ import annotations

import argparse

from isthmus.cli.common import add_config, loaded, log, run_async, say
from isthmus.cli.login import chosen
from isthmus.errors import UpstreamError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where to log out."""
    parser.add_argument("upstream", metavar="UPSTREAM", nargs="?", help="where (default: the only one with it)")
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Log out. What is kept here goes in any case; 1 if the server could not be told."""
    from isthmus.compose import login_file, untrusted_logs_off

    found = loaded(arguments, quiet=True)
    name, _ = chosen(found, arguments.upstream)
    untrusted_logs_off()
    file, url = login_file(found.configuration, found.base, name), found.configuration.upstreams[name].url or ""
    login = file.read()
    if not file.remove() or login is None:
        say(f"{name}: not logged in")
        return 0

    async def revoke() -> bool:
        from isthmus.credentials.oauth import revoked

        return await revoked(url, login)

    try:
        told = run_async(revoke)
    except UpstreamError as error:
        log(f"{name}: forgotten here, but the server was not told, and may accept the tokens still: {error.message}")
        return 1
    untold = "" if told else "; the server has no way to be told: its tokens count until they expire"
    say(f"{name}: logged out{untold}")
    return 0
