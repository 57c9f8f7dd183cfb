"""What a session's vault has learned, in a file beside the session's workspace, where no program reaches it.

Only added to, a line for each time; each line is sealed. It ends with the session.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from isthmus.errors import InternalError
from isthmus.privacy.vault import Met
from isthmus.stores.box import Box

NAME = "private"


class VaultFile:
    """The file of one session; `about` is its handle. `size` is how much of it has been read or written, in bytes."""

    __slots__ = ("_about", "_box", "_path", "size")

    def __init__(self, path: Path, box: Box, about: str) -> None:
        self._path = path
        self._box = box
        self._about = about
        self.size = 0

    @property
    def changed(self) -> bool:
        """Whether another server has added to it since it was read."""
        return self._path.exists() and self._path.stat().st_size != self.size

    def read(self) -> Iterator[Met]:
        """All that was kept.

        Raises:
            InternalError: it cannot be read, or not with this key.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise _unusable(error) from None
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # a server was lost while it wrote; nothing of that was used
            os.truncate(self._path, whole)
        self.size = whole
        for line in content[:whole].splitlines():
            for each in json.loads(self._box.opened(_decoded(line), self._about)):
                yield _met(each)

    def append(self, met: Sequence[Met]) -> None:
        """Keep these, too.

        Raises:
            InternalError: it cannot be written, or another server uses the session.
        """
        text = json.dumps([_data(each) for each in met], separators=(",", ":"))
        line = base64.b64encode(self._box.sealed(text.encode(), self._about)) + b"\n"
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                if file.tell() != self.size:
                    raise InternalError(
                        "another server has just met private values in this session",
                        hint='run the program again, or in another session (session="new")',
                    )
                file.write(line)
        except OSError as error:
            raise _unusable(error) from None
        self.size += len(line)


def _decoded(line: bytes) -> bytes:
    try:
        return base64.b64decode(line, validate=True)
    except ValueError:
        return b""  # which no key opens


def _unusable(error: OSError) -> InternalError:
    return InternalError(
        f"private values cannot be kept: {error.strerror}",
        hint="nothing private is shown that could not be kept; the operator can look at the folder for data",
    )


def _data(met: Met) -> list[Any]:
    value = {"bytes": base64.b64encode(met.value).decode()} if isinstance(met.value, bytes) else met.value
    return [met.token, met.kind, met.upstream, value, met.sealed, met.key]


def _met(data: list[Any]) -> Met:
    token, kind, upstream, value, sealed, key = data
    return Met(
        token, kind, upstream, base64.b64decode(value["bytes"]) if isinstance(value, dict) else value, sealed, key
    )
