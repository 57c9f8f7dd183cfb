"""What is changed in the standard library so that programs find here what they expect elsewhere.

Each function gives the changes as (object, attribute, value), or (dict, key, value). `Patched` makes them, and can
take them back, which only tests need: in the component they are made once, while it is built.
"""

from __future__ import annotations

import asyncio
import builtins
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from types import FrameType, ModuleType, TracebackType
from typing import Any, NoReturn

from guest import clock as clock_module
from guest import entropy as entropy_module
from guest import files, zones
from guest.calls import Call
from guest.clock import Clock
from guest.entropy import Entropy
from guest.errors import Exit
from guest.failures import traceback_changes
from guest.files import Servers
from guest.loop import Loop
from guest.output import NoInput, Output, writer_for
from guest.values import settled

Change = tuple[Any, str, Any]
MAX_RECURSION = 200_000
"""What `sys.setrecursionlimit` gives at most: beyond it memory ends first, and with it the tale of what happened."""

_ABSENT = object()


class Patched:
    """Changes that are made, and can be taken back."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._before: list[Change] = []
        for subject, name, value in changes:
            space = subject if isinstance(subject, dict) else vars(subject)
            self._before.append((subject, name, space.get(name, _ABSENT)))
            _set(subject, name, value)

    def undo(self) -> None:
        """Restore what was there, in reverse order."""
        while self._before:
            _set(*self._before.pop())


def _set(subject: Any, name: str, value: Any) -> None:
    if isinstance(subject, dict):
        subject.pop(name, None)
        if value is not _ABSENT:
            subject[name] = value
    elif value is _ABSENT:
        delattr(subject, name)
    else:
        setattr(subject, name, value)


def all_changes(
    loop: Loop, output: Output, entropy: Entropy, servers: Servers, zone_data: dict[str, bytes], clock: Clock
) -> list[Change]:
    """Every change that a guest makes."""
    return [
        *asyncio_changes(loop),
        *json_changes(),
        *process_changes(output),
        *traceback_changes(),
        *entropy_module.install(entropy),
        *clock_module.install(clock),
        *files.install(servers),
        *(zones.install(zone_data) if zone_data else ()),
        (time, "sleep", _sleeping(loop)),
    ]


def asyncio_changes(loop: Loop) -> list[Change]:
    """There is one loop, and `asyncio.run` runs in it, nested if need be."""

    def run(main: Any, **_: Any) -> Any:
        """Run a coroutine to its end; works inside another one too."""
        return loop.run_until_complete(_awaitable(main))

    def get_loop(*_: Any) -> Loop:
        """The one event loop."""
        return loop

    class Runner:
        """As asyncio.Runner, on the one event loop."""

        def __init__(self, **_: Any) -> None:
            self.closed = False

        def __enter__(self) -> Runner:
            return self

        def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
            self.close()

        def close(self) -> None:
            """Nothing: the loop is the guest's."""
            self.closed = True

        def get_loop(self) -> Loop:
            """The one event loop."""
            return loop

        def run(self, coro: Any, **_: Any) -> Any:
            """Run a coroutine to its end."""
            return loop.run_until_complete(_awaitable(coro))

    wait = asyncio.wait

    async def waiting(fs: Iterable[Any], **options: Any) -> Any:
        """As asyncio.wait, for calls too."""
        futures = [asyncio.ensure_future(each) if type(each) is Call else each for each in fs]
        return await wait(futures, **options)

    changes: list[Change] = [(asyncio, "run", run), (asyncio, "Runner", Runner)]
    changes += [(module, "wait", waiting) for module in (asyncio, asyncio.tasks)]
    for name in ("get_event_loop", "new_event_loop", "set_event_loop"):
        changes += [(module, name, get_loop) for module in (asyncio, asyncio.events)]
    return changes


def _awaitable(main: Any) -> Any:
    if type(main) is Call or hasattr(type(main), "__await__") or asyncio.iscoroutine(main):
        return main
    raise ValueError(f"a coroutine was expected, got {main!r}")


def json_changes() -> list[Change]:
    """`json.dumps` of a call writes what it came to."""
    init, default = json.JSONEncoder.__init__, json.JSONEncoder.default

    def start(self: json.JSONEncoder, **options: Any) -> None:
        init(self, **options)
        own = self.__dict__.get("default")
        if own is not None:
            self.__dict__["default"] = lambda value: settled(value) if _is_call(value) else own(value)

    def other(self: json.JSONEncoder, value: Any) -> Any:
        """What to write for a value that JSON does not know."""
        return settled(value) if _is_call(value) else default(self, value)

    return [(json.JSONEncoder, "__init__", start), (json.JSONEncoder, "default", other)]


def _is_call(value: Any) -> bool:
    return hasattr(type(value), "__isthmus_value__")


def process_changes(output: Output) -> list[Change]:
    """Streams, the ends of a process, and the limit of the stack."""
    posix: ModuleType = sys.modules.get(os.name, os)
    changes: list[Change] = [(sys, "stdin", NoInput()), (sys, "__stdin__", NoInput())]
    changes += [(sys, name, output) for name in ("stdout", "stderr", "__stdout__", "__stderr__")]
    changes += [(os, "write", writer_for(output, os.write))]
    for module in (os, posix):
        changes += [(module, "_exit", _exit), (module, "abort", _abort)]
    changes += [(sys, "setrecursionlimit", _limiting(sys.setrecursionlimit))]
    changes += [(builtins, name, _leave) for name in ("exit", "quit")]
    changes += [(warnings, "showwarning", _warner(output))]
    return changes


def _sleeping(loop: Loop) -> Callable[[float], None]:
    def sleep(seconds: float, /) -> None:
        """Wait for so many seconds; calls that are under way proceed meanwhile."""
        value = settled(seconds)
        if isinstance(value, str) or (not hasattr(type(value), "__float__") and not hasattr(type(value), "__index__")):
            raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer or float")
        loop.sleep(float(value))

    return sleep


def _exit(status: int = 0) -> NoReturn:
    """End the program at once."""
    raise Exit(f"os._exit({status!r})")


def _abort() -> NoReturn:
    """End the program at once."""
    raise Exit("os.abort()")


def _leave(code: Any = None) -> NoReturn:
    """End the program."""
    raise SystemExit(code)


def _limiting(original: Callable[[int], None]) -> Callable[[int], None]:
    def setrecursionlimit(limit: int, /) -> None:
        """Set how deep calls may nest, as far as the stack of this sandbox allows."""
        original(min(limit, max(MAX_RECURSION, sys.getrecursionlimit())))

    return setrecursionlimit


def _warner(output: Output) -> Callable[..., None]:
    def showwarning(message: Any, _category: Any, filename: str, lineno: int, *_: Any, **__: Any) -> None:
        """Print a warning as one line."""
        own = _program_line(filename, lineno)
        output.write(f"Warning: {message}{f' (line {own})' if own else ''}\n")

    return showwarning


def _program_line(filename: str, line: int) -> int | None:
    """The program's line that a warning is about: its own, or that of the innermost frame of a program."""
    if filename.startswith("<program "):
        return line
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 (who warns is not always whom it concerns)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<program "):
            return frame.f_lineno
        frame = frame.f_back
    return None
