"""Documents that have been read, and what follows from their operations, on disk: opened again, not made again.

A file is known by a hash of what it was made of: the document, the code that read it, the kind of machine. So nothing
in it is ever out of date, and one that is not there, not whole, or not ours is made anew. The folder must belong to its
user alone, like that of compiled code, for what lies there is believed.

What takes long is made by a child process (`making`), which has neither a secret nor a part of the event loop's time.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

from isthmus.catalog.relations import Relations
from isthmus.catalog.share import Share
from isthmus.model import Operation
from isthmus.openapi.document import read_document
from isthmus.openapi.operations import compile_operations
from isthmus.openapi.packed import ReadDocument, packed, unpacked
from isthmus.openapi.security import Reserved
from isthmus.stores import making
from isthmus.stores.kept import code, kept, opened

T = TypeVar("T")

LARGE = 500_000
"""Bytes of a document, unpacked or not, from which on a process of its own reads it."""

MANY = 300
"""Operations from which on a process of its own reads them for the index."""


@dataclass(frozen=True, slots=True)
class _Following(Generic[T]):
    """What follows from operations: what a child is asked for, and how it is made here, kept and opened."""

    doing: str
    job: Mapping[str, object]
    made: Callable[[], T]
    packed: Callable[[T], bytes]
    opened: Callable[[bytes], T]


@dataclass(slots=True, eq=False)
class CatalogFiles:
    """The files in one folder; `log` takes lines for the operator. `large` and `many` say what a child process does."""

    folder: Path
    log: Callable[[str], None] = lambda _: None
    large: int = LARGE
    many: int = MANY
    _turn: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(1))
    _thread: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))

    async def read(self, content: bytes, digest: str, source: str, upstream: str, reserved: Reserved) -> ReadDocument:
        """The document in these bytes, and its operations as those of `upstream`; see `compile_operations`.

        `digest` is that of the bytes, which stands for them.

        Raises:
            ConfigurationError: they are no document that we know.
        """
        key = await self._aside(_key_of, digest, upstream, sorted(map(list, reserved)))
        if kept := await self._aside(self._document, key, source):
            return kept
        if len(content) >= self.large or content.startswith(b"\x1f\x8b"):
            said = {"source": source, "upstream": upstream, "reserved": sorted(map(list, reserved))}
            await self._made(
                f"{upstream}: reading its document", {"document": said, "to": str(self._path(key))}, content
            )
            if kept := await self._aside(self._document, key, source):
                return kept
        return await self._aside(self._read_here, content, source, upstream, reserved, key)

    async def share(self, key: str, operations: Sequence[Operation], seen: Sequence[int]) -> Share:
        """The share of an index of operations, of which `seen` are the places in the list that `key` stands for.

        With an empty key it is made of the operations themselves, and not kept.
        """
        follows = _Following(
            "indexing", {"seen": list(seen)}, lambda: Share.read(operations), Share.packed, Share.unpacked
        )
        return await self._follows(follows, operations, key)

    async def relations(self, key: str, operations: Sequence[Operation]) -> Relations:
        """The relations of all the operations that `key` stands for; with an empty one as for `share`."""
        effects = [operation.effect for operation in operations]
        follows = _Following(
            "relating",
            {"effects": effects},
            lambda: Relations.build(operations),
            lambda relations: relations.packed(operations),
            lambda content: Relations.unpacked(content, operations),
        )
        return await self._follows(follows, operations, key)

    async def _follows(self, follows: _Following[T], operations: Sequence[Operation], key: str) -> T:
        """What follows from operations: opened, or else made, by a child where they are many, and kept."""
        if not key:
            return await anyio.to_thread.run_sync(follows.made)
        own = hashlib.sha256(json.dumps([key, follows.doing, follows.job]).encode()).hexdigest()
        found: T | None = await self._aside(self._followed, follows, own)
        if found is not None:
            return found
        if len(operations) >= self.many:
            job = {"of": str(self._path(key)), **follows.job, "to": str(self._path(own))}
            await self._made(f"{operations[0].upstream}: {follows.doing} {len(operations):,} operations", job, b"")
            found = await self._aside(self._followed, follows, own)
        return found if found is not None else await self._aside(self._follows_here, follows, own)

    async def _aside(self, function: Callable[..., T], *arguments: object) -> T:
        """In one thread at a time: each of several would take its turn before the event loop has its own."""
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._thread)

    async def _made(self, what: str, job: Mapping[str, object], content: bytes) -> None:
        """Have a file made by a child, one at a time. Where that fails for whatever reason, it is made here instead."""
        async with self._turn:
            began = time.monotonic()
            line = json.dumps(job).encode() + b"\n"
            try:
                ended = await anyio.run_process(_command(), input=line + content, check=False, env=_environment())
            except OSError as error:
                self.log(f"{what} in a process of its own failed ({error.strerror}): it is done here")
                return
            took = time.monotonic() - began
            if ended.returncode == 0:
                self.log(f"{what} took {took:.1f} s, once: it is kept in {self.folder}")
            elif ended.returncode != making.UNREADABLE:
                said = ended.stderr.decode("utf-8", "replace").strip()[-300:]
                self.log(f"{what} in a process of its own failed ({said or ended.returncode}): it is done here")

    def _read_here(self, content: bytes, source: str, upstream: str, reserved: Reserved, key: str) -> ReadDocument:
        document = read_document(content, source)
        compiled = compile_operations(document, upstream, reserved=reserved)
        try:
            whole = self._keep(key, packed(document, compiled))
        except ValueError:
            whole = False
        return ReadDocument(document, compiled, key if whole else "")

    def _follows_here(self, follows: _Following[T], own: str) -> T:
        made = follows.made()
        self._keep(own, follows.packed(made))
        return made

    def _document(self, key: str, source: str) -> ReadDocument | None:
        if (content := self._open(key)) is None:
            return None
        # Thousands of operations have no cycles: a collector that looks for some stops the server.
        collecting = gc.isenabled()
        gc.disable()
        try:
            return replace(unpacked(content, source), key=key)
        except ValueError:
            return None
        finally:
            if collecting:
                gc.freeze()
                gc.enable()

    def _followed(self, follows: _Following[T], own: str) -> T | None:
        content = self._open(own)
        with contextlib.suppress(ValueError):
            return None if content is None else follows.opened(content)
        return None

    def _path(self, key: str) -> Path:
        return self.folder / f"{key[:40]}.kept"

    def _open(self, key: str) -> bytes | None:
        content = opened(self._path(key))
        if content is None and os.path.lexists(self._path(key)):
            self.log(f"{self._path(key)} is damaged: it is made anew")
        return content

    def _keep(self, key: str, content: bytes) -> bool:
        """Whether it could be kept: a full disk is no reason not to go on."""
        try:
            kept(self._path(key), content)
        except OSError as error:
            self.log(f"{self.folder} cannot keep what was read: {error.strerror}")
            return False
        return True


def _key_of(digest: str, upstream: str, reserved: Sequence[Sequence[str]]) -> str:
    return hashlib.sha256(json.dumps([code(), upstream, reserved, digest]).encode()).hexdigest()


def _command() -> list[str]:
    return [sys.executable, "-I", "-S", making.__file__, json.dumps(sys.path)]


def _environment() -> dict[str, str]:
    """Nothing, but what Windows itself cannot do without."""
    return {name: os.environ[name] for name in ("SYSTEMROOT",) if sys.platform == "win32" and name in os.environ}
