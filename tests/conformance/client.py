"""A client for the official suite's scenarios of authorization: our login, and our upstream with the tokens of it.

The suite starts it with the server's URL as its last argument. Its user does what refusals say: he logs in again, and
for the scopes that they name. It ends with 1 where a login is refused.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import anyio

from isthmus.config.model import OAuth, UpstreamConfig
from isthmus.credentials.logged_in import LoggedIn
from isthmus.credentials.oauth import logged_in, renewed
from isthmus.errors import UpstreamError
from isthmus.model import Call, Principal, UpstreamState
from isthmus.stores.box import Box
from isthmus.stores.logins import LoginFile
from isthmus.upstreams.mcp import McpUpstream
from tests.simulators.authorization import Browser
from tests.simulators.watch import Watch

LOGINS = 3
"""How often the user logs in, at the most."""


async def main(url: str) -> None:
    """Log in and call each tool, and again where a refusal says so."""
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    said = OAuth.model_validate({key: context[key] for key in ("client_id", "client_secret") if key in context})
    file = LoginFile(Path(tempfile.mkdtemp()), lambda: Box(b"k" * 32), "it", url)
    more: list[str] = []
    for attempt in range(LOGINS):
        file.write(await logged_in(url, said, "http://127.0.0.1:40404/callback", Browser(), more))
        if (refusal := await refused(url, file)) is None:
            return
        named = re.search(r"isthmus login \w+(?: --scope '([^']+)')?`", f"{refusal.message} {refusal.hint}")
        if named is None or attempt == LOGINS - 1:
            raise refusal
        more += (named[1] or "").split()


async def refused(url: str, file: LoginFile) -> UpstreamError | None:
    """Connect, list the tools, and call each; what is refused of that."""
    tokens = LoggedIn("it", file, partial(renewed, url), lambda _: None, time.time)
    upstream, watch = McpUpstream(UpstreamConfig(url=url), "it", tokens=tokens), Watch()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(upstream.run, watch)
        snapshot = await watch.settled(within=20)
        refusal = UpstreamError(snapshot.problem) if snapshot.state is not UpstreamState.READY else None
        try:
            for operation in snapshot.operations:
                await upstream.call(Call(operation, {}, Principal()), None)
        except UpstreamError as error:
            refusal = error
        tasks.cancel_scope.cancel()
    return refusal


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    try:
        anyio.run(main, sys.argv[-1])
    except UpstreamError as error:
        sys.exit(f"{error.message} ({error.hint})")
