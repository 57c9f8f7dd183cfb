"""What the face asks of the house behind it, and what a call of a tool comes to, whoever carries it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from isthmus.errors import ProgramError
from isthmus.front.tools import search_arguments
from isthmus.model import Principal, Question, Reply

if TYPE_CHECKING:
    from isthmus.render.fragments import Detail
    from isthmus.render.results import Rendered
    from isthmus.service.detached import Consent

logger = logging.getLogger(__name__)


class Application(Protocol):
    """What the face needs of the house behind it."""

    async def search(
        self, query: str | list[str], *, upstream: str | None, detail: Detail, limit: int, principal: Principal
    ) -> str:
        """The fragments that a task needs."""
        ...

    async def execute(
        self,
        code: str,
        *,
        session: str | None,
        timeout: float | None,
        printed: Callable[[str], Awaitable[None]] | None,
        principal: Principal,
        consent: Consent,
    ) -> Rendered:
        """Run a program, and lay out its result."""
        ...

    @property
    def key(self) -> bytes:
        """With which is sealed what clients carry; at least 32 bytes."""
        ...

    def questions(self, principal: Principal) -> Sequence[Question]:
        """What a principal's executions wait for."""
        ...

    def answer(self, replies: Mapping[str, Reply], principal: Principal) -> None:
        """Take a person's replies, by question."""
        ...

    async def settled(self, timeout: float) -> None:
        """Return once no upstream is connecting for the first time, or after `timeout` seconds."""
        ...

    def preparing(self) -> str:
        """What the first program still waits for; empty when nothing."""
        ...


async def found(application: Application, given: Mapping[str, Any], principal: Principal) -> str:
    """What a call of `search` is answered.

    Raises:
        ProgramError: its arguments do not fit.
    """
    asked = search_arguments(given)
    return await application.search(
        asked.query, upstream=asked.upstream, detail=asked.detail, limit=asked.limit, principal=principal
    )


def failure(tool: str, error: Exception) -> str:
    """What is told of a call that failed. The words of an error that is not for the client stay in the log."""
    if isinstance(error, ProgramError):
        return str(error)
    logger.error("the tool %s failed", tool, exc_info=error)
    return f"Isthmus itself failed ({type(error).__name__}); its log says more"
