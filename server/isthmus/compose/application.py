"""What every face is made of: an application that runs."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from isthmus.audit import Searched
from isthmus.errors import InternalError
from isthmus.model import Principal, Question, Reply, Report, UpstreamSnapshot

if TYPE_CHECKING:
    from isthmus.ports import Audit, JournalStore, Sandbox
    from isthmus.render.fragments import Detail
    from isthmus.render.results import Rendered
    from isthmus.service.catalogs import Catalogs
    from isthmus.service.detached import Consent
    from isthmus.service.execute import ExecuteService
    from isthmus.service.host import Search
    from isthmus.service.learning import Learning
    from isthmus.service.sessions import Sessions
    from isthmus.stores.owners import Owner

LOCAL = Principal()


@dataclass(frozen=True, slots=True, eq=False)
class Searching:
    """What can be found, and the search over it."""

    catalogs: Catalogs
    found: Search
    audit: Audit

    async def search(
        self,
        query: str | list[str],
        *,
        upstream: str | None = None,
        detail: Detail = "signatures",
        limit: int = 8,
        principal: Principal = LOCAL,
    ) -> str:
        """The fragments of API that a task needs, as a text for the model."""
        await self.catalogs.looked_at(upstream)
        found = await self.found(query, upstream=upstream, detail=detail, limit=limit, principal=principal)
        queries = (query,) if isinstance(query, str) else tuple(query)
        with contextlib.suppress(InternalError):  # the operator has been told, and nothing was changed
            self.audit.note(Searched(time.time(), principal.name, queries, upstream or "", len(found)))
        return found

    def upstreams(self) -> tuple[UpstreamSnapshot, ...]:
        """How each upstream stands."""
        return tuple(self.catalogs.current.snapshots.values())

    async def settled(self, timeout: float) -> None:
        """Return once no upstream is connecting for the first time, or after `timeout` seconds."""
        await self.catalogs.settled(timeout)


@dataclass(frozen=True, slots=True, eq=False)
class Application:
    """Isthmus, running: what every face of it is made of."""

    searching: Searching
    sandbox: Sandbox
    executing: ExecuteService
    sessions: Sessions
    journals: JournalStore
    owner: Owner
    learning: Learning
    output_tokens: int
    key: bytes  # for what clients carry from one request to the next

    async def search(
        self,
        query: str | list[str],
        *,
        upstream: str | None = None,
        detail: Detail = "signatures",
        limit: int = 8,
        principal: Principal = LOCAL,
    ) -> str:
        """The fragments of API that a task needs, as a text for the model."""
        return await self.searching.search(query, upstream=upstream, detail=detail, limit=limit, principal=principal)

    async def execute(
        self,
        code: str,
        *,
        session: str | None = None,
        timeout: float | None = None,
        printed: Callable[[str], Awaitable[None]] | None = None,
        principal: Principal = LOCAL,
        consent: Consent = None,
    ) -> Rendered:
        """Run a program, and lay its report out for the model. `printed` hears of output as it comes.

        `consent` is how a person is asked, where policy wants that; None: such calls are refused. With "later", what is
        given may be that the execution waits, and for what (`Rendered.questions`).
        """
        from isthmus.render.results import lay_out
        from isthmus.render.tokens import estimate

        def laid_out(report: Report) -> Rendered:
            return lay_out(
                report,
                budget_tokens=self.output_tokens,
                keep=partial(self.keep, report.session),
                show_session=session == "new",
            )

        told: list[Rendered] = []

        async def tell(report: Report) -> tuple[int, Sequence[str]]:
            # To lay out megabytes takes seconds, in which others are to be served.
            small = _is_small(report.value)
            told.append(laid_out(report) if small else await anyio.to_thread.run_sync(laid_out, report))
            return estimate(told[0].text), [each["path"] for each in told[0].facts["artifacts"]]

        report = await self.executing.execute(
            code, principal=principal, session=session, timeout=timeout, printed=printed, tell=tell, consent=consent
        )
        return told[0] if told else laid_out(report)

    def questions(self, principal: Principal = LOCAL) -> tuple[Question, ...]:
        """What a principal's executions wait for, also those that were put aside."""
        return self.executing.approvals.waiting(principal)

    def answer(self, replies: Mapping[str, Reply], principal: Principal = LOCAL) -> None:
        """Take a person's replies to questions of this principal; those who ask again find them, too."""
        for question, reply in replies.items():
            self.executing.approvals.answer(principal, question, reply)

    def keep(self, session: str, name: str, content: bytes) -> str:
        """Put what did not fit into a result into its session's workspace; gives where programs find it."""
        from isthmus.stores.workspace import keep

        if (workspace := self.sessions.workspace(session)) is None:
            raise FileNotFoundError(errno.ENOENT, "the session has no workspace")
        return keep(workspace, name, content)

    def upstreams(self) -> tuple[UpstreamSnapshot, ...]:
        """How each upstream stands."""
        return self.searching.upstreams()

    async def settled(self, timeout: float) -> None:
        """Return once no upstream is connecting for the first time, or after `timeout` seconds."""
        await self.searching.settled(timeout)

    def preparing(self) -> str:
        """What the first program still waits for; empty when nothing."""
        return self.sandbox.preparing()

    def layers(self) -> Mapping[str, str]:
        """The protection layers of the sandbox, each `active` or why it is not."""
        return self.sandbox.layers()


def _is_small(value: Any, most: int = 2000) -> bool:
    """Whether a value has at most so many members, however deep; it takes no longer to tell for a larger one."""
    left, unseen = most, [value]
    while unseen and left > 0:
        each = unseen.pop()
        left -= 1 + (len(each) // 100 if isinstance(each, str | bytes) else 0)
        if isinstance(each, list | dict):
            left -= len(each) // 2
            if left > 0:
                unseen.extend(each if isinstance(each, list) else each.values())
    return left > 0
