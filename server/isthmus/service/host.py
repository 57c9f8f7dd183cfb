"""The host's own operations, which programs reach through the same door: search, help, dir, and the files of stubs.

They read the view of the moment, show what policy lets be seen, and are no calls: they cost nothing, and change nothing
but the principal's own skills.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, get_args

import anyio.to_thread

from isthmus.catalog.catalog import Catalog
from isthmus.errors import InvalidArguments, NotFound
from isthmus.model import Operation, Principal
from isthmus.render.files import Files
from isthmus.render.fragments import Detail
from isthmus.render.stubs import help_text
from isthmus.service.catalogs import Catalogs
from isthmus.service.search import sources_of
from isthmus.service.skills import NOWHERE, Origin, Skills
from isthmus_sandbox.protocol import Request


class Search(Protocol):
    """The use case `search`, over the view of the moment."""

    async def __call__(
        self, query: str | list[str], *, upstream: str | None, detail: Detail, limit: int, principal: Principal
    ) -> str:
        """Stubs as a text, for one principal."""
        ...


@dataclass(slots=True, eq=False)
class HostOperations:
    """Answers requests under `isthmus.`.

    `mark` says what policy makes of an operation, for its header; `typed` gives an untyped one the type that was
    learned for a principal. Without `skills`, none are kept.
    """

    catalogs: Catalogs
    search: Search
    visible: Callable[[Operation], bool]
    mark: Callable[[Operation], str]
    typed: Callable[[Operation, Principal], Operation] = lambda operation, _principal: operation
    skills: Skills | None = None
    _files: tuple[Catalog, Files] | None = field(default=None)

    async def answer(self, request: Request, principal: Principal, origin: Origin = NOWHERE) -> Any:
        """Answer one request of a principal's program.

        Raises:
            NotFound: there is no such thing.
            InvalidArguments: the request is not one that a guest makes.
        """
        arguments = request.arguments
        if self.skills is not None and request.operation.startswith("isthmus.skills."):
            return await self.skills.answer(request.operation, arguments, principal, origin)
        await self.catalogs.looked_at(_upstream_of(arguments))
        match request.operation:
            case "isthmus.search":
                return await self._search(arguments, principal)
            case "isthmus.help":
                return self._help(_text(arguments, "operation"), principal)
            case "isthmus.dir":
                return self._names(_text(arguments, "path"))
            case "isthmus.files.list":
                entries = await anyio.to_thread.run_sync(partial(self._tree().list, _text(arguments, "path")))
                return [list(entry) for entry in entries]
            case "isthmus.files.read":
                return await anyio.to_thread.run_sync(partial(self._tree().read, _text(arguments, "path")))
            case other:
                raise NotFound(f"there is no operation {other!r}")

    async def _search(self, arguments: Mapping[str, Any], principal: Principal) -> str:
        query, limit = arguments.get("query", ""), arguments.get("limit", 8)
        queries = query if isinstance(query, list) else [query]
        if not all(isinstance(each, str) for each in queries):
            raise InvalidArguments("query: a string, or a list of strings")
        if not isinstance(limit, int) or not 1 <= limit <= 50:
            raise InvalidArguments("limit: a whole number from 1 to 50")
        upstream = _text(arguments, "upstream") if arguments.get("upstream") is not None else None
        detail: Detail | None = next(
            (d for d in get_args(Detail) if d == (arguments.get("detail") or "signatures")), None
        )
        if detail is None:
            raise InvalidArguments('detail: "names", "signatures" or "full"')
        return await self.search(query, upstream=upstream, detail=detail, limit=limit, principal=principal)

    def _help(self, name: str, principal: Principal) -> str:
        catalog = self.catalogs.catalog
        operation = catalog.resolve(name)
        if operation is not None and self.visible(operation):
            sources = sources_of(catalog, self.visible, operation)
            return help_text(self.typed(operation, principal), self.mark(operation), sources)
        if below := self._names(name):
            return f"{name} has: {', '.join(below)}"
        nearest = [each for each in catalog.suggest(name) if self._shown(each)]
        hint = f"did you mean {', '.join(nearest)}?" if nearest else "search(...) finds operations"
        raise NotFound(f"there is no operation {name!r}", hint=hint)

    def _names(self, path: str) -> list[str]:
        """What stands directly below a path, where something that may be seen does."""
        return [name for name in self.catalogs.catalog.children(path) if self._leads(f"{path}.{name}".lstrip("."))]

    def _leads(self, path: str) -> bool:
        return self._shown(path) or any(self._leads(f"{path}.{n}") for n in self.catalogs.catalog.children(path))

    def _shown(self, name: str) -> bool:
        operation = self.catalogs.catalog.get(name)
        return operation is not None and self.visible(operation)

    def _tree(self) -> Files:
        catalog = self.catalogs.catalog
        if self._files is None or self._files[0] is not catalog:
            self._files = (catalog, Files(catalog, self.visible, self.mark))
        return self._files[1]


def _upstream_of(arguments: Mapping[str, Any]) -> str | None:
    """The upstream that a request looks at; None where it looks at all of them."""
    if upstream := arguments.get("upstream"):
        return str(upstream)
    path = arguments.get("path") or arguments.get("operation") or ""
    return str(path).strip("/").replace("/", ".").partition(".")[0] or None


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise InvalidArguments(f"{name}: a string")
    return value
