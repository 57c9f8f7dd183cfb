"""`isthmus serve`: over stdio, stdout belongs to the protocol; all words go to stderr, over HTTP too."""

from __future__ import annotations

import argparse
import gc
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING

from isthmus.cli.common import add_config, loaded, log, run_async

if TYPE_CHECKING:
    import anyio

    from isthmus.compose import Application
    from isthmus.config.loader import Loaded
    from isthmus.front.wire import Wire

GLANCE = 0.25
"""Seconds between two looks at a sandbox that is starting."""

PATIENCE = 5.0
"""Seconds that closing may take once a signal has come."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The configuration, and whether to listen."""
    add_config(parser)
    parser.add_argument("--http", action="store_true", help="listen as the configuration says under 'http'")


def run(arguments: argparse.Namespace) -> int:
    """Serve one client until it goes away, or all who come; until a signal comes."""
    # What is imported stays; looking through it for garbage costs a tenth of the start.
    gc.disable()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _leave)
    found = loaded(arguments)
    if arguments.http:
        gc.enable()
        run_async(lambda: _listened(found))
        return 0
    from isthmus.front.wire import Wire

    wire = Wire.standard()
    wire.start()  # the client has its first answers from the wire while the rest is imported
    run_async(lambda: _served(found, wire))
    return 0


def _leave(received: int, _frame: FrameType | None) -> None:
    """Nothing is open yet."""
    os._exit(128 + received)


async def _served(found: Loaded, wire: Wire) -> None:
    """Serve. A signal closes the application, with its workers and upstreams, and then ends the process at once."""
    import anyio

    from isthmus.front.beginning import serve

    house = _House(found, anyio.Event())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, house, tasks.cancel_scope)
        await serve(wire, house.application)
        tasks.cancel_scope.cancel()


async def _listened(found: Loaded) -> None:
    """Listen until a signal comes; then let end what is under way. A second signal ends that too."""
    import anyio

    from isthmus.compose import identification
    from isthmus.config.http import HttpConfig
    from isthmus.front.http import listening

    config = found.configuration.http or HttpConfig()
    house = _House(found, anyio.Event())
    told = anyio.Event()
    async with identification(config) as identify, anyio.create_task_group() as tasks:
        tasks.start_soon(_tell_signals, told, tasks.cancel_scope)
        async with listening(config, identify, house.application) as listens:
            log(f"serving {listens.url}, listening on {listens.address}")
            if identify is None:
                log("warning: nobody has to say who he is: every user of this machine can run programs here")
            await told.wait()
            log(f"ending once what is under way has ended, within {config.drain:g} s (limit `http.drain`)")
        tasks.cancel_scope.cancel()


async def _tell_signals(told: anyio.Event, scope: anyio.CancelScope) -> None:
    """The first signal is told; the second cancels the scope."""
    import anyio

    if os.name == "nt":  # no signals to receive there; the console ends the process
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            if told.is_set():
                scope.cancel()
            told.set()


class _House:
    """The application, and whether it is closed."""

    def __init__(self, found: Loaded, closed: anyio.Event) -> None:
        self._found = found
        self._open = False
        self.closed = closed

    @asynccontextmanager
    async def application(self) -> AsyncIterator[Application]:
        import anyio

        from isthmus.compose import application

        self._open = True
        try:
            opened = application(self._found.configuration, base=self._found.base, log=log)
            async with opened as app, anyio.create_task_group() as tasks:
                tasks.start_soon(_tell_layers, app, self._found)
                yield app
                tasks.cancel_scope.cancel()
        finally:
            self.closed.set()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to close."""
        return not self._open or self.closed.is_set()


async def _tell_layers(app: Application, found: Loaded) -> None:
    """Say what protects, once it is known: a layer that is missing here is never missing silently."""
    import anyio
    import anyio.to_thread

    from isthmus.upstreams.http import CALLS

    while app.preparing():  # noqa: ASYNC110 - the sandbox tells of no event, and once at the start is not often
        await anyio.sleep(GLANCE)
    if any(config.openapi for config in found.configuration.upstreams.values()):
        await anyio.to_thread.run_sync(import_module, CALLS)  # the first call need not wait for it
    # By now all is imported that a request needs, and stays: a look through it for garbage stops everybody for 60 ms.
    gc.freeze()
    log(layers_line(app.layers()))


def layers_line(layers: Mapping[str, str]) -> str:
    """The layers of the sandbox in one line.

    >>> layers_line({"webassembly": "active", "landlock": "not active: no such call", "seccomp": "active"})
    'sandbox: protected by webassembly, seccomp; landlock is not active: no such call'
    """
    active = ", ".join(name for name, state in layers.items() if state == "active")
    missing = [f"{name} is {state}" for name, state in layers.items() if state != "active"]
    return "; ".join([f"sandbox: protected by {active or 'nothing: no program runs'}", *missing])


async def _end_on_signal(house: _House, scope: anyio.CancelScope) -> None:
    import anyio

    if os.name == "nt":  # no signals to receive there; the console ends the process
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for received in signals:
            scope.cancel()
            with anyio.CancelScope(shield=True), anyio.move_on_after(PATIENCE):
                if not house.is_empty:
                    await house.closed.wait()
            os._exit(128 + received)
