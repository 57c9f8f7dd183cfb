"""One answer to a search: skills beside operations, within one budget."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from isthmus.model import Principal
from isthmus.render.fragments import Detail
from isthmus.render.tokens import estimate
from isthmus.service.skills import SCOPE, Skills

_SHARE = 3
"""Skills take at most one part in so many of the budget, unless nothing else is asked for."""

_NONE = "# No skill fits. save_skill(function, description) in a program keeps a function for later programs."


class SearchOperations(Protocol):
    """The search over operations, within a budget of tokens."""

    def __call__(
        self,
        query: str | list[str],
        *,
        upstream: str | None,
        detail: Detail,
        limit: int,
        principal: Principal,
        budget: int,
    ) -> Awaitable[str]:
        """Stubs as a text."""
        ...


@dataclass(frozen=True, slots=True)
class SearchBoth:
    """Implements `Search`. `budget` is in tokens."""

    operations: SearchOperations
    skills: Skills
    budget: int

    async def __call__(
        self, query: str | list[str], *, upstream: str | None, detail: Detail, limit: int, principal: Principal
    ) -> str:
        """Skills first: what is known to work is shorter than what is to be written."""
        asked = [query] if isinstance(query, str) else list(query)
        alone = upstream == SCOPE or (bool(asked) and all(map(_is_about_skills, asked)))
        if alone:
            asked = [each.strip().removeprefix(SCOPE).removeprefix(".") for each in asked]
            return await self.skills.found(principal, asked, SCOPE, self.budget) or _NONE
        own = await self.skills.found(principal, asked, upstream, self.budget // _SHARE)
        left = self.budget - (estimate(own) + 1 if own else 0)
        rest = await self.operations(
            query, upstream=upstream, detail=detail, limit=limit, principal=principal, budget=left
        )
        return f"{own}\n{rest}" if own else rest


def _is_about_skills(query: str) -> bool:
    return query.strip() == SCOPE or query.strip().startswith(f"{SCOPE}.")
