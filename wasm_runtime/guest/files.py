"""`/servers`: the stubs of all upstreams as read-only files that the host answers for; and `/tmp` in the workspace.

The functions of `os` and `io` that take a path are replaced by ones that look at the path first. Everything in
the standard library that opens or lists (pathlib, glob, shutil, fileinput) stands on these.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from typing import Any

from guest.errors import NotFound

ROOT = "/servers"
_TEMPORARY = "/tmp"  # noqa: S108 (the name that programs use; it means a folder of the workspace)

Ask = Callable[[str, str], Any]
"""Asks the host, and waits: operation (`isthmus.files.list` or `.read`) and path. Raises NotFound."""

_LOOK = ("listdir", "scandir", "stat", "lstat", "access", "readlink")
_CHANGE = (
    *("mkdir", "rmdir", "remove", "unlink", "rename", "replace", "link", "symlink", "truncate", "chmod", "utime"),
    *("chown", "chdir", "open", "mkfifo"),
)


class Servers:
    """The files under /servers, as the host tells of them; and where all others are.

    `workspace` is the directory that is mounted; empty where there is none (in tests, on plain CPython).
    """

    def __init__(self, ask: Ask, workspace: str = "") -> None:
        self._ask = ask
        self.workspace = workspace
        self._entered = False
        self._listed: dict[str, list[tuple[str, bool, int]]] = {}

    def forget(self) -> None:
        """Ask again from now on: another program has begun, and upstreams may have changed."""
        self._listed.clear()

    def enter_workspace(self) -> None:
        """Make the workspace the current directory, and the folder of temporary files, once, where one is mounted."""
        if self.workspace and not self._entered:
            self._entered = True
            with contextlib.suppress(OSError):
                os.chdir(self.workspace)
                _mkdir(self.workspace + _TEMPORARY)

    def located(self, path: Any) -> Any:
        """A path as the file system has it: /tmp is in the workspace."""
        if not self.workspace or not isinstance(path, (str, os.PathLike)):
            return path
        text = os.fspath(path)
        if not isinstance(text, str) or text == self.workspace or text.startswith(f"{self.workspace}/"):
            return path
        if text != _TEMPORARY and not text.startswith(f"{_TEMPORARY}/"):
            return path
        return self.workspace + text

    def list(self, path: str) -> list[tuple[str, bool, int]]:
        """Name, whether it is a directory, and size, of each entry of a directory. Raises OSError."""
        if path not in self._listed:
            try:
                self._listed[path] = [tuple(entry) for entry in self._ask("isthmus.files.list", path)]
            except NotFound:
                raise _missing(path) from None
        return self._listed[path]

    def read(self, path: str) -> str:
        """The text of a file. Raises OSError."""
        try:
            return str(self._ask("isthmus.files.read", path))
        except NotFound:
            if self.stat(path).is_directory:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from None
            raise _missing(path) from None

    def stat(self, path: str) -> Entry:
        """What stands at a path. Raises FileNotFoundError."""
        if path == ROOT:
            return Entry(ROOT, "servers", True, 0)
        parent, name = posixpath.split(path)
        try:
            found = next((entry for entry in self.list(parent) if entry[0] == name), None)
        except OSError:
            found = None
        if found is None:
            raise _missing(path)
        return Entry(path, *found)


class Entry:
    """A file or directory under /servers, as `os.scandir` gives it."""

    __slots__ = ("is_directory", "name", "path", "size")

    def __init__(self, path: str, name: str, is_directory: bool, size: int) -> None:
        self.path = path
        self.name = name
        self.is_directory = is_directory
        self.size = size

    def __fspath__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def is_dir(self, **_: bool) -> bool:
        """Whether it is a directory."""
        return self.is_directory

    def is_file(self, **_: bool) -> bool:
        """Whether it is a file."""
        return not self.is_directory

    def is_symlink(self) -> bool:
        """No."""
        return False

    def is_junction(self) -> bool:
        """No."""
        return False

    def inode(self) -> int:
        """None that says anything."""
        return 0

    def stat(self, **_: bool) -> os.stat_result:
        """Type, mode and size; no times."""
        mode = stat.S_IFDIR | 0o555 if self.is_directory else stat.S_IFREG | 0o444
        return os.stat_result((mode, 0, 0, 1, 0, 0, self.size, 0, 0, 0))


class _Scan:
    """The iterator and context manager that `os.scandir` gives."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Iterator[Entry]:
        return self

    def __next__(self) -> Entry:
        return next(self._entries)

    def __enter__(self) -> _Scan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""


def install(servers: Servers) -> list[tuple[Any, str, Any]]:
    """What to set, as (object, attribute, value), so that programs see /servers, and /tmp in the workspace."""
    import builtins
    import glob
    import tempfile

    opened = _opening(servers, io.open)
    changes: list[tuple[Any, str, Any]] = [(builtins, "open", opened), (io, "open", opened)]
    if servers.workspace:
        changes.append((tempfile, "tempdir", servers.workspace + _TEMPORARY))
    looks = {name: _looking(servers, name) for name in _LOOK if hasattr(os, name)}
    changes += [(os, name, function) for name, function in looks.items()]
    changes += [(os, name, _changing(servers, getattr(os, name))) for name in _CHANGE if hasattr(os, name)]
    for name in ("_StringGlobber", "_PathGlobber"):  # Python 3.13: they keep functions of `os` as they found them
        if hasattr(glob, name):
            changes.append((getattr(glob, name), "scandir", staticmethod(looks["scandir"])))
    return changes


def _served(path: Any) -> str | None:
    """The path under /servers that `path` means, normalised; None for any other."""
    if isinstance(path, int) or path is None:
        return None
    try:
        text = os.fspath(path)
    except TypeError:
        return None
    text = os.fsdecode(text) if isinstance(text, bytes) else text
    if not text.startswith("/"):
        return None
    normal = posixpath.normpath(text)
    normal = normal[1:] if normal.startswith("//") else normal
    return normal if normal == ROOT or normal.startswith(f"{ROOT}/") else None


_mkdir = os.mkdir  # as it is before it is replaced


def _opening(servers: Servers, original: Callable[..., Any]) -> Callable[..., Any]:
    def open(file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:  # noqa: A001 (it is what it replaces)
        path = _served(file)
        if path is None:
            return original(servers.located(file), mode, *more, **options)
        if set(mode) & set("wax+"):
            raise _read_only(path)
        text = servers.read(path)
        return io.BytesIO(text.encode()) if "b" in mode else _Text(text, path)

    open.__doc__ = original.__doc__
    return open


class _Text(io.StringIO):
    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name

    def writable(self) -> bool:
        return False

    def write(self, _text: str, /) -> int:
        raise io.UnsupportedOperation("not writable")


def _looking(servers: Servers, name: str) -> Callable[..., Any]:
    original = getattr(os, name)
    answers: dict[str, Callable[[str], Any]] = {
        "listdir": lambda path: [entry[0] for entry in servers.list(path)],
        "scandir": lambda path: _Scan([Entry(f"{path}/{entry[0]}", *entry) for entry in servers.list(path)]),
        "stat": lambda path: servers.stat(path).stat(),
        "lstat": lambda path: servers.stat(path).stat(),
        "access": lambda path: _exists(servers, path),
        "readlink": _no_link,
    }
    answer = answers[name]

    def look(path: Any = ".", *more: Any, **options: Any) -> Any:
        served = _served(path)
        if served is None:
            return original(servers.located(path), *more, **options)
        if name in ("listdir", "scandir") and not servers.stat(served).is_directory:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), served)
        return answer(served)

    look.__name__ = name
    look.__doc__ = original.__doc__
    return look


def _changing(servers: Servers, original: Callable[..., Any]) -> Callable[..., Any]:
    def change(*paths: Any, **options: Any) -> Any:
        for path in paths:
            if isinstance(path, (str, bytes, os.PathLike)) and (served := _served(path)) is not None:
                raise _read_only(served)
        return original(*(servers.located(path) for path in paths), **options)

    change.__name__ = original.__name__
    change.__doc__ = original.__doc__
    return change


def _exists(servers: Servers, path: str) -> bool:
    try:
        servers.stat(path)
    except OSError:
        return False
    return True


def _missing(path: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def _no_link(path: str) -> str:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)


def _read_only(path: str) -> PermissionError:
    return PermissionError(errno.EACCES, "/servers is read-only: write to /workspace", path)
