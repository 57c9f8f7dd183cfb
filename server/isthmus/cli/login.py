"""`isthmus login [UPSTREAM]`: log in to an MCP server with a browser, so that `serve` may use it."""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
import time
import webbrowser
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, log, printable, run_async, say
from isthmus.errors import ConfigurationError, UpstreamError

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

    from isthmus.config.loader import Loaded
    from isthmus.config.model import OAuth
    from isthmus.credentials.callback import Callback
    from isthmus.stores.logins import Login

PATIENCE = 600.0
"""Seconds that the user has to log in."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where to log in, and how."""
    parser.add_argument("upstream", metavar="UPSTREAM", nargs="?", help="where (default: the only one with it)")
    parser.add_argument(
        "--no-browser",
        action="store_true",
        help="open none here: log in with any browser, and paste the address at which it ends",
    )
    parser.add_argument(
        "--scope",
        metavar="SCOPES",
        default="",
        help="ask for these, too: beside what the server names, and what was granted before",
    )
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Log in; 1 if that fails."""
    from isthmus.compose import login_file, redactor_of, untrusted_logs_off

    found = loaded(arguments, quiet=True)
    name, said = chosen(found, arguments.upstream)
    untrusted_logs_off()
    url, file = found.configuration.upstreams[name].url or "", login_file(found.configuration, found.base, name)
    more = scopes(arguments.scope, file.read())
    try:
        login = run_async(lambda: _logged_in(name, url, said, more, browser=not arguments.no_browser))
    except UpstreamError as error:
        told = f"{name}: {error.message}" + (f" ({error.hint})" if error.hint else "")
        log(redactor_of(found.configuration).text(told))
        return 1
    file.write(login)
    say(printable(granted(name, url, login)))
    return 0


def chosen(found: Loaded, name: str | None) -> tuple[str, OAuth]:
    """The upstream that is meant, and what the configuration says of logging in there.

    Raises:
        ConfigurationError: it is none with `auth: oauth`, or there are several.
    """
    upstreams = found.configuration.upstreams
    known = {each: config.auth.oauth for each, config in upstreams.items() if config.auth and config.auth.oauth}
    if name is None and len(known) == 1:
        return next(iter(known.items()))
    if name in known:
        return name, known[name]
    if name in upstreams and upstreams[name].url is None:
        raise ConfigurationError(f"{name} is no MCP server over HTTP", remedy="give it a credential of another kind")
    file = str(found.path)
    if name in upstreams:
        raise ConfigurationError(f"{name} is configured without login", file=file, remedy="add to it: auth: oauth")
    remedy = f"name one of {', '.join(known)}" if known else "add auth: oauth to an upstream with a url"
    problem = "there is no such upstream" if name else "there is not exactly one upstream with auth: oauth"
    raise ConfigurationError(problem, file=file, remedy=remedy)


def granted(name: str, url: str, login: Login) -> str:
    """Where one is logged in now, what was granted, and for how long."""
    issuer = (login.server or {}).get("issuer") or url
    scope = f"; granted: {login.tokens['scope']}" if login.tokens.get("scope") else ""
    if login.refresh:
        until = "; it is renewed as long as the server allows"
    elif login.life is not None:
        until = f"; it ends at {time.strftime('%Y-%m-%d %H:%M', time.localtime(login.got + login.life))}"
    else:
        until = ""
    return f"logged in to {name}, {url}, at {issuer}{scope}{until}"


def scopes(more: str, former: Login | None) -> list[str]:
    """What to ask for beside what the server names; nothing where nobody wants more.

    Raises:
        ConfigurationError: that cannot be a scope.
    """
    if not all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", scope) for scope in more.split()):
        raise ConfigurationError("a scope has no quotes and no backslash in it", remedy="separate scopes by spaces")
    granted = str(former.tokens.get("scope") or "") if former else ""
    return [*granted.split(), *more.split()] if more else []


async def _logged_in(name: str, url: str, said: OAuth, more: list[str], *, browser: bool) -> Login:
    import anyio

    from isthmus.credentials.callback import callback
    from isthmus.credentials.oauth import logged_in

    async with callback(said.port) as waiting:
        with anyio.move_on_after(PATIENCE):
            return await logged_in(url, said, waiting.address, _User(name, waiting, browser=browser), more)
        raise UpstreamError(f"nobody has logged in within {PATIENCE:g} s")


class _User:
    """Who sits at this terminal."""

    def __init__(self, name: str, waiting: Callback, *, browser: bool) -> None:
        self._name = name
        self._waiting = waiting
        self._browser = browser

    async def visit(self, address: str, state: str) -> None:
        """Show the address, and open it."""
        import anyio.to_thread

        self._waiting.expect(state)
        log(f"log in to {self._name} here:")
        sys.stderr.write(f"\n{printable(address)}\n\n")
        sys.stderr.flush()
        if self._browser:
            self._browser = await anyio.to_thread.run_sync(_open, address)
        if not self._browser:
            log("when the browser has ended at an address of 127.0.0.1 that it cannot open, paste that address here:")

    async def answer(self) -> str:
        """What the browser brings; or what is pasted, where it is on another machine."""
        if not self._browser:
            import anyio.lowlevel

            # A thread that waits for a line must not keep the process when the browser has brought the answer.
            threading.Thread(target=self._read, args=[anyio.lowlevel.current_token()], daemon=True).start()
        return await self._waiting.answer()

    def _read(self, token: EventLoopToken) -> None:
        import anyio.from_thread

        if line := sys.stdin.readline().strip():
            anyio.from_thread.run_sync(self._waiting.give, line, token=token)


def _open(address: str) -> bool:
    """Open the user's browser, if there is one with a window, or one that BROWSER names."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return False
    in_terminal = isinstance(found, webbrowser.GenericBrowser) and not isinstance(found, webbrowser.BackgroundBrowser)
    return (not in_terminal or "BROWSER" in os.environ) and found.open(address)
