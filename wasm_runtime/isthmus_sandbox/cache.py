"""The compiled component: made once for each machine and version, kept for its user, and trusted only if it is theirs.

What lies here is machine code that a worker will run, so the directory must belong to this user, be writable by
nobody else, and be no link; a file counts only if its SHA-256 stands beside it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio
import anyio.to_thread

from isthmus_sandbox import child, component
from isthmus_sandbox.cache_files import digest_path, is_locked, is_whole, lock_path
from isthmus_sandbox.protocol import SandboxUnavailable
from isthmus_sandbox.settings import Settings

Progress = Callable[[str], None]
"""Takes one line for the operator."""

_KEPT = 3  # compiled components: other versions in use, or gone back to


async def compiled_component(settings: Settings, progress: Progress) -> Path:
    """The compiled component of these settings; compiled now, by a child process, if it is not there.

    Raises:
        SandboxUnavailable: it cannot be had; the message says why and what to do.
    """
    source = settings.component or component.shipped()
    directory = settings.cache_directory or default_directory(os.environ, sys.platform, Path.home())
    await anyio.to_thread.run_sync(secure_directory, directory)
    target = directory / await anyio.to_thread.run_sync(component.compiled_name, source)
    if not await anyio.to_thread.run_sync(is_whole, target):
        await _compile(source, target, progress)
    await anyio.to_thread.run_sync(prune, directory, target)
    return target


def default_directory(environment: Mapping[str, str], platform: str, home: Path) -> Path:
    """The user's cache directory for this program."""
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "isthmus" / "cache"
    if platform == "darwin":
        return home / "Library" / "Caches" / "isthmus"
    given = environment.get("XDG_CACHE_HOME", "")
    return (Path(given) if given.startswith("/") else home / ".cache") / "isthmus"


def secure_directory(directory: Path) -> None:
    """Make the directory, for its owner only; or see that it is so.

    Raises:
        SandboxUnavailable: others could write to it, or it cannot be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise _untrusted(directory, f"cannot be used: {error.strerror}", "set XDG_CACHE_HOME to another") from None
    if not stat.S_ISDIR(found.st_mode):
        raise _untrusted(directory, "is a link", "remove it")
    if sys.platform == "win32":
        return  # a user's LOCALAPPDATA is theirs by its access list
    if found.st_uid != os.geteuid():
        raise _untrusted(directory, f"belongs to user {found.st_uid}", "set XDG_CACHE_HOME to a directory of your own")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise _untrusted(directory, f"is open to others (mode {mode:o})", f"empty it, then chmod 700 {directory}")


def _untrusted(directory: Path, problem: str, remedy: str) -> SandboxUnavailable:
    return SandboxUnavailable(f"the directory for compiled code, {directory}, {problem}; remedy: {remedy}")


def forget(target: Path) -> None:
    """Remove a compiled component, which is to be made again."""
    target.unlink(missing_ok=True)
    digest_path(target).unlink(missing_ok=True)


def prune(directory: Path, used: Path) -> None:
    """Mark one as used, and remove all but the last few that were."""
    with contextlib.suppress(OSError):
        os.utime(used)
        others = [path for path in directory.glob("*.cwasm") if path != used]
        for old in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT - 1 :]:
            forget(old)
            lock_path(old).unlink(missing_ok=True)


async def _compile(source: Path, target: Path, progress: Progress) -> None:
    if await anyio.to_thread.run_sync(is_locked, lock_path(target)):
        progress("sandbox: waiting for another process that compiles the guest for this machine")
    else:
        progress("sandbox: compiling the guest for this machine, once (some 10 s)")
    started = time.monotonic()
    command = child.command("isthmus_sandbox.compile", str(source), str(target))
    result = await anyio.run_process(command, check=False, env=child.environment())
    if result.returncode != 0:
        said = result.stderr.decode("utf-8", "replace").strip()[-500:]
        raise SandboxUnavailable(f"the guest cannot be compiled: {said or f'status {result.returncode}'}")
    progress(f"sandbox: the guest is compiled, after {time.monotonic() - started:.1f} s")
