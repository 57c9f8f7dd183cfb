"""The files of sessions: where they are kept, for how long, and how the host puts some there itself.

    <root>/<digest of the principal>/<handle>/files        what programs see as /workspace

Whoever has the root finds a session by its principal and its handle, and by nothing else: there is no list to keep
true. The time of a handle's directory, which programs cannot reach, says when the session was last used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

from isthmus.errors import InternalError
from isthmus.model import Principal
from isthmus_sandbox.workspace import remove, used_bytes

_HANDLE = re.compile(r"[A-Za-z0-9-]{1,64}")  # all that a name of a directory may be made of here
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one principal's sessions: `seconds` since the last use, so many, and so much of their files."""

    seconds: float
    sessions: int
    mb: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Implements the port `Held`: a session's directory, open and locked."""

    descriptor: int
    mark: int
    now: Callable[[], float]

    @classmethod
    def of(cls, home: Path, now: Callable[[], float]) -> Hold | None:
        """Lock a directory; None where another process has it.

        Raises:
            InternalError: it cannot be opened.
        """
        try:
            descriptor = os.open(home, os.O_RDONLY)
        except OSError as error:
            raise InternalError(f"the session cannot be held: {error.strerror}") from None
        if not _locked(descriptor):
            os.close(descriptor)
            return None
        return cls(descriptor, os.fstat(descriptor).st_mtime_ns, now)

    def release(self) -> int:
        """See the port."""
        now = self.now()
        try:
            os.utime(self.descriptor, (now, now))
            return os.fstat(self.descriptor).st_mtime_ns
        finally:
            os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Workspaces:
    """Implements the port `Workspaces` in a directory. `now` is in seconds since the epoch."""

    root: Path
    kept: Kept
    now: Callable[[], float]

    def open(self, principal: Principal, handle: str) -> Path:
        """See the port."""
        files = self._home(principal) / handle / "files"
        try:
            files.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InternalError(
                f"there is no place for the files of a session: {error.strerror}",
                hint="the operator can look at the folder for data, or name another (data: in the configuration)",
            ) from None
        self.touch(principal, handle)
        return files

    def touch(self, principal: Principal, handle: str) -> None:
        """See the port."""
        now = self.now()
        with contextlib.suppress(OSError):  # removed by another server, perhaps
            os.utime(self._home(principal) / handle, (now, now))

    def hold(self, principal: Principal, handle: str) -> Hold | None:
        """See the port."""
        home = self._home(principal) / handle
        if not home.is_dir():
            self.open(principal, handle)  # it had expired, for another server
        return Hold.of(home, self.now)

    def find(self, principal: Principal, handle: str) -> Path | None:
        """See the port."""
        if not _HANDLE.fullmatch(handle):
            return None
        home = self._home(principal) / handle
        try:
            expired = self.now() - home.stat().st_mtime > self.kept.seconds
        except FileNotFoundError:
            return None
        return None if expired else home / "files"

    def expire(self, principal: Principal | None, busy: Collection[str]) -> Collection[str]:
        """See the port. The longest unused go first."""
        homes = list(self.root.glob("*")) if principal is None else [self._home(principal)]
        gone = [session for home in homes for session in self._surplus(home, busy)]
        for session in gone:
            remove(session)
        return [session.name for session in gone]

    def _surplus(self, home: Path, busy: Collection[str]) -> Iterator[Path]:
        found = sorted(_times(home), reverse=True)
        left, now = self.kept.mb * _MIB, self.now()
        for number, (used, path) in enumerate(found):
            if path.name in busy:
                continue
            left -= used_bytes(path, left)
            too_much = now - used > self.kept.seconds or number >= self.kept.sessions or left < 0
            if too_much and not _is_held(path):
                yield path

    def _home(self, principal: Principal) -> Path:
        return self.root / hashlib.sha256(principal.name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _is_held(home: Path) -> bool:
    """Whether a server, this one or another, holds the session."""
    try:
        hold = Hold.of(home, lambda: 0.0)
    except InternalError:
        return False
    if hold is not None:
        os.close(hold.descriptor)
    return hold is None


if sys.platform == "win32":

    def _locked(_descriptor: int) -> bool:
        """Directories cannot be locked there: a folder for data is one server's."""
        return True

else:
    import fcntl

    def _locked(descriptor: int) -> bool:
        """Lock an open directory until it is closed; False where another process has."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def _times(home: Path) -> Iterator[tuple[float, Path]]:
    try:
        with os.scandir(home) as entries:
            for entry in entries:
                try:
                    yield entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)
                except FileNotFoundError:
                    continue  # another server has just removed it
    except FileNotFoundError:
        return


MOUNT = PurePosixPath("/workspace")
"""Where a guest sees its workspace."""


def keep(workspace: Path, name: str, content: bytes) -> str:
    """Write a new file, and give the path by which a program opens it.

    Never writes through what a program left there: a name that is taken, by a file or a link, gets a number.
    """
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    for number in count(1):
        candidate = f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}"
        try:
            descriptor = os.open(workspace / candidate, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        return str(MOUNT / candidate)
    raise AssertionError("unreachable: count never ends")
