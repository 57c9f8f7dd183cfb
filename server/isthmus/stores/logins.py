"""What is kept of logins: a file for each upstream and address, sealed, for its owner alone.

A login is read for exactly the upstream and the address that it was made for: it opens for no other.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from isthmus.errors import ConfigurationError, InternalError
from isthmus.stores.box import Box
from isthmus.stores.whole import write_whole


@dataclass(frozen=True, slots=True)
class Login:
    """What an authorization server gave, in the words of its documents, and when (s since the epoch)."""

    tokens: Mapping[str, Any] = field(repr=False)  # RFC 6749, 5.1
    client: Mapping[str, Any] = field(repr=False)  # RFC 7591, 3.2.1
    server: Mapping[str, Any] | None  # its metadata, RFC 8414
    resource: Mapping[str, Any] | None  # the upstream's, RFC 9728
    private: bool  # whether the upstream is where the public cannot reach it: then all of these may be
    got: float

    @property
    def token(self) -> str:
        """The access token."""
        return str(self.tokens["access_token"])

    @property
    def refresh(self) -> str:
        """The token by which it is renewed; empty where there is none."""
        return str(self.tokens.get("refresh_token") or "")

    @property
    def life(self) -> float | None:
        """For how many seconds the access token counts from `got` on; None where nobody says."""
        return self.tokens.get("expires_in")

    def secrets(self) -> Iterator[str]:
        """What must not be seen."""
        yield self.token
        yield self.refresh
        yield str(self.client.get("client_secret") or "")


class LoginFile:
    """The login to one upstream at one address, which servers on a folder share. `box` is asked for when needed."""

    def __init__(self, data: Path, box: Callable[[], Box], upstream: str, url: str) -> None:
        name = f"{upstream}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        self._path = data / "logins" / f"{name}.login"
        self._lock = data / "logins" / f"{name}.lock"
        self._box = box
        self._about = f"login {upstream} {url}"

    def mark(self) -> object:
        """What changes whenever another login is kept, or it is forgotten. Quick."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> Login | None:
        """The login; None where there is none, or it was sealed under another key: then it must be made anew."""
        try:
            return Login(**json.loads(self._box().opened(base64.b64decode(self._path.read_bytes()), self._about)))
        except (OSError, ValueError, TypeError, InternalError):
            return None

    def write(self, login: Login) -> None:
        """Keep a login in the place of the former one.

        Raises:
            ConfigurationError: it cannot be written.
        """
        sealed = self._box().sealed(json.dumps(asdict(login)).encode(), self._about)
        with self._usable():
            write_whole(self._path, base64.b64encode(sealed).decode(), 0o600)

    def remove(self) -> bool:
        """Forget the login; whether there was one.

        Raises:
            ConfigurationError: it cannot be removed.
        """
        with self._usable():
            there = self._path.exists()
            self._path.unlink(missing_ok=True)
        return there

    def take(self) -> int | None:
        """Take the turn to renew it, which one has at a time, of all servers; None while another has it.

        It is given back with `os.close`, and by the end of the process.
        """
        with self._usable():
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            yield
        except OSError as error:
            problem = f"the folder of logins, {self._path.parent}, cannot be used: {error.strerror}"
            raise ConfigurationError(problem, remedy="see that it is yours to write") from None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        """Take the lock of an open file. Raises OSError where another has it."""
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        """Take the lock of an open file. Raises OSError where another has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
