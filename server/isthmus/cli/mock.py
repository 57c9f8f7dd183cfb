"""`isthmus mock`: an upstream that is not there, for tests and for trying things out.

An OpenAPI service answers on this machine, from its document; its URL is printed, for `base_url`. An MCP server answers
on stdin and stdout, with the tools of the lock: `command: [isthmus, mock, NAME]`. What `isthmus record` has kept of its
answers comes before what is made up.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, log, run_async, say
from isthmus.cli.contracts import folder_of
from isthmus.errors import ConfigurationError

if TYPE_CHECKING:
    from isthmus.config.loader import Loaded
    from isthmus.config.model import UpstreamConfig
    from isthmus.contracts.recorded import RecordedCall
    from isthmus.mock.http import MockService


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which upstream, and what it answers."""
    parser.add_argument("upstream", metavar="UPSTREAM", help="the upstream's name in the configuration")
    parser.add_argument("--port", type=_port, default=0, help="of an OpenAPI service (default: any that is free)")
    parser.add_argument("--seed", default="", help="other answers for another seed; the same for the same")
    parser.add_argument(
        "--answers", metavar="FILE", type=Path, help="answers of your own, before recorded and made-up ones"
    )
    add_config(parser)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port from 0 to 65535 is wanted")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted, or until the client goes away."""
    found = loaded(arguments)
    config = found.configuration.upstreams.get(arguments.upstream)
    if config is None:
        known = ", ".join(sorted(found.configuration.upstreams)) or "none"
        raise ConfigurationError(f"there is no upstream {arguments.upstream!r}", remedy=f"the upstreams are: {known}")
    recorded = _recorded(arguments.upstream, found, arguments.answers)
    if config.openapi is not None:
        return _serve_http(_service(arguments.upstream, config, found, recorded, arguments.seed), arguments.port)
    return _serve_mcp(arguments.upstream, found, recorded, arguments.seed)


def _recorded(upstream: str, found: Loaded, answers: Path | None) -> list[RecordedCall]:
    """The calls of all recordings, and after them those of a file, which count more."""
    from isthmus.mock.answers import read_answers

    folder = folder_of(found)
    calls = [*folder.calls(), *(read_answers(answers) if answers else ())]
    own = [call for call in calls if call.operation.partition(".")[0] == upstream]
    log(f"{len(own)} recorded answers" + (f", from {folder.path}" if folder.names() else ""))
    return own


def _service(name: str, config: UpstreamConfig, found: Loaded, recorded: list[RecordedCall], seed: str) -> MockService:
    from isthmus.mock.answers import Answers
    from isthmus.mock.http import MockService
    from isthmus.openapi.document import read_document
    from isthmus.openapi.operations import compile_operations
    from isthmus.upstreams.documents import document_source, fetch_document

    source = document_source(config.openapi or "", found.base)
    contents: list[bytes] = []

    async def fetch() -> None:
        contents.append(await fetch_document(source))

    run_async(fetch)
    document = read_document(contents[0], source)
    compiled = compile_operations(document, name)
    for warning in compiled.warnings:
        log(f"warning: {warning}")
    return MockService(document.schemas, compiled.operations, Answers(seed=seed), recorded)


def _serve_http(service: MockService, port: int) -> int:
    from isthmus.mock.http import serving

    if not service.checks:
        log("warning: requests are not checked without openapi-core: pip install 'isthmus[contracts]'")
    try:
        with serving(service, port) as url:
            say(url)
            sys.stdout.flush()
            threading.Event().wait()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"port {port} cannot be used: {reason}", remedy="name another --port") from None
    return 0


def _serve_mcp(name: str, found: Loaded, recorded: list[RecordedCall], seed: str) -> int:
    from isthmus.cli.contracts import lock_of
    from isthmus.mock.mcp_server import serve, tools_of

    path, lock = lock_of(found)
    if name not in lock.upstreams:
        raise ConfigurationError(f"the lock has nothing of {name}", file=str(path), remedy="write it: `isthmus lock`")
    tools = tools_of(lock.upstreams[name], seed, recorded)

    async def served() -> None:
        await serve(name, tools)

    run_async(served)
    return 0
