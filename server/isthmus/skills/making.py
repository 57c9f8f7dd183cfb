"""A new version of a skill, from what its author gives."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from isthmus.model import Operation
from isthmus.skills.check import Facts, checked
from isthmus.skills.skill import Skill, check_description
from isthmus.skills.standing import contracts_of, used_by


@dataclass(frozen=True, slots=True)
class Made:
    """A version that is ready to be kept, and the contracts of its operations as a lock's text."""

    skill: Skill
    lock: str
    facts: Facts


def made(
    name: str,
    source: str,
    description: str,
    *,
    before: Skill | None,
    operations: Iterable[Operation],
    upstreams: Collection[str],
) -> Made:
    """The next version after `before`, or the first. `operations` are all that there are, as they are now.

    Raises:
        InvalidArguments: it is no function that stands alone, or has no description.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n"
    facts = checked(name, source, upstreams)
    used = used_by(name, source, operations)
    version = before.version + 1 if before else 1
    skill = Skill(name, check_description(description), source, version, tuple(each.id for each in used))
    return Made(skill, contracts_of(used), facts)
