"""The tree behind `/servers`: the stubs of a catalog as files to list, open and grep.

    README.md                     what is here
    github/__init__.py            the operations that stand in no group
    github/issues.py              github.issues.*
    gmail/users/messages.py       gmail.users.messages.*
    kubernetes/core_v1.py         the operations tagged core_v1, where names have no groups

A file is rendered when it is first asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from isthmus.catalog.catalog import Catalog
from isthmus.errors import NotFound
from isthmus.model import Operation
from isthmus.render.stubs import FILE, Stub, stub
from isthmus.render.text import docstring

_KEPT = 32
"""Rendered files that are kept."""

README = "README.md"

_ABOUT = """\
Python stubs of every operation that programs can call. They are documentation: nothing here is imported.
Call what a file shows under its full name, `await github.issues.create(...)`; the comment above a stub gives it.
Docstrings and comments are the words of the upstream that the file belongs to.
"""


class Files:
    """The tree of one catalog. Paths are relative to `/servers`, with `/` between names.

    `visible` says which operations are shown at all; `mark` what is added to an operation's effect.
    """

    def __init__(
        self,
        catalog: Catalog,
        visible: Callable[[Operation], bool] = lambda _: True,
        mark: Callable[[Operation], str] = lambda _: "",
    ) -> None:
        self._mark = mark
        self._members = _members(catalog, visible)
        self._below = _below(self._members)
        self._sizes: dict[str, int] = {}
        self._kept: OrderedDict[str, str] = OrderedDict()

    def list(self, path: str = "") -> list[tuple[str, bool, int]]:
        """The entries of a directory, sorted: (name, whether it is a directory, size in bytes; 0 for a directory).

        Raises:
            NotFound: there is no such directory.
        """
        path = _normal(path)
        if path not in self._below:
            raise NotFound(f"there is no directory /servers/{path}", hint=self._hint(path))
        return [self._entry(path, name) for name in self._below[path]]

    def read(self, path: str) -> str:
        """The text of a file.

        Raises:
            NotFound: there is no such file.
        """
        path = _normal(path)
        if path not in self._kept:
            self._kept[path] = self._render(path)
            self._sizes[path] = len(self._kept[path].encode())
        self._kept.move_to_end(path)
        text = self._kept[path]
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return text

    def _entry(self, directory: str, name: str) -> tuple[str, bool, int]:
        path = f"{directory}/{name}" if directory else name
        if path in self._below:
            return name, True, 0
        if path not in self._sizes:
            self.read(path)
        return name, False, self._sizes[path]

    def _render(self, path: str) -> str:
        if path == README:
            return self._readme()
        if path not in self._members:
            raise NotFound(f"there is no file /servers/{path}", hint=self._hint(path))
        return module_text(
            _title(path), [stub(operation, FILE, self._mark(operation)) for operation in self._members[path]]
        )

    def _readme(self) -> str:
        lines = [_ABOUT]
        for path, members in self._members.items():
            lines.append(f"/servers/{path}: {_count(len(members))}")
        return "\n".join(lines) + "\n"

    def _hint(self, path: str) -> str:
        parent = path.rpartition("/")[0]
        while parent and parent not in self._below:
            parent = parent.rpartition("/")[0]
        names = ", ".join(self._below.get(parent, ())[:20])
        return f"/servers/{parent} holds {names}" if names else "no upstream has any operation yet"


def module_text(title: str, stubs: Sequence[Stub]) -> str:
    """A Python module of stubs; a type that several of them name is defined once."""
    parts = [
        docstring([f"{title}: {_count(len(stubs))}. The upstream's own words; call them by their full names."], ""),
        "from __future__ import annotations\n\nfrom typing import Any, Literal, TypedDict\n",
    ]
    defined: set[str] = set()
    for each in stubs:
        new = [definition.text for definition in each.types if definition.text not in defined]
        defined.update(new)
        parts.append("\n".join(["", each.header, *each.sources, each.signature, *new]))
    return "\n".join(parts) + "\n"


def _count(operations: int) -> str:
    return "1 operation" if operations == 1 else f"{operations:,} operations"


def _members(catalog: Catalog, visible: Callable[[Operation], bool]) -> dict[str, tuple[Operation, ...]]:
    members: dict[str, tuple[Operation, ...]] = {}
    for upstream in catalog.upstreams:
        for group, operations in catalog.groups(upstream).items():
            path = f"{upstream}/{group.replace('.', '/')}.py" if group else f"{upstream}/__init__.py"
            if shown := tuple(operation for operation in operations if visible(operation)):
                members[path] = shown
    return members


def _below(paths: Sequence[str] | dict[str, tuple[Operation, ...]]) -> dict[str, tuple[str, ...]]:
    below: dict[str, set[str]] = {"": {README}}
    for path in paths:
        parts = path.split("/")
        for depth, part in enumerate(parts):
            below.setdefault("/".join(parts[:depth]), set()).add(part)
    return {directory: tuple(sorted(names)) for directory, names in below.items()}


def _normal(path: str) -> str:
    """The path without the mount point, `.` and empty parts. `..` is left in: nothing has that name."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    return "/".join(parts[1:] if path.startswith("/servers") and parts[:1] == ["servers"] else parts)


def _title(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
