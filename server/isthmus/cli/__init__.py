"""The command line: `isthmus COMMAND`.

Each command is a module with `arguments(parser)` and `run(arguments) -> int`, imported when it is asked for; nothing
here imports more than the standard library, so that help comes at once. Exit codes: 0 done, 1 a program failed or
something is wrong, 2 the configuration or the command line is at fault, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import keyword
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType, ModuleType

from isthmus import __version__
from isthmus.errors import IsthmusError

COMMANDS: Mapping[str, str] = {
    "demo": "see all of it at work, on embedded services, without set-up",
    "serve": "be an MCP server on stdin and stdout, or over HTTP",
    "login": "log in to an MCP server with a browser, for an upstream with auth: oauth",
    "logout": "end such a login",
    "token": "make a token with which somebody may use `serve --http`",
    "init": "write an isthmus.yaml to begin with",
    "import": "write an isthmus.yaml with the MCP servers that another client has",
    "install": "tell a client of Isthmus: Claude Desktop, Claude Code, Cursor, VS Code",
    "search": "search the operations of all upstreams, as a model would",
    "exec": "run a program, as a model would",
    "approve": "answer what programs wait for",
    "policy": "explain what becomes of a call, and by which rule",
    "skills": "list, show, review, edit and carry the functions that programs have saved",
    "record": "keep executions as files of the project, to be run again by `check --replay`",
    "lock": "write down what operations take and give, to compare with later",
    "check": "compare what operations take and give with the lock, or run recordings again, for CI",
    "mock": "serve an upstream from its document or the lock, without the upstream",
    "runs": "list the latest executions",
    "show": "show one execution: its code, its calls, what came of them",
    "replay": "run a recorded execution again, offline, and compare each step",
    "resume": "go on with an execution that was interrupted when its server ended",
    "report": "make a page of what executions did, and of what they saved, for a browser",
    "doctor": "say what is configured, what connects, what is allowed, and what protects",
}
"""The commands, each with what it is for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = _parser(next((word for word in arguments if not word.startswith("-")), None))
    parsed = parser.parse_args(arguments)
    if parsed.command is None:
        parser.print_help(sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(parsed)
    except IsthmusError as error:
        sys.stderr.write(f"isthmus: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more can be said, not even at exit.
        sys.stderr.close()
        return 1


def _run(parsed: argparse.Namespace) -> int:
    code = _module(parsed.command).run(parsed)
    sys.stdout.flush()
    return int(code)


def _parser(command: str | None) -> argparse.ArgumentParser:
    """The parser: all commands with their summaries, and the arguments of the one that is asked for."""
    parser = argparse.ArgumentParser(
        "isthmus",
        description="One MCP server in front of all your MCP servers and OpenAPI services.",
        epilog="isthmus COMMAND --help says more. Without --config, ./isthmus.yaml is taken, or else the user's own.",
    )
    parser.add_argument("--version", action="version", version=f"isthmus {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        if command in COMMANDS and name != command:
            continue  # who runs one command does not wait for the others
        own = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == command:
            _module(name).arguments(own)
    return parser


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"isthmus.cli.{command}" + "_" * keyword.iskeyword(command))


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM as Ctrl-C: what is open is closed, workers and upstreams with it."""
    signal.raise_signal(signal.SIGINT)
