"""Skills: programs save functions, import them in later sessions, and find them beside operations.

A skill is a text. It runs in the guest of whoever imports it, as a part of that program: what it calls goes through the
same gateway, so that it can do no more than the program could. What crosses the door for it stands in the journal.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import anyio.to_thread

from isthmus.catalog.catalog import Catalog
from isthmus.errors import InvalidArguments, NotFound, Refused
from isthmus.journal import began_of
from isthmus.model import Operation, Principal, UpstreamState
from isthmus.ports import JournalStore
from isthmus.service.catalogs import Catalogs
from isthmus.skills.check import Facts, checked, example_in
from isthmus.skills.making import Made, made
from isthmus.skills.ranking import by_worth, ranked, worth
from isthmus.skills.skill import Kept, Listed, Skill, Usage, check_name, is_name
from isthmus.skills.standing import broken, writes
from isthmus.skills.stubs import overview, shown

SCOPE = "skills"
"""What `search(upstream=...)` calls them."""

MOST_USES = 1_000_000
"""Calls of one skill that one program is believed."""

_PROGRAMS, _SMALL = 10, 2**20
"""Programs that are looked through for an example, and bytes of the journal of one."""

_DEEP = 8
"""Skills that need skills that need skills: how far is looked."""


class SkillStore(Protocol):
    """Where skills are kept, by principal. May take long: not for the event loop."""

    def all(self, principal: Principal) -> Sequence[Kept]:
        """Every skill that a principal may use, by name."""
        ...

    def get(self, principal: Principal, name: str) -> Kept | None:
        """One skill; None where there is none."""
        ...

    def put(self, principal: Principal, skill: Skill, lock: str) -> None:
        """Save one. Raises LimitExceeded, Refused or InternalError."""
        ...

    def usage(self, principal: Principal) -> Mapping[tuple[str, str], Usage]:
        """What became of calls, by name and hash."""
        ...

    def used(self, principal: Principal, uses: Iterable[tuple[str, str, Usage]]) -> None:
        """Add to the record of use."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from: the execution, its session, its program's source, and whether it only pretends."""

    execution: str = ""
    session: str = ""
    program: str = ""
    simulates: bool = False


NOWHERE = Origin()

Programs = Callable[[Principal, str], Awaitable[Sequence[str]]]
"""The sources of the latest programs of a principal's session, the newest first."""


def latest_programs(store: JournalStore) -> Programs:
    """From the journals; what is long is not looked into."""

    async def latest(principal: Principal, session: str) -> Sequence[str]:
        rows = await store.summaries(principal=principal.name, session=session, limit=_PROGRAMS) if session else ()
        small = [row.execution for row in rows if row.bytes <= _SMALL]
        return [began_of(await store.entries(each)).program.source for each in small]

    return latest


async def no_programs(_principal: Principal, _session: str) -> Sequence[str]:
    """None are kept."""
    return ()


@dataclass(slots=True, eq=False)
class Skills:
    """The use cases. `clean` takes secrets out of a text; `now` is in seconds since the epoch.

    `upstreams` are the names that programs have; `visible` says which operations policy lets be seen. Without
    `saving`, programs may use skills and save none.
    """

    store: SkillStore
    catalogs: Catalogs
    upstreams: frozenset[str]
    now: Callable[[], float]
    visible: Callable[[Operation], bool] = lambda _: True
    clean: Callable[[str], str] = lambda text: text
    programs: Programs = no_programs
    saving: bool = True
    _standing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _standing_in: Catalog | None = None

    async def answer(self, operation: str, arguments: Mapping[str, Any], principal: Principal, origin: Origin) -> Any:
        """Answer a request of a program under `isthmus.skills.`.

        Raises:
            NotFound, InvalidArguments, LimitExceeded, Refused: for the program to see.
        """
        match operation.removeprefix("isthmus.skills."):
            case "save":
                given = {name: _text(arguments, name) for name in ("name", "source", "description")}
                return await self.save(principal, origin, **given)
            case "load":
                return await self.load(principal, _text(arguments, "name"))
            case "names":
                kept = await anyio.to_thread.run_sync(self.store.all, principal)
                return [each.skill.name for each in kept]
            case "used":
                await self.used(principal, arguments.get("uses"))
                return None
            case other:
                raise NotFound(f"there is no operation 'isthmus.skills.{other[:80]}'")

    # saving

    async def save(self, principal: Principal, origin: Origin, *, name: str, source: str, description: str) -> str:
        """Keep a function for later sessions; gives a sentence for the program. The same again changes nothing."""
        if not self.saving:
            raise Refused("no skills are saved here", remedy="the operator can allow it (skills: {save: true})")
        await self.catalogs.looked_at()
        new, before = await anyio.to_thread.run_sync(partial(self._made, principal, name, source, description))
        if before is not None and before.hash == new.skill.hash:
            return f"{name} is saved already, as version {before.version}"
        if origin.simulates:
            return f"would save {name}, version {new.skill.version}: this is a simulation, and nothing is kept"
        skill = _with_origin(new.skill, origin, principal, await self._example(principal, origin, name), self.now())
        await anyio.to_thread.run_sync(self.store.put, principal, skill, new.lock)
        return f"saved {name}, version {skill.version}: `from skills import {name}` in any later program"

    def _made(self, principal: Principal, name: str, source: str, description: str) -> tuple[Made, Skill | None]:
        check_name(name)
        kept = self.store.get(principal, name)
        before = kept.skill if kept else None
        operations = filter(self.visible, self.catalogs.catalog.operations)
        new = made(name, source, description, before=before, operations=operations, upstreams=self.upstreams)
        self._check_needs(principal, name, new.facts)
        if self.clean(text := f"{description}\n{source}") != text:
            raise InvalidArguments("the function holds a credential", hint="upstreams need none: leave it out")
        if before is not None and before.is_reviewed and before.hash != new.skill.hash:
            raise Refused(
                f"{name} has been reviewed by a person, and is not replaced by a program",
                remedy=f"save it under another name; a person can replace it: isthmus skills edit {name}",
            )
        return new, before

    def _check_needs(self, principal: Principal, name: str, facts: Facts) -> None:
        for needed in facts.needs:
            if needed == name or self.store.get(principal, needed) is None:
                problem = "itself" if needed == name else f"{needed!r}, which is no skill"
                raise InvalidArguments(f"{name} imports {problem}", hint="save what it needs first")

    async def _example(self, principal: Principal, origin: Origin, name: str) -> str:
        """A call of the function in the program that saves it, or in an earlier one of its session."""
        if example := example_in(origin.program, name):
            return self.clean(example)
        for program in await self.programs(principal, origin.session):
            if example := await anyio.to_thread.run_sync(example_in, program, name):
                return self.clean(example)
        return ""

    # using

    async def load(self, principal: Principal, name: str) -> Mapping[str, Any]:
        """What a guest needs to run a skill: its source, and what the program is to be told of it."""
        return await anyio.to_thread.run_sync(self._loaded, principal, check_name(name))

    def _loaded(self, principal: Principal, name: str) -> Mapping[str, Any]:
        kept = self.store.get(principal, name)
        if kept is None:
            names = [each.skill.name for each in self.store.all(principal)]
            near = difflib.get_close_matches(name, names, 3)
            hint = (
                f"did you mean {', '.join(near)}?" if near else 'search("...", upstream="skills") shows what there is'
            )
            raise NotFound(f"there is no skill {name!r}", hint=hint)
        skill = kept.skill
        checked(name, skill.source, self.upstreams)  # its file may be edited by hand
        self.store.used(principal, [(name, skill.hash, Usage(loads=1, last=self.now()))])
        notes = [f"the skill {name} may be broken: {reason}" for reason in self._broken(principal, kept)[:3]]
        return {
            "name": name,
            "version": skill.version,
            "hash": skill.hash,
            "source": skill.source,
            "upstreams": sorted(self.upstreams),
            "notes": notes,
        }

    async def used(self, principal: Principal, uses: Any) -> None:
        """Take a program's word on what became of its calls: [[name, hash, imported, calls, failures], ...]."""
        told = [_use(each, self.now()) for each in uses] if isinstance(uses, list) and len(uses) <= 1000 else []
        counted = [each for each in told if each is not None]
        if counted:
            await anyio.to_thread.run_sync(self._count, principal, counted)

    def _count(self, principal: Principal, told: Sequence[tuple[str, str, Usage]]) -> None:
        """What is told of skills that there are, as they are."""
        kept = {name: self.store.get(principal, name) for name in {each[0] for each in told} if is_name(name)}
        known = {(name, each.skill.hash) for name, each in kept.items() if each is not None}
        self.store.used(principal, [each for each in told if each[:2] in known])

    # finding

    async def listed(self, principal: Principal) -> list[tuple[Listed, float]]:
        """Every skill of a principal with its record, and what that makes it worth."""
        return await anyio.to_thread.run_sync(self._listed, principal)

    def _listed(self, principal: Principal) -> list[tuple[Listed, float]]:
        every = self.store.all(principal)
        usage = self.store.usage(principal) if every else {}
        return [self._with_record(principal, kept, usage) for kept in every]

    def _with_record(
        self, principal: Principal, kept: Kept, usage: Mapping[tuple[str, str], Usage]
    ) -> tuple[Listed, float]:
        skill = kept.skill
        use = usage.get((skill.name, skill.hash), Usage())
        reasons = self._broken(principal, kept)
        listed = Listed(kept, use, reasons, writes(skill, self._find))
        now = self.now()
        return listed, worth(use, _seconds(skill.saved_at, now), now, broken=bool(reasons))

    async def found(self, principal: Principal, queries: Sequence[str], upstream: str | None, budget: int) -> str:
        """What a search shows of skills, within `budget` tokens; empty where nothing belongs there."""
        if upstream not in (None, SCOPE):
            return ""
        skills = await self.listed(principal)
        if not any(query.strip() for query in queries):
            every = by_worth(skills)
            return shown(every, budget) if upstream == SCOPE else overview(every)
        hits: dict[str, Listed] = {}
        for query in queries:
            named = query.strip().removeprefix(f"{SCOPE}.")
            exact = [listed for listed, _ in skills if listed.skill.name == named]
            hits.update({listed.skill.name: listed for listed in exact or ranked(query, skills)})
        return shown(list(hits.values()), budget)

    # standing

    def _find(self, operation_id: str) -> Operation | None:
        found = self.catalogs.catalog.get(operation_id)
        return found if found is not None and self.visible(found) else None

    def _is_listed(self, upstream: str) -> bool:
        """Whether what an upstream has is known; of one that is not configured it is known that it has nothing."""
        snapshot = self.catalogs.snapshot(upstream)
        return snapshot is None or snapshot.state is UpstreamState.READY

    def _broken(self, principal: Principal, kept: Kept, depth: int = 0) -> tuple[str, ...]:
        """Why a skill does not work: its own operations, and the skills that it needs."""
        reasons = list(self._own_reasons(kept))
        if depth < _DEEP:
            for needed in _needs(kept.skill, self.upstreams):
                other = self.store.get(principal, needed)
                if other is None:
                    reasons.append(f"the skill {needed} is gone")
                elif inner := self._broken(principal, other, depth + 1):
                    reasons.append(f"the skill {needed}, which it needs, is broken: {inner[0]}")
        return tuple(reasons)

    def _own_reasons(self, kept: Kept) -> tuple[str, ...]:
        catalog = self.catalogs.catalog
        if self._standing_in is not catalog:
            self._standing, self._standing_in = {}, catalog
        states = "".join(str(self._is_listed(each.partition(".")[0])) for each in kept.skill.uses)
        key = f"{kept.skill.name} {kept.skill.hash} {hash(kept.lock)} {states}"
        if key not in self._standing:
            self._standing[key] = broken(kept, self._find, self._is_listed)
        return self._standing[key]


def _needs(skill: Skill, upstreams: frozenset[str]) -> tuple[str, ...]:
    if "skills" not in skill.source:
        return ()
    try:
        return checked(skill.name, skill.source, upstreams).needs
    except InvalidArguments:
        return ()


def _with_origin(skill: Skill, origin: Origin, principal: Principal, example: str, now: float) -> Skill:
    at = datetime.fromtimestamp(int(now), UTC).isoformat()
    return replace(
        skill, example=example, saved_at=at, saved_in=origin.execution or "no-execution", saved_by=principal.name
    )


def _seconds(at: str, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return otherwise


def _use(told: Any, now: float) -> tuple[str, str, Usage] | None:
    match told:
        case [str(name), str(hash_), bool(imported), int(calls), int(failures)] if 0 <= failures <= calls <= MOST_USES:
            return name, hash_, Usage(ends=int(imported), calls=calls, failures=failures, last=now)
    return None


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str):
        raise InvalidArguments(f"{name}: a string")
    return value
