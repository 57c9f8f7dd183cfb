"""Guests, ready before they are asked for."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.to_thread

from isthmus_sandbox import workspace as workspaces
from isthmus_sandbox.cache import Progress, compiled_component, forget
from isthmus_sandbox.guest import WorkerGuest
from isthmus_sandbox.launcher import ForkLauncher, Launcher, SpawnLauncher
from isthmus_sandbox.orders import Orders
from isthmus_sandbox.protocol import SandboxUnavailable
from isthmus_sandbox.runtime import RuntimeDirectory, claim
from isthmus_sandbox.settings import Settings, StartMethod

_REFILL_AFTER = 0.01  # seconds: the guest that was just taken has the processor first
_DESCRIPTORS_EACH = 4  # of a worker while it starts, and of what its program may call at the same time
_DESCRIPTORS_BESIDE = 512
_RETRY_AFTER = 1.0  # seconds, when a spare could not be made


class Pool:
    """Implements the port `Sandbox`.

    async with Pool() as pool:
        guest = await pool.open()
        outcome = await guest.run(program, exchange)
        await guest.close()
    """

    def __init__(self, settings: Settings | None = None, *, progress: Progress | None = None) -> None:
        """Nothing is started yet. `progress` takes lines for the operator; by default they go to stderr."""
        self._settings = settings or Settings()
        self._progress = progress or _to_stderr
        self._spares: deque[WorkerGuest] = deque()
        self._guests: set[WorkerGuest] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._launcher: Launcher | None = None
        self._directory: RuntimeDirectory | None = None
        self._launcher_lock = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._problem = ""
        self._preparing = ""

    async def __aenter__(self) -> Pool:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Begin to prepare, in the background; returns at once. Idempotent. `close` must follow."""
        if self._keeper is None:
            _allow_descriptors(self._settings.most + self._settings.spares)
            self._wanted.set()
            self._preparing = "sandbox: starting"
            self._keeper = asyncio.create_task(self._keep_spares(), name="isthmus-sandbox-spares")

    async def open(self, workspace: Path | None = None, *, behind: bool = False) -> WorkerGuest:
        """A guest that has never seen a program: a spare where there is one, else a new worker.

        `workspace` is the directory to mount; None makes a new one, which is removed when the pool closes. While it
        is empty, a spare's own takes its place. `behind` others, it leaves them the spares, and gives way at once.

        Raises:
            SandboxUnavailable: no worker can be started; the message says why.
        """
        await self.start()
        while self._spares and not behind and (workspace is None or _is_empty(workspace)):
            spare = self._spares.popleft()
            self._wanted.set()
            if spare.alive and (workspace is None or spare.move(workspace)):
                return spare
            await self._discard(spare)
            await anyio.to_thread.run_sync(workspaces.remove, spare.workspace)
        return await self._launch(workspace, warm=False, behind=behind)

    def preparing(self) -> str:
        """What the first guest still waits for; empty when guests can be had, and when they cannot."""
        return self._preparing

    def layers(self) -> Mapping[str, str]:
        """The protection layers by name, each with its state: `active`, or why it is not."""
        if self._launcher is None:
            return {"process": f"not active: {self._problem or 'not started yet'}"}
        return {"webassembly": "active", "process": "active", "empty-environment": "active", **self._launcher.layers}

    async def close(self) -> None:
        """End all workers, and remove the workspaces that were made here. Idempotent."""
        with anyio.CancelScope(shield=True):
            if self._keeper is not None:
                self._keeper.cancel()
                await asyncio.wait([self._keeper])
                self._keeper = None
            for guest in list(self._guests):
                await self._discard(guest)
            self._spares.clear()
            if self._launcher is not None:
                await self._launcher.close()
                self._launcher = None
            if self._directory is not None:
                await anyio.to_thread.run_sync(self._directory.remove)
                self._directory = None

    async def _keep_spares(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._launcher is not None:
                await asyncio.sleep(_REFILL_AFTER)
            await self._bury_spares()
            try:
                while len(self._spares) < self._settings.spares:
                    self._spares.append(await self._launch(None, warm=True))
                await self._ready_launcher()
            except SandboxUnavailable as unavailable:
                if str(unavailable) != self._problem:
                    self._progress(f"sandbox: {unavailable}")
                self._problem = str(unavailable)
                await asyncio.sleep(_RETRY_AFTER)
                self._wanted.set()

    async def _bury_spares(self) -> None:
        """Spares that were ended from outside leave nothing behind."""
        for dead in [spare for spare in self._spares if not spare.alive]:
            self._spares.remove(dead)
            await self._discard(dead)
            await anyio.to_thread.run_sync(workspaces.remove, dead.workspace)

    async def _launch(self, workspace: Path | None, *, warm: bool, behind: bool = False) -> WorkerGuest:
        launcher = await self._ready_launcher()
        place = workspace or self._new_workspace()
        try:
            process, channel = await launcher.launch(place, warm=warm, behind=behind)
        except BaseException as error:
            if workspace is None:
                workspaces.remove(place)  # empty: nothing has run there
            if isinstance(error, OSError):
                raise SandboxUnavailable(f"no worker can be started with {place}: {error.strerror}") from None
            raise
        guest = WorkerGuest(process, channel, place, self._settings.limits)
        self._guests = {each for each in self._guests if each.alive}
        self._guests.add(guest)
        return guest

    def _new_workspace(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="workspace-", dir=self._runtime_directory()))

    def _runtime_directory(self) -> Path:
        if self._directory is None:
            self._directory = claim(self._settings.runtime_directory)
        return self._directory.path

    async def _ready_launcher(self) -> Launcher:
        async with self._launcher_lock:
            if self._launcher is not None and not self._launcher.alive:
                await self._launcher.close()
                self._launcher = None
            if self._launcher is None:
                try:
                    self._launcher = await self._start_launcher()
                finally:
                    self._preparing = ""
            return self._launcher

    async def _start_launcher(self) -> Launcher:
        settings = self._settings
        compiled = await compiled_component(settings, self._tell)
        if _start_method(settings) == "spawn":
            return SpawnLauncher(compiled, settings.limits, settings.start_timeout)
        try:
            return await self._start_zygote(compiled)
        except SandboxUnavailable as unavailable:
            # Compiled for another processor, perhaps, by another machine with the same home.
            self._tell(f"sandbox: {unavailable}; compiling again")
            await anyio.to_thread.run_sync(forget, compiled)
            return await self._start_zygote(await compiled_component(settings, self._tell))

    def _tell(self, line: str) -> None:
        """Tell the operator, and whoever waits for a guest."""
        self._preparing = line
        self._progress(line)

    async def _start_zygote(self, compiled: Path) -> Launcher:
        empty = self._runtime_directory() / "empty"
        empty.mkdir(mode=0o500, exist_ok=True)
        orders = Orders(str(compiled), str(empty), os.getpid(), self._settings.limits)
        launcher = ForkLauncher(orders, self._settings.start_timeout)
        await launcher.start()
        return launcher

    async def _discard(self, guest: WorkerGuest) -> None:
        self._guests.discard(guest)
        await guest.close()


def _allow_descriptors(workers: int) -> None:
    """Let this process open as many files as so many workers need, if the system lets it."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = workers * _DESCRIPTORS_EACH + _DESCRIPTORS_BESIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _is_empty(directory: Path) -> bool:
    with os.scandir(directory) as entries:
        return next(entries, None) is None


def _start_method(settings: Settings) -> StartMethod:
    return settings.start_method or ("fork" if sys.platform == "linux" else "spawn")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - the operator's; stdout is the protocol's
